//! The hours of recipients and the office hours of the inbox.

use serde_json::json;
use shared_aws::{
    inbox::{OutOfOffice, Saved},
    team::AuditEvent,
};
use shared_domain::{
    ids::ConversationId,
    inbox::Inbox,
    out_of_office::{Draft, Mode},
    time::Timestamp,
};
use shared_lambda::clock::now;
use test_kit::build;

use super::{Broadcasting, CHANGE, phone, text_of_five_segments, time};

impl Broadcasting {
    /// Sets the office hours of the inbox on a day of the week, in New York.
    pub(super) async fn open_on(&self, day: &str, from: &str, to: &str) {
        let draft = Draft {
            mode: Mode::Auto,
            message: "We are closed.".into(),
            time_zone: "America/New_York".into(),
            hours: [(day.to_owned(), vec![(from.to_owned(), to.to_owned())])].into(),
            holidays: Vec::new(),
        };
        let (inbox, saved_at, by) = (&self.test.inbox, now(), build::user("ada").id);
        let event = AuditEvent { actor: &by, action: "inbox.update", target: "x", at: saved_at, entropy: 1 };
        let saved = Saved { draft, saved_at };
        let stored = OutOfOffice::new(self.test.table());
        stored.put(inbox.team_key(), inbox.key(), &saved, &event).await.unwrap();
    }
}

/// Before noon in New York, it is too early in Hawaii.
#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_hours_in_common_with_the_team_is_left_out_and_stops_nobody() {
    let it = Broadcasting::start().await;
    it.open_on("fri", "10:00", "12:00").await;
    let id = it.draft(&["+12025550143", "+18085550143"], "Closed today.").await;
    it.of("ada", CHANGE, &id, Some(json!({ "hours": { "mode": "recipient" } }))).await;
    let estimate = it.estimate(&id).await;
    assert_eq!(estimate["recipients"], 1, "{estimate}");
    assert_eq!(estimate["excluded"], json!([{ "reason": "expired", "count": 1 }]));
    let hours = estimate["checks"].as_array().unwrap().iter().find(|check| check["code"] == "hours").unwrap();
    assert_eq!(hours["level"], "review", "{hours}");
    it.confirm(&id).await;
    it.work(now()).await;
    assert_eq!(it.read(&id).await["progress"]["skipped"], 1);
}

/// ◆ product 8a: texts go out within the team's window, and the carrier may try until it ends.
#[tokio::test(flavor = "multi_thread")]
async fn the_office_hours_of_the_inbox_bound_when_texts_go_out() {
    let it = Broadcasting::start().await;
    it.open_on("fri", "10:00", "11:00").await;
    let id = it.draft(&["+12025550143"], "Closed today.").await;
    it.of("ada", CHANGE, &id, Some(json!({ "hours": { "mode": "team" } }))).await;
    it.confirm(&id).await;
    let thursday = Timestamp::parse("2027-01-14T12:00:00-05:00").unwrap();
    it.work(thursday).await;
    let waiting = it.read(&id).await["waitingFor"].clone();
    assert_eq!(waiting, json!({ "reason": "quiet_hours", "until": "2027-01-15T15:00:00.000Z" }));
    let friday = Timestamp::parse("2027-01-15T10:30:00-05:00").unwrap();
    it.sweep(friday).await;
    it.work(friday).await;
    let conversation = ConversationId::of(&it.test.inbox.id, &phone(143));
    let message = it.test.history_of(&conversation).await.remove(0);
    assert_eq!(message.send_until, Timestamp::parse("2027-01-15T11:00:00-05:00"));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_text_is_released_in_the_last_minute_of_the_hours() {
    let it = Broadcasting::start().await;
    let id = it.draft(&["+12025550143"], "Closed today.").await;
    it.of("ada", CHANGE, &id, Some(json!({ "hours": { "mode": "recipient" } }))).await;
    it.confirm(&id).await;
    let evening = Timestamp::parse("2027-01-15T19:59:00-05:00").unwrap();
    it.work(evening).await;
    it.work(evening).await;
    let waiting = it.read(&id).await;
    assert_eq!((&waiting["status"], &waiting["progress"]["held"]), (&json!("running"), &json!(1)));
    assert_eq!(waiting["waitingFor"]["until"], "2027-01-16T14:00:00.000Z");
}

/// At one segment a second, three of these texts fit. The numbers of California are the lower ones.
#[tokio::test(flavor = "multi_thread")]
async fn those_whose_hours_end_first_get_their_texts_first() {
    let it = Broadcasting::start().await;
    let evening = time("2027-01-15T19:00:00-05:00");
    let california = ["+14085550143", "+14085550144", "+14085550145"];
    let new_york = ["+17185550143", "+17185550144", "+17185550145"];
    let numbers = [california, new_york].concat();
    it.test.add_inbox(&Inbox { segments_per_second: Some(1), ..it.test.inbox.clone() }).await;
    let hours = json!({ "hours": { "mode": "recipient" } });
    let id = it.confirm_at(evening, &numbers, &text_of_five_segments(), &hours).await;
    let progress = it.wake(evening, &id).await["progress"].clone();
    assert_eq!((&progress["pending"], &progress["held"]), (&json!(3), &json!(0)), "{progress}");
    let recipients = it.recipients(&id).await;
    let queued = recipients.iter().filter(|recipient| recipient["state"] == "queued");
    let mut queued: Vec<_> = queued.map(|recipient| recipient["phoneNumber"].as_str().unwrap()).collect();
    queued.sort_unstable();
    assert_eq!(queued, new_york);
}
