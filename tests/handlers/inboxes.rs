//! `inboxes`: creation, validation, rights, members and retirement of inboxes. The submodules test the
//! wizard, personal inboxes, adopted numbers, the rate, edits at the same time, and interrupted creations.

mod adopted;
mod edits;
mod interruptions;
mod limit;
mod personal;
mod rate;
mod wizard;

use serde_json::{Value, json};
use shared_aws::{
    conversation::{Acquired, Locks},
    messaging::Inbound,
    team::Members,
};
use shared_domain::{
    ids::ConversationId,
    inbox::Stage,
    keys::{ConversationKey, InboxKey, TeamKey},
    lock::LockPolicy,
    registration::RegistrationStatus,
};
use shared_lambda::clock::now;
use test_kit::{
    TestApp, build,
    build::{inbox_id, organization_id, team_id},
    crash,
    gateway::{Event, pointers},
    twilio::BASE_URL,
};

use crate::inbox_creation::{app, call, crashing_app, create, create_elsewhere, details};

const MEMBER: &str = "PUT /v1/inboxes/{inboxId}/members/{userId}";

fn list(user: &str, team: &str) -> Event {
    Event::new("GET /v1/teams/{teamId}/inboxes", &[("teamId", team)]).user("org_1", user)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_inbox_of_a_team_starts_its_registration_and_the_second_does_not() {
    let test = TestApp::with_two_teams().await;
    let app = app(&test);
    let mut body = details("front", 2001);
    body["voiceForwardingNumber"] = "+12025550199".into();
    let (status, created) = call(&app, &create("ada", "team_1", &body)).await;
    assert_eq!(status, 201, "{created}");
    assert_eq!((&created["member"], &created["phoneNumber"]), (&json!(true), &json!("+12025552001")));
    assert_eq!(created["registration"]["status"], "pending");
    assert!(created["notice"].as_str().unwrap().contains("cannot be sent"), "{created}");
    let id = created["inboxId"].as_str().unwrap();
    let inbox = test.find_inbox(id).await.unwrap();
    let owned = test.carrier.owned_numbers().await;
    assert_eq!((inbox.stage, inbox.number_sid.as_deref()), (Stage::Active, owned[0]["sid"].as_str()));
    assert_eq!(inbox.voice_forwarding.unwrap().as_str(), "+12025550199");
    assert_eq!((owned.len(), owned[0]["friendly_name"].as_str()), (1, Some(id)));
    for (field, path) in [("sms", "messages"), ("voice", "voice")] {
        let url = json!(format!("{BASE_URL}/webhooks/twilio/{path}#rc=5&rp=all"));
        assert_eq!(owned[0][format!("{field}_url")], url, "retried after a 5xx response");
        assert_eq!(owned[0][format!("{field}_fallback_url")], url);
    }
    let members = Members::new(test.table());
    let members = members
        .list(InboxKey { organization: &organization_id("org_1"), inbox: &inbox_id(id) })
        .await
        .unwrap();
    assert_eq!(members.iter().map(|member| member.user.id.as_str()).collect::<Vec<_>>(), ["ada"]);
    assert_eq!(test.new_inboxes().unresolved().await.unwrap(), []);
    assert_eq!(test.registration_status("team_1").await, RegistrationStatus::Pending);

    let (status, second) = call(&app, &create("ada", "team_1", &details("second", 2002))).await;
    assert_eq!((status, &second["registration"]["status"]), (201, &json!("pending")), "{second}");
    let steps = test
        .registrations()
        .timeline(TeamKey { organization: &organization_id("org_1"), team: &team_id("team_1") })
        .await
        .unwrap();
    assert_eq!(steps.len(), 1, "started once");
    let (_, listed) = call(&app, &list("ada", "team_1")).await;
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
    let (_, listed) = call(&app, &list("bob", "team_1")).await;
    assert_eq!(listed["items"], json!([]), "not a member, and not registered");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_concurrent_first_inboxes_start_one_registration() {
    for round in 0..4 {
        let test = TestApp::with_two_teams().await;
        let (one, other) = (app(&test), app(&test));
        let events = [
            create("ada", "team_1", &details("one", 2001)),
            create("olga", "team_1", &details("other", 2002)),
        ];
        let (one, other) = tokio::join!(call(&one, &events[0]), call(&other, &events[1]));
        assert_eq!((one.0, other.0), (201, 201), "{round}: {} {}", one.1, other.1);
        let steps = test
            .registrations()
            .timeline(TeamKey { organization: &organization_id("org_1"), team: &team_id("team_1") })
            .await
            .unwrap();
        assert_eq!(steps.len(), 1, "{round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_invalid_fields_are_reported_together_and_nothing_is_created() {
    let test = TestApp::with_two_teams().await;
    let (app, before) = (app(&test), test.engine.keys().await);
    let bad = json!({
        "name": "  ", "color": "blue", "apiCode": "-x", "phoneNumber": "12", "voiceForwardingNumber": "0",
    });
    let (status, problem) = call(&app, &create("ada", "team_1", &bad)).await;
    assert_eq!((status, &problem["code"]), (422, &json!("invalid_fields")));
    let all = ["/name", "/color", "/apiCode", "/phoneNumber", "/voiceForwardingNumber"];
    assert_eq!(pointers(&problem), all, "{problem}");
    assert_eq!((test.engine.keys().await, test.carrier.owned_numbers().await.len()), (before, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_not_forwarded_to_a_number_with_an_extension() {
    let test = TestApp::with_two_teams().await;
    let mut body = details("desk", 2001);
    body["voiceForwardingNumber"] = "(202) 555-0143 x123".into();
    let (status, problem) = call(&app(&test), &create("ada", "team_1", &body)).await;
    assert_eq!((status, pointers(&problem)), (422, vec!["/voiceForwardingNumber"]));
    assert!(problem.to_string().contains("without an extension"), "{problem}");
    assert_eq!(test.carrier.owned_numbers().await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_not_forwarded_to_an_inbox_number_of_any_organization() {
    let test = TestApp::with_two_teams().await;
    let app = app(&test);
    assert_eq!(call(&app, &create("ada", "team_1", &details("ours", 2001))).await.0, 201);
    let elsewhere = create_elsewhere("team_9", &details("theirs", 2002));
    assert_eq!(call(&app, &elsewhere).await.0, 201);
    for line in [2001, 2002, 2003] {
        let mut body = details("third", 2003);
        body["voiceForwardingNumber"] = format!("(202) 555-{line}").into();
        let (status, problem) = call(&app, &create("ada", "team_1", &body)).await;
        assert_eq!((status, pointers(&problem)), (422, vec!["/voiceForwardingNumber"]), "{line}");
    }
    assert_eq!(test.carrier.owned_numbers().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_field_or_one_of_another_type_is_a_400_with_its_pointer() {
    let test = TestApp::with_two_teams().await;
    let app = app(&test);
    for field in ["name", "color", "phoneNumber"] {
        for value in [None, Some(json!(7)), Some(Value::Null)] {
            let mut body = details("front", 2001);
            body.as_object_mut().unwrap().remove(field);
            if let Some(value) = value {
                body[field] = value;
            }
            let (status, problem) = call(&app, &create("ada", "team_1", &body)).await;
            assert_eq!((status, pointers(&problem)), (400, vec![format!("/{field}").as_str()]), "{problem}");
        }
    }
    assert_eq!(test.carrier.owned_numbers().await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn members_are_refused_before_the_approval_and_accepted_after_it() {
    let test = TestApp::with_two_teams().await;
    let (app, before) = (app(&test), test.engine.keys().await);
    let mut body = details("front", 2001);
    body["memberIds"] = json!(["bob"]);
    let (status, problem) = call(&app, &create("ada", "team_1", &body)).await;
    assert_eq!((status, &problem["code"]), (409, &json!("registration_incomplete")));
    assert_eq!(problem["registration"], "not_started");
    assert_eq!(test.engine.keys().await, before);
    let (_, created) = call(&app, &create("ada", "team_1", &details("front", 2001))).await;
    let add = [("inboxId", created["inboxId"].as_str().unwrap()), ("userId", "bob")];
    let (status, problem) = call(&app, &Event::new(MEMBER, &add).user("org_1", "ada")).await;
    assert_eq!((status, &problem["code"]), (409, &json!("registration_incomplete")));
    assert_eq!(problem["registration"], "pending");

    let mut body = details("back", 2002);
    body["memberIds"] = json!(["cyn", "dan", "cyn"]);
    let (status, created) = call(&app, &create("dan", "team_2", &body)).await;
    assert_eq!((status, &created["notice"]), (201, &Value::Null), "{created}");
    let id = inbox_id(created["inboxId"].as_str().unwrap());
    let add = [("inboxId", id.as_str()), ("userId", "eve")];
    assert_eq!(call(&app, &Event::new(MEMBER, &add).user("org_1", "dan")).await.0, 200);
    let members = Members::new(test.table())
        .list(InboxKey { organization: &organization_id("org_1"), inbox: &id })
        .await
        .unwrap();
    let members: Vec<_> = members.iter().map(|member| member.user.id.as_str()).collect();
    assert_eq!(members, ["cyn", "dan", "eve"]);
    let joined = test.carrier.service_numbers(&test.messaging_service("team_2").await).await;
    assert_eq!(joined, [test.find_inbox(id.as_str()).await.unwrap().number_sid.unwrap()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_users_of_the_team_can_be_members() {
    let test = TestApp::with_two_teams().await;
    let (app, before) = (app(&test), test.engine.keys().await);
    let mut body = details("back", 2002);
    body["memberIds"] = json!(["cyn", "bob", "no one!", "nobody"]);
    let (status, problem) = call(&app, &create("dan", "team_2", &body)).await;
    assert_eq!((status, pointers(&problem)), (422, vec!["/memberIds/1", "/memberIds/2", "/memberIds/3"]));
    body["memberIds"] = (0..41).map(|n| format!("u{n}")).collect();
    let (status, problem) = call(&app, &create("dan", "team_2", &body)).await;
    assert_eq!((status, pointers(&problem)), (422, vec!["/memberIds"]));
    assert_eq!((test.engine.keys().await, test.carrier.owned_numbers().await.len()), (before, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_code_is_unique_within_its_organization_regardless_of_case() {
    let test = TestApp::with_two_teams().await;
    let app = app(&test);
    assert_eq!(call(&app, &create("ada", "team_1", &details("Front", 2001))).await.0, 201);
    for code in ["Front", "front", "FRONT"] {
        let (status, problem) = call(&app, &create("dan", "team_2", &details(code, 2002))).await;
        assert_eq!((status, &problem["code"]), (409, &json!("api_code_taken")), "{code}");
        assert_eq!(pointers(&problem), ["/apiCode"]);
    }
    assert_eq!(test.carrier.owned_numbers().await.len(), 1);
    let elsewhere = create_elsewhere("team_9", &details("front", 2002));
    assert_eq!(call(&app, &elsewhere).await.0, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_checks_everything_and_creates_nothing() {
    let test = TestApp::with_two_teams().await;
    let (app, before) = (app(&test), test.engine.keys().await);
    let dry =
        |body: &Value| create("ada", "team_1", body).query("dryRun=true").header("idempotency-key", "k-1");
    let (status, shown) = call(&app, &dry(&details("front", 2001))).await;
    assert_eq!((status, &shown["member"]), (200, &json!(false)), "{shown}");
    assert!(shown["notice"].as_str().unwrap().contains("cannot be sent"));
    assert_eq!((test.engine.keys().await, test.carrier.owned_numbers().await.len()), (before, 0));
    let event = create("ada", "team_1", &details("front", 2001)).header("idempotency-key", "k-1");
    assert_eq!(call(&app, &event).await.0, 201, "the key was not used up");
    let (status, problem) = call(&app, &dry(&details("FRONT", 2002))).await;
    assert_eq!((status, &problem["code"]), (409, &json!("api_code_taken")));
    let (status, problem) = call(&app, &dry(&details("second", 2001))).await;
    assert_eq!((status, &problem["code"]), (409, &json!("number_unavailable")));
    assert_eq!(problem["suggestions"].as_array().unwrap().len(), 5);
    assert_eq!(call(&app, &dry(&details("-", 2003))).await.0, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_admins_of_the_team_and_the_owner_create_inboxes() {
    let test = TestApp::with_two_teams().await;
    let (app, before) = (app(&test), test.engine.keys().await);
    for bad in [details("front", 2001), json!({})] {
        let (status, problem) = call(&app, &create("bob", "team_1", &bad)).await;
        assert_eq!((status, &problem["code"]), (403, &json!("admin_required")), "before the body is read");
        for outsider in ["dan", "eve", "nobody"] {
            assert_eq!(call(&app, &create(outsider, "team_1", &bad)).await.0, 404, "{outsider}");
        }
        let elsewhere = create_elsewhere("team_1", &bad);
        assert_eq!(call(&app, &elsewhere).await.0, 404);
    }
    assert_eq!((test.engine.keys().await, test.carrier.owned_numbers().await.len()), (before, 0));
    let (status, created) = call(&app, &create("olga", "team_1", &details("front", 2001))).await;
    assert_eq!((status, &created["member"]), (201, &json!(true)), "the owner, without a team: {created}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retired_inbox_releases_its_number_on_request_and_keeps_its_api_code() {
    let test = TestApp::with_two_teams().await;
    let app = app(&test);
    let (_, created) = call(&app, &create("dan", "team_2", &details("back", 2001))).await;
    let id = created["inboxId"].as_str().unwrap();
    let retire = Event::new("DELETE /v1/inboxes/{inboxId}", &[("inboxId", id)]).user("org_1", "dan");
    assert_eq!(call(&app, &retire).await.0, 204);
    assert_eq!((test.carrier.owned_numbers().await.len(), call(&app, &retire).await.0), (1, 204));
    let release = retire.query("releaseNumber=true");
    test.carrier.fault_on("numbers", "error-before").await;
    assert_eq!(call(&app, &release).await.0, 503);
    assert_eq!((call(&app, &release).await.0, call(&app, &release).await.0), (204, 204));
    assert_eq!(test.carrier.owned_numbers().await.len(), 0);
    assert_eq!(test.find_inbox(id).await.unwrap().stage, Stage::Retired);
    assert_eq!(call(&app, &create("dan", "team_2", &details("back", 2002))).await.0, 409);
    assert_eq!(call(&app, &create("dan", "team_2", &details("again", 2001))).await.0, 201, "available again");
    assert_eq!(call(&app, &release).await.0, 204);
    assert_eq!(test.carrier.owned_numbers().await.len(), 1, "the number belongs to another inbox now");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_member_holds_no_lock_wherever_the_host_crashed() {
    let (organization, policy) = (organization_id("org_1"), LockPolicy::default());
    let [cyn, dan] = ["cyn", "dan"].map(|id| build::user_ref(id, &id.to_uppercase()));
    for requests in crash::points() {
        let test = TestApp::with_two_teams().await;
        let mut body = details("back", 2001);
        body["memberIds"] = json!(["cyn"]);
        let (_, created) = call(&app(&test), &create("dan", "team_2", &body)).await;
        let inbox = test.find_inbox(created["inboxId"].as_str().unwrap()).await.unwrap();
        let from = build::number("+14155550100");
        let conversation = ConversationId::of(&inbox.id, &from);
        let text = build::inbound_text(&from, "SM1", "hello");
        Inbound::new(test.table()).receive(&inbox, &text, now()).await.unwrap();
        let key =
            ConversationKey { organization: &organization, inbox: &inbox.id, conversation: &conversation };
        let locks = Locks::new(test.table());
        let held = locks.acquire(key, &cyn, now(), 1, &policy).await.unwrap();
        assert!(matches!(held, Acquired::Held(_)), "{held:?}");
        let parameters = [("inboxId", inbox.id.as_str()), ("userId", "cyn")];
        let remove = Event::new("DELETE /v1/inboxes/{inboxId}/members/{userId}", &parameters);
        let remove = remove.user("org_1", "dan");
        let (status, _) = call(&crashing_app(&test, requests), &remove).await;
        let ended = call(&app(&test), &remove).await.0;
        assert_eq!(ended, 204, "{requests}");
        let taken = locks.acquire(key, &dan, now(), 1, &policy).await.unwrap();
        assert!(matches!(taken, Acquired::Held(_)), "{requests}: {taken:?}");
        let members = Members::new(test.table())
            .list(InboxKey { organization: &organization, inbox: &inbox.id })
            .await
            .unwrap();
        assert_eq!(members.iter().map(|member| member.user.id.as_str()).collect::<Vec<_>>(), ["dan"]);
        let keys = test.engine.keys().await;
        assert_eq!(
            keys.iter().filter(|row| row.contains("#AUDIT")).count(),
            2,
            "{requests}: created, removed"
        );
        if status == 204 {
            assert!(requests > 4, "{requests}");
            break;
        }
    }
}
