//! `registration-status`: events of the carrier's, proven and queued.

use registration_status::{App, handle};

use super::*;

fn app(stage: &Stage, queue: RegistrationQueue) -> App {
    let login = EventStreamsLogin { user: USER.into(), password: PASSWORD.into() };
    App::new(stage.table(), verifier(), Some(EventsLogin::new(&login)), ACCOUNT.into(), queue)
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
}

/// Events as Twilio posts them, signed over this base.
fn signed(base: &str, body: &str, token: &str) -> Event {
    let path = ROUTE.split(' ').nth(1).unwrap();
    let (url, signature) = sign_json(&format!("{base}{path}"), body.as_bytes(), token);
    Event::new(ROUTE, &[])
        .query(url.split_once('?').unwrap().1)
        .header("content-type", "application/json")
        .header("x-twilio-signature", &signature)
        .header("authorization", &basic(USER, PASSWORD))
        .raw(body)
}

async fn post(app: &App, event: &Event) -> (u16, Value) {
    let answer = handle(app, now(), event.request()).await;
    (answer.status().as_u16(), body_of(&answer))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_two_is_two_jobs_in_their_order_with_either_signature() {
    let (stage, queue) = (submitted().await, Queue::start().await);
    let app = app(&stage, at_queue(&queue.url));
    let with_user_info = BASE.replace("://", &format!("://{USER}:{PASSWORD}@"));
    for base in [BASE, &with_user_info] {
        assert_eq!(post(&app, &signed(base, BATCH, TOKEN)).await, (200, json!({})), "{base}");
    }
    let jobs = jobs(&queue);
    assert_eq!(jobs.len(), 4, "told twice, queued twice");
    assert_eq!(jobs[..2], jobs[2..]);
    let told = |job: &RegistrationJob| job.announcement.clone().unwrap();
    assert_eq!(
        (told(&jobs[0]).what, told(&jobs[1]).what),
        (CampaignUpdate::Submitted, CampaignUpdate::Approved)
    );
    assert_eq!(
        (told(&jobs[1]).id.as_str(), told(&jobs[1]).at),
        ("EZ00000000000000000000000000000002", at(0))
    );
    assert_eq!((&jobs[0].organization, &jobs[0].team), (stage.organization(), &stage.account.team.id));
    assert_eq!(status(&stage).await, RegistrationStatus::Pending, "the event itself approves nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn either_proof_missing_or_wrong_queues_nothing() {
    let (stage, queue) = (submitted().await, Queue::start().await);
    let app = app(&stage, at_queue(&queue.url));
    let genuine = signed(BASE, APPROVED, TOKEN);
    let elsewhere = BASE.replace("://", "://events:other@");
    let forged = [
        genuine.clone().header("authorization", ""),
        genuine.clone().header("authorization", &basic(USER, "other")),
        genuine.clone().header("authorization", &basic(USER, "")),
        genuine.clone().header("x-twilio-signature", ""),
        genuine.clone().raw(APPROVED.replace("approved", "failed")),
        genuine.clone().query(""),
        signed(BASE, APPROVED, "other-token"),
        signed(&elsewhere, APPROVED, TOKEN),
        Event::new(ROUTE, &[]).raw(APPROVED),
    ];
    for event in forged {
        let (status, problem) = post(&app, &event).await;
        assert_eq!((status, &problem["code"]), (403, &json!("signature")));
    }
    let unset = App::new(stage.table(), verifier(), None, ACCOUNT.into(), at_queue(&queue.url));
    assert_eq!(post(&unset, &genuine).await.0, 403, "without a login of ours nobody comes in");
    assert_eq!(jobs(&queue), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_concerns_no_registration_of_ours_is_taken_without_effect() {
    let (stage, queue) = (submitted().await, Queue::start().await);
    let app = app(&stage, at_queue(&queue.url));
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
        assert_eq!(post(&app, &signed(BASE, &body, TOKEN)).await, (200, json!({})), "{body}");
    }
    assert_eq!(queue.bodies(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_without_a_time_happened_now_and_one_without_an_account_counts() {
    let (stage, queue) = (submitted().await, Queue::start().await);
    let mut events: Value = serde_json::from_str(FAILURE).unwrap();
    events[0].as_object_mut().unwrap().remove("time");
    for field in ["timestamp", "accountsid"] {
        events[0]["data"].as_object_mut().unwrap().remove(field);
    }
    let before = now();
    assert_eq!(
        post(&app(&stage, at_queue(&queue.url)), &signed(BASE, &events.to_string(), TOKEN)).await.0,
        200
    );
    let told = jobs(&queue)[0].announcement.clone().unwrap();
    assert!(before <= told.at && told.at <= now());
    assert_eq!((told.what, told.codes), (CampaignUpdate::Failed, vec![30886]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_json_is_a_400_and_what_is_too_large_a_413() {
    let (stage, queue) = (submitted().await, Queue::start().await);
    let app = app(&stage, at_queue(&queue.url));
    for body in ["not JSON", "7", ""] {
        assert_eq!(post(&app, &signed(BASE, body, TOKEN)).await.0, 400, "{body}");
    }
    let large = format!("[{}]", " ".repeat(256 * 1024));
    let (status, problem) = post(&app, &signed(BASE, &large, TOKEN)).await;
    assert_eq!((status, &problem["detail"]), (413, &json!("The body is larger than 256 KiB.")));
    let many = format!("[{}1]", "1,".repeat(1000));
    assert_eq!(post(&app, &signed(BASE, &many, TOKEN)).await.0, 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_queued_or_looked_up_is_never_answered_with_2xx() {
    let (stage, queue) = (submitted().await, Queue::start().await);
    queue.refuse(&["1"]);
    let event = signed(BASE, BATCH, TOKEN);
    assert_eq!(post(&app(&stage, at_queue(&queue.url)), &event).await.0, 503, "one of two");
    assert_eq!(post(&app(&stage, at_queue(NOWHERE)), &event).await.0, 503);
    let login = EventStreamsLogin { user: USER.into(), password: PASSWORD.into() };
    let login = Some(EventsLogin::new(&login));
    let dead = App::new(Stage::dead_table(), verifier(), login, ACCOUNT.into(), at_queue(&queue.url));
    assert_eq!(post(&dead, &event).await.0, 503);
}
