//! Out-of-office answers: one for each contact in a closed period.

use shared_aws::inbox::OutOfOffice;
use shared_domain::{contact::Contact, message::Message, out_of_office::ClosedPeriod, time::Timestamp};
use tokio::task::JoinSet;

use crate::support::{TestStores, ada, at_second, contact, number, outbound_message, shared_inbox};

fn period(id: &str) -> ClosedPeriod {
    ClosedPeriod { id: id.to_owned(), since: at_second(0), until: None }
}

fn answer(at: Timestamp) -> Message {
    let text = outbound_message(&shared_inbox(), &number(1), "We are closed.", &ada(), at);
    Message { sender: None, automatic: true, ..text }
}

async fn answer_period(stores: &TestStores, of: &str, at: Timestamp) -> bool {
    stores.out_of_office.answer(stores.organization(), &period(of), &answer(at)).await.unwrap()
}

async fn recent(stores: &TestStores, now: Timestamp) -> u32 {
    let conversation = stores.conversation_id(&number(1));
    stores.out_of_office.recent(stores.inbox.key(), &conversation, now).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_sixteen_concurrent_answers_one_is_accepted() {
    let stores = TestStores::start().await;
    let conversation = stores.start_conversation(&number(1), at_second(1)).await;
    let (before, items) = (stores.stored_conversation(&conversation).await, stores.items().await.len());
    let mut tasks = JoinSet::new();
    for index in 0..16 {
        let (away, organization) = (OutOfOffice::new(stores.table()), stores.organization().clone());
        tasks.spawn(async move {
            away.answer(&organization, &period("on-1"), &answer(at_second(10 + index))).await.unwrap()
        });
    }
    assert_eq!(tasks.join_all().await.into_iter().filter(|done| *done).count(), 1);
    assert_eq!(stores.items().await.len(), items + 3, "the claim, the message and its outbox item");
    assert_eq!(stores.outbox.overdue(at_second(10_000)).await.unwrap().len(), 1);
    assert_eq!(
        stores.stored_conversation(&conversation).await,
        before,
        "folder and read state do not change"
    );
    assert!(answer_period(&stores, "on-2", at_second(40)).await, "another period");
    assert!(!answer_period(&stores, "on-1", at_second(50)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_the_last_hour_are_counted_for_each_contact() {
    let stores = TestStores::start().await;
    stores.start_conversation(&number(1), at_second(1)).await;
    stores.start_conversation(&number(2), at_second(1)).await;
    assert_eq!(recent(&stores, at_second(10)).await, 0);
    for (at, name) in [(10, "a"), (20, "b"), (3_000, "c")] {
        assert!(answer_period(&stores, name, at_second(at)).await);
    }
    let counts = [3_000, 3_609, 3_610, 3_620, 6_600].map(at_second);
    for (now, wanted) in counts.into_iter().zip([3, 3, 2, 1, 0]) {
        assert_eq!(recent(&stores, now).await, wanted, "{now:?}");
    }
    let other = stores.conversation_id(&number(2));
    let of_other = stores.out_of_office.recent(stores.inbox.key(), &other, at_second(30)).await;
    assert_eq!(of_other.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opted_out_blocked_or_new_contact_gets_no_answer() {
    for contact in [Contact { opted_out: true, ..contact(1) }, Contact { blocked: true, ..contact(1) }] {
        let stores = TestStores::start().await;
        stores.contacts.put(stores.inbox.team_key(), &contact).await.unwrap();
        stores.start_conversation(&number(1), at_second(1)).await;
        let items = stores.items().await;
        assert!(!answer_period(&stores, "on-1", at_second(10)).await);
        assert_eq!(stores.items().await, items);
    }
    let stores = TestStores::start().await;
    assert!(!answer_period(&stores, "on-1", at_second(10)).await);
    assert!(stores.items().await.is_empty());
}
