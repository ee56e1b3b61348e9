//! The lock in the table: each rule of [`shared_domain::lock`], restated as a condition, gives the same answer.

mod cap;
mod race;
mod walk;

use std::time::Duration;

use shared_aws::conversation::{Acquired, Renewed};
use shared_domain::{
    ids::{ConversationId, UserId},
    lock::{BrokenLock, Denied, FencingToken, Lease, LockPolicy, LossReason, LostLock},
    time::Timestamp,
    user::UserRef,
};

use crate::support::{TestStores, ada, at_second, ben, cleo, number};

const INSTANT: Duration = Duration::from_millis(1);

fn policy() -> LockPolicy {
    LockPolicy::default()
}

/// A conversation that waits for an answer.
struct Waiting {
    stores: TestStores,
    conversation: ConversationId,
}

impl Waiting {
    async fn new() -> Self {
        let stores = TestStores::start().await;
        let conversation = stores.start_conversation(&number(143), at_second(0)).await;
        Self { stores, conversation }
    }

    async fn acquire(&self, user: &UserRef, at: Timestamp) -> Acquired {
        self.stores
            .locks
            .acquire(self.stores.conversation_key(&self.conversation), user, at, &policy())
            .await
            .unwrap()
    }

    async fn held_by(&self, user: &UserRef, at: Timestamp) -> Lease {
        self.stores.acquire_lock(&self.conversation, user, at).await
    }

    async fn renew(&self, user: &UserId, token: FencingToken, active: bool, at: Timestamp) -> Renewed {
        let thread = self.stores.conversation_key(&self.conversation);
        self.stores.locks.renew(thread, user, token, active, at, &policy()).await.unwrap()
    }

    async fn loss(&self, user: &UserRef, token: FencingToken, at: Timestamp) -> LostLock {
        match self.renew(&user.id, token, true, at).await {
            Renewed::Lost(lost) => lost,
            other => panic!("the lock is not lost: {other:?}"),
        }
    }

    async fn release(&self, user: &UserRef, token: FencingToken) -> bool {
        self.stores
            .locks
            .release(self.stores.conversation_key(&self.conversation), &user.id, token)
            .await
            .unwrap()
    }

    async fn break_lock(&self, by: &UserRef, token: FencingToken) -> bool {
        self.stores
            .locks
            .break_lock(self.stores.conversation_key(&self.conversation), by, token)
            .await
            .unwrap()
    }

    async fn lease(&self) -> Option<Lease> {
        self.stores.stored_conversation(&self.conversation).await.lock.lease
    }
}

fn denied(holder: &UserRef, expires_at: Timestamp) -> Denied {
    Denied { holder: holder.clone(), expires_at }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_free_lock_is_given_with_the_first_token_and_both_ends() {
    let waiting = Waiting::new().await;
    let lease = Lease {
        holder: ada(),
        token: FencingToken::new(1),
        expires_at: at_second(10 + 60),
        idle_release_at: at_second(10 + 180 + 60),
    };
    assert_eq!(waiting.acquire(&ada(), at_second(10)).await, Acquired::Held(lease.clone()));
    assert_eq!(waiting.lease().await, Some(lease));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_lock_is_denied_with_holder_and_expiry_and_does_not_change() {
    let waiting = Waiting::new().await;
    let lease = waiting.held_by(&ada(), at_second(0)).await;
    assert_eq!(waiting.acquire(&ben(), at_second(59)).await, Acquired::Denied(denied(&ada(), at_second(60))));
    assert_eq!(waiting.lease().await, Some(lease));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_lock_can_be_taken_over_after_the_skew() {
    let waiting = Waiting::new().await;
    waiting.held_by(&ada(), at_second(0)).await;
    let end = at_second(60) + policy().skew;
    assert_eq!(waiting.acquire(&ben(), end).await, Acquired::Denied(denied(&ada(), at_second(60))));
    assert_eq!(waiting.held_by(&ben(), end + INSTANT).await.token, FencingToken::new(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_holder_loses_the_lock_to_another_though_it_was_renewed() {
    let waiting = Waiting::new().await;
    let token = waiting.held_by(&ada(), at_second(0)).await.token;
    for at in [50, 100, 150, 200, 239] {
        assert!(
            matches!(waiting.renew(&ada().id, token, false, at_second(at)).await, Renewed::Held(_)),
            "at {at} s"
        );
    }
    let end = at_second(240) + policy().skew;
    assert_eq!(waiting.acquire(&ben(), end).await, Acquired::Denied(denied(&ada(), at_second(240))));
    assert_eq!(waiting.held_by(&ben(), end + INSTANT).await.holder, ben());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_user_acquires_again_with_a_new_token_and_the_old_one_is_void() {
    let waiting = Waiting::new().await;
    let old = waiting.held_by(&ada(), at_second(0)).await.token;
    let new = waiting.held_by(&ada(), at_second(5)).await.token;
    assert_eq!((old.get(), new.get()), (1, 2));
    assert_eq!(
        waiting.loss(&ada(), old, at_second(6)).await,
        LostLock { loss: LossReason::Superseded, now_held_by: None }
    );
    assert!(matches!(waiting.renew(&ada().id, new, true, at_second(6)).await, Renewed::Held(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn acquiring_the_lock_of_a_missing_conversation_creates_nothing() {
    let stores = TestStores::start().await;
    let nowhere = stores.conversation_id(&number(999));
    let (thread, token) = (stores.conversation_key(&nowhere), FencingToken::new(1));
    let locks = &stores.locks;
    let acquired = locks.acquire(thread, &ada(), at_second(0), &policy()).await.unwrap();
    assert_eq!(acquired, Acquired::NoConversation);
    let renewed = locks.renew(thread, &ada().id, token, true, at_second(0), &policy()).await.unwrap();
    assert_eq!(renewed, Renewed::NoConversation);
    assert!(!locks.release(thread, &ada().id, token).await.unwrap());
    assert!(!locks.break_lock(thread, &ada(), token).await.unwrap());
    assert!(stores.items().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_active_renewal_extends_both_expiries_and_an_inactive_one_only_the_lease() {
    let waiting = Waiting::new().await;
    let lease = waiting.held_by(&ada(), at_second(0)).await;
    let inactive = Lease { expires_at: at_second(20 + 60), ..lease.clone() };
    assert_eq!(
        waiting.renew(&ada().id, lease.token, false, at_second(20)).await,
        Renewed::Held(inactive.clone())
    );
    assert_eq!(waiting.lease().await, Some(inactive));
    let active =
        Lease { expires_at: at_second(40 + 60), idle_release_at: at_second(40 + 240), ..lease.clone() };
    assert_eq!(
        waiting.renew(&ada().id, lease.token, true, at_second(40)).await,
        Renewed::Held(active.clone())
    );
    assert_eq!(waiting.lease().await, Some(active));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_one_instant_late_is_refused() {
    let waiting = Waiting::new().await;
    let token = waiting.held_by(&ada(), at_second(0)).await.token;
    assert_eq!(
        waiting.loss(&ada(), token, at_second(60)).await,
        LostLock { loss: LossReason::Expired, now_held_by: None }
    );
    let in_time = at_second(60) - INSTANT;
    assert!(matches!(waiting.renew(&ada().id, token, true, in_time).await, Renewed::Held(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_after_the_idle_release_is_refused() {
    let waiting = Waiting::new().await;
    let token = waiting.held_by(&ada(), at_second(0)).await.token;
    for at in [50, 100, 150, 200] {
        waiting.renew(&ada().id, token, false, at_second(at)).await;
    }
    assert!(matches!(
        waiting.renew(&ada().id, token, false, at_second(240) - INSTANT).await,
        Renewed::Held(_)
    ));
    assert_eq!(waiting.loss(&ada(), token, at_second(240)).await.loss, LossReason::Idle);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_former_holder_learns_the_new_holder_after_a_takeover() {
    let waiting = Waiting::new().await;
    let token = waiting.held_by(&ada(), at_second(0)).await.token;
    waiting.held_by(&ben(), at_second(61)).await;
    let lost = LostLock { loss: LossReason::Taken, now_held_by: Some(denied(&ben(), at_second(121))) };
    assert_eq!(waiting.loss(&ada(), token, at_second(62)).await, lost);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guessed_token_renews_nothing() {
    let waiting = Waiting::new().await;
    let lease = waiting.held_by(&ada(), at_second(0)).await;
    assert_eq!(waiting.loss(&ben(), lease.token, at_second(1)).await.loss, LossReason::Taken);
    assert_eq!(waiting.loss(&ada(), FencingToken::new(2), at_second(1)).await.loss, LossReason::Superseded);
    assert_eq!(waiting.lease().await, Some(lease));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_released_lock_is_free_at_once_and_its_token_is_void() {
    let waiting = Waiting::new().await;
    let token = waiting.held_by(&ada(), at_second(0)).await.token;
    assert!(waiting.release(&ada(), token).await);
    assert_eq!(waiting.lease().await, None);
    assert_eq!(
        waiting.loss(&ada(), token, at_second(1)).await,
        LostLock { loss: LossReason::Released, now_held_by: None }
    );
    assert_eq!(waiting.held_by(&ben(), at_second(1)).await.token, FencingToken::new(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn releasing_twice_is_releasing_once() {
    let waiting = Waiting::new().await;
    let token = waiting.held_by(&ada(), at_second(0)).await.token;
    assert!(waiting.release(&ada(), token).await);
    assert!(waiting.release(&ada(), token).await);
    assert_eq!(waiting.stores.stored_conversation(&waiting.conversation).await.lock.fence, token);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_with_an_old_token_or_by_another_leaves_the_new_lock() {
    let waiting = Waiting::new().await;
    let old = waiting.held_by(&ada(), at_second(0)).await.token;
    let lease = waiting.held_by(&ada(), at_second(1)).await;
    assert!(waiting.release(&ada(), old).await);
    assert!(waiting.release(&ben(), lease.token).await);
    assert_eq!(waiting.lease().await, Some(lease));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_lock_is_free_and_its_holder_learns_who_broke_it() {
    let waiting = Waiting::new().await;
    let token = waiting.held_by(&ada(), at_second(0)).await.token;
    assert!(waiting.break_lock(&cleo(), token).await);
    let lock = waiting.stores.stored_conversation(&waiting.conversation).await.lock;
    assert_eq!((lock.lease, lock.broken), (None, Some(BrokenLock { token, by: cleo() })));
    let broken = LossReason::Broken(cleo());
    let lost = LostLock { loss: broken.clone(), now_held_by: None };
    assert_eq!(waiting.loss(&ada(), token, at_second(1)).await, lost);
    waiting.held_by(&ben(), at_second(2)).await;
    let lost = LostLock { loss: broken, now_held_by: Some(denied(&ben(), at_second(62))) };
    assert_eq!(waiting.loss(&ada(), token, at_second(3)).await, lost);
}

#[tokio::test(flavor = "multi_thread")]
async fn breaking_with_an_old_token_keeps_the_current_lock() {
    let waiting = Waiting::new().await;
    let old = waiting.held_by(&ada(), at_second(0)).await.token;
    waiting.release(&ada(), old).await;
    let lease = waiting.held_by(&ben(), at_second(1)).await;
    assert!(waiting.break_lock(&cleo(), old).await);
    let lock = waiting.stores.stored_conversation(&waiting.conversation).await.lock;
    assert_eq!((lock.lease, lock.broken), (Some(lease), None));
}

#[tokio::test(flavor = "multi_thread")]
async fn acquiring_the_lock_marks_the_conversation_read_and_a_refusal_does_not() {
    let waiting = Waiting::new().await;
    waiting.held_by(&ada(), at_second(0)).await;
    let read = async || {
        let unread = waiting.stores.unread().await;
        (waiting.stores.stored_conversation(&waiting.conversation).await.read, unread)
    };
    assert_eq!(read().await, (true, 0));
    waiting.stores.receive(&number(143), "Anybody there?", at_second(5)).await;
    waiting.acquire(&ben(), at_second(6)).await;
    assert_eq!(read().await, (false, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_do_not_change_the_lock_or_its_token() {
    let waiting = Waiting::new().await;
    let lease = waiting.held_by(&ada(), at_second(0)).await;
    waiting.stores.receive(&number(143), "Anybody there?", at_second(5)).await;
    assert_eq!(waiting.lease().await, Some(lease));
}
