//! `registration-status`: verifies and queues the carrier's events.

use registration_status::{App, handle};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use shared_aws::clients::{EventStreamsLogin, RegistrationJob, RegistrationQueue};
use shared_carriers::twilio::signature::sign_json;
use shared_domain::registration::{CampaignUpdate, RegistrationStatus};
use shared_lambda::clock::now;
use test_kit::{
    TestApp,
    app::NO_SERVICE,
    carrier::{ACCOUNT, TOKEN},
    gateway::{self, Event},
    queue::registration_queue,
    twilio::{BASE_URL, fixed_account, verifier, webhook_accounts},
};

use crate::registration::{
    APPROVED, BATCH, BRAND, FAILURE, NUMBER, PASSWORD, ROUTE, SERVICE, USER, at, jobs, start_with_submission,
    status,
};

fn app(test: &TestApp, queue: RegistrationQueue) -> App {
    let login = EventStreamsLogin { user: USER.into(), password: PASSWORD.into() };
    App::new(test.table(), fixed_account(verifier(), Some(login)), queue)
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
}

/// Returns a webhook with these events, signed for this base URL.
fn signed(base_url: &str, body: &str, token: &str) -> Event {
    let path = ROUTE.split(' ').nth(1).unwrap();
    let (url, signature) = sign_json(&format!("{base_url}{path}"), body.as_bytes(), token);
    Event::new(ROUTE, &[])
        .query(url.split_once('?').unwrap().1)
        .header("content-type", "application/json")
        .header("x-twilio-signature", &signature)
        .header("authorization", &basic(USER, PASSWORD))
        .raw(body)
}

async fn post(app: &App, event: &Event) -> (u16, Value) {
    let answer = handle(app, now(), event.request()).await;
    (answer.status().as_u16(), gateway::json(&answer))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_two_events_is_two_jobs_in_order_with_either_signature() {
    let test = start_with_submission().await;
    let queue = &test.queue;
    let app = app(&test, registration_queue(&queue.url));
    let with_user_info = BASE_URL.replace("://", &format!("://{USER}:{PASSWORD}@"));
    for base in [BASE_URL, &with_user_info] {
        assert_eq!(post(&app, &signed(base, BATCH, TOKEN)).await, (200, json!({})), "{base}");
    }
    let jobs = jobs(queue);
    assert_eq!(jobs.len(), 4, "delivered twice, queued twice");
    assert_eq!(jobs[..2], jobs[2..]);
    let announced = |job: &RegistrationJob| job.announcement.clone().unwrap();
    assert_eq!(
        (announced(&jobs[0]).what, announced(&jobs[1]).what),
        (CampaignUpdate::Submitted, CampaignUpdate::Approved)
    );
    assert_eq!(
        (announced(&jobs[1]).id.as_str(), announced(&jobs[1]).at),
        ("EZ00000000000000000000000000000002", at(0))
    );
    assert_eq!((&jobs[0].organization, &jobs[0].team), (test.organization(), &test.team.id));
    assert_eq!(status(&test).await, RegistrationStatus::Pending, "the event itself approves nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_or_wrong_proof_queues_nothing() {
    let test = start_with_submission().await;
    let queue = &test.queue;
    let app = app(&test, registration_queue(&queue.url));
    let genuine = signed(BASE_URL, APPROVED, TOKEN);
    let elsewhere = BASE_URL.replace("://", "://events:other@");
    let forged = [
        genuine.clone().header("authorization", ""),
        genuine.clone().header("authorization", &basic(USER, "other")),
        genuine.clone().header("authorization", &basic(USER, "")),
        genuine.clone().header("x-twilio-signature", ""),
        genuine.clone().raw(APPROVED.replace("approved", "failed")),
        genuine.clone().query(""),
        signed(BASE_URL, APPROVED, "other-token"),
        signed(&elsewhere, APPROVED, TOKEN),
        Event::new(ROUTE, &[]).raw(APPROVED),
    ];
    for event in forged {
        let (status, problem) = post(&app, &event).await;
        assert_eq!((status, &problem["code"]), (403, &json!("signature")));
    }
    let unset = App::new(test.table(), webhook_accounts(), registration_queue(&queue.url));
    assert_eq!(post(&unset, &genuine).await.0, 403, "without a configured login nothing is accepted");
    assert_eq!(jobs(queue), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_about_other_registrations_are_accepted_without_effect() {
    let test = start_with_submission().await;
    let queue = &test.queue;
    let app = app(&test, registration_queue(&queue.url));
    let bodies = [
        APPROVED.replace(SERVICE, "MGbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"),
        APPROVED.replace(ACCOUNT, "ACbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"),
        APPROVED.replace("messagingservicesid", "nothing"),
        APPROVED.replace("campaign-approved", "campaign-deleted"),
        APPROVED.replace("campaign-approved", "campaign-renewed"),
        NUMBER.replace("number-registration.successful", "number-deregistration.pending"),
        BRAND.into(),
        "[]".into(),
        r#"[7, {"id": "EZ1"}]"#.into(),
    ];
    for body in bodies {
        assert_eq!(post(&app, &signed(BASE_URL, &body, TOKEN)).await, (200, json!({})), "{body}");
    }
    assert_eq!(queue.bodies(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_without_a_time_gets_the_current_one_and_an_account_is_optional() {
    let test = start_with_submission().await;
    let queue = &test.queue;
    let mut events: Value = serde_json::from_str(FAILURE).unwrap();
    events[0].as_object_mut().unwrap().remove("time");
    for field in ["timestamp", "accountsid"] {
        events[0]["data"].as_object_mut().unwrap().remove(field);
    }
    let before = now();
    assert_eq!(
        post(&app(&test, registration_queue(&queue.url)), &signed(BASE_URL, &events.to_string(), TOKEN))
            .await
            .0,
        200
    );
    let event = jobs(queue)[0].announcement.clone().unwrap();
    assert!(before <= event.at && event.at <= now());
    assert_eq!((event.what, event.codes), (CampaignUpdate::Failed, vec![30886]));
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_json_is_a_400_and_a_body_that_is_too_large_a_413() {
    let test = start_with_submission().await;
    let queue = &test.queue;
    let app = app(&test, registration_queue(&queue.url));
    for body in ["not JSON", "7", ""] {
        assert_eq!(post(&app, &signed(BASE_URL, body, TOKEN)).await.0, 400, "{body}");
    }
    let large = format!("[{}]", " ".repeat(256 * 1024));
    let (status, problem) = post(&app, &signed(BASE_URL, &large, TOKEN)).await;
    assert_eq!((status, &problem["detail"]), (413, &json!("The body is larger than 256 KiB.")));
    let many = format!("[{}1]", "1,".repeat(1000));
    assert_eq!(post(&app, &signed(BASE_URL, &many, TOKEN)).await.0, 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_was_not_queued_is_never_answered_with_2xx() {
    let test = start_with_submission().await;
    let queue = &test.queue;
    queue.refuse(&["1"]);
    let event = signed(BASE_URL, BATCH, TOKEN);
    assert_eq!(post(&app(&test, registration_queue(&queue.url)), &event).await.0, 503, "one of two");
    assert_eq!(post(&app(&test, registration_queue(NO_SERVICE)), &event).await.0, 503);
    let login = EventStreamsLogin { user: USER.into(), password: PASSWORD.into() };
    let accounts = fixed_account(verifier(), Some(login));
    let without_table = App::new(TestApp::unreachable_table(), accounts, registration_queue(&queue.url));
    assert_eq!(post(&without_table, &event).await.0, 503);
}
