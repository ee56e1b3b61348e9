//! `outbound-send`: the pace of an inbox's number.

use std::time::{Duration, Instant};

use shared_app::delivery::{CarrierReport, DeliveryWorkflow, Recorded};
use shared_aws::{
    registration::Registrations,
    sending::{Paces, SendingPauses},
};
use shared_carriers::twilio::CarrierState;
use shared_domain::{
    broadcast::BroadcastRef,
    ids::{BroadcastId, MessageId},
    inbox::{Inbox, Stage},
    keys::TeamKey,
    message::{DeliveryState, Message},
    pace::{CarrierLimit, Restraint},
    phone::PhoneNumber,
    registration::RegistrationStatus,
    sending_pause::PauseCause,
    team::Team,
};
use shared_lambda::clock::{entropy, now};
use test_kit::{TestApp, build, clock::within, lambda_event::sqs_record};

use crate::{
    delivery_status::set_opt_out,
    outbound_send::{app, deliver, job, state},
};

/// The number waits for more than ten seconds after this text at one segment per second: long enough for a
/// busy machine to look at the next message while its turn is not near.
const LONG_TEXT_TIME: Duration = Duration::from_millis(10_500);

fn long_text() -> String {
    "a".repeat(1_500)
}

/// Repeats a round of a test until one was fast enough to say something. A machine that is busy or pauses is
/// too slow for a round now and then.
async fn undisturbed<T>(round: impl AsyncFn() -> Option<T>) -> T {
    for _ in 0..20 {
        if let Some(result) = Box::pin(round()).await {
            return result;
        }
    }
    panic!("too slow in each round: this machine, or the product");
}

/// Starts all services with a team whose campaign allows this rate.
async fn start_with_rate(segments_per_second: Option<u32>) -> TestApp {
    let test = TestApp::start().await;
    test.add_team(test.organization(), &Team { segments_per_second, ..test.team.clone() }).await;
    test
}

/// Accepts messages and delivers each as the first of its group. Returns those that the queue must deliver
/// again.
async fn send(test: &TestApp, texts: &[&str]) -> (Vec<MessageId>, Vec<String>) {
    let mut ids = Vec::new();
    for text in texts {
        ids.push(test.accept_message(text, now()).await);
    }
    let names: Vec<_> = (0..ids.len()).map(|index| index.to_string()).collect();
    let records = ids.iter().zip(&names).map(|(id, name)| sqs_record(name, Some(name), &job(test, id), 1));
    let returned = deliver(&app(test), records.collect()).await;
    (ids, returned)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_whose_turn_is_near_waits_for_it() {
    let test = start_with_rate(Some(4)).await;
    let start = Instant::now();
    assert_eq!(send(&test, &["one", "two", "three"]).await.1, [""; 0]);
    assert!(start.elapsed() >= Duration::from_millis(2 * 262), "{:?}", start.elapsed());
    assert_eq!(test.carrier.accepted_messages(&test.contact).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_whose_turn_is_later_stays_queued_and_comes_back_at_its_turn() {
    let test = start_with_rate(Some(1)).await;
    let start = Instant::now();
    let (ids, returned) = send(&test, &[&long_text(), "two"]).await;
    let earliest = LONG_TEXT_TIME.saturating_sub(start.elapsed()).as_secs();
    assert_eq!(returned, ["1"]);
    assert_eq!(state(&test, &ids[0]).await, DeliveryState::Sent);
    assert_eq!(state(&test, &ids[1]).await, DeliveryState::Queued);
    let delays = test.queue.drain_delays();
    assert!(
        matches!(delays[..], [delay] if (earliest..=11).contains(&delay)),
        "10 segments take 10.5 seconds: {delays:?}"
    );
    assert_eq!(test.carrier.accepted_messages(&test.contact).await, 1);
}

/// Sends a text of a broadcast, and then another that was released some time ago, and a reply that comes when
/// this one waits for its turn. Returns how much later than the first the two went out, in milliseconds.
/// `None` if the number was not busy any more when the two asked for their turns.
async fn send_text_and_reply(test: &TestApp, waited: Duration) -> Option<(i64, i64)> {
    let of = BroadcastRef { broadcast: BroadcastId::parse("bct_1").unwrap(), preparation: 1 };
    let text = async |contact: &str, at| {
        let contact = PhoneNumber::parse(contact).unwrap();
        let message = build::message(&test.inbox, &contact, &test.user, at, entropy());
        test.accept(Message { broadcast: Some(of.clone()), ..message }).await
    };
    let (first, second) = (text("+12025550171", now()).await, text("+12025550172", now() - waited).await);
    let (answer, reply) =
        (test.accept_message("An answer", now()).await, test.accept_message("The answer", now()).await);
    let (app, paces) = (app(test), Paces::new(test.table()));
    let send =
        async |id: &MessageId| deliver(&app, vec![sqs_record("0", Some("0"), &job(test, id), 1)]).await;
    assert_eq!(send(&first).await, [""; 0]);
    tokio::time::sleep(Duration::from_millis(1_050)).await; // the turn of the first is over
    let busy_since = Instant::now();
    assert_eq!(send(&answer).await, [""; 0]);
    let before = paces.get_with_sending_state(test.inbox.key()).await.unwrap();
    let next_after = async |before| {
        loop {
            let next = paces.get_with_sending_state(test.inbox.key()).await.unwrap();
            if next != before {
                return next;
            }
            tokio::task::yield_now().await;
        }
    };
    let send_reply = async {
        let of_second = within("the second text has its turn", next_after(before)).await;
        let has_turn = async {
            within("the reply has its turn", next_after(of_second)).await;
            busy_since.elapsed()
        };
        let is_sent = within("the reply is sent", async {
            while !send(&reply).await.is_empty() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        tokio::join!(has_turn, is_sent).0
    };
    let (of_second, busy_for) = tokio::join!(send(&second), send_reply);
    if busy_for >= Duration::from_millis(1_050) {
        return None;
    }
    assert_eq!(of_second.len(), 0, "the text does not go back to the queue");
    let sent_at = async |id| test.message(id).await.delivery.report(DeliveryState::Sent).unwrap().at.millis();
    let first = sent_at(&first).await;
    Some((sent_at(&second).await - first, sent_at(&reply).await - first))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_goes_out_before_a_text_of_a_broadcast_unless_that_has_waited_for_30_seconds() {
    for (waited, resumed, text_first) in [(0, None, false), (31, None, true), (31, Some(1), false)] {
        let (text, reply) = undisturbed(async || {
            let test = start_with_rate(Some(1)).await;
            if let Some(ago) = resumed {
                let (pauses, of) = (SendingPauses::new(test.table()), test.organization());
                pauses.pause_automatically(of, PauseCause::CarrierDown, now()).await.unwrap();
                pauses.resume(of, now() - Duration::from_secs(ago)).await.unwrap();
            }
            Box::pin(send_text_and_reply(&test, Duration::from_secs(waited))).await
        })
        .await;
        let case = format!("{waited} s, resumed {resumed:?} s ago: text {text} ms, reply {reply} ms");
        assert_eq!(text < reply, text_first, "{case}");
        assert!(text.max(reply) >= 3 * 1_050 - 500, "the rate is kept: {case}");
    }
}

/// How long after the first message a change is seen by one of two segments, at one segment per second: it
/// has its turn after 2.1 seconds, and reads what may have changed 0.3 seconds before.
const CHANGES_COUNT_FOR: Duration = Duration::from_millis(1_700);

/// A message of two segments waits for two seconds. Something happens in this time.
#[tokio::test(flavor = "multi_thread")]
async fn what_happens_while_a_message_waits_for_its_turn_counts() {
    for (event, expected) in [
        ("nothing", DeliveryState::Sent),
        ("opt-out", DeliveryState::Failed),
        ("suspension", DeliveryState::Failed),
        ("retirement", DeliveryState::Failed),
        ("pause", DeliveryState::Queued),
        ("hold", DeliveryState::Queued),
    ] {
        undisturbed(async || {
            let test = start_with_rate(Some(1)).await;
            let (app, paces) = (app(&test), Paces::new(test.table()));
            let start = Instant::now();
            assert_eq!(send(&test, &["one"]).await.1, [""; 0]);
            let id = test.accept_message(&"a".repeat(200), now()).await;
            let read = async || paces.get_with_sending_state(test.inbox.key()).await.unwrap();
            let before = read().await;
            let change = async {
                within("the message has its turn", async {
                    while read().await == before {
                        tokio::task::yield_now().await;
                    }
                })
                .await;
                match event {
                    "opt-out" => set_opt_out(&test, &id, true).await,
                    "suspension" => {
                        let team = Team { registration: RegistrationStatus::Suspended, ..test.team.clone() };
                        test.add_team(test.organization(), &team).await;
                    }
                    "retirement" => {
                        test.add_inbox(&Inbox { stage: Stage::Retired, ..test.inbox.clone() }).await;
                    }
                    "pause" => {
                        let pauses = SendingPauses::new(test.table());
                        pauses
                            .pause_automatically(test.organization(), PauseCause::CarrierDown, now())
                            .await
                            .unwrap();
                    }
                    "hold" => {
                        let hold = Restraint::of(CarrierLimit::Daily, now());
                        paces.restrain(test.inbox.key(), hold, now()).await.unwrap();
                    }
                    _ => {}
                }
                start.elapsed()
            };
            let record = sqs_record("0", Some("0"), &job(&test, &id), 1);
            let (left, changed_after) = tokio::join!(deliver(&app, vec![record]), change);
            if changed_after > CHANGES_COUNT_FOR {
                return None;
            }
            assert_eq!(state(&test, &id).await, expected, "{event}");
            assert_eq!(left.len(), usize::from(expected == DeliveryState::Queued), "{event}");
            let accepted = 1 + usize::from(expected == DeliveryState::Sent);
            assert_eq!(test.carrier.accepted_messages(&test.contact).await, accepted, "{event}");
            Some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inbox_sends_no_faster_than_its_admin_or_its_campaign_allows() {
    let long = long_text();
    for (of_campaign, of_inbox, returned) in
        [(Some(40), None, 0), (Some(40), Some(1), 1), (None, Some(40), 1), (None, None, 1)]
    {
        let test = start_with_rate(of_campaign).await;
        test.add_inbox(&Inbox { segments_per_second: of_inbox, ..test.inbox.clone() }).await;
        let (_, left) = send(&test, &[&long, "two"]).await;
        assert_eq!(left.len(), returned, "campaign {of_campaign:?}, inbox {of_inbox:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_not_sent_any_more_takes_no_turn() {
    let test = start_with_rate(Some(1)).await;
    let (long, app) = ("a".repeat(400), app(&test));
    let (_, returned) = send(&test, &[&long]).await;
    assert_eq!(returned, [""; 0]);
    let id = test.accept_message(&long, now()).await;
    test.add_inbox(&Inbox { stage: Stage::Retired, ..test.inbox.clone() }).await;
    let record = sqs_record("a", Some("a"), &job(&test, &id), 1);
    assert_eq!(deliver(&app, vec![record]).await, [""; 0], "it fails at once");
    assert_eq!(state(&test, &id).await, DeliveryState::Failed);
}

/// Sends a message, and reports that the carriers' networks rejected it with this code.
async fn send_and_reject(test: &TestApp, code: u32) {
    send_and_reject_after(test, code, Duration::ZERO).await;
}

/// [`send_and_reject`] with a report that comes later.
async fn send_and_reject_after(test: &TestApp, code: u32, after: Duration) {
    let (ids, returned) = send(test, &["one"]).await;
    assert_eq!(returned, [""; 0]);
    let report =
        CarrierReport { carrier_id: "SM1", state: CarrierState::Undelivered, error_code: Some(code) };
    let workflow = DeliveryWorkflow::new(&test.table());
    let recorded = workflow.record(now() + after, test.organization(), &ids[0], report).await.unwrap();
    assert_eq!(recorded, Recorded::Done);
    assert_eq!(state(test, &ids[0]).await, DeliveryState::Undelivered);
}

/// The delivery check finds it, up to three days later. A number that is not registered stays so.
#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_is_reported_when_it_is_over_holds_nothing() {
    for (code, after, returned) in [
        (30001, 61, &[][..]),
        (30023, 25 * 3_600, &[]),
        (30027, 50 * 3_600, &[]),
        (30034, 25 * 3_600, &["0"]),
    ] {
        let test = start_with_rate(Some(40)).await;
        send_and_reject_after(&test, code, Duration::from_secs(after)).await;
        assert_eq!(send(&test, &["two"]).await.1, returned, "{code}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reported_limit_holds_the_number_and_its_messages_stay_queued() {
    for (code, seconds) in
        [(30001, 50..=60), (30023, 1..=25 * 3_600), (30027, 1..=25 * 3_600), (30034, 3_590..=3_600)]
    {
        let test = start_with_rate(Some(40)).await;
        send_and_reject(&test, code).await;
        let (ids, returned) = send(&test, &["two"]).await;
        assert_eq!(returned, ["0"], "{code}");
        assert_eq!(state(&test, &ids[0]).await, DeliveryState::Queued, "{code}");
        let delays = test.queue.drain_delays();
        assert!(matches!(delays[..], [delay] if seconds.contains(&delay)), "{code}: {delays:?}");
        assert_eq!(test.carrier.accepted_messages(&test.contact).await, 1, "{code}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_exceeded_its_rate_sends_more_slowly() {
    let test = start_with_rate(Some(4)).await;
    send_and_reject(&test, 30022).await;
    let start = Instant::now();
    assert_eq!(send(&test, &["two", "three"]).await.1, [""; 0]);
    assert!(start.elapsed() >= Duration::from_millis(525), "{:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_the_full_queue_of_the_carrier_refuses_is_sent_later() {
    let test = start_with_rate(Some(40)).await;
    test.carrier.fault("refuse:21611", "1").await;
    let (ids, returned) = send(&test, &["one", "two"]).await;
    assert_eq!(returned, ["0", "1"]);
    for id in &ids {
        assert_eq!(state(&test, id).await, DeliveryState::Queued);
    }
    let delays = test.queue.drain_delays();
    assert!(matches!(delays[..], [20, 50..=60]), "the second message does not call the carrier: {delays:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unregistered_number_lets_the_registration_of_its_team_be_checked() {
    let test = start_with_rate(Some(40)).await;
    let registrations = Registrations::new(test.table());
    send_and_reject(&test, 30022).await;
    assert_eq!(registrations.pending().await.unwrap(), []);
    send_and_reject(&test, 30034).await;
    let pending = registrations.pending().await.unwrap();
    assert_eq!(pending.len(), 1);
    assert_eq!((&pending[0].team, pending[0].asked), (&test.team.id, None));
    let team = TeamKey { organization: test.organization(), team: &test.team.id };
    let refused = registrations.refused_numbers(team).await.unwrap();
    assert_eq!(refused.iter().map(|number| &number.inbox).collect::<Vec<_>>(), [&test.inbox.id]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_report_does_not_hold_the_number_again() {
    let test = start_with_rate(Some(40)).await;
    let (ids, _) = send(&test, &["one"]).await;
    let workflow = DeliveryWorkflow::new(&test.table());
    let report = CarrierReport { carrier_id: "SM1", state: CarrierState::Failed, error_code: Some(30001) };
    let earlier = now() - Duration::from_secs(61);
    for at in [earlier, now()] {
        let recorded = workflow.record(at, test.organization(), &ids[0], report).await.unwrap();
        assert_eq!(recorded, Recorded::Done);
    }
    assert_eq!(send(&test, &["two"]).await.1, [""; 0]);
}
