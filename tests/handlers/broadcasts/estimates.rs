//! What an estimate knows of the inbox: limits that hold its number, a pause of sending, and other
//! broadcasts.

use std::time::Duration;

use serde_json::{Value, json};
use shared_aws::sending::{Paces, SendingPauses};
use shared_domain::{
    inbox::Inbox,
    pace::{CarrierLimit, Restraint},
    sending_pause::SendingPause,
    time::Timestamp,
};
use test_kit::{build, gateway::Event};

use super::{Broadcasting, ESTIMATE, text_of_five_segments, time};

const NOON: &str = "2027-01-15T20:00:00.000Z";

impl Broadcasting {
    async fn slow_down(&self) {
        self.test.add_inbox(&Inbox { segments_per_second: Some(1), ..self.test.inbox.clone() }).await;
    }

    async fn estimate_at(&self, at: Timestamp, id: &str) -> Value {
        let event = Event::new(ESTIMATE, &[("broadcastId", id)]).user("org_1", "ada");
        let (status, estimate) = self.call_at(at, &event).await;
        assert_eq!(status, 200, "{estimate}");
        estimate
    }
}

fn level<'a>(estimate: &'a Value, code: &str) -> &'a Value {
    let mut checks = estimate["checks"].as_array().unwrap().iter();
    &checks.find(|check| check["code"] == code).unwrap()["level"]
}

#[tokio::test(flavor = "multi_thread")]
async fn an_estimate_starts_when_the_number_may_send_again_and_knows_that_it_is_slowed_down() {
    let numbers = ["+12025550143", "+12025550144", "+12025550145"];
    for (limit, starts_at, ends_at) in [
        (CarrierLimit::Daily, "2027-01-16T08:00:00.000Z", "2027-01-16T08:00:02.100Z"),
        (CarrierLimit::Rate, NOON, "2027-01-15T20:00:04.200Z"),
    ] {
        let it = Broadcasting::start().await;
        it.slow_down().await;
        let noon = time(NOON);
        let id = it.draft_at(noon, &numbers, "Closed today.").await;
        let before = it.estimate_at(noon, &id).await;
        assert_eq!(
            (&before["startsAt"], &before["endsAt"]),
            (&json!(NOON), &json!("2027-01-15T20:00:02.100Z"))
        );
        let paces = Paces::new(it.test.table());
        paces.restrain(it.test.inbox.key(), Restraint::of(limit, noon), noon).await.unwrap();
        let after = it.estimate_at(noon, &id).await;
        assert_eq!((&after["startsAt"], &after["endsAt"]), (&json!(starts_at), &json!(ends_at)), "{limit:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_estimate_says_that_sending_is_paused_and_that_other_broadcasts_share_the_pace() {
    let it = Broadcasting::start().await;
    it.slow_down().await;
    let noon = time(NOON);
    let id = it.draft_at(noon, &["+12025550143"], "Closed today.").await;
    let codes = ["sending_paused", "other_broadcasts"];
    let estimate = it.estimate_at(noon, &id).await;
    assert_eq!(codes.map(|code| level(&estimate, code)), ["ok", "ok"]);

    let other = it.confirm_at(noon, &["+12025550144"], &text_of_five_segments(), &json!({})).await;
    it.wake(noon, &other).await;
    let pause = SendingPause::manual(build::user_ref("olga", "Olga"), noon);
    SendingPauses::new(it.test.table()).pause(it.test.organization(), &pause).await.unwrap();
    let estimate = it.estimate_at(noon, &id).await;
    assert_eq!(codes.map(|code| level(&estimate, code)), ["review", "review"]);
    let much_later = it.estimate_at(noon + Duration::from_hours(1), &id).await;
    assert_eq!(level(&much_later, "other_broadcasts"), "ok");
}
