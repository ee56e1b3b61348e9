//! Texts are released at most 15 seconds ahead, and one that cannot be released stops nobody else.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::json;
use shared_app::broadcast::BroadcastWorkflow;
use shared_aws::{
    broadcast::Broadcasts,
    messaging::Deliveries,
    table::keys::{self, Key},
};
use shared_domain::{
    broadcast::BroadcastStep,
    contact::Contact,
    ids::{BroadcastId, ContactId, ConversationId, UserId},
    inbox::Inbox,
    message::{DeliveryState, Report},
    phone::PhoneNumber,
    team::Team,
};
use shared_lambda::clock::now;
use test_kit::{build, engine::TABLE, lambda_event::sqs_record, log::log_of};

use super::{Broadcasting, CANCEL, PAUSE, RESUME, phone};
use crate::outbound_send::{app, deliver, job, state};

impl Broadcasting {
    /// Stores a conversation that this version cannot read.
    async fn make_unreadable(&self, number: &PhoneNumber) {
        let (key, text) = (self.conversation(number), |text: &str| AttributeValue::S(text.into()));
        let put = self.client().put_item().table_name(TABLE);
        let put = put.item("pk", text(&key.pk)).item("sk", text(&key.sk));
        put.item("status", text("of another version")).send().await.unwrap();
    }

    async fn make_readable(&self, number: &PhoneNumber) {
        let (key, text) = (self.conversation(number), |text: &str| AttributeValue::S(text.into()));
        let delete = self.client().delete_item().table_name(TABLE);
        delete.key("pk", text(&key.pk)).key("sk", text(&key.sk)).send().await.unwrap();
    }

    fn client(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::from_conf(self.test.engine.patient_config().build())
    }

    fn conversation(&self, number: &PhoneNumber) -> Key {
        let id = ConversationId::of(&self.test.inbox.id, number);
        keys::conversation(self.test.inbox.key().conversation(&id))
    }
}

/// More texts than a slice releases fit into 15 seconds of the pace, so the worker goes on at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_releases_texts_until_15_seconds_of_the_pace_are_queued() {
    let it = Broadcasting::start().await;
    let test = &it.test;
    let rate = Some(20);
    test.add_team(test.organization(), &Team { segments_per_second: rate, ..test.team.clone() }).await;
    let numbers: Vec<_> = (1_000..1_320).map(phone).collect();
    for blocked in [0, 15, 16, 17, 200] {
        it.block(&numbers[blocked]).await;
    }
    let names: Vec<_> = numbers.iter().map(PhoneNumber::as_str).collect();
    let id = it.draft(&names, "No school today").await;
    it.confirm(&id).await;
    assert_eq!(it.work(now()).await, 1, "one message of the queue");
    let progress = it.read(&id).await["progress"].clone();
    let states = ["queued", "pending", "skipped"].map(|state| progress[state].as_u64().unwrap());
    assert_eq!(states[0], 20 * 15, "{progress}");
    assert_eq!(states[1] + states[2], 20, "{progress}");
}

/// The sender waits, for example because the number is held.
#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_waits_is_not_sent_after_its_broadcast_was_canceled_or_its_contact_blocked() {
    for steps in [&[CANCEL][..], &[PAUSE, CANCEL], &[]] {
        let it = Broadcasting::start().await;
        let id = it.draft(&[it.test.contact.as_str()], "Closed today.").await;
        it.confirm(&id).await;
        it.work(now() - Duration::from_secs(16)).await;
        let message = it.test.history().await[0].id.clone();
        if steps.is_empty() {
            it.block(&it.test.contact).await;
        }
        for step in steps {
            assert_eq!(it.of("ada", step, &id, None).await.0, 200);
        }
        let record = sqs_record("a", Some("a"), &job(&it.test, &message), 1);
        assert_eq!(deliver(&app(&it.test), vec![record]).await, [""; 0]);
        assert_eq!(state(&it.test, &message).await, DeliveryState::Failed);
        assert_eq!(it.test.carrier.accepted_messages(&it.test.contact).await, 0);
        assert_eq!(it.read(&id).await["progress"]["failed"], 1);
    }
}

/// Users see it as queued, and the broadcast is only canceled so that nobody gets its text twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_waits_is_sent_after_a_restore_canceled_its_broadcast() {
    let it = Broadcasting::start().await;
    let id = it.draft(&[it.test.contact.as_str()], "Closed today.").await;
    it.confirm(&id).await;
    it.work(now() - Duration::from_secs(16)).await;
    let message = it.test.history().await[0].id.clone();
    let (broadcasts, name) = (Broadcasts::new(it.test.table()), BroadcastId::parse(&id).unwrap());
    let found = broadcasts.find(it.test.organization(), &name).await.unwrap().unwrap();
    let by = UserId::parse("operator").unwrap();
    let workflow = BroadcastWorkflow::new(&it.test.table(), None);
    workflow.take_step_after_texts(found, BroadcastStep::Cancel, &by, now(), 1).await.unwrap();
    assert_eq!(it.read(&id).await["status"], "canceled");
    let record = sqs_record("a", Some("a"), &job(&it.test, &message), 1);
    assert_eq!(deliver(&app(&it.test), vec![record]).await, [""; 0]);
    assert_eq!(state(&it.test, &message).await, DeliveryState::Sent);
}

/// At 1 segment a second, 15 texts are released ahead.
#[tokio::test(flavor = "multi_thread")]
async fn a_broadcast_waits_while_its_texts_of_15_seconds_are_on_their_way() {
    let it = Broadcasting::start().await;
    it.test.add_inbox(&Inbox { segments_per_second: Some(1), ..it.test.inbox.clone() }).await;
    let phones: Vec<PhoneNumber> = (201..218).map(phone).collect();
    let numbers: Vec<&str> = phones.iter().map(PhoneNumber::as_str).collect();
    let id = it.draft(&numbers, "Closed today.").await;
    it.confirm(&id).await;
    let start = now();
    for second in [0, 10, 20] {
        it.work(start + Duration::from_secs(second)).await;
        let broadcast = it.read(&id).await;
        assert_eq!(
            (&broadcast["progress"]["queued"], &broadcast["progress"]["pending"]),
            (&json!(15), &json!(2))
        );
    }
    assert_eq!(it.read(&id).await["waitingFor"]["reason"], "pace");
}

/// At 1 segment a second. The names make texts of four segments, and one of 17.
#[tokio::test(flavor = "multi_thread")]
async fn the_segments_of_the_texts_that_go_out_are_released_ahead_and_not_those_of_the_draft() {
    for (first_name, queued) in [("Maximiliana ".repeat(40), 3), ("Maximiliána ".repeat(110), 1)] {
        let it = Broadcasting::start().await;
        it.test.add_inbox(&Inbox { segments_per_second: Some(1), ..it.test.inbox.clone() }).await;
        let phones: Vec<PhoneNumber> = (201..209).map(phone).collect();
        for (number, entropy) in phones.iter().zip(1..) {
            let (id, first_name) = (ContactId::new(now(), entropy), Some(first_name.clone()));
            let contact =
                Contact { id, number: number.clone(), first_name, external_id: None, ..build::contact() };
            it.test.add_contact(&contact).await;
        }
        let numbers: Vec<&str> = phones.iter().map(PhoneNumber::as_str).collect();
        let id = it.draft(&numbers, "Hi {{firstName}}").await;
        it.confirm(&id).await;
        let start = now();
        for second in [0, 10] {
            it.work(start + Duration::from_secs(second)).await;
            assert_eq!(it.read(&id).await["progress"]["queued"], queued);
        }
        assert_eq!(it.read(&id).await["waitingFor"]["reason"], "pace");
    }
}

/// Its conversation was written by another version, or there is an error in this one.
#[tokio::test(flavor = "multi_thread")]
async fn a_recipient_whose_text_cannot_be_released_waits_alone_and_is_left_out_after_a_day() {
    for mended in [true, false] {
        let it = Broadcasting::start().await;
        it.test.add_inbox(&Inbox { segments_per_second: Some(1), ..it.test.inbox.clone() }).await;
        let numbers = [143, 144, 145].map(phone);
        it.make_unreadable(&numbers[0]).await;
        let id = it.draft(&numbers.each_ref().map(PhoneNumber::as_str), "Closed today.").await;
        it.confirm(&id).await;
        let start = now();
        let work_after = async |minutes| {
            let at = start + Duration::from_mins(minutes);
            it.sweep(at).await;
            it.work(at).await;
            it.read(&id).await
        };
        let progress = work_after(0).await["progress"].clone();
        assert_eq!((&progress["queued"], &progress["held"]), (&json!(2), &json!(1)), "{progress}");
        assert_eq!(it.recipients(&id).await.iter().filter(|one| one["reason"] == "error").count(), 1);
        for number in &numbers[1..] {
            let conversation = ConversationId::of(&it.test.inbox.id, number);
            let message = it.test.history_of(&conversation).await.remove(0);
            let (deliveries, report) = (Deliveries::new(it.test.table()), Report::at(start));
            let (organization, sent) = (it.test.organization(), DeliveryState::Delivered);
            deliveries.report(organization, &message.id, sent, &report, None).await.unwrap();
        }
        let waiting = work_after(3).await;
        assert_eq!(waiting["progress"]["held"], 1, "{waiting}");
        assert_eq!(work_after(4).await["waitingFor"]["reason"], "error");
        if mended {
            it.make_readable(&numbers[0]).await;
            assert_eq!(work_after(24 * 60 - 1).await["progress"]["queued"], 1);
        } else {
            assert_eq!(work_after(24 * 60 - 1).await["progress"]["held"], 1);
            assert_eq!(work_after(24 * 60 + 2).await["progress"]["skipped"], 1);
            assert_eq!(work_after(24 * 60 + 5).await["status"], "completed");
        }
    }
}

/// The cause may affect every recipient.
#[tokio::test(flavor = "multi_thread")]
async fn a_broadcast_waits_a_minute_after_eleven_texts_that_cannot_be_released() {
    let it = Broadcasting::start().await;
    let numbers: Vec<_> = (300..320).map(phone).collect();
    for number in &numbers {
        it.make_unreadable(number).await;
    }
    let names: Vec<_> = numbers.iter().map(PhoneNumber::as_str).collect();
    let id = it.draft(&names, "Closed today.").await;
    it.confirm(&id).await;
    let start = now();
    let log = log_of(async {
        it.work(start).await;
    });
    let log = log.await;
    assert_eq!(log.matches(r#""BroadcastTextsNotReleased":1"#).count(), 11, "{log}");
    let broadcast = it.read(&id).await;
    assert_eq!(broadcast["progress"]["held"], 11, "{broadcast}");
    assert_eq!(broadcast["waitingFor"]["reason"], "error");
    let due_after = async |seconds| it.sweep(start + Duration::from_secs(seconds)).await;
    assert_eq!((due_after(55).await, due_after(60).await), (0, 1));
}

/// When their time comes again, they come before others. At 1 segment a second, 15 texts are released ahead.
#[tokio::test(flavor = "multi_thread")]
async fn recipients_whose_texts_cannot_be_released_again_do_not_stop_a_broadcast_again() {
    let it = Broadcasting::start().await;
    it.test.add_inbox(&Inbox { segments_per_second: Some(1), ..it.test.inbox.clone() }).await;
    let numbers: Vec<_> = (300..331).map(phone).collect();
    for number in &numbers[..11] {
        it.make_unreadable(number).await;
    }
    let names: Vec<_> = numbers.iter().map(PhoneNumber::as_str).collect();
    let id = it.draft(&names, "Closed today.").await;
    it.confirm(&id).await;
    let start = now();
    it.work(start).await;
    assert_eq!(it.read(&id).await["waitingFor"]["reason"], "error", "the first time, they stop it");
    let counts_after = async |minutes| {
        let at = start + Duration::from_mins(minutes);
        it.test.queue.drain();
        assert_eq!(it.sweep(at).await, 1);
        it.work(at).await;
        let progress = it.read(&id).await["progress"].clone();
        ["held", "queued", "pending", "delivered"].map(|state| progress[state].as_u64().unwrap())
    };
    assert_eq!(counts_after(1).await, [11, 15, 5, 0]);
    it.deliver_queued(start + Duration::from_mins(2), &id).await;
    assert_eq!(counts_after(4).await, [11, 4, 1, 15], "all eleven, and those for whom there was room");
    assert_ne!(it.read(&id).await["waitingFor"]["reason"], "error");
}

/// ◆ product 8a: more than 10 % failures in 100 pause with the reason.
#[tokio::test(flavor = "multi_thread")]
async fn a_broadcast_pauses_itself_once_eleven_texts_failed() {
    let it = Broadcasting::start().await;
    let numbers: Vec<PhoneNumber> = (200..212).map(phone).collect();
    let id = it.draft(&numbers.iter().map(PhoneNumber::as_str).collect::<Vec<_>>(), "Closed today.").await;
    it.confirm(&id).await;
    it.work(now()).await;
    let deliveries = Deliveries::new(it.test.table());
    for number in &numbers[..11] {
        let conversation = ConversationId::of(&it.test.inbox.id, number);
        let message = it.test.history_of(&conversation).await.remove(0);
        let report = Report { code: Some("30005".into()), ..Report::at(now()) };
        let organization = it.test.organization();
        deliveries.report(organization, &message.id, DeliveryState::Failed, &report, None).await.unwrap();
    }
    it.work(now() + Duration::from_secs(5)).await;
    let paused = it.read(&id).await;
    assert_eq!(
        (&paused["status"], &paused["progress"]["failed"]),
        (&json!("paused"), &json!(11)),
        "{paused}"
    );
    assert_eq!(paused["waitingFor"]["reason"], "carrier");
    assert!(paused["reason"].as_str().unwrap().starts_with("11 of the last texts failed"), "{paused}");
    let (_, resumed) = it.of("ada", RESUME, &id, None).await;
    assert_eq!(resumed["status"], "running");
    it.work(now() + Duration::from_secs(10)).await;
    assert_eq!(it.read(&id).await["status"], "running", "failures are counted from here on");
}
