//! Failed messages: each is listed until it is sent again, or delivered after all, and is sent again once.

use futures_util::future::join_all;
use shared_aws::messaging::{Accepted, FAILED_PAGE, FailedMessages, Guard};
use shared_domain::{
    ids::{MessageId, OrganizationId},
    inbox::{Inbox, TeamInbox},
    message::{DeliveryState, Message, Report},
    registration::RegistrationStatus,
    time::Timestamp,
};

use crate::support::{
    TestStores, ada, at_second, number, other_inbox, outbound_message, team_with_registration,
};

async fn accept(stores: &TestStores, message: &Message) -> Accepted {
    stores.accept(message, Guard::Compose { user: Some(&ada().id) }, None).await
}

async fn report(stores: &TestStores, message: &Message, state: DeliveryState, at: u64) {
    let (report, carrier_id) = (Report::at(at_second(at)), Some("SM1"));
    stores.messages.report(stores.organization(), &message.id, state, &report, carrier_id).await.unwrap();
}

async fn failed_message(stores: &TestStores, index: usize, at: u64) -> Message {
    let message = stores.outbound(&number(index), "Your visit is on Friday.", &ada(), at_second(0));
    assert_eq!(accept(stores, &message).await, Accepted::Stored);
    report(stores, &message, DeliveryState::Sent, at - 1).await;
    report(stores, &message, DeliveryState::Failed, at).await;
    message
}

async fn listed(stores: &TestStores, inbox: &Inbox, since: Timestamp, until: Timestamp) -> Vec<MessageId> {
    let page = FailedMessages::new(stores.table()).page(inbox.key(), since, until).await.unwrap();
    assert_eq!(page.next, None);
    page.messages.into_iter().map(|message| message.id).collect()
}

async fn all(stores: &TestStores) -> Vec<MessageId> {
    listed(stores, &stores.inbox, at_second(0), at_second(1_000)).await
}

fn retry(stores: &TestStores, failed: &Message, at: u64) -> Message {
    let team = team_with_registration(RegistrationStatus::Approved);
    TeamInbox { inbox: stores.inbox.clone(), team }.retry(failed, at_second(at))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_message_is_listed_in_its_inbox_and_period() {
    let stores = TestStores::start().await;
    let failed = failed_message(&stores, 1, 20).await;
    let elsewhere = outbound_message(&other_inbox(1), &number(1), "Hello", &ada(), at_second(0));
    assert_eq!(accept(&stores, &elsewhere).await, Accepted::Stored);
    report(&stores, &elsewhere, DeliveryState::Undelivered, 20).await;
    assert_eq!(listed(&stores, &stores.inbox, at_second(20), at_second(21)).await, [failed.id]);
    assert_eq!(listed(&stores, &other_inbox(1), at_second(20), at_second(21)).await, [elsewhere.id]);
    for (since, until) in [(0, 20), (21, 100), (20, 20), (30, 10)] {
        assert_eq!(listed(&stores, &stores.inbox, at_second(since), at_second(until)).await, []);
    }
    let stranger = Inbox { organization: OrganizationId::new(at_second(0), 99), ..stores.inbox.clone() };
    assert_eq!(listed(&stores, &stranger, at_second(0), at_second(100)).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn late_reports_keep_a_failed_message_listed_until_it_is_delivered() {
    let stores = TestStores::start().await;
    let message = stores.outbound(&number(1), "Your visit is on Friday.", &ada(), at_second(0));
    assert_eq!(accept(&stores, &message).await, Accepted::Stored);
    for (at, state) in (10..).zip([DeliveryState::Failed, DeliveryState::Sent, DeliveryState::Undelivered]) {
        report(&stores, &message, state, at).await;
        assert_eq!(all(&stores).await, std::slice::from_ref(&message.id), "{state:?}");
    }
    report(&stores, &message, DeliveryState::Delivered, 20).await;
    assert_eq!(all(&stores).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_retries_of_a_message_one_is_accepted() {
    let stores = TestStores::start().await;
    let failed = failed_message(&stores, 1, 20).await;
    let retries: Vec<_> = (30..38).map(|at| retry(&stores, &failed, at)).collect();
    let accepted = join_all(retries.iter().map(|retry| accept(&stores, retry))).await;
    let stored: Vec<_> =
        retries.iter().zip(&accepted).filter(|(_, accepted)| **accepted == Accepted::Stored).collect();
    let [(retry, _)] = stored[..] else { panic!("{accepted:?}") };
    assert_eq!(accepted.iter().filter(|one| **one == Accepted::AlreadyRetried).count(), 7, "{accepted:?}");
    let stored = |id: &MessageId| {
        let id = id.clone();
        let messages = stores.messages.clone();
        let organization = stores.organization().clone();
        async move { messages.get(&organization, &id).await.unwrap().unwrap() }
    };
    assert_eq!(stored(&failed.id).await.retried_by.as_ref(), Some(&retry.id));
    assert_eq!(stored(&retry.id).await.retry_of.as_ref(), Some(&failed.id));
    assert_eq!(all(&stores).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_condition_of_a_retry_agrees_with_the_rule_for_every_state() {
    use DeliveryState::{Delivered, Failed, Queued, Sending, Sent, Undelivered, Unknown};
    let stores = TestStores::start().await;
    let paths: [&[DeliveryState]; 9] = [
        &[],
        &[Sending],
        &[Unknown],
        &[Sent],
        &[Failed],
        &[Sent, Undelivered],
        &[Failed, Sent],
        &[Sent, Failed, Delivered],
        &[Delivered, Failed],
    ];
    for (index, states) in paths.into_iter().enumerate() {
        let message = stores.outbound(&number(index), "Your visit is on Friday.", &ada(), at_second(0));
        assert_eq!(accept(&stores, &message).await, Accepted::Stored);
        for (at, state) in (1..).zip(states) {
            report(&stores, &message, *state, at).await;
        }
        let stored = stores.messages.get(stores.organization(), &message.id).await.unwrap().unwrap();
        assert!(stored.delivery.report(Queued).is_some());
        let accepted = accept(&stores, &retry(&stores, &message, 50)).await == Accepted::Stored;
        assert_eq!(accepted, stored.can_be_retried(), "{states:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_messages_are_read_page_by_page_in_the_order_in_which_they_failed() {
    let stores = TestStores::start().await;
    let count = usize::from(FAILED_PAGE) + 20;
    let mut failed = Vec::new();
    for index in 0..count {
        failed.push(failed_message(&stores, index, 10 + index as u64 / 3).await.id);
    }
    let messages = FailedMessages::new(stores.table());
    let (mut since, mut read) = (at_second(0), Vec::new());
    loop {
        let page = messages.page(stores.inbox.key(), since, at_second(1_000)).await.unwrap();
        assert!(page.messages.len() <= usize::from(FAILED_PAGE));
        read.extend(page.messages.into_iter().map(|message| message.id));
        match page.next {
            Some(next) => since = next,
            None => break,
        }
    }
    assert_eq!(read.len(), count, "each once");
    read.sort();
    failed.sort();
    assert_eq!(read, failed);
}
