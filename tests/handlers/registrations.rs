//! `registrations`: submitting the campaign of a team.

use registrations::{App, router};
use serde_json::{Value, json};
use shared_aws::registration::Transition;
use shared_carriers::twilio::Client;
use shared_domain::keys::TeamKey;
use shared_domain::registration::{CarrierReason, RegistrationStatus, StepSource, TimelineStep};
use shared_http::{caller::Claims, serve::answer};
use shared_lambda::clock::{self, now};
use test_kit::{
    TestApp,
    build::{organization_id, team_id},
    carrier::{CarrierProxy, unreachable_client},
    gateway::{Event, pointers, status_and_json},
};

use crate::inbox_creation::{self, create};

const SUBMIT: &str = "POST /v1/teams/{teamId}/registration";
const READ: &str = "GET /v1/teams/{teamId}/registration";
const BRAND: &str = "BNaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

fn details() -> Value {
    json!({
        "useCase": "LOW_VOLUME",
        "description": "Replies of our front desk to people who asked for an appointment.",
        "messageFlow": "People give their mobile number on the paper form and tick the box.",
        "messageSamples": ["Your visit is on Friday at 3pm.", "We got your question, thank you."],
        "hasEmbeddedLinks": false,
        "hasEmbeddedPhone": false,
        "privacyPolicyUrl": "https://clinic.example/privacy",
    })
}

fn app(test: &TestApp) -> App {
    app_with_carrier(test, test.carrier.client())
}

fn app_with_carrier(test: &TestApp, carrier: Client) -> App {
    App::new(&test.table(), Claims::standard(), carrier, Some(BRAND.into()))
}

/// Returns the creation of a third inbox of `team_1`.
fn third_inbox() -> Event {
    create("ada", "team_1", &inbox_creation::details("third", 2003))
}

fn submit(user: &str, body: &Value) -> Event {
    Event::new(SUBMIT, &[("teamId", "team_1")]).user("org_1", user).json(body)
}

async fn call(app: &App, event: &Event) -> (u16, Value) {
    status_and_json(&answer(&router(app.clone()), now(), clock::entropy(), event.request()).await)
}

async fn read(app: &App, user: &str) -> (u16, Value) {
    call(app, &Event::new(READ, &[("teamId", "team_1")]).user("org_1", user)).await
}

/// Starts with two inboxes of `team_1`. Returns the sorted sids of their numbers.
async fn start_with_inboxes() -> (TestApp, Vec<String>) {
    let test = TestApp::with_two_teams().await;
    let app = inbox_creation::app(&test);
    let mut sids = Vec::new();
    for (code, line) in [("front", 2001), ("door", 2002)] {
        let (status, created) =
            inbox_creation::call(&app, &create("ada", "team_1", &inbox_creation::details(code, line))).await;
        assert_eq!(status, 201, "{created}");
        let inbox = test.find_inbox(created["inboxId"].as_str().unwrap()).await.unwrap();
        sids.push(inbox.number_sid.unwrap());
    }
    sids.sort();
    (test, sids)
}

/// Returns the messaging services of `team_1` at the carrier.
async fn services(test: &TestApp) -> Vec<String> {
    let all = test.carrier.list("v1/Services", "services").await;
    let own = all.iter().filter(|service| service["friendly_name"] == "org_1 team_1");
    own.map(|service| service["sid"].as_str().unwrap().to_owned()).collect()
}

async fn campaigns(test: &TestApp, service: &str) -> Vec<Value> {
    test.carrier.list(&format!("v1/Services/{service}/Compliance/Usa2p"), "compliance").await
}

/// Returns the details of the timeline, oldest first.
fn timeline(view: &Value) -> Vec<&str> {
    let steps = view["timeline"].as_array().unwrap();
    steps.iter().rev().map(|step| step["detail"].as_str().unwrap()).collect()
}

async fn transition(test: &TestApp, to: RegistrationStatus, reasons: &[CarrierReason]) {
    let (organization, of) = (organization_id("org_1"), team_id("team_1"));
    let from = test.registrations().get(TeamKey { organization: &organization, team: &of }).await.unwrap();
    let at = now();
    let step = TimelineStep {
        id: format!("EZ-{}", to.as_str()),
        status: to,
        at,
        source: StepSource::Callback,
        codes: reasons.iter().map(|reason| reason.code).collect(),
        detail: Some(to.as_str().to_owned()),
        by: None,
    };
    let transition = Transition { to, as_of: at, reasons, step: &step, admins: Vec::new() };
    assert!(
        test.registrations()
            .transition(TeamKey { organization: &organization, team: &of }, &from, transition)
            .await
            .unwrap()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submission_is_pending_with_the_carriers_ids_and_the_teams_numbers() {
    let (test, numbers) = start_with_inboxes().await;
    let app = app(&test);
    let (_, before) = read(&app, "ada").await;
    assert_eq!((&before["status"], &before["submitted"]), (&json!("pending"), &json!(false)));
    let event = submit("ada", &details()).header("idempotency-key", "k-1");
    let (status, view) = call(&app, &event).await;
    assert_eq!(
        (status, &view["status"], &view["submitted"]),
        (202, &json!("pending"), &json!(true)),
        "{view}"
    );
    let services = services(&test).await;
    assert_eq!(services.len(), 1);
    let campaigns = campaigns(&test, &services[0]).await;
    assert_eq!((campaigns.len(), &campaigns[0]["campaign_status"]), (1, &json!("IN_PROGRESS")));
    assert_eq!(campaigns[0]["description"], details()["description"]);
    let parts = json!({
        "messagingServiceSid": services[0], "brandSid": BRAND, "campaignSid": campaigns[0]["sid"],
    });
    assert_eq!(view["carrier"], parts);
    assert_eq!(view["submission"], details());
    assert_eq!(test.carrier.service_numbers(&services[0]).await, numbers);
    assert_eq!(timeline(&view), ["Started with the team's first shared inbox.", "Submitted."]);
    let pending = test.registrations().pending().await.unwrap();
    assert_eq!(pending.iter().map(|one| one.team.as_str()).collect::<Vec<_>>(), ["team_1"]);
    let team = test.registrations().by_service(&services[0]).await.unwrap();
    assert_eq!(
        team,
        Some((organization_id("org_1"), team_id("team_1"))),
        "events of the service belong to the team"
    );
    assert_eq!(call(&app, &event).await, (202, view), "the same key");
    assert_eq!(self::services(&test).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_purchased_after_the_submission_joins_the_service() {
    let (test, mut numbers) = start_with_inboxes().await;
    assert_eq!(call(&app(&test), &submit("ada", &details())).await.0, 202);
    let (_, created) = inbox_creation::call(&inbox_creation::app(&test), &third_inbox()).await;
    let inbox = test.find_inbox(created["inboxId"].as_str().unwrap()).await.unwrap();
    numbers.push(inbox.number_sid.unwrap());
    numbers.sort();
    assert_eq!(test.carrier.service_numbers(&services(&test).await[0]).await, numbers);
}

/// The service is created after the purchase looked for it, and filled before the number belongs to the team.
#[tokio::test(flavor = "multi_thread")]
async fn a_number_purchased_during_the_submission_joins_the_service() {
    let (test, numbers) = start_with_inboxes().await;
    let proxy = CarrierProxy::start(&test.carrier).await;
    let delayed = proxy.delay("POST", "/IncomingPhoneNumbers.json");
    let creating = inbox_creation::app_with_carrier(&test, proxy.client());
    let (submitting, event, details) = (app(&test), third_inbox(), submit("ada", &details()));
    let submission = async {
        delayed.arrived().await;
        assert_eq!(call(&submitting, &details).await.0, 202);
        delayed.let_through();
    };
    let ((status, created), ()) = tokio::join!(inbox_creation::call(&creating, &event), submission);
    assert_eq!(status, 201, "{created}");
    assert_eq!(test.carrier.service_numbers(&services(&test).await[0]).await.len(), numbers.len() + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_submission_continues_where_it_stopped() {
    let failing_calls: [(&str, &str); 5] = [
        ("GET", "/v1/Services"),
        ("POST", "/v1/Services"),
        ("POST", "/PhoneNumbers"),
        ("GET", "/Usa2p"),
        ("POST", "/Usa2p"),
    ];
    for (method, path) in failing_calls {
        let (test, numbers) = start_with_inboxes().await;
        let proxy = CarrierProxy::start(&test.carrier).await;
        let app = app_with_carrier(&test, proxy.client());
        proxy.refuse(method, path, 500, json!({}));
        let event = submit("ada", &details()).header("idempotency-key", "k-1");
        let (status, problem) = call(&app, &event).await;
        assert_eq!((status, &problem["code"]), (503, &json!("carrier_unavailable")), "{method} {path}");
        assert!(proxy.has_intercepted(), "{method} {path}");
        let (_, view) = read(&app, "ada").await;
        assert_eq!((&view["submitted"], timeline(&view).len()), (&json!(false), 1), "nothing changed");
        let (status, view) = call(&app, &event).await;
        assert_eq!(status, 202, "{method} {path}: {view}");
        let services = services(&test).await;
        assert_eq!(services.len(), 1, "{method} {path}");
        assert_eq!(campaigns(&test, &services[0]).await.len(), 1, "{method} {path}");
        assert_eq!(test.carrier.service_numbers(&services[0]).await, numbers, "{method} {path}");
        assert_eq!(timeline(&view).len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_and_a_campaign_with_a_lost_answer_are_found_again() {
    let (test, numbers) = start_with_inboxes().await;
    let app = app(&test);
    let created = test.carrier.client().create_service("org_1 team_1").await.unwrap().sid;
    test.carrier.fault_on("services", "error-after").await;
    assert_eq!(call(&app, &submit("ada", &details())).await.0, 503);
    assert_eq!(call(&app, &submit("ada", &details())).await.0, 202);
    assert_eq!(services(&test).await, [created.as_str()]);
    assert_eq!(test.carrier.service_numbers(&created).await, numbers);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submitted_registration_is_not_submitted_again() {
    let (test, _) = start_with_inboxes().await;
    let app = app(&test);
    assert_eq!(call(&app, &submit("ada", &details())).await.0, 202);
    for status in [None, Some(RegistrationStatus::Approved), Some(RegistrationStatus::Suspended)] {
        if let Some(status) = status {
            transition(&test, status, &[]).await;
        }
        let (actual, problem) = call(&app, &submit("ada", &details()).header("idempotency-key", "k-2")).await;
        assert_eq!((actual, &problem["code"]), (409, &json!("registration_submitted")), "{status:?}");
        assert_eq!(problem["registration"], test.registration_status("team_1").await.as_str());
    }
    assert_eq!(services(&test).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_key_with_other_details_is_refused() {
    let (test, _) = start_with_inboxes().await;
    let app = app(&test);
    assert_eq!(call(&app, &submit("ada", &details()).header("idempotency-key", "k-1")).await.0, 202);
    let mut other = details();
    other["useCase"] = "CUSTOMER_CARE".into();
    let (status, problem) = call(&app, &submit("ada", &other).header("idempotency-key", "k-1")).await;
    assert_eq!((status, &problem["code"]), (422, &json!("idempotency_key_reused")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_campaign_is_corrected_and_pending_again() {
    let (test, _) = start_with_inboxes().await;
    let app = app(&test);
    let (_, first) = call(&app, &submit("ada", &details())).await;
    let service = services(&test).await.remove(0);
    let failed = [("MessagingServiceSid", service.as_str()), ("Status", "FAILED"), ("ErrorCode", "30886")];
    test.carrier.control("campaign-status", &failed).await;
    let reasons = [CarrierReason { code: 30886, detail: "The description does not fit.".into() }];
    transition(&test, RegistrationStatus::Rejected, &reasons).await;
    let (_, view) = read(&app, "ada").await;
    assert!(view["notice"].as_str().unwrap().contains("submit them again"), "{view}");

    let mut corrected = details();
    corrected["description"] = "Answers to people who asked our front desk for an appointment.".into();
    corrected["termsUrl"] = "https://clinic.example/terms".into();
    let event = submit("ada", &corrected).header("idempotency-key", "k-2");
    let (status, view) = call(&app, &event).await;
    assert_eq!((status, &view["status"]), (202, &json!("pending")), "{view}");
    assert_eq!((&view["carrier"], &view["submission"]), (&first["carrier"], &corrected));
    let campaigns = campaigns(&test, &service).await;
    assert_eq!((campaigns.len(), &campaigns[0]["campaign_status"]), (1, &json!("IN_PROGRESS")));
    assert_eq!(campaigns[0]["description"], corrected["description"]);
    let expected = [
        "Started with the team's first shared inbox.",
        "Submitted.",
        "rejected",
        "Corrected and submitted again.",
    ];
    assert_eq!(timeline(&view), expected);
    assert_eq!(test.registrations().pending().await.unwrap().len(), 1);
    let registration = test
        .registrations()
        .get(TeamKey { organization: &organization_id("org_1"), team: &team_id("team_1") })
        .await
        .unwrap();
    assert_eq!(registration.reasons, [], "the reasons are about the old details");
    assert_eq!(call(&app, &event).await, (202, view));
    let (status, _) = call(&app, &submit("ada", &corrected).header("idempotency-key", "k-3")).await;
    assert_eq!(status, 409);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_invalid_details_are_reported_together_and_not_sent() {
    let (test, _) = start_with_inboxes().await;
    let app = app_with_carrier(&test, unreachable_client());
    let mut bad = details();
    for (field, value) in [
        ("useCase", json!("low volume")),
        ("description", json!("short")),
        ("messageFlow", json!("x".repeat(2049))),
        ("messageSamples", json!(["too short"])),
        ("privacyPolicyUrl", json!("clinic")),
        ("termsUrl", json!("ftp://clinic.example")),
    ] {
        bad[field] = value;
    }
    let (status, problem) = call(&app, &submit("ada", &bad)).await;
    let all = [
        "/useCase",
        "/description",
        "/messageFlow",
        "/messageSamples",
        "/messageSamples/0",
        "/privacyPolicyUrl",
        "/termsUrl",
    ];
    assert_eq!((status, pointers(&problem)), (422, all.to_vec()));
    for field in ["useCase", "description", "messageFlow", "messageSamples", "hasEmbeddedLinks"] {
        let mut incomplete = details();
        incomplete.as_object_mut().unwrap().remove(field);
        let (status, problem) = call(&app, &submit("ada", &incomplete)).await;
        assert_eq!((status, pointers(&problem)), (400, vec![format!("/{field}").as_str()]));
    }
    let (status, problem) = call(&app, &submit("ada", &details())).await;
    assert_eq!((status, &problem["code"]), (503, &json!("carrier_unavailable")));
    assert_eq!(test.registrations().pending().await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_by_the_carrier_is_reported_with_its_message() {
    let (test, _) = start_with_inboxes().await;
    let message = "The A2P use case is invalid";
    let refusal = json!({ "code": 21720, "message": message, "status": 400 });
    let proxy = CarrierProxy::start(&test.carrier).await;
    let app = app_with_carrier(&test, proxy.client());
    proxy.refuse("POST", "/Usa2p", 400, refusal);
    let (status, problem) = call(&app, &submit("ada", &details())).await;
    assert_eq!((status, &problem["code"]), (422, &json!("campaign_refused")));
    assert!(problem["detail"].as_str().unwrap().contains(message), "{problem}");
    assert_eq!(read(&app, "ada").await.1["submitted"], false);
    assert_eq!(call(&app, &submit("ada", &details())).await.0, 202, "corrected");
    assert_eq!(services(&test).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_brand_nothing_is_submitted() {
    let (test, _) = start_with_inboxes().await;
    let app = App::new(&test.table(), Claims::standard(), test.carrier.client(), None);
    let (status, problem) = call(&app, &submit("ada", &details())).await;
    assert_eq!((status, &problem["code"]), (409, &json!("brand_missing")));
    assert_eq!(services(&test).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn members_do_not_see_the_carriers_ids_and_outsiders_get_404() {
    let (test, _) = start_with_inboxes().await;
    let app = app(&test);
    assert_eq!(call(&app, &submit("ada", &details())).await.0, 202);
    let (status, view) = read(&app, "bob").await;
    assert_eq!((status, &view["status"]), (200, &json!("pending")));
    assert_eq!((view.get("carrier"), view.get("submission")), (None, None), "{view}");
    assert!(view["notice"].is_string() && view["timeline"].as_array().unwrap().len() == 2);
    assert!(read(&app, "olga").await.1["carrier"].is_object(), "the owner manages every team");
    for body in [details(), json!({})] {
        let (status, problem) = call(&app, &submit("bob", &body)).await;
        assert_eq!((status, &problem["code"]), (403, &json!("admin_required")));
        for outsider in ["dan", "nobody"] {
            assert_eq!(call(&app, &submit(outsider, &body)).await.0, 404, "{outsider}");
            assert_eq!(read(&app, outsider).await.0, 404, "{outsider}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_concurrent_submissions_are_one_campaign_of_one_service() {
    for round in 0..6 {
        let (test, numbers) = start_with_inboxes().await;
        let (one, other) = (app(&test), app(&test));
        let events = [submit("ada", &details()), submit("olga", &details())];
        let (first, second) = tokio::join!(call(&one, &events[0]), call(&other, &events[1]));
        let mut statuses = [first.0, second.0];
        statuses.sort_unstable();
        assert_eq!(statuses[0], 202, "{round}: {} {}", first.1, second.1);
        assert!([409, 503].contains(&statuses[1]), "{round}: {} {}", first.1, second.1);
        let (_, view) = read(&one, "ada").await;
        assert_eq!(timeline(&view).len(), 2, "{round}: submitted once");
        let service_of_team = view["carrier"]["messagingServiceSid"].as_str().unwrap();
        assert_eq!(test.carrier.service_numbers(service_of_team).await, numbers, "{round}");
        for service in services(&test).await {
            let sids: Vec<_> =
                campaigns(&test, &service).await.iter().map(|one| one["sid"].clone()).collect();
            let expected = if service == service_of_team {
                vec![view["carrier"]["campaignSid"].clone()]
            } else {
                vec![]
            };
            assert_eq!(sids, expected, "{round}: {view}");
        }
    }
}
