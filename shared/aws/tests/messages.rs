//! Messages: the history of a thread, reports that come late, twice and out of order, and the claim of one sender.

use shared_aws::messaging::{Accepted, Claim, Guard, Reported};
use shared_domain::{
    ids::{MessageId, OrganizationId},
    message::{DeliveryState, Message, Report},
};

use crate::support::{Desk, ada, number, seconds};

const CARRIER_ID: &str = "SM0123456789abcdef0123456789abcdef";

/// An accepted text of ours that waits for its turn.
async fn queued(desk: &Desk) -> Message {
    let message = desk.draft(&number(143), "Your appointment is on Friday.", &ada(), seconds(0));
    let accepted = desk.accept(&message, Guard::Compose { user: Some(&ada().id) }, None).await;
    assert_eq!(accepted, Accepted::Stored);
    message
}

async fn report(desk: &Desk, id: &MessageId, state: DeliveryState, at: u64) -> Reported {
    let report = Report::at(seconds(at));
    desk.messages.report(desk.organization(), id, state, &report, Some(CARRIER_ID)).await.unwrap()
}

async fn claim(desk: &Desk, id: &MessageId, attempt: u64) -> Claim {
    desk.messages.claim(desk.organization(), id, attempt, seconds(5)).await.unwrap()
}

async fn look_at(desk: &Desk, id: &MessageId) -> Message {
    desk.messages.get(desk.organization(), id).await.unwrap().expect("the message is there")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_found_by_its_id_alone_and_only_in_its_organization() {
    let desk = Desk::open().await;
    let message = queued(&desk).await;
    assert_eq!(look_at(&desk, &message.id).await, message);
    let stranger = OrganizationId::new(seconds(0), 99);
    assert_eq!(desk.messages.get(&stranger, &message.id).await.unwrap(), None);
    let never_ours = MessageId::parse("msg_short").unwrap();
    assert_eq!(desk.messages.get(desk.organization(), &never_ours).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_is_read_page_by_page_newest_first_while_new_texts_come_in() {
    let desk = Desk::open().await;
    let conversation = desk.conversation_with(&number(143));
    let mut written = Vec::new();
    for at in 0..7 {
        written.insert(0, desk.hear(&number(143), &format!("Text {at}"), seconds(at)).await);
    }
    let mut read = Vec::new();
    let mut before = None;
    loop {
        let page =
            desk.messages.history(desk.organization(), &conversation, 3, before.as_deref()).await.unwrap();
        assert!(page.items.len() <= 3);
        read.extend(page.items.into_iter().map(|message| message.id));
        assert!(read.len() <= written.len(), "a text came twice: {read:?}");
        desk.hear(&number(143), "Meanwhile", seconds(100 + read.len() as u64)).await;
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(read, written);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_is_added_once_and_the_first_of_a_state_stays() {
    let desk = Desk::open().await;
    let id = queued(&desk).await.id;
    let Reported::Added(message) = report(&desk, &id, DeliveryState::Sent, 10).await else {
        panic!("it is new")
    };
    assert_eq!(
        (message.delivery.state(), message.carrier_id.as_deref()),
        (DeliveryState::Sent, Some(CARRIER_ID))
    );
    let Reported::Known(known) = report(&desk, &id, DeliveryState::Sent, 20).await else {
        panic!("it is not new")
    };
    let message = look_at(&desk, &id).await;
    assert_eq!(*known, message);
    assert_eq!(message.delivery.report(DeliveryState::Sent), Some(&Report::at(seconds(10))));
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_out_of_order_end_in_the_highest_state() {
    let desk = Desk::open().await;
    let id = queued(&desk).await.id;
    for (at, state) in
        [DeliveryState::Delivered, DeliveryState::Sent, DeliveryState::Sending].into_iter().enumerate()
    {
        let Reported::Added(message) = report(&desk, &id, state, at as u64).await else {
            panic!("it is new")
        };
        assert_eq!(message.delivery.state(), DeliveryState::Delivered);
    }
    let states: Vec<_> =
        look_at(&desk, &id).await.delivery.history().into_iter().map(|(state, _)| state).collect();
    assert_eq!(states.len(), 4, "{states:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_keeps_its_code_and_sentence_and_the_first_carrier_id() {
    let desk = Desk::open().await;
    let id = queued(&desk).await.id;
    let failure = Report {
        code: Some("30006".into()),
        detail: Some("This is a landline.".into()),
        ..Report::at(seconds(1))
    };
    let reported =
        desk.messages.report(desk.organization(), &id, DeliveryState::Failed, &failure, None).await;
    assert!(matches!(reported.unwrap(), Reported::Added(_)));
    report(&desk, &id, DeliveryState::Sent, 2).await;
    let later = Report::at(seconds(3));
    let other = Some("SMother");
    desk.messages.report(desk.organization(), &id, DeliveryState::Unknown, &later, other).await.unwrap();
    let message = look_at(&desk, &id).await;
    assert_eq!(message.delivery.report(DeliveryState::Failed), Some(&failure));
    assert_eq!(
        (message.delivery.state(), message.carrier_id.as_deref()),
        (DeliveryState::Failed, Some(CARRIER_ID))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_of_a_message_that_is_not_there_makes_none() {
    let desk = Desk::open().await;
    let id = desk.draft(&number(143), "Never accepted", &ada(), seconds(0)).id;
    let unreadable = MessageId::parse("msg_short").unwrap();
    for id in [id, unreadable] {
        assert_eq!(report(&desk, &id, DeliveryState::Sent, 1).await, Reported::NoMessage);
        assert_eq!(claim(&desk, &id, 1).await, Claim::NoMessage);
        desk.messages.release_claim(desk.organization(), &id, 1).await.unwrap();
    }
    assert!(desk.rows().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_attempt_claims_a_message_and_another_learns_that_it_was_interrupted() {
    let desk = Desk::open().await;
    let id = queued(&desk).await.id;
    let Claim::Yours(message) = claim(&desk, &id, 1).await else { panic!("nobody has it") };
    assert_eq!(message.delivery.state(), DeliveryState::Sending);
    assert!(matches!(claim(&desk, &id, 1).await, Claim::Yours(_)), "a repeated request of the same attempt");
    let Claim::Interrupted(message) = claim(&desk, &id, 2).await else {
        panic!("the first attempt left no outcome")
    };
    assert_eq!(message.delivery.state(), DeliveryState::Sending);
    report(&desk, &id, DeliveryState::Unknown, 6).await;
    assert!(matches!(claim(&desk, &id, 3).await, Claim::Interrupted(_)), "the carrier is being asked");
    report(&desk, &id, DeliveryState::Sent, 7).await;
    assert!(matches!(claim(&desk, &id, 4).await, Claim::Settled(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_has_its_outcome_is_claimed_by_nobody() {
    for outcome in
        [DeliveryState::Sent, DeliveryState::Failed, DeliveryState::Undelivered, DeliveryState::Delivered]
    {
        let desk = Desk::open().await;
        let id = queued(&desk).await.id;
        report(&desk, &id, outcome, 1).await;
        let claimed = claim(&desk, &id, 1).await;
        assert!(matches!(claimed, Claim::Settled(_)), "{outcome:?} came before any claim");
        assert_eq!(look_at(&desk, &id).await.delivery.state(), outcome);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_given_back_is_another_attempt_s() {
    let desk = Desk::open().await;
    let id = queued(&desk).await.id;
    claim(&desk, &id, 1).await;
    desk.messages.release_claim(desk.organization(), &id, 2).await.unwrap();
    assert!(matches!(claim(&desk, &id, 3).await, Claim::Interrupted(_)), "only the claimant gives it back");
    desk.messages.release_claim(desk.organization(), &id, 1).await.unwrap();
    assert_eq!(look_at(&desk, &id).await.delivery.state(), DeliveryState::Queued);
    assert!(matches!(claim(&desk, &id, 3).await, Claim::Yours(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_carrier_s_id_names_a_message_among_the_newest_hundred() {
    let desk = Desk::open().await;
    let oldest = desk.hear(&number(143), "The oldest", seconds(0)).await;
    let carrier_id = look_at(&desk, &oldest).await.carrier_id.unwrap();
    let conversation = desk.conversation_with(&number(143));
    for at in 1..100 {
        desk.hear(&number(143), "Again", seconds(at)).await;
    }
    let find = async |id: &str| {
        let found = desk.messages.by_carrier_id(desk.organization(), &conversation, id).await.unwrap();
        found.map(|message| message.id)
    };
    assert_eq!(find(&carrier_id).await, Some(oldest));
    assert_eq!(find("SMunheard").await, None);
    desk.hear(&number(143), "One too many", seconds(100)).await;
    assert_eq!(find(&carrier_id).await, None);
}
