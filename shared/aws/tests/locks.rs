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

use crate::support::{Desk, ada, ben, cleo, number, seconds};

const INSTANT: Duration = Duration::from_millis(1);

fn policy() -> LockPolicy {
    LockPolicy::default()
}

/// A conversation that waits for an answer.
struct Waiting {
    desk: Desk,
    conversation: ConversationId,
}

impl Waiting {
    async fn new() -> Self {
        let desk = Desk::open().await;
        let conversation = desk.conversation_begun_by(&number(143), seconds(0)).await;
        Self { desk, conversation }
    }

    async fn acquire(&self, user: &UserRef, at: Timestamp) -> Acquired {
        self.desk.locks.acquire(self.desk.thread(&self.conversation), user, at, &policy()).await.unwrap()
    }

    async fn held_by(&self, user: &UserRef, at: Timestamp) -> Lease {
        self.desk.open_to_answer(&self.conversation, user, at).await
    }

    async fn renew(&self, user: &UserId, token: FencingToken, active: bool, at: Timestamp) -> Renewed {
        let thread = self.desk.thread(&self.conversation);
        self.desk.locks.renew(thread, user, token, active, at, &policy()).await.unwrap()
    }

    async fn loss(&self, user: &UserRef, token: FencingToken, at: Timestamp) -> LostLock {
        match self.renew(&user.id, token, true, at).await {
            Renewed::Lost(lost) => lost,
            other => panic!("the lock is not lost: {other:?}"),
        }
    }

    async fn release(&self, user: &UserRef, token: FencingToken) -> bool {
        self.desk.locks.release(self.desk.thread(&self.conversation), &user.id, token).await.unwrap()
    }

    async fn break_lock(&self, by: &UserRef, token: FencingToken) -> bool {
        self.desk.locks.break_lock(self.desk.thread(&self.conversation), by, token).await.unwrap()
    }

    async fn lease(&self) -> Option<Lease> {
        self.desk.look_at(&self.conversation).await.lock.lease
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
        expires_at: seconds(10 + 60),
        idle_release_at: seconds(10 + 180 + 60),
    };
    assert_eq!(waiting.acquire(&ada(), seconds(10)).await, Acquired::Held(lease.clone()));
    assert_eq!(waiting.lease().await, Some(lease));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_lock_is_denied_with_the_holder_and_the_end_and_stays_as_it_was() {
    let waiting = Waiting::new().await;
    let lease = waiting.held_by(&ada(), seconds(0)).await;
    assert_eq!(waiting.acquire(&ben(), seconds(59)).await, Acquired::Denied(denied(&ada(), seconds(60))));
    assert_eq!(waiting.lease().await, Some(lease));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_lock_is_another_s_only_once_the_skew_has_passed() {
    let waiting = Waiting::new().await;
    waiting.held_by(&ada(), seconds(0)).await;
    let end = seconds(60) + policy().skew;
    assert_eq!(waiting.acquire(&ben(), end).await, Acquired::Denied(denied(&ada(), seconds(60))));
    assert_eq!(waiting.held_by(&ben(), end + INSTANT).await.token, FencingToken::new(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_holder_loses_the_lock_to_another_though_it_was_renewed() {
    let waiting = Waiting::new().await;
    let token = waiting.held_by(&ada(), seconds(0)).await.token;
    for at in [50, 100, 150, 200, 239] {
        assert!(
            matches!(waiting.renew(&ada().id, token, false, seconds(at)).await, Renewed::Held(_)),
            "at {at} s"
        );
    }
    let end = seconds(240) + policy().skew;
    assert_eq!(waiting.acquire(&ben(), end).await, Acquired::Denied(denied(&ada(), seconds(240))));
    assert_eq!(waiting.held_by(&ben(), end + INSTANT).await.holder, ben());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_user_acquires_again_with_a_new_token_and_the_old_one_dies() {
    let waiting = Waiting::new().await;
    let old = waiting.held_by(&ada(), seconds(0)).await.token;
    let new = waiting.held_by(&ada(), seconds(5)).await.token;
    assert_eq!((old.get(), new.get()), (1, 2));
    assert_eq!(
        waiting.loss(&ada(), old, seconds(6)).await,
        LostLock { loss: LossReason::Superseded, now_held_by: None }
    );
    assert!(matches!(waiting.renew(&ada().id, new, true, seconds(6)).await, Renewed::Held(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_no_lock_without_a_conversation_and_asking_makes_none() {
    let desk = Desk::open().await;
    let nowhere = desk.conversation_with(&number(999));
    let (thread, token) = (desk.thread(&nowhere), FencingToken::new(1));
    let locks = &desk.locks;
    let acquired = locks.acquire(thread, &ada(), seconds(0), &policy()).await.unwrap();
    assert_eq!(acquired, Acquired::NoConversation);
    let renewed = locks.renew(thread, &ada().id, token, true, seconds(0), &policy()).await.unwrap();
    assert_eq!(renewed, Renewed::NoConversation);
    assert!(!locks.release(thread, &ada().id, token).await.unwrap());
    assert!(!locks.break_lock(thread, &ada(), token).await.unwrap());
    assert!(desk.rows().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_active_renewal_moves_both_ends_and_an_inactive_one_the_lease_alone() {
    let waiting = Waiting::new().await;
    let lease = waiting.held_by(&ada(), seconds(0)).await;
    let inactive = Lease { expires_at: seconds(20 + 60), ..lease.clone() };
    assert_eq!(
        waiting.renew(&ada().id, lease.token, false, seconds(20)).await,
        Renewed::Held(inactive.clone())
    );
    assert_eq!(waiting.lease().await, Some(inactive));
    let active = Lease { expires_at: seconds(40 + 60), idle_release_at: seconds(40 + 240), ..lease.clone() };
    assert_eq!(waiting.renew(&ada().id, lease.token, true, seconds(40)).await, Renewed::Held(active.clone()));
    assert_eq!(waiting.lease().await, Some(active));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_one_instant_late_is_refused() {
    let waiting = Waiting::new().await;
    let token = waiting.held_by(&ada(), seconds(0)).await.token;
    assert_eq!(
        waiting.loss(&ada(), token, seconds(60)).await,
        LostLock { loss: LossReason::Expired, now_held_by: None }
    );
    let in_time = seconds(60) - INSTANT;
    assert!(matches!(waiting.renew(&ada().id, token, true, in_time).await, Renewed::Held(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_renews_beyond_the_idle_release() {
    let waiting = Waiting::new().await;
    let token = waiting.held_by(&ada(), seconds(0)).await.token;
    for at in [50, 100, 150, 200] {
        waiting.renew(&ada().id, token, false, seconds(at)).await;
    }
    assert!(matches!(waiting.renew(&ada().id, token, false, seconds(240) - INSTANT).await, Renewed::Held(_)));
    assert_eq!(waiting.loss(&ada(), token, seconds(240)).await.loss, LossReason::Idle);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_after_a_takeover_is_told_who_has_it_now() {
    let waiting = Waiting::new().await;
    let token = waiting.held_by(&ada(), seconds(0)).await.token;
    waiting.held_by(&ben(), seconds(61)).await;
    let lost = LostLock { loss: LossReason::Taken, now_held_by: Some(denied(&ben(), seconds(121))) };
    assert_eq!(waiting.loss(&ada(), token, seconds(62)).await, lost);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guessed_token_renews_nothing() {
    let waiting = Waiting::new().await;
    let lease = waiting.held_by(&ada(), seconds(0)).await;
    assert_eq!(waiting.loss(&ben(), lease.token, seconds(1)).await.loss, LossReason::Taken);
    assert_eq!(waiting.loss(&ada(), FencingToken::new(2), seconds(1)).await.loss, LossReason::Superseded);
    assert_eq!(waiting.lease().await, Some(lease));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_released_lock_is_free_at_once_and_its_token_is_spent() {
    let waiting = Waiting::new().await;
    let token = waiting.held_by(&ada(), seconds(0)).await.token;
    assert!(waiting.release(&ada(), token).await);
    assert_eq!(waiting.lease().await, None);
    assert_eq!(
        waiting.loss(&ada(), token, seconds(1)).await,
        LostLock { loss: LossReason::Released, now_held_by: None }
    );
    assert_eq!(waiting.held_by(&ben(), seconds(1)).await.token, FencingToken::new(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn releasing_twice_is_releasing_once() {
    let waiting = Waiting::new().await;
    let token = waiting.held_by(&ada(), seconds(0)).await.token;
    assert!(waiting.release(&ada(), token).await);
    assert!(waiting.release(&ada(), token).await);
    assert_eq!(waiting.desk.look_at(&waiting.conversation).await.lock.fence, token);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_with_an_old_token_or_by_another_leaves_the_new_lock() {
    let waiting = Waiting::new().await;
    let old = waiting.held_by(&ada(), seconds(0)).await.token;
    let lease = waiting.held_by(&ada(), seconds(1)).await;
    assert!(waiting.release(&ada(), old).await);
    assert!(waiting.release(&ben(), lease.token).await);
    assert_eq!(waiting.lease().await, Some(lease));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_lock_is_free_and_its_holder_is_told_who_broke_it() {
    let waiting = Waiting::new().await;
    let token = waiting.held_by(&ada(), seconds(0)).await.token;
    assert!(waiting.break_lock(&cleo(), token).await);
    let lock = waiting.desk.look_at(&waiting.conversation).await.lock;
    assert_eq!((lock.lease, lock.broken), (None, Some(BrokenLock { token, by: cleo() })));
    let broken = LossReason::Broken(cleo());
    let lost = LostLock { loss: broken.clone(), now_held_by: None };
    assert_eq!(waiting.loss(&ada(), token, seconds(1)).await, lost);
    waiting.held_by(&ben(), seconds(2)).await;
    let lost = LostLock { loss: broken, now_held_by: Some(denied(&ben(), seconds(62))) };
    assert_eq!(waiting.loss(&ada(), token, seconds(3)).await, lost);
}

#[tokio::test(flavor = "multi_thread")]
async fn breaking_a_lock_that_is_gone_leaves_the_next_one() {
    let waiting = Waiting::new().await;
    let old = waiting.held_by(&ada(), seconds(0)).await.token;
    waiting.release(&ada(), old).await;
    let lease = waiting.held_by(&ben(), seconds(1)).await;
    assert!(waiting.break_lock(&cleo(), old).await);
    let lock = waiting.desk.look_at(&waiting.conversation).await.lock;
    assert_eq!((lock.lease, lock.broken), (Some(lease), None));
}

#[tokio::test(flavor = "multi_thread")]
async fn opening_to_answer_marks_the_conversation_read_and_being_refused_does_not() {
    let waiting = Waiting::new().await;
    waiting.held_by(&ada(), seconds(0)).await;
    let read = async || {
        let unread = waiting.desk.unread().await;
        (waiting.desk.look_at(&waiting.conversation).await.read, unread)
    };
    assert_eq!(read().await, (true, 0));
    waiting.desk.hear(&number(143), "Anybody there?", seconds(5)).await;
    waiting.acquire(&ben(), seconds(6)).await;
    assert_eq!(read().await, (false, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_that_come_and_go_leave_the_lock_and_its_token_alone() {
    let waiting = Waiting::new().await;
    let lease = waiting.held_by(&ada(), seconds(0)).await;
    waiting.desk.hear(&number(143), "Anybody there?", seconds(5)).await;
    assert_eq!(waiting.lease().await, Some(lease));
}
