//! Messages: history, late, repeated and reordered reports, and claims.

use shared_aws::messaging::{Accepted, Claim, Guard, Reported};
use shared_domain::{
    ids::{MessageId, OrganizationId},
    message::{DeliveryState, Message, Report},
};

use crate::support::{TestStores, ada, at_second, number};

const CARRIER_ID: &str = "SM0123456789abcdef0123456789abcdef";

/// Accepts an outbound message.
async fn queued(stores: &TestStores) -> Message {
    let message = stores.outbound(&number(143), "Your appointment is on Friday.", &ada(), at_second(0));
    let accepted = stores.accept(&message, Guard::Compose { user: Some(&ada().id) }, None).await;
    assert_eq!(accepted, Accepted::Stored);
    message
}

async fn report(stores: &TestStores, id: &MessageId, state: DeliveryState, at: u64) -> Reported {
    let report = Report::at(at_second(at));
    stores.messages.report(stores.organization(), id, state, &report, Some(CARRIER_ID)).await.unwrap()
}

async fn claim(stores: &TestStores, id: &MessageId, attempt: u64) -> Claim {
    stores.messages.claim(stores.organization(), id, attempt, at_second(5)).await.unwrap()
}

async fn stored_message(stores: &TestStores, id: &MessageId) -> Message {
    stores.messages.get(stores.organization(), id).await.unwrap().expect("the message exists")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_found_by_its_id_alone_and_only_in_its_organization() {
    let stores = TestStores::start().await;
    let message = queued(&stores).await;
    assert_eq!(stored_message(&stores, &message.id).await, message);
    let other_organization = OrganizationId::new(at_second(0), 99);
    assert_eq!(stores.messages.get(&other_organization, &message.id).await.unwrap(), None);
    let malformed = MessageId::parse("msg_short").unwrap();
    assert_eq!(stores.messages.get(stores.organization(), &malformed).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_is_read_page_by_page_newest_first_while_messages_arrive() {
    let stores = TestStores::start().await;
    let conversation = stores.conversation_id(&number(143));
    let mut written = Vec::new();
    for at in 0..7 {
        written.insert(0, stores.receive(&number(143), &format!("Text {at}"), at_second(at)).await);
    }
    let mut read = Vec::new();
    let mut before = None;
    loop {
        let page = stores
            .messages
            .history(stores.organization(), &conversation, 3, before.as_deref())
            .await
            .unwrap();
        assert!(page.items.len() <= 3);
        read.extend(page.items.into_iter().map(|message| message.id));
        assert!(read.len() <= written.len(), "a message was listed twice: {read:?}");
        stores.receive(&number(143), "Another question", at_second(100 + read.len() as u64)).await;
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(read, written);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_is_added_once_and_the_first_of_each_state_is_kept() {
    let stores = TestStores::start().await;
    let id = queued(&stores).await.id;
    let Reported::Added(message) = report(&stores, &id, DeliveryState::Sent, 10).await else {
        panic!("expected a new one")
    };
    assert_eq!(
        (message.delivery.state(), message.carrier_id.as_deref()),
        (DeliveryState::Sent, Some(CARRIER_ID))
    );
    let Reported::Known(known) = report(&stores, &id, DeliveryState::Sent, 20).await else {
        panic!("expected a known one")
    };
    let message = stored_message(&stores, &id).await;
    assert_eq!(*known, message);
    assert_eq!(message.delivery.report(DeliveryState::Sent), Some(&Report::at(at_second(10))));
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_out_of_order_result_in_the_highest_state() {
    let stores = TestStores::start().await;
    let id = queued(&stores).await.id;
    for (at, state) in
        [DeliveryState::Delivered, DeliveryState::Sent, DeliveryState::Sending].into_iter().enumerate()
    {
        let Reported::Added(message) = report(&stores, &id, state, at as u64).await else {
            panic!("expected a new one")
        };
        assert_eq!(message.delivery.state(), DeliveryState::Delivered);
    }
    let states: Vec<_> =
        stored_message(&stores, &id).await.delivery.history().into_iter().map(|(state, _)| state).collect();
    assert_eq!(states.len(), 4, "{states:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_keeps_its_code_and_sentence_and_the_first_carrier_id() {
    let stores = TestStores::start().await;
    let id = queued(&stores).await.id;
    let failure = Report {
        code: Some("30006".into()),
        detail: Some("This is a landline.".into()),
        ..Report::at(at_second(1))
    };
    let reported =
        stores.messages.report(stores.organization(), &id, DeliveryState::Failed, &failure, None).await;
    assert!(matches!(reported.unwrap(), Reported::Added(_)));
    report(&stores, &id, DeliveryState::Sent, 2).await;
    let later = Report::at(at_second(3));
    let other = Some("SMother");
    stores.messages.report(stores.organization(), &id, DeliveryState::Unknown, &later, other).await.unwrap();
    let message = stored_message(&stores, &id).await;
    assert_eq!(message.delivery.report(DeliveryState::Failed), Some(&failure));
    assert_eq!(
        (message.delivery.state(), message.carrier_id.as_deref()),
        (DeliveryState::Failed, Some(CARRIER_ID))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_of_an_unknown_message_creates_nothing() {
    let stores = TestStores::start().await;
    let id = stores.outbound(&number(143), "Never accepted", &ada(), at_second(0)).id;
    let unreadable = MessageId::parse("msg_short").unwrap();
    for id in [id, unreadable] {
        assert_eq!(report(&stores, &id, DeliveryState::Sent, 1).await, Reported::NoMessage);
        assert_eq!(claim(&stores, &id, 1).await, Claim::NoMessage);
        stores.messages.release_claim(stores.organization(), &id, 1).await.unwrap();
    }
    assert!(stores.items().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_attempt_claims_a_message_and_another_learns_that_it_was_interrupted() {
    let stores = TestStores::start().await;
    let id = queued(&stores).await.id;
    let Claim::Yours(message) = claim(&stores, &id, 1).await else { panic!("the message is free") };
    assert_eq!(message.delivery.state(), DeliveryState::Sending);
    assert!(
        matches!(claim(&stores, &id, 1).await, Claim::Yours(_)),
        "a repeated request of the same attempt"
    );
    let Claim::Interrupted(message) = claim(&stores, &id, 2).await else {
        panic!("expected an interrupted attempt")
    };
    assert_eq!(message.delivery.state(), DeliveryState::Sending);
    report(&stores, &id, DeliveryState::Unknown, 6).await;
    assert!(matches!(claim(&stores, &id, 3).await, Claim::Interrupted(_)), "the outcome is unknown");
    report(&stores, &id, DeliveryState::Sent, 7).await;
    assert!(matches!(claim(&stores, &id, 4).await, Claim::Settled(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_with_an_outcome_cannot_be_claimed() {
    for outcome in
        [DeliveryState::Sent, DeliveryState::Failed, DeliveryState::Undelivered, DeliveryState::Delivered]
    {
        let stores = TestStores::start().await;
        let id = queued(&stores).await.id;
        report(&stores, &id, outcome, 1).await;
        let claimed = claim(&stores, &id, 1).await;
        assert!(matches!(claimed, Claim::Settled(_)), "{outcome:?} was reported before any claim");
        assert_eq!(stored_message(&stores, &id).await.delivery.state(), outcome);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_released_claim_is_free_for_another_attempt() {
    let stores = TestStores::start().await;
    let id = queued(&stores).await.id;
    claim(&stores, &id, 1).await;
    stores.messages.release_claim(stores.organization(), &id, 2).await.unwrap();
    assert!(
        matches!(claim(&stores, &id, 3).await, Claim::Interrupted(_)),
        "only the claiming attempt can release the claim"
    );
    stores.messages.release_claim(stores.organization(), &id, 1).await.unwrap();
    assert_eq!(stored_message(&stores, &id).await.delivery.state(), DeliveryState::Queued);
    assert!(matches!(claim(&stores, &id, 3).await, Claim::Yours(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_message_is_queued_again_unless_it_has_changed() {
    let stores = TestStores::start().await;
    let id = queued(&stores).await.id;
    let requeue =
        async |second| stores.messages.requeue(stores.organization(), &id, at_second(second)).await.unwrap();
    claim(&stores, &id, 1).await;
    assert!(!requeue(6).await, "an attempt is running");
    report(&stores, &id, DeliveryState::Unknown, 6).await;
    assert!(!requeue(5).await, "unknown since another attempt");
    assert!(requeue(6).await);
    assert_eq!(stored_message(&stores, &id).await.delivery.state(), DeliveryState::Queued);
    assert!(!requeue(6).await, "once");
    assert!(matches!(claim(&stores, &id, 2).await, Claim::Yours(_)));
    report(&stores, &id, DeliveryState::Unknown, 8).await;
    report(&stores, &id, DeliveryState::Delivered, 9).await;
    assert!(!requeue(8).await, "the message has an outcome");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_carrier_s_id_names_a_message_among_the_newest_hundred() {
    let stores = TestStores::start().await;
    let oldest = stores.receive(&number(143), "The oldest", at_second(0)).await;
    let carrier_id = stored_message(&stores, &oldest).await.carrier_id.unwrap();
    let conversation = stores.conversation_id(&number(143));
    for at in 1..100 {
        stores.receive(&number(143), "Again", at_second(at)).await;
    }
    let find = async |id: &str| {
        let found = stores.messages.by_carrier_id(stores.organization(), &conversation, id).await.unwrap();
        found.map(|message| message.id)
    };
    assert_eq!(find(&carrier_id).await, Some(oldest));
    assert_eq!(find("SMunheard").await, None);
    stores.receive(&number(143), "One too many", at_second(100)).await;
    assert_eq!(find(&carrier_id).await, None);
}
