//! `registration-check`: a job reads the campaign at the carrier and turns the registration.

use registration_check::{App, handle};

use super::*;

fn app(stage: &Stage, carrier: &Stub) -> App {
    let credentials =
        Credentials { account_sid: ACCOUNT.into(), username: ACCOUNT.into(), password: TOKEN.into() };
    let client = Client::new(&carrier.url, credentials, Duration::from_secs(2)).unwrap();
    App::new(stage.table(), client.with_messaging_url(&carrier.url).unwrap())
}

/// The carrier, holding this campaign.
async fn carrier(record: &str) -> Stub {
    Stub::open(200, serde_json::from_str(record).unwrap()).await
}

fn event(id: &str, seconds: i64, what: CampaignUpdate) -> Option<CampaignEvent> {
    Some(CampaignEvent { id: id.into(), at: at(seconds), what, codes: Vec::new() })
}

fn failure() -> Option<CampaignEvent> {
    event("EZ3", 1, CampaignUpdate::Failed).map(|told| CampaignEvent { codes: vec![30886, 30034], ..told })
}

/// Delivers a job; whether it is done.
async fn deliver(stage: &Stage, app: &App, announcement: Option<CampaignEvent>) -> bool {
    let (organization, team) = (stage.organization().clone(), stage.account.team.id.clone());
    deliver_text(app, &RegistrationJob { organization, team, announcement }.body()).await
}

async fn deliver_text(app: &App, body: &str) -> bool {
    let record = json!({ "messageId": "job", "body": body, "eventSource": "aws:sqs" });
    let event: SqsEvent = serde_json::from_value(json!({ "Records": [record] })).unwrap();
    let SqsBatchResponse { batch_item_failures: failures, .. } = handle(app, now, event).await;
    assert!(failures.iter().all(|failure| failure.item_identifier == "job"));
    failures.is_empty()
}

fn admins(notice: &Notification) -> Vec<&str> {
    notice.admins.iter().map(UserId::as_str).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_that_the_record_does_not_know_approves_nothing() {
    let (stage, carrier) = (submitted().await, carrier(RECORD_IN_REVIEW).await);
    assert!(deliver(&stage, &app(&stage, &carrier), event("EZ2", 1, CampaignUpdate::Approved)).await);
    assert_eq!(status(&stage).await, RegistrationStatus::Pending);
    let steps = steps(&stage).await;
    assert_eq!((steps.len(), steps[0].status), (1, RegistrationStatus::Pending));
    assert!(steps[0].detail.as_ref().unwrap().contains("in review"), "{steps:?}");
    assert_eq!(notices(&stage).await, []);
    assert_eq!(waiting(&stage).await.len(), 1, "the poll goes on asking");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_that_the_record_confirms_turns_once_however_often_it_is_told() {
    let (stage, carrier) = (submitted().await, carrier(RECORD_VERIFIED).await);
    let app = app(&stage, &carrier);
    let told = || event("EZ2", 1, CampaignUpdate::Approved);
    let at_once = tokio::join!(
        deliver(&stage, &app, told()),
        deliver(&stage, &app, told()),
        deliver(&stage, &app, event("EZ9", 1, CampaignUpdate::Submitted))
    );
    assert_eq!(at_once, (true, true, true));
    let first = notices(&stage).await;
    admit(&stage, "cyd", Role::Admin).await;
    assert!(deliver(&stage, &app, told()).await);
    assert!(deliver(&stage, &app, None).await);
    assert_eq!(status(&stage).await, RegistrationStatus::Approved);
    let told_of = steps(&stage).await.into_iter().filter(|step| step.id == "EZ2");
    assert_eq!(told_of.map(|step| step.status).collect::<Vec<_>>(), [RegistrationStatus::Approved]);
    assert_eq!((first.len(), &first[0].subject), (1, &NotificationKind::RegistrationApproved));
    assert_eq!(admins(&first[0]), ["ada"], "the admins of that instant");
    assert_eq!(notices(&stage).await, first, "once");
    assert_eq!(waiting(&stage).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_event_stands_in_the_timeline_and_changes_nothing() {
    let (stage, carrier) = (submitted().await, carrier(RECORD_VERIFIED).await);
    let app = app(&stage, &carrier);
    assert!(deliver(&stage, &app, event("EZ2", 60, CampaignUpdate::Approved)).await);
    let asked = carrier.asked().len();
    for what in [CampaignUpdate::Failed, CampaignUpdate::Suspended, CampaignUpdate::Submitted] {
        assert!(deliver(&stage, &app, event(&format!("EZ-{what:?}"), 30, what)).await);
    }
    assert_eq!(carrier.asked().len(), asked, "nobody is asked");
    assert_eq!(status(&stage).await, RegistrationStatus::Approved);
    let steps = steps(&stage).await;
    let old: Vec<_> = steps[..3].iter().map(|step| (step.id.as_str(), step.status)).collect();
    let expected = [
        ("EZ-Failed", RegistrationStatus::Rejected),
        ("EZ-Submitted", RegistrationStatus::Pending),
        ("EZ-Suspended", RegistrationStatus::Suspended),
    ];
    assert_eq!(old, expected);
    assert!(steps[..3].iter().all(|step| step.detail.as_ref().unwrap().contains("no effect")));
    assert_eq!(notices(&stage).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_keeps_the_carriers_reasons_and_tells_the_admins() {
    let (stage, carrier) = (submitted().await, carrier(RECORD_FAILED).await);
    let app = app(&stage, &carrier);
    for _ in 0..2 {
        assert!(deliver(&stage, &app, failure()).await);
    }
    assert_eq!(status(&stage).await, RegistrationStatus::Rejected);
    let detail = "The campaign description does not fit the use case.".to_owned();
    let reasons = vec![CarrierReason { code: 30886, detail: detail.clone() }];
    assert_eq!(registration(&stage).await.reasons, reasons);
    let steps = steps(&stage).await;
    assert_eq!((steps.len(), &steps[0].codes), (1, &vec![30886, 30034]));
    assert_eq!((steps[0].source, steps[0].detail.as_ref()), (StepSource::Callback, Some(&detail)));
    let notices = notices(&stage).await;
    assert_eq!((notices.len(), &notices[0].subject), (1, &NotificationKind::RegistrationRejected(reasons)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_without_reasons_leaves_those_of_the_event() {
    let mut record: Value = serde_json::from_str(RECORD_FAILED).unwrap();
    record["errors"] = json!([]);
    let (stage, carrier) = (submitted().await, Stub::open(200, record).await);
    assert!(deliver(&stage, &app(&stage, &carrier), failure()).await);
    let codes: Vec<_> = registration(&stage).await.reasons.iter().map(|reason| reason.code).collect();
    assert_eq!(codes, [30886, 30034]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspension_counts_though_the_record_says_verified_and_ends_with_a_newer_approval() {
    let (stage, carrier) = (submitted().await, carrier(RECORD_VERIFIED).await);
    let app = app(&stage, &carrier);
    let first = || event("EZ2", 1, CampaignUpdate::Approved);
    let suspension = || event("EZ4", 2, CampaignUpdate::Suspended);
    assert!(deliver(&stage, &app, first()).await);
    for _ in 0..2 {
        assert!(deliver(&stage, &app, suspension()).await);
        assert_eq!(status(&stage).await, RegistrationStatus::Suspended);
    }
    // Nothing that is older, or that does not speak of an approval, lifts it: the record knows nothing of it.
    assert!(deliver(&stage, &app, first()).await);
    assert!(deliver(&stage, &app, event("EZ5", 3, CampaignUpdate::Submitted)).await);
    assert!(deliver(&stage, &app, None).await, "a question that was queued long ago");
    assert_eq!(status(&stage).await, RegistrationStatus::Suspended);
    assert!(deliver(&stage, &app, event("EZ6", 4, CampaignUpdate::Approved)).await);
    assert_eq!(status(&stage).await, RegistrationStatus::Approved);
    assert!(deliver(&stage, &app, suspension()).await);
    assert_eq!(status(&stage).await, RegistrationStatus::Approved, "told late again");
    let subjects: Vec<_> = notices(&stage).await.into_iter().map(|notice| notice.subject).collect();
    assert_eq!(subjects.len(), 3, "{subjects:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspension_that_was_lifted_before_it_was_told_suspends_nothing() {
    let (stage, carrier) = (submitted().await, carrier(RECORD_VERIFIED).await);
    let app = app(&stage, &carrier);
    assert!(deliver(&stage, &app, event("EZ2", 1, CampaignUpdate::Approved)).await);
    assert!(deliver(&stage, &app, event("EZ7", 3, CampaignUpdate::NumberRegistered)).await);
    assert!(deliver(&stage, &app, event("EZ6", 60, CampaignUpdate::Approved)).await);
    assert!(deliver(&stage, &app, event("EZ4", 30, CampaignUpdate::Suspended)).await);
    assert_eq!(status(&stage).await, RegistrationStatus::Approved);
    assert!(deliver(&stage, &app, event("EZ8", 61, CampaignUpdate::NumberRegistered)).await);
    assert!(deliver(&stage, &app, event("EZ5", 60, CampaignUpdate::Suspended)).await);
    assert_eq!(status(&stage).await, RegistrationStatus::Suspended, "a number's line lifts nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_within_a_second_go_by_the_record() {
    let record = |status: &str, updated: &str| {
        let mut record: Value = serde_json::from_str(RECORD_VERIFIED).unwrap();
        (record["campaign_status"], record["date_updated"]) = (status.into(), updated.into());
        record
    };
    let (stage, carrier) =
        (submitted().await, Stub::open(200, record("VERIFIED", "2026-11-22T10:00:02Z")).await);
    let app = app(&stage, &carrier);
    assert!(deliver(&stage, &app, event("EZ2", 1, CampaignUpdate::Approved)).await);
    carrier.says(200, record("SUSPENDED", "2026-11-22T10:00:03Z"));
    assert!(deliver(&stage, &app, event("EZ4", 1, CampaignUpdate::Suspended)).await);
    assert_eq!(status(&stage).await, RegistrationStatus::Suspended);
    carrier.says(200, record("VERIFIED", "2026-11-22T10:00:04Z"));
    assert!(deliver(&stage, &app, event("EZ6", 1, CampaignUpdate::Approved)).await);
    assert_eq!(status(&stage).await, RegistrationStatus::Approved);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_carrier_that_does_not_say_leaves_the_job_in_the_queue() {
    let (stage, carrier) = (submitted().await, carrier(RECORD_VERIFIED).await);
    let app = app(&stage, &carrier);
    for (status, answer) in
        [(500, json!({})), (429, json!({ "code": 20429 })), (404, json!({ "code": 20404 }))]
    {
        carrier.says(status, answer);
        assert!(!deliver(&stage, &app, event("EZ2", 1, CampaignUpdate::Approved)).await, "{status}");
    }
    let nobody = Stub { url: NOWHERE.into(), ..carrier.clone() };
    assert!(!deliver(&stage, &self::app(&stage, &nobody), None).await);
    assert_eq!((status(&stage).await, steps(&stage).await.len()), (RegistrationStatus::Pending, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_question_approves_too_and_leaves_no_line_otherwise() {
    let (stage, carrier) = (submitted().await, carrier(RECORD_IN_REVIEW).await);
    let app = app(&stage, &carrier);
    assert!(deliver(&stage, &app, None).await);
    assert_eq!(steps(&stage).await, []);
    carrier.says(200, serde_json::from_str(RECORD_VERIFIED).unwrap());
    assert!(deliver(&stage, &app, None).await);
    let steps = steps(&stage).await;
    assert_eq!((steps.len(), steps[0].source, steps[0].at), (1, StepSource::Poll, at(0)));
    assert_eq!((status(&stage).await, notices(&stage).await.len()), (RegistrationStatus::Approved, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_a_number_or_before_any_submission_is_a_line_without_a_question() {
    let (stage, carrier) = (submitted().await, carrier(RECORD_VERIFIED).await);
    let app = app(&stage, &carrier);
    for (id, what) in [("EZ6", CampaignUpdate::NumberRegistered), ("EZ7", CampaignUpdate::NumberFailed)] {
        assert!(deliver(&stage, &app, event(id, 1, what)).await);
    }
    assert_eq!(steps(&stage).await.len(), 2);
    let fresh = Stage::set().await;
    let app = self::app(&fresh, &carrier);
    assert!(deliver(&fresh, &app, event("EZ2", 1, CampaignUpdate::Approved)).await);
    assert!(deliver(&fresh, &app, None).await);
    assert_eq!(steps(&fresh).await[0].status, RegistrationStatus::NotStarted);
    assert_eq!(carrier.asked(), Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_whose_time_is_that_of_its_arrival_is_one_line() {
    let (stage, carrier) = (submitted().await, carrier(RECORD_IN_REVIEW).await);
    let app = app(&stage, &carrier);
    for seconds in [1, 7] {
        assert!(deliver(&stage, &app, event("EZ1", seconds, CampaignUpdate::Submitted)).await);
    }
    assert_eq!(steps(&stage).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_job_or_meets_a_dead_store_comes_again() {
    let (stage, carrier) = (submitted().await, carrier(RECORD_VERIFIED).await);
    assert!(!deliver_text(&app(&stage, &carrier), "not JSON").await);
    let credentials =
        Credentials { account_sid: ACCOUNT.into(), username: ACCOUNT.into(), password: TOKEN.into() };
    let client = Client::new(&carrier.url, credentials, Duration::from_secs(2)).unwrap();
    assert!(!deliver(&stage, &App::new(Stage::dead_table(), client), None).await);
    assert_eq!(carrier.asked(), Vec::<Value>::new());
}
