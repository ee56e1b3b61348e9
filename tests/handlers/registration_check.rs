//! `registration-check`: reads the campaign at the carrier and updates the registration.

use registration_check::{App, handle};

use std::time::Duration;

use aws_lambda_events::event::sqs::SqsBatchResponse;
use serde_json::{Value, json};
use shared_aws::{clients::RegistrationJob, registration::RefusedNumber};
use shared_domain::{
    ids::UserId,
    keys::TeamKey,
    membership::Role,
    notification::{Notification, NotificationKind},
    registration::{CampaignEvent, CampaignUpdate, CarrierReason, RegistrationStatus, StepSource},
};
use shared_lambda::clock::now;
use test_kit::{
    TestApp,
    app::NO_SERVICE,
    carrier::client_at,
    lambda_event::{self, sqs_record},
};

use crate::registration::{
    FixedCarrier, RECORD_FAILED, RECORD_IN_REVIEW, RECORD_VERIFIED, add_user, at, notifications, pending,
    registration, start_with_submission, status, steps,
};

/// No call of these tests times out.
const CARRIER_TIMEOUT: Duration = Duration::from_secs(30);

fn app(test: &TestApp, carrier: &FixedCarrier) -> App {
    App::new(test.table(), client_at(&carrier.url, CARRIER_TIMEOUT))
}

/// Starts a carrier with this campaign.
async fn carrier(record: &str) -> FixedCarrier {
    FixedCarrier::start(200, serde_json::from_str(record).unwrap()).await
}

fn event(id: &str, seconds: i64, what: CampaignUpdate) -> Option<CampaignEvent> {
    Some(CampaignEvent { id: id.into(), at: at(seconds), what, codes: Vec::new() })
}

fn failure() -> Option<CampaignEvent> {
    event("EZ3", 1, CampaignUpdate::Failed).map(|event| CampaignEvent { codes: vec![30886, 30034], ..event })
}

/// Delivers a job. Returns `false` if the queue must deliver it again.
async fn deliver(test: &TestApp, app: &App, announcement: Option<CampaignEvent>) -> bool {
    let (organization, team) = (test.organization().clone(), test.team.id.clone());
    deliver_body(app, &RegistrationJob { organization, team, announcement }.body()).await
}

async fn deliver_body(app: &App, body: &str) -> bool {
    let event = lambda_event::event(vec![sqs_record("job", None, body, 1)]);
    let SqsBatchResponse { batch_item_failures: failures, .. } = handle(app, now, event).await;
    assert!(failures.iter().all(|failure| failure.item_identifier == "job"));
    failures.is_empty()
}

fn admins(notification: &Notification) -> Vec<&str> {
    notification.admins.iter().map(UserId::as_str).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_that_the_carrier_does_not_confirm_changes_nothing() {
    let (test, carrier) = (start_with_submission().await, carrier(RECORD_IN_REVIEW).await);
    assert!(deliver(&test, &app(&test, &carrier), event("EZ2", 1, CampaignUpdate::Approved)).await);
    assert_eq!(status(&test).await, RegistrationStatus::Pending);
    let steps = steps(&test).await;
    assert_eq!((steps.len(), steps[0].status), (1, RegistrationStatus::Pending));
    assert!(steps[0].detail.as_ref().unwrap().contains("in review"), "{steps:?}");
    assert_eq!(notifications(&test).await, []);
    assert_eq!(pending(&test).await.len(), 1, "the poll continues");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_confirmed_approval_takes_effect_once_however_often_it_is_delivered() {
    let (test, carrier) = (start_with_submission().await, carrier(RECORD_VERIFIED).await);
    let app = app(&test, &carrier);
    let approved = || event("EZ2", 1, CampaignUpdate::Approved);
    let at_once = tokio::join!(
        deliver(&test, &app, approved()),
        deliver(&test, &app, approved()),
        deliver(&test, &app, event("EZ9", 1, CampaignUpdate::Submitted))
    );
    assert_eq!(at_once, (true, true, true));
    let first = notifications(&test).await;
    add_user(&test, "cyd", Role::Admin).await;
    assert!(deliver(&test, &app, approved()).await);
    assert!(deliver(&test, &app, None).await);
    assert_eq!(status(&test).await, RegistrationStatus::Approved);
    let told_of = steps(&test).await.into_iter().filter(|step| step.id == "EZ2");
    assert_eq!(told_of.map(|step| step.status).collect::<Vec<_>>(), [RegistrationStatus::Approved]);
    assert_eq!((first.len(), &first[0].subject), (1, &NotificationKind::RegistrationApproved));
    assert_eq!(admins(&first[0]), ["ada"], "the admins at that time");
    assert_eq!(notifications(&test).await, first, "once");
    assert_eq!(pending(&test).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_is_missing_in_an_approved_campaign_is_notified_once_for_each_hold() {
    let (test, carrier) = (start_with_submission().await, carrier(RECORD_VERIFIED).await);
    let app = app(&test, &carrier);
    assert!(deliver(&test, &app, event("EZ2", 1, CampaignUpdate::Approved)).await);
    let before = notifications(&test).await.len();
    let refused = |seconds| RefusedNumber { inbox: test.inbox.id.clone(), held_since: at(seconds) };
    let request = async |seconds| {
        let team = TeamKey { organization: test.organization(), team: &test.team.id };
        test.registrations().request_check(team, &refused(seconds)).await.unwrap();
    };
    for (seconds, expected) in [(100, 1), (100, 1), (4_000, 2)] {
        request(seconds).await;
        request(seconds).await;
        assert!(deliver(&test, &app, None).await);
        assert_eq!(pending(&test).await, []);
        let kind = NotificationKind::NumberNotRegistered(test.inbox.id.clone());
        let of_number: Vec<_> =
            notifications(&test).await.into_iter().filter(|one| one.subject == kind).collect();
        assert_eq!((of_number.len(), admins(&of_number[0])), (expected, vec!["ada"]), "{seconds}");
    }
    assert_eq!(notifications(&test).await.len(), before + 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_event_is_added_to_the_timeline_and_changes_nothing() {
    let (test, carrier) = (start_with_submission().await, carrier(RECORD_VERIFIED).await);
    let app = app(&test, &carrier);
    assert!(deliver(&test, &app, event("EZ2", 60, CampaignUpdate::Approved)).await);
    let requests = carrier.requests();
    for what in [CampaignUpdate::Failed, CampaignUpdate::Suspended, CampaignUpdate::Submitted] {
        assert!(deliver(&test, &app, event(&format!("EZ-{what:?}"), 30, what)).await);
    }
    assert_eq!(carrier.requests(), requests, "the carrier is not called");
    assert_eq!(status(&test).await, RegistrationStatus::Approved);
    let steps = steps(&test).await;
    let old: Vec<_> = steps[..3].iter().map(|step| (step.id.as_str(), step.status)).collect();
    let expected = [
        ("EZ-Failed", RegistrationStatus::Rejected),
        ("EZ-Submitted", RegistrationStatus::Pending),
        ("EZ-Suspended", RegistrationStatus::Suspended),
    ];
    assert_eq!(old, expected);
    assert!(steps[..3].iter().all(|step| step.detail.as_ref().unwrap().contains("no effect")));
    assert_eq!(notifications(&test).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejection_keeps_the_carriers_reasons_and_notifies_the_admins() {
    let (test, carrier) = (start_with_submission().await, carrier(RECORD_FAILED).await);
    let app = app(&test, &carrier);
    for _ in 0..2 {
        assert!(deliver(&test, &app, failure()).await);
    }
    assert_eq!(status(&test).await, RegistrationStatus::Rejected);
    let detail = "The campaign description does not fit the use case.".to_owned();
    let reasons = vec![CarrierReason { code: 30886, detail: detail.clone() }];
    assert_eq!(registration(&test).await.reasons, reasons);
    let steps = steps(&test).await;
    assert_eq!((steps.len(), &steps[0].codes), (1, &vec![30886, 30034]));
    assert_eq!((steps[0].source, steps[0].detail.as_ref()), (StepSource::Callback, Some(&detail)));
    let notifications = notifications(&test).await;
    assert_eq!(
        (notifications.len(), &notifications[0].subject),
        (1, &NotificationKind::RegistrationRejected(reasons))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_reasons_of_the_carrier_those_of_the_event_are_kept() {
    let mut record: Value = serde_json::from_str(RECORD_FAILED).unwrap();
    record["errors"] = json!([]);
    let (test, carrier) = (start_with_submission().await, FixedCarrier::start(200, record).await);
    assert!(deliver(&test, &app(&test, &carrier), failure()).await);
    let codes: Vec<_> = registration(&test).await.reasons.iter().map(|reason| reason.code).collect();
    assert_eq!(codes, [30886, 30034]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspension_applies_even_if_the_campaign_is_verified_and_ends_with_a_newer_approval() {
    let (test, carrier) = (start_with_submission().await, carrier(RECORD_VERIFIED).await);
    let app = app(&test, &carrier);
    let first = || event("EZ2", 1, CampaignUpdate::Approved);
    let suspension = || event("EZ4", 2, CampaignUpdate::Suspended);
    assert!(deliver(&test, &app, first()).await);
    for _ in 0..2 {
        assert!(deliver(&test, &app, suspension()).await);
        assert_eq!(status(&test).await, RegistrationStatus::Suspended);
    }
    // Only a newer approval ends the suspension, because the campaign at the carrier does not show it.
    assert!(deliver(&test, &app, first()).await);
    assert!(deliver(&test, &app, event("EZ5", 3, CampaignUpdate::Submitted)).await);
    assert!(deliver(&test, &app, None).await, "a poll that was queued earlier");
    assert_eq!(status(&test).await, RegistrationStatus::Suspended);
    assert!(deliver(&test, &app, event("EZ6", 4, CampaignUpdate::Approved)).await);
    assert_eq!(status(&test).await, RegistrationStatus::Approved);
    assert!(deliver(&test, &app, suspension()).await);
    assert_eq!(status(&test).await, RegistrationStatus::Approved, "repeated late");
    let subjects: Vec<_> =
        notifications(&test).await.into_iter().map(|notification| notification.subject).collect();
    assert_eq!(subjects.len(), 3, "{subjects:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspension_that_ended_before_its_event_arrives_changes_nothing() {
    let (test, carrier) = (start_with_submission().await, carrier(RECORD_VERIFIED).await);
    let app = app(&test, &carrier);
    assert!(deliver(&test, &app, event("EZ2", 1, CampaignUpdate::Approved)).await);
    assert!(deliver(&test, &app, event("EZ7", 3, CampaignUpdate::NumberRegistered)).await);
    assert!(deliver(&test, &app, event("EZ6", 60, CampaignUpdate::Approved)).await);
    assert!(deliver(&test, &app, event("EZ4", 30, CampaignUpdate::Suspended)).await);
    assert_eq!(status(&test).await, RegistrationStatus::Approved);
    assert!(deliver(&test, &app, event("EZ8", 61, CampaignUpdate::NumberRegistered)).await);
    assert!(deliver(&test, &app, event("EZ5", 60, CampaignUpdate::Suspended)).await);
    assert_eq!(status(&test).await, RegistrationStatus::Suspended, "an event about a number does not end it");
}

#[tokio::test(flavor = "multi_thread")]
async fn for_changes_within_a_second_the_carriers_campaign_decides() {
    let record = |status: &str, updated: &str| {
        let mut record: Value = serde_json::from_str(RECORD_VERIFIED).unwrap();
        (record["campaign_status"], record["date_updated"]) = (status.into(), updated.into());
        record
    };
    let (test, carrier) = (
        start_with_submission().await,
        FixedCarrier::start(200, record("VERIFIED", "2026-11-22T10:00:02Z")).await,
    );
    let app = app(&test, &carrier);
    assert!(deliver(&test, &app, event("EZ2", 1, CampaignUpdate::Approved)).await);
    carrier.set_answer(200, record("SUSPENDED", "2026-11-22T10:00:03Z"));
    assert!(deliver(&test, &app, event("EZ4", 1, CampaignUpdate::Suspended)).await);
    assert_eq!(status(&test).await, RegistrationStatus::Suspended);
    carrier.set_answer(200, record("VERIFIED", "2026-11-22T10:00:04Z"));
    assert!(deliver(&test, &app, event("EZ6", 1, CampaignUpdate::Approved)).await);
    assert_eq!(status(&test).await, RegistrationStatus::Approved);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_carrier_error_leaves_the_job_in_the_queue() {
    let (test, carrier) = (start_with_submission().await, carrier(RECORD_VERIFIED).await);
    let app = app(&test, &carrier);
    for (status, answer) in
        [(500, json!({})), (429, json!({ "code": 20429 })), (404, json!({ "code": 20404 }))]
    {
        carrier.set_answer(status, answer);
        assert!(!deliver(&test, &app, event("EZ2", 1, CampaignUpdate::Approved)).await, "{status}");
    }
    let without_carrier = App::new(test.table(), client_at(NO_SERVICE, CARRIER_TIMEOUT));
    assert!(!deliver(&test, &without_carrier, None).await);
    assert_eq!((status(&test).await, steps(&test).await.len()), (RegistrationStatus::Pending, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_can_approve_and_otherwise_adds_no_timeline_step() {
    let (test, carrier) = (start_with_submission().await, carrier(RECORD_IN_REVIEW).await);
    let app = app(&test, &carrier);
    assert!(deliver(&test, &app, None).await);
    assert_eq!(steps(&test).await, []);
    carrier.set_answer(200, serde_json::from_str(RECORD_VERIFIED).unwrap());
    assert!(deliver(&test, &app, None).await);
    let steps = steps(&test).await;
    assert_eq!((steps.len(), steps[0].source, steps[0].at), (1, StepSource::Poll, at(0)));
    assert_eq!((status(&test).await, notifications(&test).await.len()), (RegistrationStatus::Approved, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_a_number_or_before_a_submission_is_recorded_without_a_call_to_the_carrier() {
    let (test, carrier) = (start_with_submission().await, carrier(RECORD_VERIFIED).await);
    let app = app(&test, &carrier);
    for (id, what) in [("EZ6", CampaignUpdate::NumberRegistered), ("EZ7", CampaignUpdate::NumberFailed)] {
        assert!(deliver(&test, &app, event(id, 1, what)).await);
    }
    assert_eq!(steps(&test).await.len(), 2);
    let fresh = TestApp::start().await;
    let app = self::app(&fresh, &carrier);
    assert!(deliver(&fresh, &app, event("EZ2", 1, CampaignUpdate::Approved)).await);
    assert!(deliver(&fresh, &app, None).await);
    assert_eq!(steps(&fresh).await[0].status, RegistrationStatus::NotStarted);
    assert_eq!(carrier.requests(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_event_with_another_time_is_one_step() {
    let (test, carrier) = (start_with_submission().await, carrier(RECORD_IN_REVIEW).await);
    let app = app(&test, &carrier);
    for seconds in [1, 7] {
        assert!(deliver(&test, &app, event("EZ1", seconds, CampaignUpdate::Submitted)).await);
    }
    assert_eq!(steps(&test).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_job_or_an_unreachable_table_leaves_the_message_in_the_queue() {
    let (test, carrier) = (start_with_submission().await, carrier(RECORD_VERIFIED).await);
    assert!(!deliver_body(&app(&test, &carrier), "not JSON").await);
    let client = client_at(&carrier.url, CARRIER_TIMEOUT);
    assert!(!deliver(&test, &App::new(TestApp::unreachable_table(), client), None).await);
    assert_eq!(carrier.requests(), 0);
}
