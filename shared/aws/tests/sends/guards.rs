//! The conditions of the transaction agree with the rule behind `can-send` for every combination of lock
//! and time.

use shared_aws::messaging::{Accepted, Guard};
use shared_domain::{
    ids::{ConversationId, UserId},
    lock::{FencingToken, LockPolicy},
    message::Message,
    phone::PhoneNumber,
    registration::RegistrationStatus,
    sending::{ReplyGuard, SendingInbox, reasons_against_compose, reasons_against_reply},
    time::Timestamp,
};

use crate::support::{TestStores, ada, at_second, ben, number};

/// The history of the lock. It was acquired at 0 s, so the lease ends at 60 s and the idle release is at
/// 240 s.
#[derive(Debug, Clone, Copy)]
enum Lock {
    Never,
    Held,
    HeldAgain,
    Renewed,
    Released,
    TakenByBen,
}

const LOCKS: [Lock; 6] =
    [Lock::Never, Lock::Held, Lock::HeldAgain, Lock::Renewed, Lock::Released, Lock::TakenByBen];

/// The time of the message, in milliseconds: within the lease, near its end, and near the idle release.
const MOMENTS: [i64; 6] = [10_000, 59_999, 60_000, 239_999, 240_000, 240_001];

async fn prepare(stores: &TestStores, conversation: &ConversationId, lock: Lock) {
    let (ada, policy) = (ada(), LockPolicy::default());
    let key = stores.conversation_key(conversation);
    match lock {
        Lock::Never => {}
        Lock::Held => drop(stores.acquire_lock(conversation, &ada, at_second(0)).await),
        Lock::HeldAgain => {
            stores.acquire_lock(conversation, &ada, at_second(0)).await;
            stores.acquire_lock(conversation, &ada, at_second(0)).await;
        }
        Lock::Renewed => {
            let token = stores.acquire_lock(conversation, &ada, at_second(0)).await.token;
            for at in [50, 100, 150, 200] {
                stores.locks.renew(key, &ada.id, token, false, at_second(at), &policy).await.unwrap();
            }
        }
        Lock::Released => {
            let token = stores.acquire_lock(conversation, &ada, at_second(0)).await.token;
            stores.locks.release(key, &ada.id, token).await.unwrap();
        }
        Lock::TakenByBen => drop(stores.acquire_lock(conversation, &ben(), at_second(0)).await),
    }
}

/// The first number after that of the inbox, which cannot be its own contact.
const FIRST_NUMBER: usize = 101;

/// Starts a conversation with the next number.
async fn start_conversation(stores: &TestStores, index: &mut usize) -> (PhoneNumber, ConversationId) {
    let contact_of_team = number(*index);
    *index += 1;
    let conversation = stores.start_conversation(&contact_of_team, at_second(0)).await;
    (contact_of_team, conversation)
}

fn outbound_message(stores: &TestStores, to: &PhoneNumber, millis: i64) -> Message {
    let at = Timestamp::from_millis(at_second(0).millis() + millis);
    stores.outbound(to, "Yes, until noon.", &ada(), at)
}

fn from(stores: &TestStores) -> SendingInbox<'_> {
    SendingInbox { inbox: &stores.inbox, registration: RegistrationStatus::Approved }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_is_stored_exactly_when_the_rule_has_no_reason_against_it() {
    let stores = TestStores::start().await;
    let (ada, mut index) = (ada().id, FIRST_NUMBER);
    for lock in LOCKS {
        for token in [1, 2].map(FencingToken::new) {
            for millis in MOMENTS {
                for newer_text in [false, true] {
                    let (contact_of_team, conversation) = start_conversation(&stores, &mut index).await;
                    prepare(&stores, &conversation, lock).await;
                    let seen = stores.stored_conversation(&conversation).await.last_inbound;
                    if newer_text {
                        stores.receive(&contact_of_team, "Never mind", at_second(5)).await;
                    }
                    let message = outbound_message(&stores, &contact_of_team, millis);
                    let shown = ReplyGuard {
                        user: &ada,
                        token: Some(token),
                        last_seen: seen.as_ref(),
                        accept_unseen: false,
                    };
                    let key = stores.stored_conversation(&conversation).await;
                    let reasons = reasons_against_reply(from(&stores), &key, &shown, message.created_at);
                    let guard = Guard::Reply { lock: Some((&ada, token)), seen: seen.as_ref() };
                    let stored = stores.accept(&message, guard, None).await == Accepted::Stored;
                    let case = format!("{lock:?}, token {token}, at {millis} ms, newer text: {newer_text}");
                    assert_eq!(stored, reasons.is_empty(), "{case}: {reasons:?}");
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_composed_message_is_stored_exactly_when_the_rule_has_no_reason_against_it() {
    let stores = TestStores::start().await;
    let (ada, ben, mut index) = (ada().id, ben().id, FIRST_NUMBER);
    let users: [Option<&UserId>; 3] = [Some(&ada), Some(&ben), None];
    for lock in LOCKS {
        for millis in MOMENTS {
            for user in users {
                let (contact_of_team, conversation) = start_conversation(&stores, &mut index).await;
                prepare(&stores, &conversation, lock).await;
                let message = outbound_message(&stores, &contact_of_team, millis);
                let key = stores.stored_conversation(&conversation).await;
                let at = message.created_at;
                let reasons = reasons_against_compose(from(&stores), &key.contact, Some(&key), user, at);
                let stored = stores.accept(&message, Guard::Compose { user }, None).await == Accepted::Stored;
                assert_eq!(stored, reasons.is_empty(), "{lock:?}, {user:?}, at {millis} ms: {reasons:?}");
            }
        }
    }
}
