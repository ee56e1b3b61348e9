//! Accepting a message: it is stored completely if every guard holds, and not at all otherwise.

mod guards;
mod idempotency;
mod outbox;

use std::time::Duration;

use shared_aws::{
    messaging::{Acceptance, Accepted, Guard},
    table::keys,
};
use shared_domain::{
    contact::Contact,
    conversation::{Conversation, Folder},
    ids::{ConversationId, MessageId},
    lock::{FencingToken, LockPolicy},
    message::{Direction, Message},
    user::UserRef,
};

use crate::support::{TestStores, ada, at_second, ben, contact, number, shared_inbox};

/// A conversation whose message arrived at 0 s. Ada acquired the lock at 5 s with token 1. The lease ends
/// at 65 s.
struct LockedConversation {
    stores: TestStores,
    conversation: ConversationId,
    received: MessageId,
    ada: UserRef,
    token: FencingToken,
}

impl LockedConversation {
    async fn new() -> Self {
        Self::with_contact(&Contact::provisional(&shared_inbox().team, &number(143))).await
    }

    async fn with_contact(contact_of_team: &Contact) -> Self {
        let stores = TestStores::start().await;
        stores.contacts.put(stores.inbox.team_key(), contact_of_team).await.unwrap();
        let received =
            stores.receive(&contact_of_team.number, "Is the office open on Friday?", at_second(0)).await;
        let conversation = stores.conversation_id(&contact_of_team.number);
        let token = stores.acquire_lock(&conversation, &ada(), at_second(5)).await.token;
        Self { stores, conversation, received, ada: ada(), token }
    }

    fn guard(&self) -> Guard<'_> {
        Guard::Reply { lock: Some((&self.ada.id, self.token)), seen: Some(&self.received) }
    }

    fn reply(&self, at: u64) -> Message {
        self.stores.outbound(&number(143), "Yes, until noon.", &self.ada, at_second(at))
    }

    /// Sends a message that must be refused and returns the conversation in the refusal.
    async fn refused(&self, message: &Message, guard: Guard<'_>) -> Conversation {
        let items = self.stores.items().await;
        let answer = self.stores.accept(message, guard, None).await;
        let Accepted::Refused(Some(shown)) = answer else { panic!("not refused: {answer:?}") };
        assert_eq!(self.stores.items().await, items, "a refusal writes nothing");
        assert_eq!(
            *shown,
            self.stores.stored_conversation(&message.conversation).await,
            "a refusal contains the conversation"
        );
        *shown
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_under_the_lock_is_stored_with_its_outbox_item_and_archives_the_conversation() {
    let locked = LockedConversation::new().await;
    let stores = &locked.stores;
    let before = stores.stored_conversation(&locked.conversation).await;
    let reply = locked.reply(10);
    assert_eq!(stores.accept(&reply, locked.guard(), None).await, Accepted::Stored);
    assert_eq!(stores.messages.get(stores.organization(), &reply.id).await.unwrap(), Some(reply.clone()));
    assert!(stores.item(keys::outbox(&reply.conversation, &reply.id)).await.is_some());
    let after = stores.stored_conversation(&locked.conversation).await;
    assert_eq!(after.last_message.id, reply.id);
    assert_eq!(
        (after.last_message.direction, after.last_message.created_at),
        (Direction::Outbound, at_second(10))
    );
    assert_eq!((after.folder, after.last_activity_at), (Folder::Archived, at_second(10)));
    assert_eq!(
        (after.read, &after.last_inbound),
        (before.read, &before.last_inbound),
        "the read state does not change"
    );
    assert_eq!(after.lock, before.lock, "the holder keeps the lock");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_with_an_old_or_a_guessed_token_is_refused() {
    let locked = LockedConversation::new().await;
    let now = locked.stores.acquire_lock(&locked.conversation, &ada(), at_second(6)).await.token;
    let shown = locked.refused(&locked.reply(10), locked.guard()).await;
    assert_eq!(shown.lock.fence, now, "another tab has the current token");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_one_instant_after_the_lease_is_refused() {
    let locked = LockedConversation::new().await;
    let shown = locked.refused(&locked.reply(65), locked.guard()).await;
    assert_eq!(shown.lock.live(at_second(65)), None);
    let last = Message { created_at: at_second(65) - Duration::from_millis(1), ..locked.reply(64) };
    assert_eq!(locked.stores.accept(&last, locked.guard(), None).await, Accepted::Stored);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_after_the_idle_release_is_refused_though_the_lease_was_renewed() {
    let locked = LockedConversation::new().await;
    let (stores, policy) = (&locked.stores, LockPolicy::default());
    for at in [60, 110, 160, 210, 240] {
        let conversation = stores.conversation_key(&locked.conversation);
        stores
            .locks
            .renew(conversation, &locked.ada.id, locked.token, false, at_second(at), &policy)
            .await
            .unwrap();
    }
    let shown = locked.refused(&locked.reply(245), locked.guard()).await;
    assert!(shown.lock.lease.is_some_and(|lease| lease.expires_at > at_second(245)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_writer_cannot_reply_after_a_takeover() {
    let locked = LockedConversation::new().await;
    locked.stores.acquire_lock(&locked.conversation, &ben(), at_second(70)).await;
    let paused = locked.reply(10); // its host was paused and its clock is late
    let shown = locked.refused(&paused, locked.guard()).await;
    assert_eq!(shown.lock.lease.map(|lease| lease.holder), Some(ben()));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_user_cannot_use_the_holders_token() {
    let locked = LockedConversation::new().await;
    let ben = ben();
    let guard = Guard::Reply { lock: Some((&ben.id, locked.token)), seen: Some(&locked.received) };
    locked.refused(&locked.reply(10), guard).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_has_not_seen_the_newest_message_is_refused_with_it_unless_unguarded() {
    let locked = LockedConversation::new().await;
    let newer = locked.stores.receive(&number(143), "Sorry, I meant Saturday", at_second(8)).await;
    let shown = locked.refused(&locked.reply(10), locked.guard()).await;
    assert_eq!(shown.unseen_by(Some(&locked.received)), Some(&newer));
    let lock = Some((&locked.ada.id, locked.token));
    let seen = Guard::Reply { lock, seen: Some(&newer) };
    assert_eq!(locked.stores.accept(&locked.reply(11), seen, None).await, Accepted::Stored);
    let unguarded = Guard::Reply { lock, seen: None };
    assert_eq!(locked.stores.accept(&locked.reply(12), unguarded, None).await, Accepted::Stored);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opted_out_or_blocked_contact_is_sent_nothing() {
    for (opted_out, blocked) in [(true, false), (false, true)] {
        let locked = LockedConversation::with_contact(&Contact { opted_out, blocked, ..contact(143) }).await;
        let shown = locked.refused(&locked.reply(10), locked.guard()).await;
        assert_eq!((shown.contact.opted_out, shown.contact.blocked), (opted_out, blocked));
        locked.refused(&locked.reply(11), Guard::Compose { user: Some(&locked.ada.id) }).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_to_a_missing_conversation_is_refused() {
    let stores = TestStores::start().await;
    let reply = stores.outbound(&number(143), "Hello?", &ada(), at_second(0));
    let guard = Guard::Reply { lock: None, seen: None };
    assert_eq!(stores.accept(&reply, guard, None).await, Accepted::Refused(None));
    assert!(stores.items().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_personal_inbox_answers_without_a_lock() {
    let locked = LockedConversation::new().await;
    let guard = Guard::Reply { lock: None, seen: Some(&locked.received) };
    assert_eq!(locked.stores.accept(&locked.reply(10), guard, None).await, Accepted::Stored);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_composed_message_starts_an_archived_read_conversation() {
    let stores = TestStores::start().await;
    let message = stores.outbound(&number(143), "Your appointment is on Friday.", &ada(), at_second(3));
    let known = contact(143);
    let wanted = Acceptance {
        organization: stores.organization(),
        message: &message,
        contact: &known,
        guard: Guard::Compose { user: Some(&ada().id) },
        idempotency: None,
    };
    assert_eq!(stores.sends.accept(wanted).await.unwrap(), Accepted::Stored);
    let started = stores.stored_conversation(&message.conversation).await;
    assert_eq!(
        (started.folder, started.read, started.last_activity_at),
        (Folder::Archived, true, at_second(3))
    );
    assert_eq!((started.contact, started.last_message.id, started.last_inbound), (known, message.id, None));
    assert_eq!(stores.unread().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_composed_into_an_unread_conversation_leaves_it_unread() {
    let stores = TestStores::start().await;
    let conversation = stores.start_conversation(&number(143), at_second(0)).await;
    let message = stores.outbound(&number(143), "The office is closed today.", &ada(), at_second(3));
    assert_eq!(stores.accept(&message, Guard::Compose { user: None }, None).await, Accepted::Stored);
    let after = stores.stored_conversation(&conversation).await;
    assert_eq!((after.folder, after.read), (Folder::Archived, false));
    assert_eq!(stores.unread().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn composing_is_refused_while_another_user_holds_the_lock() {
    let locked = LockedConversation::new().await;
    let (ada, ben) = (ada(), ben());
    for user in [Some(&ben.id), None] {
        let shown = locked.refused(&locked.reply(10), Guard::Compose { user }).await;
        assert_eq!(
            shown.lock.lease.map(|lease| lease.holder),
            Some(ada.clone()),
            "a machine cannot hold a lock"
        );
    }
    let holder = Guard::Compose { user: Some(&ada.id) };
    assert_eq!(locked.stores.accept(&locked.reply(10), holder, None).await, Accepted::Stored);
    let after_the_end = Guard::Compose { user: None };
    assert_eq!(locked.stores.accept(&locked.reply(65), after_the_end, None).await, Accepted::Stored);
}
