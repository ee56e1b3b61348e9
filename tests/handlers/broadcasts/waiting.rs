//! What stops all texts of a number: limits that the carrier reports, the registration, and a pause of
//! sending. A broadcast says what it waits for and until when, and goes on by itself.

use std::time::Duration;

use registration_check::App;
use serde_json::{Value, json};
use shared_app::delivery::{CarrierReport, DeliveryWorkflow, Recorded};
use shared_aws::{clients::RegistrationJob, sending::SendingPauses};
use shared_carriers::twilio::CarrierState;
use shared_domain::{
    inbox::Inbox,
    notification::NotificationKind,
    phone::PhoneNumber,
    registration::{CampaignEvent, CampaignUpdate, RegistrationStatus},
    sending_pause::{PauseCause, SendingPause},
    team::Team,
    time::Timestamp,
};
use shared_lambda::clock::now;
use test_kit::{
    build,
    carrier::client_at,
    lambda_event::{self, sqs_record},
};

use super::{Broadcasting, phone, text_of_five_segments, time};
use crate::registration::{FixedCarrier, RECORD_VERIFIED, at, notifications, start_with_submission, status};

impl Broadcasting {
    /// Starts a broadcast of five texts at any time, of which three are released. One of these is that of the
    /// contact of the test.
    async fn release_three_of_five(&self, at: Timestamp) -> String {
        self.test.add_inbox(&Inbox { segments_per_second: Some(1), ..self.test.inbox.clone() }).await;
        let numbers = [143, 144, 145, 146, 147].map(phone);
        let names: Vec<_> = numbers.iter().map(PhoneNumber::as_str).collect();
        let id = self.confirm_at(at, &names, &text_of_five_segments(), &json!({})).await;
        let running = self.wake(at, &id).await;
        assert_eq!((&running["progress"]["queued"], &running["progress"]["pending"]), (&json!(3), &json!(2)));
        id
    }

    /// Reports that the carriers' networks rejected the text of the contact, with this code.
    async fn reject_text(&self, code: u32, at: Timestamp) {
        let message = self.test.history().await.remove(0).id;
        let report =
            CarrierReport { carrier_id: "SM1", state: CarrierState::Undelivered, error_code: Some(code) };
        let workflow = DeliveryWorkflow::new(&self.test.table());
        let recorded = workflow.record(at, self.test.organization(), &message, report).await.unwrap();
        assert_eq!(recorded, Recorded::Done);
    }

    /// Lets the sweep find the broadcast, and a worker go on with it.
    async fn go_on(&self, at: Timestamp, id: &str) -> Value {
        self.test.queue.drain();
        assert_eq!(self.sweep(at).await, 1, "at {at}");
        self.work(at).await;
        self.read(id).await
    }

    async fn register(&self, registration: RegistrationStatus) {
        let team = Team { registration, ..self.test.team.clone() };
        self.test.add_team(self.test.organization(), &team).await;
    }
}

/// ◆ product 8a: 30023 and 30027 hold until midnight Pacific, and 30034 pauses. A full queue of the carrier
/// holds for a minute.
#[tokio::test(flavor = "multi_thread")]
async fn a_broadcast_waits_until_a_limit_that_the_carrier_reports_is_over_and_then_goes_on() {
    for (code, start, reason, until) in [
        (30023, "2027-01-15T20:00:00Z", "daily_cap", "2027-01-16T08:00:00.000Z"),
        (30027, "2027-07-15T20:00:00Z", "daily_cap", "2027-07-16T07:00:00.000Z"),
        (30034, "2027-01-15T20:00:00Z", "registration", "2027-01-15T21:00:00.000Z"),
        (30001, "2027-01-15T20:00:00Z", "carrier", "2027-01-15T20:01:00.000Z"),
    ] {
        let it = Broadcasting::start().await;
        let (start, end) = (time(start), time(until));
        let id = it.release_three_of_five(start).await;
        it.reject_text(code, start).await;
        for held in [start, end - Duration::from_millis(1)] {
            let waiting = it.wake(held, &id).await;
            assert_eq!(waiting["status"], "running", "{code}");
            assert_eq!(
                waiting["waitingFor"],
                json!({ "reason": reason, "until": until }),
                "{code} at {held}"
            );
            let progress = &waiting["progress"];
            let counts = ["undelivered", "queued", "pending"].map(|state| &progress[state]);
            assert_eq!(counts, [&json!(1), &json!(2), &json!(2)], "{code} at {held}");
        }
        let progress = it.go_on(end + Duration::from_mins(1), &id).await["progress"].clone();
        assert_eq!((&progress["queued"], &progress["pending"]), (&json!(3), &json!(1)), "{code}");
        let later = end + Duration::from_mins(2);
        it.deliver_queued(later, &id).await;
        let going_on = it.wake(later, &id).await;
        assert_eq!(
            (&going_on["progress"]["queued"], &going_on["progress"]["pending"]),
            (&json!(1), &json!(0))
        );
        assert_eq!(going_on["waitingFor"], json!({ "reason": "pace", "until": null }), "{code}");
    }
}

/// Nobody knows until when.
#[tokio::test(flavor = "multi_thread")]
async fn a_broadcast_waits_while_its_registration_is_suspended_or_sending_is_paused() {
    for (cause, reason) in [("suspension", "registration"), ("account", "carrier"), ("owner", "carrier")] {
        let it = Broadcasting::start().await;
        let start = now();
        let minutes = |count| start + Duration::from_mins(count);
        let id = it.release_three_of_five(start).await;
        it.deliver_queued(start, &id).await;
        let (pauses, organization) = (SendingPauses::new(it.test.table()), it.test.organization());
        match cause {
            "suspension" => it.register(RegistrationStatus::Suspended).await,
            "account" => {
                pauses.pause_automatically(organization, PauseCause::AccountRefused, start).await.unwrap();
            }
            _ => {
                let pause = SendingPause::manual(build::user_ref("olga", "Olga"), start);
                pauses.pause(organization, &pause).await.unwrap();
            }
        }
        let day = 24 * 60;
        for minute in [1, 60, day] {
            let waiting = it.wake(minutes(minute), &id).await;
            assert_eq!(waiting["status"], "running", "{cause}");
            assert_eq!(waiting["waitingFor"], json!({ "reason": reason, "until": null }), "{cause}");
            let counts = ["delivered", "queued", "pending"].map(|state| &waiting["progress"][state]);
            assert_eq!(counts, [&json!(3), &json!(0), &json!(2)], "{cause} after {minute} minutes");
        }
        if cause == "suspension" {
            it.register(RegistrationStatus::Approved).await;
        } else {
            pauses.resume(organization, minutes(day)).await.unwrap();
        }
        let going_on = it.go_on(minutes(day + 1), &id).await;
        let counts = ["delivered", "queued", "pending"].map(|state| &going_on["progress"][state]);
        assert_eq!(counts, [&json!(3), &json!(2), &json!(0)], "{cause}");
        assert_eq!(going_on["waitingFor"], Value::Null, "{cause}");
    }
}

/// ◆ product 8a: 30034 tells the admins. The campaign is approved, and the number is not part of it.
#[tokio::test(flavor = "multi_thread")]
async fn the_admins_get_one_email_when_the_number_of_a_broadcast_is_not_registered() {
    let it = Broadcasting::start_with(start_with_submission().await).await;
    let carrier = FixedCarrier::start(200, serde_json::from_str(RECORD_VERIFIED).unwrap()).await;
    let app = App::new(it.test.table(), client_at(&carrier.url, Duration::from_secs(2)));
    let check = async |announcement: Option<CampaignEvent>| {
        let (organization, team) = (it.test.organization().clone(), it.test.team.id.clone());
        let body = RegistrationJob { organization, team, announcement }.body();
        let checks = lambda_event::event(vec![sqs_record("job", None, &body, 1)]);
        let response = registration_check::handle(&app, now, checks).await;
        assert!(response.batch_item_failures.is_empty(), "{response:?}");
    };
    let approved = CampaignUpdate::Approved;
    check(Some(CampaignEvent { id: "EZ2".into(), at: at(1), what: approved, codes: Vec::new() })).await;
    assert_eq!(status(&it.test).await, RegistrationStatus::Approved);
    let start = now();
    let id = it.release_three_of_five(start).await;
    it.reject_text(30034, start).await;
    for _ in 0..2 {
        check(None).await;
    }
    let of_number = NotificationKind::NumberNotRegistered(it.test.inbox.id.clone());
    let notifications = notifications(&it.test).await.into_iter().filter(|one| one.subject == of_number);
    let admins: Vec<_> = notifications.map(|one| one.admins).collect();
    assert_eq!(admins, [[build::user_id("ada")]]);
    assert_eq!(it.wake(start, &id).await["waitingFor"]["reason"], "registration");
}
