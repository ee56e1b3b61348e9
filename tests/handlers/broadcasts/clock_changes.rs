//! Broadcasts that run while the clock changes. In 2027, daylight saving time begins in New York on 14 March
//! and ends on 7 November, both at 2 o'clock. In Phoenix, there is none.

use std::time::Duration;

use serde_json::{Value, json};
use shared_domain::{
    ids::ConversationId, inbox::Inbox, message::Message, phone::PhoneNumber, time::Timestamp,
};
use test_kit::gateway::Event;

use super::{Broadcasting, LIST, phone, text_of_five_segments, time};

const MINUTE: Duration = Duration::from_mins(1);

impl Broadcasting {
    async fn texts_to(&self, number: &PhoneNumber) -> Vec<Message> {
        self.test.history_of(&ConversationId::of(&self.test.inbox.id, number)).await
    }

    async fn newest_broadcast(&self) -> Value {
        self.call(&Event::new(LIST, &[]).user("org_1", "ada")).await.1["items"][0].clone()
    }
}

fn quiet_until(until: Timestamp) -> Value {
    json!({ "reason": "quiet_hours", "until": until.to_string() })
}

/// ◆ product 8a: 9 to 20 o'clock in the recipient's zone. Nine o'clock in New York is an hour earlier after
/// the change in spring, and an hour later after that in fall.
#[tokio::test(flavor = "multi_thread")]
async fn recipients_wait_until_nine_oclock_of_the_day_on_which_their_clock_changes() {
    for (night, in_new_york, in_phoenix) in [
        ("2027-03-13T23:30:00-05:00", "2027-03-14T13:00:00Z", "2027-03-14T16:00:00Z"),
        ("2027-11-06T23:30:00-04:00", "2027-11-07T14:00:00Z", "2027-11-07T16:00:00Z"),
    ] {
        let it = Broadcasting::start().await;
        let numbers = [phone(143), PhoneNumber::from_carrier("+16025550143").unwrap()];
        let names = numbers.each_ref().map(PhoneNumber::as_str);
        let hours = json!({ "hours": { "mode": "recipient" } });
        let id = it.confirm_at(time(night), &names, "Closed today.", &hours).await;
        it.wake(time(night), &id).await;
        for recipient in it.recipients(&id).await {
            assert_eq!((&recipient["state"], &recipient["reason"]), (&json!("held"), &json!("quiet_hours")));
        }
        let mut from = time(night);
        for (number, nine) in numbers.iter().zip([in_new_york, in_phoenix].map(time)) {
            for early in [from, nine - MINUTE] {
                let waiting = it.wake(early, &id).await;
                assert_eq!(waiting["waitingFor"], quiet_until(nine), "at {early}");
                assert!(it.texts_to(number).await.is_empty(), "at {early}");
            }
            let just_before = nine - Duration::from_millis(1);
            assert_eq!((it.sweep(just_before).await, it.sweep(nine).await), (0, 1), "before {nine}");
            it.wake(nine, &id).await;
            let texts = it.deliver_queued(nine, &id).await;
            assert_eq!(texts.iter().map(|text| &text.contact_number).collect::<Vec<_>>(), [number]);
            assert_eq!(texts[0].send_until, Some(nine + Duration::from_hours(11)), "eight in the evening");
            from = nine + MINUTE;
        }
        let ended = it.wake(from, &id).await;
        assert_eq!((&ended["status"], &ended["progress"]["delivered"]), (&json!("completed"), &json!(2)));
        for number in &numbers {
            assert_eq!(it.texts_to(number).await.len(), 1, "{number:?}");
        }
    }
}

/// The hours are those of Sundays in New York; when they begin and end is in UTC. An hour that the clock
/// skips is not within them, and one that it repeats is within them twice.
#[tokio::test(flavor = "multi_thread")]
async fn office_hours_with_a_clock_change_release_no_text_outside_them_and_none_twice() {
    for (hours, day, windows, a_week_later) in [
        (("00:00", "03:00"), "2027-03-14", &[("05:00", "07:00")][..], "2027-03-21T04:00:00Z"),
        (("01:00", "04:00"), "2027-03-14", &[("06:00", "08:00")], "2027-03-21T05:00:00Z"),
        (("02:30", "04:00"), "2027-03-14", &[("07:00", "08:00")], "2027-03-21T06:30:00Z"),
        (("00:00", "03:00"), "2027-11-07", &[("04:00", "08:00")], "2027-11-14T05:00:00Z"),
        (("01:00", "01:30"), "2027-11-07", &[("05:00", "05:30"), ("06:00", "06:30")], "2027-11-14T06:00:00Z"),
    ] {
        let it = Broadcasting::start().await;
        it.test.add_inbox(&Inbox { segments_per_second: Some(1), ..it.test.inbox.clone() }).await;
        it.open_on("sun", hours.0, hours.1).await;
        let utc = |clock: &str| time(&format!("{day}T{clock}:00Z"));
        let windows: Vec<_> = windows.iter().map(|(from, to)| (utc(from), utc(to))).collect();
        let numbers: Vec<_> = (101..128).map(phone).collect();
        let names: Vec<_> = numbers.iter().map(PhoneNumber::as_str).collect();
        let (start, mode) = (utc("03:00"), json!({ "hours": { "mode": "team" } }));
        let id = it.confirm_at(start, &names, &text_of_five_segments(), &mode).await;
        let mut released = 0;
        for half_hours in 0..14 {
            let now = start + Duration::from_mins(30 * half_hours);
            let case = format!("{hours:?} at {now}");
            let broadcast = it.wake(now, &id).await;
            let texts = it.deliver_queued(now, &id).await;
            released += texts.len();
            if let Some((_, end)) = windows.iter().find(|(from, to)| (*from..*to).contains(&now)) {
                assert_eq!(texts.len(), 3, "{case}");
                assert!(texts.iter().all(|text| text.send_until == Some(*end)), "{case}");
            } else {
                assert_eq!(texts.len(), 0, "{case}");
                let begins = windows.iter().map(|(from, _)| *from).find(|from| *from > now);
                let until = begins.unwrap_or_else(|| time(a_week_later));
                assert_eq!(broadcast["waitingFor"], quiet_until(until), "{case}");
            }
        }
        let progress = it.read(&id).await["progress"].clone();
        let waiting = numbers.len() - released;
        assert_eq!((&progress["delivered"], &progress["held"]), (&json!(released), &json!(waiting)));
        let mut texts = 0;
        for number in &numbers {
            let of_number = it.texts_to(number).await.len();
            assert!(of_number < 2, "{hours:?} on {day}: {number:?} has {of_number} texts");
            texts += of_number;
        }
        assert_eq!(texts, released, "{hours:?} on {day}");
    }
}

/// Without a time zone of its own, a series has that of the inbox's number, which is New York.
#[tokio::test(flavor = "multi_thread")]
async fn a_weekly_series_keeps_its_local_time_over_both_clock_changes() {
    for occurrences in [
        ["2027-03-07T14:00:00Z", "2027-03-14T13:00:00Z", "2027-03-21T13:00:00Z"],
        ["2027-10-31T13:00:00Z", "2027-11-07T14:00:00Z", "2027-11-14T14:00:00Z"],
    ] {
        let it = Broadcasting::start().await;
        let the_day_before = time(occurrences[0]) - Duration::from_hours(24);
        let series = json!({ "scheduledAt": occurrences[0], "recurrence": { "frequency": "weekly" } });
        it.confirm_at(the_day_before, &[it.test.contact.as_str()], "Practice today", &series).await;
        for start in occurrences.map(time) {
            let next = it.newest_broadcast().await;
            assert_eq!(next["scheduledAt"], start.to_string(), "{next}");
            let id = next["broadcastId"].as_str().unwrap();
            assert_eq!(it.wake(start - MINUTE, id).await["status"], "scheduled", "{start}");
            assert_eq!(it.wake(start, id).await["status"], "running", "{start}");
            let texts = it.deliver_queued(start, id).await;
            assert_eq!(texts.iter().map(|text| text.created_at).collect::<Vec<_>>(), [start]);
        }
    }
}
