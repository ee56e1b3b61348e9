//! Broadcasts of one inbox that run at the same time.

use std::time::Duration;

use broadcast_worker::handle;
use futures_util::future::join_all;
use serde_json::json;
use shared_aws::messaging::Deliveries;
use shared_domain::{
    ids::MessageId,
    message::{DeliveryState, Report},
    phone::PhoneNumber,
    team::Team,
};
use shared_lambda::clock::{self, now};
use test_kit::lambda_event::sqs_record;

use super::{Broadcasting, CANCEL, phone};

const RATE: u32 = 20;

impl Broadcasting {
    /// Confirms broadcasts to 320 numbers each, of which none is in two.
    async fn confirm_together(&self, count: u32) -> Vec<String> {
        let (test, rate) = (&self.test, Some(RATE));
        test.add_team(test.organization(), &Team { segments_per_second: rate, ..test.team.clone() }).await;
        let mut broadcasts = Vec::new();
        for first in (0..count).map(|broadcast| 1_000 + 1_000 * broadcast) {
            let numbers: Vec<_> = (first..first + 320).map(phone).collect();
            let names: Vec<_> = numbers.iter().map(PhoneNumber::as_str).collect();
            let id = self.draft(&names, "No school today").await;
            self.confirm(&id).await;
            broadcasts.push(id);
        }
        broadcasts
    }

    async fn queued(&self, broadcasts: &[String]) -> Vec<u64> {
        let mut queued = Vec::new();
        for id in broadcasts {
            queued.push(self.read(id).await["progress"]["queued"].as_u64().unwrap());
        }
        queued
    }

    /// Reports some of the texts of a broadcast as sent, and returns how many.
    async fn send_some(&self, id: &str) -> u64 {
        let deliveries = Deliveries::new(self.test.table());
        let mut sent = 0;
        for recipient in self.recipients(id).await {
            if let Some(message) = recipient["messageId"].as_str() {
                let (id, report) = (MessageId::parse(message).unwrap(), Report::at(now()));
                let (organization, state) = (self.test.organization(), DeliveryState::Sent);
                deliveries.report(organization, &id, state, &report, None).await.unwrap();
                sent += 1;
            }
        }
        assert!(sent > 0);
        sent
    }
}

/// ◆ product 8a: at most 15 seconds' worth is released ahead, and product 6: from a number, not from each
/// broadcast.
#[tokio::test(flavor = "multi_thread")]
async fn the_broadcasts_of_an_inbox_share_its_15_seconds() {
    let it = Broadcasting::start().await;
    let broadcasts = it.confirm_together(2).await;
    for _ in 0..3 {
        it.work(now()).await;
    }
    assert_eq!(it.queued(&broadcasts).await.iter().sum::<u64>(), 15 * u64::from(RATE));
    let waiting = it.read(&broadcasts[1]).await["waitingFor"]["reason"].clone();
    assert_eq!(waiting, "pace");

    assert_eq!(it.of("ada", CANCEL, &broadcasts[0], None).await.0, 200);
    it.work(now()).await;
    let before = it.queued(&broadcasts[1..]).await[0];
    let sent = it.send_some(&broadcasts[0]).await;
    let later = now() + Duration::from_mins(3);
    it.sweep(later).await;
    it.work(later).await;
    assert_eq!(it.queued(&broadcasts[1..]).await[0], before + sent, "the canceled one leaves its room");
}

#[tokio::test(flavor = "multi_thread")]
async fn broadcasts_that_release_at_the_same_time_share_the_15_seconds() {
    let it = Broadcasting::start().await;
    let broadcasts = it.confirm_together(3).await;
    let at = now();
    let events = it.test.queue.drain().into_iter().map(|body| {
        let record = sqs_record("m1", None, &body, 1);
        serde_json::from_value(json!({ "Records": [record] })).unwrap()
    });
    let done = join_all(events.map(|event| handle(&it.worker, || at, clock::entropy, event))).await;
    assert!(done.iter().all(|response| response.batch_item_failures.is_empty()));
    let queued = it.queued(&broadcasts).await;
    assert_eq!(queued.iter().sum::<u64>(), 15 * u64::from(RATE), "{queued:?}");
}
