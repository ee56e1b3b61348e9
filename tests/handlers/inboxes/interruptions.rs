//! Creations that the carrier refuses, that a fault or a crash interrupts, or that run concurrently.

use inboxes::App;
use serde_json::{Value, json};
use shared_aws::team::Members;
use shared_domain::{inbox::Stage, keys::InboxKey};
use test_kit::{
    TestApp,
    build::{inbox_id, organization_id},
    carrier::unreachable_client,
    crash,
    gateway::{Event, pointers},
};

use super::list;
use crate::inbox_creation::{
    SERVICE_UNAVAILABLE, app, app_with_carrier, call, crashing_app, create, details, interrupt_creation,
};

/// Returns the status and the body without the request ID.
async fn call_for_body(app: &App, event: &Event) -> (u16, Value) {
    let (status, mut body) = call(app, event).await;
    body.as_object_mut().map(|body| body.remove("requestId"));
    (status, body)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unavailable_number_leaves_nothing_and_others_are_suggested() {
    let test = TestApp::with_two_teams().await;
    let (app, before) = (app(&test), test.engine.keys().await);
    let mut body = details("front", 2001);
    body["phoneNumber"] = "+12025550000".into();
    let event = create("ada", "team_1", &body).header("idempotency-key", "k-1");
    for _ in 0..2 {
        let (status, problem) = call(&app, &event).await;
        assert_eq!((status, &problem["code"]), (409, &json!("number_unavailable")), "{problem}");
        assert_eq!(pointers(&problem), ["/phoneNumber"]);
        let offered = problem["suggestions"].as_array().unwrap();
        assert_eq!(offered.len(), 5);
        assert!(offered.iter().all(|one| one["phoneNumber"].as_str().unwrap().starts_with("+1202555")));
        assert_eq!((test.engine.keys().await, test.carrier.owned_numbers().await.len()), (before.clone(), 0));
    }
    let event = create("ada", "team_1", &details("front", 2001)).header("idempotency-key", "k-1");
    assert_eq!(call(&app, &event).await.0, 201, "the key was not used up");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_carrier_that_is_down_before_the_purchase_leaves_nothing_behind() {
    let test = TestApp::with_two_teams().await;
    let before = test.engine.keys().await;
    let event = create("ada", "team_1", &details("front", 2001)).header("idempotency-key", "k-1");
    let (status, problem) = call(&app_with_carrier(&test, unreachable_client()), &event).await;
    assert_eq!((status, &problem["code"]), (503, &json!("carrier_unavailable")));
    assert_eq!(test.engine.keys().await, before, "no request was sent");
    test.carrier.fault_on("purchases", "rate-limit").await;
    assert_eq!(call(&app(&test), &event).await.0, 503);
    assert_eq!(test.engine.keys().await, before, "certainly not purchased");
    test.carrier.fault_on("purchases", "error-before").await;
    let (status, problem) = call(&app(&test), &event).await;
    assert_eq!((status, &problem["code"]), (503, &json!("carrier_unavailable")));
    let left: Vec<_> = test.engine.keys().await.difference(&before).cloned().collect();
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(
        left[0].starts_with("PURCHASE "),
        "watched, because the number may have been purchased: {left:?}"
    );
    let (status, created) = call(&app(&test), &event).await;
    assert_eq!((status, test.carrier.owned_numbers().await.len()), (201, 1), "{created}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_the_carrier_refuses_to_sell_is_reported_with_its_message() {
    let test = TestApp::with_two_teams().await;
    let before = test.engine.keys().await;
    test.carrier.fault_on("purchases", "refuse:21649").await;
    let (status, problem) = call(&app(&test), &create("ada", "team_1", &details("front", 2001))).await;
    assert_eq!((status, &problem["code"]), (422, &json!("number_refused")));
    assert_eq!((pointers(&problem), test.engine.keys().await), (vec!["/phoneNumber"], before));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purchase_with_a_lost_answer_is_adopted_and_not_repeated() {
    for fault in ["error-after", "timeout-after"] {
        let test = TestApp::with_two_teams().await;
        test.carrier.fault_on("purchases", fault).await;
        let app = app(&test);
        let (status, created) = call(&app, &create("ada", "team_1", &details("front", 2001))).await;
        assert_eq!(status, 201, "{fault}: {created}");
        let owned = test.carrier.owned_numbers().await;
        assert_eq!((owned.len(), &owned[0]["friendly_name"]), (1, &created["inboxId"]), "{fault}");
        let inbox = test.find_inbox(created["inboxId"].as_str().unwrap()).await.unwrap();
        assert_eq!(inbox.number_sid.as_deref(), owned[0]["sid"].as_str());
        assert_eq!(test.new_inboxes().unresolved().await.unwrap(), []);
    }
}

const NUMBERS_UNAVAILABLE: [(&str, &str); 2] = [("error-after", "purchases"), ("error-before", "numbers")];

#[tokio::test(flavor = "multi_thread")]
async fn a_creation_interrupted_after_the_purchase_is_finished_by_a_retry_with_the_same_key() {
    for faults in [&SERVICE_UNAVAILABLE[..], &[("error-after", "services")], &NUMBERS_UNAVAILABLE] {
        let test = TestApp::with_two_teams().await;
        let mut body = details("back", 2002);
        body["memberIds"] = json!(["cyn"]);
        body["voiceForwardingNumber"] = "+12025550199".into();
        let event = create("dan", "team_2", &body).header("idempotency-key", "k-1");
        let id = interrupt_creation(&test, &event, faults).await;
        assert_eq!(test.find_inbox(&id).await.unwrap().stage, Stage::Creating, "{faults:?}");
        let app = app(&test);
        let read = Event::new("GET /v1/inboxes/{inboxId}", &[("inboxId", &id)]).user("org_1", "dan");
        assert_eq!(call(&app, &read).await.0, 404, "not visible yet");
        assert_eq!(call(&app, &list("dan", "team_2")).await.1["items"], json!([]));
        let (status, problem) = call(&app, &create("dan", "team_2", &details("BACK", 2009))).await;
        assert_eq!((status, &problem["code"]), (409, &json!("api_code_taken")), "reserved");
        let (status, problem) = call(&app, &create("dan", "team_2", &details("other", 2002))).await;
        assert_eq!((status, &problem["code"]), (409, &json!("number_unavailable")), "reserved");

        let (status, created) = call_for_body(&app, &event).await;
        assert_eq!((status, &created["inboxId"]), (201, &json!(id)), "{faults:?} {created}");
        assert_eq!(created["voiceForwardingNumber"], "+12025550199");
        assert_eq!(call_for_body(&app, &event).await, (201, created), "also a second time");
        let owned = test.carrier.owned_numbers().await;
        assert_eq!((owned.len(), &owned[0]["friendly_name"]), (1, &json!(id)));
        let joined = test.carrier.service_numbers(&test.messaging_service("team_2").await).await;
        assert_eq!(joined, [owned[0]["sid"].as_str().unwrap()]);
        let id = inbox_id(&id);
        let members = Members::new(test.table())
            .list(InboxKey { organization: &organization_id("org_1"), inbox: &id })
            .await
            .unwrap();
        let members: Vec<_> = members.iter().map(|member| member.user.id.as_str()).collect();
        assert_eq!(members, ["cyn", "dan"]);
        assert_eq!(test.new_inboxes().unresolved().await.unwrap(), []);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wherever_a_host_crashes_a_retry_finishes_the_creation() {
    for requests in crash::points() {
        let test = TestApp::with_two_teams().await;
        let event = create("ada", "team_1", &details("front", 2001)).header("idempotency-key", "k-1");
        let (first_status, _) = call(&crashing_app(&test, requests), &event).await;
        let (status, created) = call(&app(&test), &event).await;
        assert_eq!(status, 201, "{requests}: {created}");
        let owned = test.carrier.owned_numbers().await;
        assert_eq!((owned.len(), &owned[0]["friendly_name"]), (1, &created["inboxId"]), "{requests}");
        let (_, listed) = call(&app(&test), &list("ada", "team_1")).await;
        assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{requests}");
        assert_eq!(test.new_inboxes().unresolved().await.unwrap(), [], "{requests}");
        if first_status == 201 {
            assert!(requests > 4, "{requests}");
            break;
        }
        assert!(first_status >= 500, "{requests}: {first_status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_key_repeats_the_answer_and_refuses_another_body() {
    let test = TestApp::with_two_teams().await;
    let app = app(&test);
    let event = create("ada", "team_1", &details("front", 2001)).header("idempotency-key", "k-1");
    let first = call_for_body(&app, &event).await;
    assert_eq!(first.0, 201, "{}", first.1);
    assert_eq!(call_for_body(&app, &event).await, first);
    let keys = test.engine.keys().await;
    let other = create("ada", "team_1", &details("second", 2002)).header("idempotency-key", "k-1");
    let (status, problem) = call(&app, &other).await;
    assert_eq!((status, &problem["code"]), (422, &json!("idempotency_key_reused")));
    assert_eq!((test.engine.keys().await, test.carrier.owned_numbers().await.len()), (keys, 1));
    let other = create("olga", "team_1", &details("second", 2002)).header("idempotency-key", "k-1");
    assert_eq!(call(&app, &other).await.0, 201, "keys are per caller");
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_requests_with_one_idempotency_key_create_one_inbox() {
    for round in 0..6 {
        let test = TestApp::with_two_teams().await;
        let (one, other) = (app(&test), app(&test));
        let event = create("ada", "team_1", &details("front", 2001)).header("idempotency-key", "k-1");
        let (first, second) = tokio::join!(call_for_body(&one, &event), call_for_body(&other, &event));
        let late = call_for_body(&one, &event).await;
        assert_eq!((late.0, test.carrier.owned_numbers().await.len()), (201, 1), "{round}: {}", late.1);
        for answer in [first, second] {
            assert!(answer.0 == 503 || answer == late, "{round}: {} {} {}", answer.0, answer.1, late.1);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_code_or_number_requested_concurrently_goes_to_one_inbox() {
    let test = TestApp::with_two_teams().await;
    let (one, other) = (app(&test), app(&test));
    for round in 0..8_u16 {
        let (a, b) = (2100 + 2 * round, 2101 + 2 * round);
        let (one_code, other_code) = (format!("race-{round}"), format!("Race-{round}"));
        let same_code = [details(&one_code, a), details(&other_code, b)];
        let same_number = [
            details(&format!("mine-{round}"), 2200 + round),
            details(&format!("yours-{round}"), 2200 + round),
        ];
        for (body, code) in [(same_code, "api_code_taken"), (same_number, "number_unavailable")] {
            let before = test.carrier.owned_numbers().await.len();
            let [first, second] = body.map(|body| create("dan", "team_2", &body));
            let (first, second) = tokio::join!(call(&one, &first), call(&other, &second));
            let mut answers = [first, second];
            answers.sort_by_key(|(status, _)| *status);
            let statuses = [answers[0].0, answers[1].0];
            assert_eq!(statuses, [201, 409], "{round} {code}: {} {}", answers[0].1, answers[1].1);
            assert_eq!(answers[1].1["code"], code, "{round}");
            assert_eq!(test.carrier.owned_numbers().await.len(), before + 1, "{round} {code}");
        }
    }
    assert_eq!(test.new_inboxes().unresolved().await.unwrap(), []);
}
