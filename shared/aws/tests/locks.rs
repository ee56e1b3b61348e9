//! The lock in the table: each condition gives the same answer as the rule in [`shared_domain::lock`].

mod contention;
mod limit;
mod random_steps;

use std::time::Duration;

use shared_aws::{
    conversation::{Acquired, Renewed},
    table::keys,
};
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

/// A conversation with an unanswered message.
struct TestConversation {
    stores: TestStores,
    conversation: ConversationId,
}

impl TestConversation {
    async fn new() -> Self {
        let stores = TestStores::start().await;
        let conversation = stores.start_conversation(&number(143), at_second(0)).await;
        Self { stores, conversation }
    }

    async fn acquire(&self, user: &UserRef, at: Timestamp) -> Acquired {
        self.stores
            .locks
            .acquire(
                self.stores.conversation_key(&self.conversation),
                user,
                at,
                shared_lambda::clock::entropy(),
                &policy(),
            )
            .await
            .unwrap()
    }

    async fn acquire_held(&self, user: &UserRef, at: Timestamp) -> Lease {
        self.stores.acquire_lock(&self.conversation, user, at).await
    }

    async fn renew(&self, user: &UserId, token: FencingToken, active: bool, at: Timestamp) -> Renewed {
        let key = self.stores.conversation_key(&self.conversation);
        self.stores.locks.renew(key, user, token, active, at, &policy()).await.unwrap()
    }

    async fn renew_lost(&self, user: &UserRef, token: FencingToken, at: Timestamp) -> LostLock {
        match self.renew(&user.id, token, true, at).await {
            Renewed::Lost(lost) => lost,
            other => panic!("expected a lost lock: {other:?}"),
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
    let conversation = TestConversation::new().await;
    let lease = Lease {
        holder: ada(),
        token: FencingToken::new(1),
        expires_at: at_second(10 + 60),
        idle_release_at: at_second(10 + 180 + 60),
    };
    assert_eq!(conversation.acquire(&ada(), at_second(10)).await, Acquired::Held(lease.clone()));
    assert_eq!(conversation.lease().await, Some(lease));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_lock_is_denied_with_holder_and_expiry_and_does_not_change() {
    let conversation = TestConversation::new().await;
    let lease = conversation.acquire_held(&ada(), at_second(0)).await;
    assert_eq!(
        conversation.acquire(&ben(), at_second(59)).await,
        Acquired::Denied(denied(&ada(), at_second(60)))
    );
    assert_eq!(conversation.lease().await, Some(lease));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_lock_can_be_taken_over_after_the_skew() {
    let conversation = TestConversation::new().await;
    conversation.acquire_held(&ada(), at_second(0)).await;
    let end = at_second(60) + policy().skew;
    assert_eq!(conversation.acquire(&ben(), end).await, Acquired::Denied(denied(&ada(), at_second(60))));
    assert_eq!(conversation.acquire_held(&ben(), end + INSTANT).await.token, FencingToken::new(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_holder_loses_the_lock_to_another_though_it_was_renewed() {
    let conversation = TestConversation::new().await;
    let token = conversation.acquire_held(&ada(), at_second(0)).await.token;
    for at in [50, 100, 150, 200, 239] {
        assert!(
            matches!(conversation.renew(&ada().id, token, false, at_second(at)).await, Renewed::Held(_)),
            "at {at} s"
        );
    }
    let end = at_second(240) + policy().skew;
    assert_eq!(conversation.acquire(&ben(), end).await, Acquired::Denied(denied(&ada(), at_second(240))));
    assert_eq!(conversation.acquire_held(&ben(), end + INSTANT).await.holder, ben());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_user_acquires_again_with_a_new_token_and_the_old_one_is_void() {
    let conversation = TestConversation::new().await;
    let old = conversation.acquire_held(&ada(), at_second(0)).await.token;
    let new = conversation.acquire_held(&ada(), at_second(5)).await.token;
    assert_eq!((old.get(), new.get()), (1, 2));
    assert_eq!(
        conversation.renew_lost(&ada(), old, at_second(6)).await,
        LostLock { loss: LossReason::Superseded, now_held_by: None }
    );
    assert!(matches!(conversation.renew(&ada().id, new, true, at_second(6)).await, Renewed::Held(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn acquiring_the_lock_of_a_missing_conversation_creates_nothing() {
    let stores = TestStores::start().await;
    let missing = stores.conversation_id(&number(999));
    let (key, token) = (stores.conversation_key(&missing), FencingToken::new(1));
    let locks = &stores.locks;
    let acquired =
        locks.acquire(key, &ada(), at_second(0), shared_lambda::clock::entropy(), &policy()).await.unwrap();
    assert_eq!(acquired, Acquired::NoConversation);
    let renewed = locks.renew(key, &ada().id, token, true, at_second(0), &policy()).await.unwrap();
    assert_eq!(renewed, Renewed::NoConversation);
    assert!(!locks.release(key, &ada().id, token).await.unwrap());
    assert!(!locks.break_lock(key, &ada(), token).await.unwrap());
    stores.delete_item(keys::held_locks(stores.organization(), &ada().id)).await;
    assert!(stores.items().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_active_renewal_extends_both_expiries_and_an_inactive_one_only_the_lease() {
    let conversation = TestConversation::new().await;
    let lease = conversation.acquire_held(&ada(), at_second(0)).await;
    let inactive = Lease { expires_at: at_second(20 + 60), ..lease.clone() };
    assert_eq!(
        conversation.renew(&ada().id, lease.token, false, at_second(20)).await,
        Renewed::Held(inactive.clone())
    );
    assert_eq!(conversation.lease().await, Some(inactive));
    let active =
        Lease { expires_at: at_second(40 + 60), idle_release_at: at_second(40 + 240), ..lease.clone() };
    assert_eq!(
        conversation.renew(&ada().id, lease.token, true, at_second(40)).await,
        Renewed::Held(active.clone())
    );
    assert_eq!(conversation.lease().await, Some(active));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_that_arrives_after_a_later_one_shortens_nothing() {
    let conversation = TestConversation::new().await;
    let lease = conversation.acquire_held(&ada(), at_second(0)).await;
    let renewed = async |active, at| conversation.renew(&ada().id, lease.token, active, at_second(at)).await;
    let expected = |expires, idle| {
        let ends =
            Lease { expires_at: at_second(expires), idle_release_at: at_second(idle), ..lease.clone() };
        Renewed::Held(ends)
    };
    assert_eq!(renewed(true, 40).await, expected(100, 280));
    assert_eq!(renewed(true, 20).await, expected(100, 280));
    assert_eq!(renewed(false, 30).await, expected(100, 280));
    // The later renewal was inactive: the earlier one moves the idle release alone.
    assert_eq!(renewed(false, 60).await, expected(120, 280));
    assert_eq!(renewed(true, 50).await, expected(120, 290));
    assert_eq!(Renewed::Held(conversation.lease().await.unwrap()), expected(120, 290));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_one_instant_late_is_refused() {
    let conversation = TestConversation::new().await;
    let token = conversation.acquire_held(&ada(), at_second(0)).await.token;
    assert_eq!(
        conversation.renew_lost(&ada(), token, at_second(60)).await,
        LostLock { loss: LossReason::Expired, now_held_by: None }
    );
    let in_time = at_second(60) - INSTANT;
    assert!(matches!(conversation.renew(&ada().id, token, true, in_time).await, Renewed::Held(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_after_the_idle_release_is_refused() {
    let conversation = TestConversation::new().await;
    let token = conversation.acquire_held(&ada(), at_second(0)).await.token;
    for at in [50, 100, 150, 200] {
        conversation.renew(&ada().id, token, false, at_second(at)).await;
    }
    assert!(matches!(
        conversation.renew(&ada().id, token, false, at_second(240) - INSTANT).await,
        Renewed::Held(_)
    ));
    assert_eq!(conversation.renew_lost(&ada(), token, at_second(240)).await.loss, LossReason::Idle);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_former_holder_learns_the_new_holder_after_a_takeover() {
    let conversation = TestConversation::new().await;
    let token = conversation.acquire_held(&ada(), at_second(0)).await.token;
    conversation.acquire_held(&ben(), at_second(61)).await;
    let lost = LostLock { loss: LossReason::Taken, now_held_by: Some(denied(&ben(), at_second(121))) };
    assert_eq!(conversation.renew_lost(&ada(), token, at_second(62)).await, lost);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guessed_token_renews_nothing() {
    let conversation = TestConversation::new().await;
    let lease = conversation.acquire_held(&ada(), at_second(0)).await;
    assert_eq!(conversation.renew_lost(&ben(), lease.token, at_second(1)).await.loss, LossReason::Taken);
    assert_eq!(
        conversation.renew_lost(&ada(), FencingToken::new(2), at_second(1)).await.loss,
        LossReason::Superseded
    );
    assert_eq!(conversation.lease().await, Some(lease));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_released_lock_is_free_at_once_and_its_token_is_void() {
    let conversation = TestConversation::new().await;
    let token = conversation.acquire_held(&ada(), at_second(0)).await.token;
    assert!(conversation.release(&ada(), token).await);
    assert_eq!(conversation.lease().await, None);
    assert_eq!(
        conversation.renew_lost(&ada(), token, at_second(1)).await,
        LostLock { loss: LossReason::Released, now_held_by: None }
    );
    assert_eq!(conversation.acquire_held(&ben(), at_second(1)).await.token, FencingToken::new(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn releasing_twice_is_releasing_once() {
    let conversation = TestConversation::new().await;
    let token = conversation.acquire_held(&ada(), at_second(0)).await.token;
    assert!(conversation.release(&ada(), token).await);
    assert!(conversation.release(&ada(), token).await);
    assert_eq!(conversation.stores.stored_conversation(&conversation.conversation).await.lock.fence, token);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_with_an_old_token_or_by_another_leaves_the_new_lock() {
    let conversation = TestConversation::new().await;
    let old = conversation.acquire_held(&ada(), at_second(0)).await.token;
    let lease = conversation.acquire_held(&ada(), at_second(1)).await;
    assert!(conversation.release(&ada(), old).await);
    assert!(conversation.release(&ben(), lease.token).await);
    assert_eq!(conversation.lease().await, Some(lease));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_lock_is_free_and_its_holder_learns_who_broke_it() {
    let conversation = TestConversation::new().await;
    let token = conversation.acquire_held(&ada(), at_second(0)).await.token;
    assert!(conversation.break_lock(&cleo(), token).await);
    let lock = conversation.stores.stored_conversation(&conversation.conversation).await.lock;
    assert_eq!((lock.lease, lock.broken), (None, Some(BrokenLock { token, by: cleo() })));
    let broken = LossReason::Broken(cleo());
    let lost = LostLock { loss: broken.clone(), now_held_by: None };
    assert_eq!(conversation.renew_lost(&ada(), token, at_second(1)).await, lost);
    conversation.acquire_held(&ben(), at_second(2)).await;
    let lost = LostLock { loss: broken, now_held_by: Some(denied(&ben(), at_second(62))) };
    assert_eq!(conversation.renew_lost(&ada(), token, at_second(3)).await, lost);
}

#[tokio::test(flavor = "multi_thread")]
async fn breaking_with_an_old_token_keeps_the_current_lock() {
    let conversation = TestConversation::new().await;
    let old = conversation.acquire_held(&ada(), at_second(0)).await.token;
    conversation.release(&ada(), old).await;
    let lease = conversation.acquire_held(&ben(), at_second(1)).await;
    assert!(conversation.break_lock(&cleo(), old).await);
    let lock = conversation.stores.stored_conversation(&conversation.conversation).await.lock;
    assert_eq!((lock.lease, lock.broken), (Some(lease), None));
}

#[tokio::test(flavor = "multi_thread")]
async fn acquiring_the_lock_marks_the_conversation_read_and_a_refusal_does_not() {
    let conversation = TestConversation::new().await;
    conversation.acquire_held(&ada(), at_second(0)).await;
    let read = async || {
        let unread = conversation.stores.unread().await;
        (conversation.stores.stored_conversation(&conversation.conversation).await.read, unread)
    };
    assert_eq!(read().await, (true, 0));
    conversation.stores.receive(&number(143), "Anybody there?", at_second(5)).await;
    conversation.acquire(&ben(), at_second(6)).await;
    assert_eq!(read().await, (false, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_do_not_change_the_lock_or_its_token() {
    let conversation = TestConversation::new().await;
    let lease = conversation.acquire_held(&ada(), at_second(0)).await;
    conversation.stores.receive(&number(143), "Anybody there?", at_second(5)).await;
    assert_eq!(conversation.lease().await, Some(lease));
}
