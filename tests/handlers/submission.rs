//! `registrations`: handing a team's campaign to the carrier.

use std::sync::Arc;

use registrations::{App, handle};
use serde_json::{Value, json};
use shared_aws::registration::Transition;
use shared_carriers::twilio::Client;
use shared_domain::registration::{CarrierReason, RegistrationStatus, StepSource, TimelineStep};
use shared_http::caller::Claims;
use test_kit::gateway::Event;
use tokio::sync::Notify;

use crate::{
    office::{Office, PATIENT, Then, nobody, org, team},
    stage::{json as body_of, now},
    wizard::{self, create, pointers, wish},
};

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

fn app(office: &Office) -> App {
    app_at(office, office.carrier.client(PATIENT))
}

fn app_at(office: &Office, carrier: Client) -> App {
    App::new(&office.table(), Claims::standard(), carrier, Some(BRAND.into()))
}

fn submit(user: &str, body: &Value) -> Event {
    Event::new(SUBMIT, &[("teamId", "team_1")]).user("org_1", user).json(body)
}

async fn ask(app: &App, event: &Event) -> (u16, Value) {
    let answer = handle(app, now(), shared_lambda::clock::entropy(), event.request()).await;
    let mut body = body_of(&answer);
    body.as_object_mut().map(|body| body.remove("requestId"));
    (answer.status().as_u16(), body)
}

async fn read(app: &App, user: &str) -> (u16, Value) {
    ask(app, &Event::new(READ, &[("teamId", "team_1")]).user("org_1", user)).await
}

/// `team_1` with two inboxes, whose numbers' sids come back in order.
async fn begun() -> (Office, Vec<String>) {
    let office = Office::set().await;
    let app = office.app();
    let mut sids = Vec::new();
    for (code, line) in [("front", 2001), ("door", 2002)] {
        let (status, made) = wizard::ask(&app, &create("ada", "team_1", &wish(code, line))).await;
        assert_eq!(status, 201, "{made}");
        let inbox = office.inbox(made["inboxId"].as_str().unwrap()).await.unwrap();
        sids.push(inbox.number_sid.unwrap());
    }
    sids.sort();
    (office, sids)
}

/// The carrier's services of `team_1`.
async fn services(office: &Office) -> Vec<String> {
    let all = office.carrier.list("v1/Services", "services").await;
    let ours = all.iter().filter(|service| service["friendly_name"] == "org_1 team_1");
    ours.map(|service| service["sid"].as_str().unwrap().to_owned()).collect()
}

async fn campaigns(office: &Office, service: &str) -> Vec<Value> {
    office.carrier.list(&format!("v1/Services/{service}/Compliance/Usa2p"), "compliance").await
}

/// Lines of the timeline that an admin wrote, oldest first.
fn lines(view: &Value) -> Vec<&str> {
    let timeline = view["timeline"].as_array().unwrap();
    timeline.iter().rev().map(|step| step["detail"].as_str().unwrap()).collect()
}

async fn turn(office: &Office, to: RegistrationStatus, reasons: &[CarrierReason]) {
    let (organization, of) = (org("org_1"), team("team_1"));
    let from = office.registrations().get(&organization, &of).await.unwrap();
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
    let turn = Transition { to, as_of: at, reasons, step: &step, admins: Vec::new() };
    assert!(office.registrations().transition(&organization, &of, &from, turn).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submission_is_pending_under_the_carriers_names_with_the_teams_numbers() {
    let (office, numbers) = begun().await;
    let app = app(&office);
    let (_, before) = read(&app, "ada").await;
    assert_eq!((&before["status"], &before["submitted"]), (&json!("pending"), &json!(false)));
    let event = submit("ada", &details()).header("idempotency-key", "k-1");
    let (status, view) = ask(&app, &event).await;
    assert_eq!(
        (status, &view["status"], &view["submitted"]),
        (202, &json!("pending"), &json!(true)),
        "{view}"
    );
    let services = services(&office).await;
    assert_eq!(services.len(), 1);
    let campaigns = campaigns(&office, &services[0]).await;
    assert_eq!((campaigns.len(), &campaigns[0]["campaign_status"]), (1, &json!("IN_PROGRESS")));
    assert_eq!(campaigns[0]["description"], details()["description"]);
    let parts = json!({
        "messagingServiceSid": services[0], "brandSid": BRAND, "campaignSid": campaigns[0]["sid"],
    });
    assert_eq!(view["carrier"], parts);
    assert_eq!(view["submission"], details());
    assert_eq!(office.carrier.joined(&services[0]).await, numbers);
    assert_eq!(lines(&view), ["Started with the team's first shared inbox.", "Submitted."]);
    let waiting = office.registrations().pending().await.unwrap();
    assert_eq!(waiting.iter().map(|one| one.team.as_str()).collect::<Vec<_>>(), ["team_1"]);
    let whose = office.registrations().by_service(&services[0]).await.unwrap();
    assert_eq!(whose, Some((org("org_1"), team("team_1"))), "its events find the team");
    assert_eq!(ask(&app, &event).await, (202, view), "the same key");
    assert_eq!(self::services(&office).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_comes_after_the_submission_joins_the_service() {
    let (office, mut numbers) = begun().await;
    assert_eq!(ask(&app(&office), &submit("ada", &details())).await.0, 202);
    let (_, made) = wizard::ask(&office.app(), &create("ada", "team_1", &wish("third", 2003))).await;
    let inbox = office.inbox(made["inboxId"].as_str().unwrap()).await.unwrap();
    numbers.push(inbox.number_sid.unwrap());
    numbers.sort();
    assert_eq!(office.carrier.joined(&services(&office).await[0]).await, numbers);
}

/// The service is made after the creation looked for one, and filled before the number is the team's.
#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_is_bought_during_the_submission_joins_the_service_too() {
    let (office, numbers) = begun().await;
    let (reached, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let wait = Then::Wait { reached: Arc::clone(&reached), go: Arc::clone(&go) };
    office.carrier.set("POST", "/IncomingPhoneNumbers.json", wait);
    let (creating, submitting) = (office.app(), app(&office));
    let (event, details) = (create("ada", "team_1", &wish("third", 2003)), submit("ada", &details()));
    let meanwhile = async {
        reached.notified().await;
        assert_eq!(ask(&submitting, &details).await.0, 202);
        go.notify_one();
    };
    let ((status, made), ()) = tokio::join!(wizard::ask(&creating, &event), meanwhile);
    assert_eq!(status, 201, "{made}");
    assert_eq!(office.carrier.joined(&services(&office).await[0]).await.len(), numbers.len() + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submission_that_broke_off_goes_on_where_it_stopped() {
    let breaks: [(&str, &str); 5] = [
        ("GET", "/v1/Services"),
        ("POST", "/v1/Services"),
        ("POST", "/PhoneNumbers"),
        ("GET", "/Usa2p"),
        ("POST", "/Usa2p"),
    ];
    for (method, path) in breaks {
        let (office, numbers) = begun().await;
        let app = app(&office);
        office.carrier.set(method, path, Then::Refuse(500, json!({})));
        let event = submit("ada", &details()).header("idempotency-key", "k-1");
        let (status, problem) = ask(&app, &event).await;
        assert_eq!((status, &problem["code"]), (503, &json!("carrier_unavailable")), "{method} {path}");
        assert!(office.carrier.is_open(), "{method} {path}");
        let (_, view) = read(&app, "ada").await;
        assert_eq!((&view["submitted"], lines(&view).len()), (&json!(false), 1), "nothing turned");
        let (status, view) = ask(&app, &event).await;
        assert_eq!(status, 202, "{method} {path}: {view}");
        let services = services(&office).await;
        assert_eq!(services.len(), 1, "{method} {path}");
        assert_eq!(campaigns(&office, &services[0]).await.len(), 1, "{method} {path}");
        assert_eq!(office.carrier.joined(&services[0]).await, numbers, "{method} {path}");
        assert_eq!(lines(&view).len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_and_a_campaign_that_were_made_without_our_knowing_are_found_again() {
    let (office, numbers) = begun().await;
    let app = app(&office);
    let made = office.carrier.client(PATIENT).create_service("org_1 team_1").await.unwrap().sid;
    office.carrier.fault("error-after", "1", "services").await;
    assert_eq!(ask(&app, &submit("ada", &details())).await.0, 503);
    assert_eq!(ask(&app, &submit("ada", &details())).await.0, 202);
    assert_eq!(services(&office).await, [made.as_str()]);
    assert_eq!(office.carrier.joined(&made).await, numbers);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_with_the_carriers_is_not_submitted_again() {
    let (office, _) = begun().await;
    let app = app(&office);
    assert_eq!(ask(&app, &submit("ada", &details())).await.0, 202);
    for status in [None, Some(RegistrationStatus::Approved), Some(RegistrationStatus::Suspended)] {
        if let Some(status) = status {
            turn(&office, status, &[]).await;
        }
        let (told, problem) = ask(&app, &submit("ada", &details()).header("idempotency-key", "k-2")).await;
        assert_eq!((told, &problem["code"]), (409, &json!("registration_submitted")), "{status:?}");
        assert_eq!(problem["registration"], office.status("team_1").await.as_str());
    }
    assert_eq!(services(&office).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_with_other_details_is_refused() {
    let (office, _) = begun().await;
    let app = app(&office);
    assert_eq!(ask(&app, &submit("ada", &details()).header("idempotency-key", "k-1")).await.0, 202);
    let mut other = details();
    other["useCase"] = "CUSTOMER_CARE".into();
    let (status, problem) = ask(&app, &submit("ada", &other).header("idempotency-key", "k-1")).await;
    assert_eq!((status, &problem["code"]), (422, &json!("idempotency_key_reused")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_campaign_is_corrected_under_its_name_and_pending_again() {
    let (office, _) = begun().await;
    let app = app(&office);
    let (_, first) = ask(&app, &submit("ada", &details())).await;
    let service = services(&office).await.remove(0);
    let failed = [("MessagingServiceSid", service.as_str()), ("Status", "FAILED"), ("ErrorCode", "30886")];
    office.carrier.control("campaign-status", &failed).await;
    let reasons = [CarrierReason { code: 30886, detail: "The description does not fit.".into() }];
    turn(&office, RegistrationStatus::Rejected, &reasons).await;
    let (_, view) = read(&app, "ada").await;
    assert!(view["notice"].as_str().unwrap().contains("submit them again"), "{view}");

    let mut corrected = details();
    corrected["description"] = "Answers to people who asked our front desk for an appointment.".into();
    corrected["termsUrl"] = "https://clinic.example/terms".into();
    let event = submit("ada", &corrected).header("idempotency-key", "k-2");
    let (status, view) = ask(&app, &event).await;
    assert_eq!((status, &view["status"]), (202, &json!("pending")), "{view}");
    assert_eq!((&view["carrier"], &view["submission"]), (&first["carrier"], &corrected));
    let campaigns = campaigns(&office, &service).await;
    assert_eq!((campaigns.len(), &campaigns[0]["campaign_status"]), (1, &json!("IN_PROGRESS")));
    assert_eq!(campaigns[0]["description"], corrected["description"]);
    let told = [
        "Started with the team's first shared inbox.",
        "Submitted.",
        "rejected",
        "Corrected and submitted again.",
    ];
    assert_eq!(lines(&view), told);
    assert_eq!(office.registrations().pending().await.unwrap().len(), 1);
    let row = office.registrations().get(&org("org_1"), &team("team_1")).await.unwrap();
    assert_eq!(row.reasons, [], "of the former details");
    assert_eq!(ask(&app, &event).await, (202, view));
    let (status, _) = ask(&app, &submit("ada", &corrected).header("idempotency-key", "k-3")).await;
    assert_eq!(status, 409);
}

#[tokio::test(flavor = "multi_thread")]
async fn details_that_make_no_sense_are_named_at_once_and_reach_nobody() {
    let (office, _) = begun().await;
    let app = app_at(&office, nobody());
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
    let (status, problem) = ask(&app, &submit("ada", &bad)).await;
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
        let mut lacking = details();
        lacking.as_object_mut().unwrap().remove(field);
        let (status, problem) = ask(&app, &submit("ada", &lacking)).await;
        assert_eq!((status, pointers(&problem)), (400, vec![format!("/{field}").as_str()]));
    }
    let (status, problem) = ask(&app, &submit("ada", &details())).await;
    assert_eq!((status, &problem["code"]), (503, &json!("carrier_unavailable")));
    assert_eq!(office.registrations().pending().await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_the_details_is_told_with_the_carriers_words() {
    let (office, _) = begun().await;
    let app = app(&office);
    let words = "The A2P use case is invalid";
    let refusal = json!({ "code": 21720, "message": words, "status": 400 });
    office.carrier.set("POST", "/Usa2p", Then::Refuse(400, refusal));
    let (status, problem) = ask(&app, &submit("ada", &details())).await;
    assert_eq!((status, &problem["code"]), (422, &json!("campaign_refused")));
    assert!(problem["detail"].as_str().unwrap().contains(words), "{problem}");
    assert_eq!(read(&app, "ada").await.1["submitted"], false);
    assert_eq!(ask(&app, &submit("ada", &details())).await.0, 202, "corrected");
    assert_eq!(services(&office).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_brand_nothing_is_submitted() {
    let (office, _) = begun().await;
    let app = App::new(&office.table(), Claims::standard(), office.carrier.client(PATIENT), None);
    let (status, problem) = ask(&app, &submit("ada", &details())).await;
    assert_eq!((status, &problem["code"]), (409, &json!("brand_missing")));
    assert_eq!(services(&office).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn members_read_without_the_carriers_names_and_outsiders_find_nothing() {
    let (office, _) = begun().await;
    let app = app(&office);
    assert_eq!(ask(&app, &submit("ada", &details())).await.0, 202);
    let (status, view) = read(&app, "bob").await;
    assert_eq!((status, &view["status"]), (200, &json!("pending")));
    assert_eq!((view.get("carrier"), view.get("submission")), (None, None), "{view}");
    assert!(view["notice"].is_string() && view["timeline"].as_array().unwrap().len() == 2);
    assert!(read(&app, "olga").await.1["carrier"].is_object(), "the owner manages every team");
    for body in [details(), json!({})] {
        let (status, problem) = ask(&app, &submit("bob", &body)).await;
        assert_eq!((status, &problem["code"]), (403, &json!("admin_required")));
        for outsider in ["dan", "nobody"] {
            assert_eq!(ask(&app, &submit(outsider, &body)).await.0, 404, "{outsider}");
            assert_eq!(read(&app, outsider).await.0, 404, "{outsider}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_submissions_at_one_instant_are_one_campaign_of_one_service() {
    for round in 0..6 {
        let (office, numbers) = begun().await;
        let (one, other) = (app(&office), app(&office));
        let events = [submit("ada", &details()), submit("olga", &details())];
        let (first, second) = tokio::join!(ask(&one, &events[0]), ask(&other, &events[1]));
        let mut told = [first.0, second.0];
        told.sort_unstable();
        assert_eq!(told[0], 202, "{round}: {} {}", first.1, second.1);
        assert!([409, 503].contains(&told[1]), "{round}: {} {}", first.1, second.1);
        let (_, view) = read(&one, "ada").await;
        assert_eq!(lines(&view).len(), 2, "{round}: told once");
        let counts = view["carrier"]["messagingServiceSid"].as_str().unwrap();
        assert_eq!(office.carrier.joined(counts).await, numbers, "{round}");
        for service in services(&office).await {
            let sids: Vec<_> =
                campaigns(&office, &service).await.iter().map(|one| one["sid"].clone()).collect();
            let expected =
                if service == counts { vec![view["carrier"]["campaignSid"].clone()] } else { vec![] };
            assert_eq!(sids, expected, "{round}: {view}");
        }
    }
}
