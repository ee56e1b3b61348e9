//! A worker reads the index of the recipients who wait, and then their items. In between, other workers may
//! change them, and the index of DynamoDB may be a second behind: it shows recipients who moved on, or one in
//! two places.

use std::{pin::pin, time::Duration};

use broadcast_worker::{App, handle};
use serde_json::json;
use shared_aws::broadcast::{Recipients, StoredRecipient, TextsOnTheirWay};
use shared_domain::{
    broadcast::{RecipientState, SkipReason, WaitReason},
    ids::{BroadcastId, ConversationId},
    phone::PhoneNumber,
    team::Team,
    time::Timestamp,
};
use shared_lambda::clock;
use test_kit::{
    faults::Faults,
    gate::{Arrivals, gate},
    lambda_event::{event, sqs_record},
    queue::broadcast_queue,
};

use super::{Broadcasting, CANCEL, phone, time};

/// By then, requests that passed the gate are answered.
const ANSWERED: Duration = Duration::from_millis(40);
const NIGHT: &str = "2027-01-15T03:00:00-05:00";
const MORNING: &str = "2027-01-15T09:00:30-05:00";

impl Broadcasting {
    /// Prepares a broadcast to these numbers at night. All of them are held until the morning.
    async fn held_until_morning(&self, numbers: &[PhoneNumber]) -> String {
        let names: Vec<_> = numbers.iter().map(PhoneNumber::as_str).collect();
        let hours = json!({ "hours": { "mode": "recipient" } });
        let id = self.confirm_at(time(NIGHT), &names, "No school today", &hours).await;
        self.work(time(NIGHT)).await;
        assert_eq!(self.read(&id).await["progress"]["held"], numbers.len());
        id
    }

    /// Lets a worker look at a broadcast at this time. Once it has read the index, `change` happens, and then
    /// it reads the items. Returns the operations of its requests from there on.
    async fn work_behind_the_index(
        &self,
        at: Timestamp,
        id: &str,
        change: impl Future<Output = ()>,
    ) -> Vec<String> {
        let (gate, mut arrivals) = gate();
        let table = Faults::seeded(0).gated_table(&self.test.engine, &gate);
        let worker = App::new(&table, broadcast_queue(&self.test.queue.url), Duration::from_secs(60));
        let record = sqs_record("m1", None, &self.job(id).body(), 1);
        let work = Box::pin(handle(&worker, || at, clock::entropy, event(vec![record])));
        let reads_items = |operation: &str, before: &[String]| {
            operation == "BatchGetItem" && before.iter().any(|one| one == "Query")
        };
        let (response, operations) = change_before(&mut arrivals, work, reads_items, change).await;
        assert!(response.batch_item_failures.is_empty(), "{response:?}");
        operations
    }

    async fn held(&self, id: &str) -> Vec<StoredRecipient> {
        let (recipients, of) = (Recipients::new(self.test.table()), self.preparation(id).await);
        let held = Some(RecipientState::Held);
        recipients.page(self.test.organization(), &of, held, 300, None).await.unwrap().items
    }

    async fn hold(&self, id: &str, recipient: &StoredRecipient, until: Timestamp) {
        let (recipients, of) = (Recipients::new(self.test.table()), self.preparation(id).await);
        let organization = self.test.organization();
        assert!(recipients.hold(organization, &of, recipient, WaitReason::Locked, until).await.unwrap());
    }
}

/// Runs the work of a host, and lets `change` happen before the first of its requests for which `is_here`
/// holds, which gets the operation and those before it. Returns the operations from there on as well.
async fn change_before<T>(
    arrivals: &mut Arrivals,
    work: impl Future<Output = T>,
    is_here: impl Fn(&str, &[String]) -> bool,
    change: impl Future<Output = ()>,
) -> (T, Vec<String>) {
    let mut work = pin!(work);
    let (mut change, mut operations) = (Some(change), Vec::new());
    loop {
        let arrival = tokio::select! {
            biased;
            done = &mut work => {
                assert!(change.is_none(), "there was no such request: {operations:?}");
                return (done, operations);
            }
            arrival = arrivals.next() => arrival,
        };
        let operation = arrival.operation().to_owned();
        if is_here(&operation, &operations)
            && let Some(change) = change.take()
        {
            let ended = tokio::time::timeout(ANSWERED, &mut work).await;
            assert!(ended.is_err(), "it waits for this request");
            change.await;
            operations.clear();
        }
        operations.push(operation);
        arrival.pass();
    }
}

/// Requires that a worker neither wrote a recipient nor read the index again.
fn assert_leaves_all_alone(operations: &[String]) {
    for operation in ["TransactWriteItems", "Query"] {
        assert!(!operations.iter().any(|one| one == operation), "{operations:?}");
    }
}

/// A slice of as many recipients as fit is followed by the next one at once, but not if it changed nothing.
#[tokio::test(flavor = "multi_thread")]
async fn recipients_who_are_held_until_later_are_left_alone_while_the_index_is_behind() {
    let it = Broadcasting::start().await;
    let test = &it.test;
    let rate = Some(20);
    test.add_team(test.organization(), &Team { segments_per_second: rate, ..test.team.clone() }).await;
    let numbers: Vec<_> = (1_000..1_250).map(phone).collect();
    let id = it.held_until_morning(&numbers).await;
    let later = time(MORNING) + Duration::from_mins(2);
    test.queue.drain_send_delays();
    let hold_all = Box::pin(async {
        for recipient in it.held(&id).await {
            it.hold(&id, &recipient, later).await;
        }
    });
    let operations = it.work_behind_the_index(time(MORNING), &id, hold_all).await;
    assert_leaves_all_alone(&operations);
    assert_eq!(test.queue.drain_send_delays(), [1], "it looks again after a second");
    let held = it.held(&id).await;
    assert_eq!(held.len(), numbers.len());
    assert!(held.iter().all(|recipient| recipient.check_at == Some(later)));
    let broadcast = it.wake(later, &id).await;
    assert_eq!(broadcast["progress"]["queued"], numbers.len(), "{broadcast}");
}

/// The lease of the first worker has ended.
#[tokio::test(flavor = "multi_thread")]
async fn texts_that_another_worker_released_are_not_released_again_while_the_index_is_behind() {
    let it = Broadcasting::start().await;
    let numbers = [143, 144, 145].map(phone);
    let id = it.held_until_morning(&numbers).await;
    let later = time(MORNING) + Duration::from_mins(2);
    let release_all = Box::pin(async {
        let broadcast = it.wake(later, &id).await;
        assert_eq!(broadcast["progress"]["queued"], 3, "{broadcast}");
    });
    let operations = it.work_behind_the_index(time(MORNING), &id, release_all).await;
    assert_leaves_all_alone(&operations);
    let texts = TextsOnTheirWay::new(it.test.table()).get(it.test.inbox.key()).await.unwrap().value;
    let another = BroadcastId::parse("bct_another").unwrap();
    assert_eq!(
        texts.room(&another, 0, 15, time(MORNING)),
        7,
        "three of 15 are ahead, and half of it is a share"
    );
    let broadcast = it.read(&id).await;
    assert_eq!((&broadcast["status"], &broadcast["progress"]["queued"]), (&json!("running"), &json!(3)));
    assert_eq!(broadcast["progress"]["total"], 3, "{broadcast}");
    for number in &numbers {
        let conversation = ConversationId::of(&it.test.inbox.id, number);
        assert_eq!(it.test.history_of(&conversation).await.len(), 1, "{}", number.as_str());
    }
    it.deliver_queued(later, &id).await;
    assert_eq!(it.wake(later + Duration::from_mins(3), &id).await["status"], "completed");
}

/// A slice leaves out 250 at most. All of the first are left out already, and one more waits.
#[tokio::test(flavor = "multi_thread")]
async fn a_canceled_broadcast_is_looked_at_after_a_second_while_the_index_is_behind() {
    let it = Broadcasting::start().await;
    let numbers: Vec<_> = (1_000..1_251).map(phone).collect();
    let id = it.held_until_morning(&numbers).await;
    assert_eq!(it.of("ada", CANCEL, &id, None).await.0, 200);
    it.test.queue.drain_send_delays();
    let (organization, of) = (it.test.organization(), it.preparation(&id).await);
    let recipients = Recipients::new(it.test.table());
    let leave_out = Box::pin(async {
        for recipient in recipients.due(organization, &of, None, 250).await.unwrap() {
            assert!(recipients.skip(organization, &of, &recipient, SkipReason::Canceled).await.unwrap());
        }
    });
    let operations = it.work_behind_the_index(time(MORNING), &id, leave_out).await;
    assert_leaves_all_alone(&operations);
    assert_eq!(it.test.queue.drain_send_delays(), [1], "it looks again after a second");
    let broadcast = it.wake(time(MORNING), &id).await;
    assert_eq!(broadcast["progress"]["skipped"], numbers.len(), "{broadcast}");
}

/// A worker reads the index with two queries for each partition, at different times.
#[tokio::test(flavor = "multi_thread")]
async fn a_recipient_that_two_queries_find_in_different_places_takes_the_place_of_nobody_else() {
    let it = Broadcasting::start().await;
    let numbers = [143, 144].map(phone);
    let id = it.held_until_morning(&numbers).await;
    let (organization, of, morning) = (it.test.organization(), it.preparation(&id).await, time(MORNING));
    let held = it.held(&id).await;
    let of_number = |number: &PhoneNumber| held.iter().find(|one| one.number == *number).unwrap();
    let (moving, other) = (of_number(&numbers[0]), of_number(&numbers[1]));
    let now = morning + Duration::from_mins(10);
    it.hold(&id, other, morning + Duration::from_mins(1)).await;
    for queries in 1..=16 {
        it.hold(&id, moving, morning).await;
        let (gate, mut arrivals) = gate();
        let recipients = Recipients::new(Faults::seeded(0).gated_table(&it.test.engine, &gate));
        let due = Box::pin(recipients.due(organization, &of, Some(now), 2));
        let is_here = |_: &str, before: &[String]| before.len() == queries;
        let moves = Box::pin(it.hold(&id, moving, now - Duration::from_mins(1)));
        let (due, _) = change_before(&mut arrivals, due, is_here, moves).await;
        let found: Vec<_> = due.unwrap().into_iter().map(|one| one.number).collect();
        assert_eq!(found, numbers, "it moved after {queries} queries");
    }
}
