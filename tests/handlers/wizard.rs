//! `inboxes`: creating an inbox, step by step, and every way in which it can break off.

use std::{collections::BTreeSet, time::Duration};

use inboxes::{App, handle};
use serde_json::{Value, json};
use shared_aws::{
    conversation::{Acquired, Locks},
    messaging::{Inbound, InboundText},
    team::Members,
};
use shared_domain::{
    ids::{ConversationId, InboxId},
    inbox::Stage,
    keys::ConversationKey,
    lock::LockPolicy,
    phone::PhoneNumber,
    registration::RegistrationStatus,
    user::UserRef,
};
use test_kit::gateway::Event;

use crate::{
    office::{Office, nobody, org, team, user},
    stage::{BASE, json as body_of, now},
};

const CREATE: &str = "POST /v1/teams/{teamId}/inboxes";
const MEMBER: &str = "PUT /v1/inboxes/{inboxId}/members/{userId}";

/// What is entered for an inbox with this API code and this line of a number.
pub(crate) fn wish(code: &str, line: u16) -> Value {
    json!({
        "name": "Front desk", "color": "#336699", "apiCode": code, "phoneNumber": format!("+1202555{line}"),
    })
}

pub(crate) fn create(user: &str, team: &str, wish: &Value) -> Event {
    Event::new(CREATE, &[("teamId", team)]).user("org_1", user).json(wish)
}

pub(crate) async fn ask(app: &App, event: &Event) -> (u16, Value) {
    let answer = handle(app, now(), shared_lambda::clock::entropy(), event.request()).await;
    (answer.status().as_u16(), body_of(&answer))
}

/// Without the name of the request.
async fn ask_body(app: &App, event: &Event) -> (u16, Value) {
    let (status, mut body) = ask(app, event).await;
    body.as_object_mut().map(|body| body.remove("requestId"));
    (status, body)
}

pub(crate) fn pointers(problem: &Value) -> Vec<&str> {
    let errors = problem["errors"].as_array().unwrap_or_else(|| panic!("{problem}"));
    errors.iter().map(|error| error["pointer"].as_str().unwrap()).collect()
}

fn get(route: &'static str, user: &str) -> Event {
    Event::new(route, &[]).user("org_1", user)
}

fn list(user: &str, team: &str) -> Event {
    Event::new("GET /v1/teams/{teamId}/inboxes", &[("teamId", team)]).user("org_1", user)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_inbox_of_a_team_opens_its_registration_and_the_second_does_not() {
    let office = Office::set().await;
    let app = office.app();
    let mut wanted = wish("front", 2001);
    wanted["voiceForwardingNumber"] = "+12025550199".into();
    let (status, made) = ask(&app, &create("ada", "team_1", &wanted)).await;
    assert_eq!(status, 201, "{made}");
    assert_eq!((&made["member"], &made["phoneNumber"]), (&json!(true), &json!("+12025552001")));
    assert_eq!(made["registration"]["status"], "pending");
    assert!(made["notice"].as_str().unwrap().contains("cannot be sent"), "{made}");
    let id = made["inboxId"].as_str().unwrap();
    let inbox = office.inbox(id).await.unwrap();
    let owned = office.carrier.owned().await;
    assert_eq!((inbox.stage, inbox.number_sid.as_deref()), (Stage::Active, owned[0]["sid"].as_str()));
    assert_eq!(inbox.voice_forwarding.unwrap().as_str(), "+12025550199");
    assert_eq!((owned.len(), owned[0]["friendly_name"].as_str()), (1, Some(id)));
    for (field, path) in [("sms", "messages"), ("voice", "voice")] {
        let url = json!(format!("{BASE}/webhooks/twilio/{path}#rc=5&rp=all"));
        assert_eq!(owned[0][format!("{field}_url")], url, "retried after a 5xx response");
        assert_eq!(owned[0][format!("{field}_fallback_url")], url);
    }
    let members = Members::new(office.table());
    let members = members.list(&org("org_1"), &InboxId::parse(id).unwrap()).await.unwrap();
    assert_eq!(members.iter().map(|member| member.user.id.as_str()).collect::<Vec<_>>(), ["ada"]);
    assert_eq!(office.new_inboxes().unsettled().await.unwrap(), []);
    assert_eq!(office.status("team_1").await, RegistrationStatus::Pending);

    let (status, second) = ask(&app, &create("ada", "team_1", &wish("second", 2002))).await;
    assert_eq!((status, &second["registration"]["status"]), (201, &json!("pending")), "{second}");
    let steps = office.registrations().timeline(&org("org_1"), &team("team_1")).await.unwrap();
    assert_eq!(steps.len(), 1, "begun once");
    let (_, listed) = ask(&app, &list("ada", "team_1")).await;
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
    let (_, listed) = ask(&app, &list("bob", "team_1")).await;
    assert_eq!(listed["items"], json!([]), "no member, and not registered");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_first_inboxes_at_one_instant_open_one_registration() {
    for round in 0..4 {
        let office = Office::set().await;
        let (one, other) = (office.app(), office.app());
        let events =
            [create("ada", "team_1", &wish("one", 2001)), create("olga", "team_1", &wish("other", 2002))];
        let (one, other) = tokio::join!(ask(&one, &events[0]), ask(&other, &events[1]));
        assert_eq!((one.0, other.0), (201, 201), "{round}: {} {}", one.1, other.1);
        let steps = office.registrations().timeline(&org("org_1"), &team("team_1")).await.unwrap();
        assert_eq!(steps.len(), 1, "{round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_that_makes_no_sense_is_named_at_once_and_nothing_is_made() {
    let office = Office::set().await;
    let (app, before) = (office.app(), office.rows().await);
    let bad = json!({
        "name": "  ", "color": "blue", "apiCode": "-x", "phoneNumber": "12", "voiceForwardingNumber": "0",
    });
    let (status, problem) = ask(&app, &create("ada", "team_1", &bad)).await;
    assert_eq!((status, &problem["code"]), (422, &json!("invalid_fields")));
    let all = ["/name", "/color", "/apiCode", "/phoneNumber", "/voiceForwardingNumber"];
    assert_eq!(pointers(&problem), all, "{problem}");
    assert_eq!((office.rows().await, office.carrier.owned().await.len()), (before, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_not_forwarded_to_a_number_of_ours_of_whatever_organization() {
    let office = Office::set().await;
    let app = office.app();
    assert_eq!(ask(&app, &create("ada", "team_1", &wish("ours", 2001))).await.0, 201);
    let elsewhere = Event::new(CREATE, &[("teamId", "team_9")]).user("org_2", "zoe");
    assert_eq!(ask(&app, &elsewhere.json(&wish("theirs", 2002))).await.0, 201);
    for line in [2001, 2002, 2003] {
        let mut wanted = wish("third", 2003);
        wanted["voiceForwardingNumber"] = format!("(202) 555-{line}").into();
        let (status, problem) = ask(&app, &create("ada", "team_1", &wanted)).await;
        assert_eq!((status, pointers(&problem)), (422, vec!["/voiceForwardingNumber"]), "{line}");
    }
    assert_eq!(office.carrier.owned().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_is_missing_or_of_another_type_is_a_400_that_points_at_it() {
    let office = Office::set().await;
    let app = office.app();
    for field in ["name", "color", "phoneNumber"] {
        for value in [None, Some(json!(7)), Some(Value::Null)] {
            let mut wanted = wish("front", 2001);
            wanted.as_object_mut().unwrap().remove(field);
            if let Some(value) = value {
                wanted[field] = value;
            }
            let (status, problem) = ask(&app, &create("ada", "team_1", &wanted)).await;
            assert_eq!((status, pointers(&problem)), (400, vec![format!("/{field}").as_str()]), "{problem}");
        }
    }
    assert_eq!(office.carrier.owned().await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn members_are_refused_before_the_approval_and_taken_after_it() {
    let office = Office::set().await;
    let (app, before) = (office.app(), office.rows().await);
    let mut wanted = wish("front", 2001);
    wanted["memberIds"] = json!(["bob"]);
    let (status, problem) = ask(&app, &create("ada", "team_1", &wanted)).await;
    assert_eq!((status, &problem["code"]), (409, &json!("registration_incomplete")));
    assert_eq!(problem["registration"], "not_started");
    assert_eq!(office.rows().await, before);
    let (_, made) = ask(&app, &create("ada", "team_1", &wish("front", 2001))).await;
    let add = [("inboxId", made["inboxId"].as_str().unwrap()), ("userId", "bob")];
    let (status, problem) = ask(&app, &Event::new(MEMBER, &add).user("org_1", "ada")).await;
    assert_eq!((status, &problem["code"]), (409, &json!("registration_incomplete")));
    assert_eq!(problem["registration"], "pending");

    let mut wanted = wish("back", 2002);
    wanted["memberIds"] = json!(["cyn", "dan", "cyn"]);
    let (status, made) = ask(&app, &create("dan", "team_2", &wanted)).await;
    assert_eq!((status, &made["notice"]), (201, &Value::Null), "{made}");
    let id = InboxId::parse(made["inboxId"].as_str().unwrap()).unwrap();
    let add = [("inboxId", id.as_str()), ("userId", "eve")];
    assert_eq!(ask(&app, &Event::new(MEMBER, &add).user("org_1", "dan")).await.0, 200);
    let members = Members::new(office.table()).list(&org("org_1"), &id).await.unwrap();
    let members: Vec<_> = members.iter().map(|member| member.user.id.as_str()).collect();
    assert_eq!(members, ["cyn", "dan", "eve"]);
    let joined = office.carrier.joined(&office.service).await;
    assert_eq!(joined, [office.inbox(id.as_str()).await.unwrap().number_sid.unwrap()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_of_the_team_cannot_be_chosen() {
    let office = Office::set().await;
    let (app, before) = (office.app(), office.rows().await);
    let mut wanted = wish("back", 2002);
    wanted["memberIds"] = json!(["cyn", "bob", "no one!", "nobody"]);
    let (status, problem) = ask(&app, &create("dan", "team_2", &wanted)).await;
    assert_eq!((status, pointers(&problem)), (422, vec!["/memberIds/1", "/memberIds/2", "/memberIds/3"]));
    wanted["memberIds"] = (0..41).map(|n| format!("u{n}")).collect();
    let (status, problem) = ask(&app, &create("dan", "team_2", &wanted)).await;
    assert_eq!((status, pointers(&problem)), (422, vec!["/memberIds"]));
    assert_eq!((office.rows().await, office.carrier.owned().await.len()), (before, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_is_gone_leaves_nothing_and_others_are_offered() {
    let office = Office::set().await;
    let (app, before) = (office.app(), office.rows().await);
    let mut wanted = wish("front", 2001);
    wanted["phoneNumber"] = "+12025550000".into();
    let event = create("ada", "team_1", &wanted).header("idempotency-key", "k-1");
    for _ in 0..2 {
        let (status, problem) = ask(&app, &event).await;
        assert_eq!((status, &problem["code"]), (409, &json!("number_unavailable")), "{problem}");
        assert_eq!(pointers(&problem), ["/phoneNumber"]);
        let offered = problem["suggestions"].as_array().unwrap();
        assert_eq!(offered.len(), 5);
        assert!(offered.iter().all(|one| one["phoneNumber"].as_str().unwrap().starts_with("+1202555")));
        assert_eq!((office.rows().await, office.carrier.owned().await.len()), (before.clone(), 0));
    }
    let event = create("ada", "team_1", &wish("front", 2001)).header("idempotency-key", "k-1");
    assert_eq!(ask(&app, &event).await.0, 201, "the key was not used up");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_carrier_that_is_down_before_the_purchase_leaves_nothing_half_made() {
    let office = Office::set().await;
    let before = office.rows().await;
    let event = create("ada", "team_1", &wish("front", 2001)).header("idempotency-key", "k-1");
    let (status, problem) = ask(&office.app_at(nobody()), &event).await;
    assert_eq!((status, &problem["code"]), (503, &json!("carrier_unavailable")));
    assert_eq!(office.rows().await, before, "nothing went out");
    office.carrier.fault("rate-limit", "1", "purchases").await;
    assert_eq!(ask(&office.app(), &event).await.0, 503);
    assert_eq!(office.rows().await, before, "surely not bought");
    office.carrier.fault("error-before", "1", "purchases").await;
    let (status, problem) = ask(&office.app(), &event).await;
    assert_eq!((status, &problem["code"]), (503, &json!("carrier_unavailable")));
    let left: Vec<_> = office.rows().await.difference(&before).cloned().collect();
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(left[0].starts_with("PURCHASE "), "watched, since it may yet have been bought: {left:?}");
    let (status, made) = ask(&office.app(), &event).await;
    assert_eq!((status, office.carrier.owned().await.len()), (201, 1), "{made}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_the_carrier_refuses_to_sell_is_told_with_its_words() {
    let office = Office::set().await;
    let before = office.rows().await;
    office.carrier.fault("refuse:21649", "1", "purchases").await;
    let (status, problem) = ask(&office.app(), &create("ada", "team_1", &wish("front", 2001))).await;
    assert_eq!((status, &problem["code"]), (422, &json!("number_refused")));
    assert_eq!((pointers(&problem), office.rows().await), (vec!["/phoneNumber"], before));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purchase_whose_answer_was_lost_is_adopted_and_bought_once() {
    for fault in ["error-after", "timeout-after"] {
        let office = Office::set().await;
        office.carrier.fault(fault, "1", "purchases").await;
        let app = office.app_at(office.carrier.client(Duration::from_secs(1)));
        let (status, made) = ask(&app, &create("ada", "team_1", &wish("front", 2001))).await;
        assert_eq!(status, 201, "{fault}: {made}");
        let owned = office.carrier.owned().await;
        assert_eq!((owned.len(), &owned[0]["friendly_name"]), (1, &made["inboxId"]), "{fault}");
        let inbox = office.inbox(made["inboxId"].as_str().unwrap()).await.unwrap();
        assert_eq!(inbox.number_sid.as_deref(), owned[0]["sid"].as_str());
        assert_eq!(office.new_inboxes().unsettled().await.unwrap(), []);
    }
}

/// Breaks off after the purchase, in each of the ways that leave a reservation: the inbox and its number stand, unseen.
pub(crate) async fn broken_off(office: &Office, event: &Event, faults: &[(&str, &str)]) -> String {
    for (kind, on) in faults {
        office.carrier.fault(kind, "1", on).await;
    }
    let (status, problem) = ask(&office.app(), event).await;
    assert_eq!(status, 503, "{problem}");
    let owned = office.carrier.owned().await;
    assert_eq!(owned.len(), 1);
    owned[0]["friendly_name"].as_str().unwrap().to_owned()
}

pub(crate) const LOST_SERVICE: [(&str, &str); 1] = [("error-before", "services")];
const LOST_NUMBERS: [(&str, &str); 2] = [("error-after", "purchases"), ("error-before", "numbers")];

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_after_the_purchase_is_finished_by_a_retry_with_the_same_key() {
    for faults in [&LOST_SERVICE[..], &[("error-after", "services")], &LOST_NUMBERS] {
        let office = Office::set().await;
        let mut wanted = wish("back", 2002);
        wanted["memberIds"] = json!(["cyn"]);
        wanted["voiceForwardingNumber"] = "+12025550199".into();
        let event = create("dan", "team_2", &wanted).header("idempotency-key", "k-1");
        let id = broken_off(&office, &event, faults).await;
        assert_eq!(office.inbox(&id).await.unwrap().stage, Stage::Creating, "{faults:?}");
        let app = office.app();
        let read = Event::new("GET /v1/inboxes/{inboxId}", &[("inboxId", &id)]).user("org_1", "dan");
        assert_eq!(ask(&app, &read).await.0, 404, "nobody sees it yet");
        assert_eq!(ask(&app, &list("dan", "team_2")).await.1["items"], json!([]));
        let (status, problem) = ask(&app, &create("dan", "team_2", &wish("BACK", 2009))).await;
        assert_eq!((status, &problem["code"]), (409, &json!("api_code_taken")), "reserved");
        let (status, problem) = ask(&app, &create("dan", "team_2", &wish("other", 2002))).await;
        assert_eq!((status, &problem["code"]), (409, &json!("number_unavailable")), "reserved");

        let (status, made) = ask_body(&app, &event).await;
        assert_eq!((status, &made["inboxId"]), (201, &json!(id)), "{faults:?} {made}");
        assert_eq!(made["voiceForwardingNumber"], "+12025550199");
        assert_eq!(ask_body(&app, &event).await, (201, made), "and again");
        let owned = office.carrier.owned().await;
        assert_eq!((owned.len(), &owned[0]["friendly_name"]), (1, &json!(id)));
        let joined = office.carrier.joined(&office.service).await;
        assert_eq!(joined, [owned[0]["sid"].as_str().unwrap()]);
        let id = InboxId::parse(&id).unwrap();
        let members = Members::new(office.table()).list(&org("org_1"), &id).await.unwrap();
        let members: Vec<_> = members.iter().map(|member| member.user.id.as_str()).collect();
        assert_eq!(members, ["cyn", "dan"]);
        assert_eq!(office.new_inboxes().unsettled().await.unwrap(), []);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_dies_at_any_request_to_the_table_leaves_what_a_retry_finishes() {
    for through in 0.. {
        let office = Office::set().await;
        let event = create("ada", "team_1", &wish("front", 2001)).header("idempotency-key", "k-1");
        let (died, _) = ask(&office.dying(through), &event).await;
        let (status, made) = ask(&office.app(), &event).await;
        assert_eq!(status, 201, "{through}: {made}");
        let owned = office.carrier.owned().await;
        assert_eq!((owned.len(), &owned[0]["friendly_name"]), (1, &made["inboxId"]), "{through}");
        let (_, listed) = ask(&office.app(), &list("ada", "team_1")).await;
        assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{through}");
        assert_eq!(office.new_inboxes().unsettled().await.unwrap(), [], "{through}");
        if died == 201 {
            assert!(through > 4, "{through}");
            break;
        }
        assert!(died >= 500, "{through}: {died}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_gives_the_same_answer_again_and_takes_no_other_body() {
    let office = Office::set().await;
    let app = office.app();
    let event = create("ada", "team_1", &wish("front", 2001)).header("idempotency-key", "k-1");
    let first = ask_body(&app, &event).await;
    assert_eq!(first.0, 201, "{}", first.1);
    assert_eq!(ask_body(&app, &event).await, first);
    let rows = office.rows().await;
    let other = create("ada", "team_1", &wish("second", 2002)).header("idempotency-key", "k-1");
    let (status, problem) = ask(&app, &other).await;
    assert_eq!((status, &problem["code"]), (422, &json!("idempotency_key_reused")));
    assert_eq!((office.rows().await, office.carrier.owned().await.len()), (rows, 1));
    let theirs = create("olga", "team_1", &wish("second", 2002)).header("idempotency-key", "k-1");
    assert_eq!(ask(&app, &theirs).await.0, 201, "a key is its caller's own");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_at_one_instant_makes_one_inbox() {
    for round in 0..6 {
        let office = Office::set().await;
        let (one, other) = (office.app(), office.app());
        let event = create("ada", "team_1", &wish("front", 2001)).header("idempotency-key", "k-1");
        let (first, second) = tokio::join!(ask_body(&one, &event), ask_body(&other, &event));
        let late = ask_body(&one, &event).await;
        assert_eq!((late.0, office.carrier.owned().await.len()), (201, 1), "{round}: {}", late.1);
        for answer in [first, second] {
            assert!(answer.0 == 503 || answer == late, "{round}: {} {} {}", answer.0, answer.1, late.1);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_code_or_number_that_two_want_at_one_instant_goes_to_one() {
    let office = Office::set().await;
    let (one, other) = (office.app(), office.app());
    for round in 0..8_u16 {
        let (a, b) = (2100 + 2 * round, 2101 + 2 * round);
        let (mine, yours) = (format!("race-{round}"), format!("Race-{round}"));
        let same_code = [wish(&mine, a), wish(&yours, b)];
        let same_number =
            [wish(&format!("mine-{round}"), 2200 + round), wish(&format!("yours-{round}"), 2200 + round)];
        for (wanted, code) in [(same_code, "api_code_taken"), (same_number, "number_unavailable")] {
            let before = office.carrier.owned().await.len();
            let [first, second] = wanted.map(|wanted| create("dan", "team_2", &wanted));
            let (first, second) = tokio::join!(ask(&one, &first), ask(&other, &second));
            let mut answers = [first, second];
            answers.sort_by_key(|(status, _)| *status);
            let statuses = [answers[0].0, answers[1].0];
            assert_eq!(statuses, [201, 409], "{round} {code}: {} {}", answers[0].1, answers[1].1);
            assert_eq!(answers[1].1["code"], code, "{round}");
            assert_eq!(office.carrier.owned().await.len(), before + 1, "{round} {code}");
        }
    }
    assert_eq!(office.new_inboxes().unsettled().await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_code_is_taken_whatever_its_case_and_in_its_organization_alone() {
    let office = Office::set().await;
    let app = office.app();
    assert_eq!(ask(&app, &create("ada", "team_1", &wish("Front", 2001))).await.0, 201);
    for code in ["Front", "front", "FRONT"] {
        let (status, problem) = ask(&app, &create("dan", "team_2", &wish(code, 2002))).await;
        assert_eq!((status, &problem["code"]), (409, &json!("api_code_taken")), "{code}");
        assert_eq!(pointers(&problem), ["/apiCode"]);
    }
    assert_eq!(office.carrier.owned().await.len(), 1);
    let elsewhere = Event::new(CREATE, &[("teamId", "team_9")]).user("org_2", "zoe");
    assert_eq!(ask(&app, &elsewhere.json(&wish("front", 2002))).await.0, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_checks_everything_and_makes_nothing() {
    let office = Office::set().await;
    let (app, before) = (office.app(), office.rows().await);
    let dry = |wanted: &Value| {
        create("ada", "team_1", wanted).query("dryRun=true").header("idempotency-key", "k-1")
    };
    let (status, shown) = ask(&app, &dry(&wish("front", 2001))).await;
    assert_eq!((status, &shown["member"]), (200, &json!(false)), "{shown}");
    assert!(shown["notice"].as_str().unwrap().contains("cannot be sent"));
    assert_eq!((office.rows().await, office.carrier.owned().await.len()), (before, 0));
    let event = create("ada", "team_1", &wish("front", 2001)).header("idempotency-key", "k-1");
    assert_eq!(ask(&app, &event).await.0, 201, "the key was not used up");
    let (status, problem) = ask(&app, &dry(&wish("FRONT", 2002))).await;
    assert_eq!((status, &problem["code"]), (409, &json!("api_code_taken")));
    let (status, problem) = ask(&app, &dry(&wish("second", 2001))).await;
    assert_eq!((status, &problem["code"]), (409, &json!("number_unavailable")));
    assert_eq!(problem["suggestions"].as_array().unwrap().len(), 5);
    assert_eq!(ask(&app, &dry(&wish("-", 2003))).await.0, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn inboxes_are_made_by_those_who_manage_the_team_alone() {
    let office = Office::set().await;
    let (app, before) = (office.app(), office.rows().await);
    for bad in [wish("front", 2001), json!({})] {
        let (status, problem) = ask(&app, &create("bob", "team_1", &bad)).await;
        assert_eq!((status, &problem["code"]), (403, &json!("admin_required")), "before the body is read");
        for outsider in ["dan", "eve", "nobody"] {
            assert_eq!(ask(&app, &create(outsider, "team_1", &bad)).await.0, 404, "{outsider}");
        }
        let elsewhere = Event::new(CREATE, &[("teamId", "team_1")]).user("org_2", "zoe");
        assert_eq!(ask(&app, &elsewhere.json(&bad)).await.0, 404);
    }
    assert_eq!((office.rows().await, office.carrier.owned().await.len()), (before, 0));
    let (status, made) = ask(&app, &create("olga", "team_1", &wish("front", 2001))).await;
    assert_eq!((status, &made["member"]), (201, &json!(true)), "the owner, who is in no team: {made}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_name_gives_two_api_codes_also_at_one_instant() {
    let office = Office::set().await;
    let (one, other) = (office.app(), office.app());
    let nameless = |line: u16| {
        let mut wanted = wish("", line);
        wanted.as_object_mut().unwrap().remove("apiCode");
        create("dan", "team_2", &wanted)
    };
    let mut codes = BTreeSet::new();
    let (_, first) = ask(&one, &nameless(2001)).await;
    assert_eq!(first["apiCode"], "front-desk");
    codes.insert(first["apiCode"].clone().to_string());
    for round in 0..4_u16 {
        let events = [nameless(2010 + 2 * round), nameless(2011 + 2 * round)];
        let (a, b) = tokio::join!(ask(&one, &events[0]), ask(&other, &events[1]));
        assert_eq!((a.0, b.0), (201, 201), "{} {}", a.1, b.1);
        codes.extend([a.1["apiCode"].to_string(), b.1["apiCode"].to_string()]);
    }
    assert_eq!(codes.len(), 9, "{codes:?}");
    let (_, begun) = ask(&one, &get("GET /v1/inbox-wizard", "dan").query("name=Front%20desk")).await;
    assert!(!codes.contains(&begun["apiCode"].to_string()), "{begun}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wizard_begins_with_the_team_where_there_is_one_and_offers_members_once_registered() {
    let office = Office::set().await;
    let app = office.app();
    let begin = async |who: &str| ask(&app, &get("GET /v1/inbox-wizard", who)).await;
    let (status, ada) = begin("ada").await;
    assert_eq!((status, &ada["teamId"], &ada["apiCode"]), (200, &json!("team_1"), &Value::Null));
    assert_eq!(ada["teams"][0]["membersOffered"], false);
    assert!(ada["teams"][0]["notice"].is_string());
    let (_, dan) = begin("dan").await;
    assert_eq!((&dan["teamId"], &dan["teams"][0]["membersOffered"]), (&json!("team_2"), &json!(true)));
    let (_, olga) = begin("olga").await;
    assert_eq!((&olga["teamId"], olga["teams"].as_array().unwrap().len()), (&Value::Null, 2));
    for who in ["bob", "nobody"] {
        assert_eq!(begin(who).await.0, 403, "{who}");
    }
    let (status, problem) = ask(&app, &get("GET /v1/inbox-wizard", "ada").query("name=%20")).await;
    assert_eq!((status, pointers(&problem)), (422, vec!["?name"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_are_found_by_area_code_and_exchange_by_admins() {
    let office = Office::set().await;
    let app = office.app();
    let search =
        async |who: &str, query: &str| ask(&app, &get("GET /v1/numbers/available", who).query(query)).await;
    for (query, begin) in [
        ("areaCode=415&limit=3", "+1415"),
        ("areaCode=415&prefix=777&limit=3", "+1415777"),
        ("prefix=415-777&limit=3", "+1415777"),
        ("areaCode=416&country=CA&limit=3", "+1416"),
    ] {
        let (status, found) = search("ada", query).await;
        let found = found["items"].as_array().unwrap();
        assert_eq!((status, found.len()), (200, 3), "{query}");
        assert!(found.iter().all(|one| one["phoneNumber"].as_str().unwrap().starts_with(begin)), "{query}");
    }
    assert_eq!(search("ada", "areaCode=999").await.1["items"], json!([]));
    for (query, status, pointer) in [
        ("", 400, "?areaCode"),
        ("areaCode=41", 422, "?areaCode"),
        ("areaCode=115", 422, "?areaCode"),
        ("areaCode=415&prefix=1", 422, "?prefix"),
        ("areaCode=202&prefix=415777", 422, "?prefix"),
        ("areaCode=415&country=DE", 422, "?country"),
        ("areaCode=415&limit=101", 400, "?limit"),
    ] {
        let (told, problem) = search("ada", query).await;
        assert_eq!((told, pointers(&problem)), (status, vec![pointer]), "{query}");
    }
    assert_eq!(search("bob", "areaCode=415").await.0, 403);
    office.carrier.fault("error-before", "1", "numbers").await;
    assert_eq!(search("ada", "areaCode=415").await.0, 503);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retired_inbox_gives_its_number_back_when_asked_and_keeps_its_api_code() {
    let office = Office::set().await;
    let app = office.app();
    let (_, made) = ask(&app, &create("dan", "team_2", &wish("back", 2001))).await;
    let id = made["inboxId"].as_str().unwrap();
    let retire = Event::new("DELETE /v1/inboxes/{inboxId}", &[("inboxId", id)]).user("org_1", "dan");
    assert_eq!(ask(&app, &retire).await.0, 204);
    assert_eq!((office.carrier.owned().await.len(), ask(&app, &retire).await.0), (1, 204));
    let release = retire.query("releaseNumber=true");
    office.carrier.fault("error-before", "1", "numbers").await;
    assert_eq!(ask(&app, &release).await.0, 503);
    assert_eq!((ask(&app, &release).await.0, ask(&app, &release).await.0), (204, 204));
    assert_eq!(office.carrier.owned().await.len(), 0);
    assert_eq!(office.inbox(id).await.unwrap().stage, Stage::Retired);
    assert_eq!(ask(&app, &create("dan", "team_2", &wish("back", 2002))).await.0, 409);
    assert_eq!(ask(&app, &create("dan", "team_2", &wish("anew", 2001))).await.0, 201, "free again");
    assert_eq!(ask(&app, &release).await.0, 204);
    assert_eq!(office.carrier.owned().await.len(), 1, "it is another inbox's by now");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_who_is_removed_holds_no_lock_wherever_the_removal_broke_off() {
    let (organization, policy) = (org("org_1"), LockPolicy::default());
    let [cyn, dan] = ["cyn", "dan"].map(|id| UserRef { id: user(id), name: id.to_uppercase() });
    for through in 0.. {
        let office = Office::set().await;
        let mut wanted = wish("back", 2001);
        wanted["memberIds"] = json!(["cyn"]);
        let (_, made) = ask(&office.app(), &create("dan", "team_2", &wanted)).await;
        let inbox = office.inbox(made["inboxId"].as_str().unwrap()).await.unwrap();
        let from = PhoneNumber::from_carrier("+14155550100").unwrap();
        let conversation = ConversationId::of(&inbox.id, &from);
        let (carrier_id, text, media) = ("SM1".into(), "hello".into(), Vec::new());
        let text = InboundText { carrier: "twilio", carrier_id, from, text, media };
        Inbound::new(office.table()).receive(&inbox, &text, now()).await.unwrap();
        let thread =
            ConversationKey { organization: &organization, inbox: &inbox.id, conversation: &conversation };
        let locks = Locks::new(office.table());
        let held = locks.acquire(thread, &cyn, now(), &policy).await.unwrap();
        assert!(matches!(held, Acquired::Held(_)), "{held:?}");
        let parameters = [("inboxId", inbox.id.as_str()), ("userId", "cyn")];
        let remove = Event::new("DELETE /v1/inboxes/{inboxId}/members/{userId}", &parameters);
        let remove = remove.user("org_1", "dan");
        let (status, _) = ask(&office.dying(through), &remove).await;
        let ended = ask(&office.app(), &remove).await.0;
        assert_eq!(ended, 204, "{through}");
        let taken = locks.acquire(thread, &dan, now(), &policy).await.unwrap();
        assert!(matches!(taken, Acquired::Held(_)), "{through}: {taken:?}");
        let members = Members::new(office.table()).list(&organization, &inbox.id).await.unwrap();
        assert_eq!(members.iter().map(|member| member.user.id.as_str()).collect::<Vec<_>>(), ["dan"]);
        let rows = office.rows().await;
        assert_eq!(rows.iter().filter(|row| row.contains("#AUDIT")).count(), 2, "{through}: made, removed");
        if status == 204 {
            assert!(through > 4, "{through}");
            break;
        }
    }
}
