//! The transaction's conditions and the rule that answers `can-send` agree on every combination of lock and time.

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

/// What happened to the lock before: all at 0 s, so that a lease ends at 60 s and an idle one at 240 s.
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

/// When the text is written, in milliseconds: within the lease, around its end, around the idle end.
const MOMENTS: [i64; 6] = [10_000, 59_999, 60_000, 239_999, 240_000, 240_001];

async fn prepare(stores: &TestStores, conversation: &ConversationId, lock: Lock) {
    let (ada, policy) = (ada(), LockPolicy::default());
    let thread = stores.conversation_key(conversation);
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
                stores.locks.renew(thread, &ada.id, token, false, at_second(at), &policy).await.unwrap();
            }
        }
        Lock::Released => {
            let token = stores.acquire_lock(conversation, &ada, at_second(0)).await.token;
            stores.locks.release(thread, &ada.id, token).await.unwrap();
        }
        Lock::TakenByBen => drop(stores.acquire_lock(conversation, &ben(), at_second(0)).await),
    }
}

/// A conversation with the next number.
async fn begin(stores: &TestStores, place: &mut usize) -> (PhoneNumber, ConversationId) {
    let asker = number(*place);
    *place += 1;
    let conversation = stores.start_conversation(&asker, at_second(0)).await;
    (asker, conversation)
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
    let (ada, mut place) = (ada().id, 0);
    for lock in LOCKS {
        for token in [1, 2].map(FencingToken::new) {
            for millis in MOMENTS {
                for newer_text in [false, true] {
                    let (asker, conversation) = begin(&stores, &mut place).await;
                    prepare(&stores, &conversation, lock).await;
                    let seen = stores.stored_conversation(&conversation).await.last_inbound;
                    if newer_text {
                        stores.receive(&asker, "Never mind", at_second(5)).await;
                    }
                    let message = outbound_message(&stores, &asker, millis);
                    let shown = ReplyGuard {
                        user: &ada,
                        token: Some(token),
                        last_seen: seen.as_ref(),
                        accept_unseen: false,
                    };
                    let thread = stores.stored_conversation(&conversation).await;
                    let reasons = reasons_against_reply(from(&stores), &thread, &shown, message.created_at);
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
    let (ada, ben, mut place) = (ada().id, ben().id, 0);
    let users: [Option<&UserId>; 3] = [Some(&ada), Some(&ben), None];
    for lock in LOCKS {
        for millis in MOMENTS {
            for user in users {
                let (asker, conversation) = begin(&stores, &mut place).await;
                prepare(&stores, &conversation, lock).await;
                let message = outbound_message(&stores, &asker, millis);
                let thread = stores.stored_conversation(&conversation).await;
                let at = message.created_at;
                let reasons =
                    reasons_against_compose(from(&stores), &thread.contact, Some(&thread), user, at);
                let stored = stores.accept(&message, Guard::Compose { user }, None).await == Accepted::Stored;
                assert_eq!(stored, reasons.is_empty(), "{lock:?}, {user:?}, at {millis} ms: {reasons:?}");
            }
        }
    }
}
