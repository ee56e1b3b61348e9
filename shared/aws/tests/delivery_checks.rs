//! Delivery checks: messages that are sent are due until a final state is reported.

use shared_aws::messaging::{Accepted, DeliveryCheck, DeliveryChecks, Guard};
use shared_domain::message::{DeliveryState, Message, Report};

use crate::support::{TestStores, ada, at_second, number};

async fn accept(stores: &TestStores, index: usize) -> Message {
    let message = stores.outbound(&number(index), "Your visit is on Friday.", &ada(), at_second(0));
    let accepted = stores.accept(&message, Guard::Compose { user: Some(&ada().id) }, None).await;
    assert_eq!(accepted, Accepted::Stored);
    message
}

async fn report(stores: &TestStores, message: &Message, state: DeliveryState, at: u64) {
    let (report, carrier_id) = (Report::at(at_second(at)), Some("SM1"));
    stores.messages.report(stores.organization(), &message.id, state, &report, carrier_id).await.unwrap();
}

fn check(stores: &TestStores, message: &Message, at: u64) -> DeliveryCheck {
    DeliveryCheck {
        organization: stores.organization().clone(),
        message: message.id.clone(),
        at: at_second(at),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sent_message_is_due_from_its_report_on_in_the_order_of_time() {
    let stores = TestStores::start().await;
    let checks = DeliveryChecks::new(stores.table());
    let (first, second) = (accept(&stores, 1).await, accept(&stores, 2).await);
    assert_eq!(checks.due(at_second(100)).await.unwrap(), [], "not sent");
    report(&stores, &second, DeliveryState::Sent, 20).await;
    report(&stores, &first, DeliveryState::Sent, 10).await;
    report(&stores, &first, DeliveryState::Sent, 30).await;
    let expected = [check(&stores, &first, 10), check(&stores, &second, 20)];
    assert_eq!(checks.due(at_second(20)).await.unwrap(), expected);
    assert_eq!(checks.due(at_second(19)).await.unwrap(), expected[..1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_final_state_ends_the_checks() {
    for state in [DeliveryState::Delivered, DeliveryState::Undelivered, DeliveryState::Failed] {
        let stores = TestStores::start().await;
        let checks = DeliveryChecks::new(stores.table());
        let message = accept(&stores, 1).await;
        report(&stores, &message, DeliveryState::Sent, 10).await;
        report(&stores, &message, state, 20).await;
        assert_eq!(checks.due(at_second(100)).await.unwrap(), [], "{state:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_is_moved_or_removed_only_as_it_was_read() {
    let stores = TestStores::start().await;
    let checks = DeliveryChecks::new(stores.table());
    let message = accept(&stores, 1).await;
    report(&stores, &message, DeliveryState::Sent, 10).await;
    let [first] = checks.due(at_second(10)).await.unwrap().try_into().unwrap();
    checks.reschedule(&first, Some(at_second(50))).await.unwrap();
    assert_eq!(checks.due(at_second(49)).await.unwrap(), []);
    let [second] = checks.due(at_second(50)).await.unwrap().try_into().unwrap();

    checks.reschedule(&first, None).await.unwrap();
    assert_eq!(
        checks.due(at_second(50)).await.unwrap(),
        std::slice::from_ref(&second),
        "another run was faster"
    );
    checks.reschedule(&second, None).await.unwrap();
    assert_eq!(checks.due(at_second(1_000)).await.unwrap(), []);
    checks.reschedule(&second, Some(at_second(60))).await.unwrap();
    assert_eq!(checks.due(at_second(1_000)).await.unwrap(), [], "a removed check stays removed");
}
