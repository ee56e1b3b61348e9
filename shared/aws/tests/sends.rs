//! Accepting a text: stored whole while every guard holds, and not at all when one does not.

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

/// A text came in at 0 s; Ada opened the conversation at 5 s and has the first token, live until 65 s.
struct Answering {
    stores: TestStores,
    conversation: ConversationId,
    question: MessageId,
    ada: UserRef,
    token: FencingToken,
}

impl Answering {
    async fn new() -> Self {
        Self::somebody(&Contact::provisional(&shared_inbox().team, &number(143))).await
    }

    async fn somebody(asker: &Contact) -> Self {
        let stores = TestStores::start().await;
        stores.contacts.put(stores.inbox.team_key(), asker).await.unwrap();
        let question = stores.receive(&asker.number, "Is the office open on Friday?", at_second(0)).await;
        let conversation = stores.conversation_id(&asker.number);
        let token = stores.acquire_lock(&conversation, &ada(), at_second(5)).await.token;
        Self { stores, conversation, question, ada: ada(), token }
    }

    fn guard(&self) -> Guard<'_> {
        Guard::Reply { lock: Some((&self.ada.id, self.token)), seen: Some(&self.question) }
    }

    fn reply(&self, at: u64) -> Message {
        self.stores.outbound(&number(143), "Yes, until noon.", &self.ada, at_second(at))
    }

    /// Tries a text that must be refused, and gives the conversation that the refusal shows.
    async fn refused(&self, message: &Message, guard: Guard<'_>) -> Conversation {
        let rows = self.stores.items().await;
        let answer = self.stores.accept(message, guard, None).await;
        let Accepted::Refused(Some(shown)) = answer else { panic!("not refused: {answer:?}") };
        assert_eq!(self.stores.items().await, rows, "a refusal writes nothing");
        assert_eq!(
            *shown,
            self.stores.stored_conversation(&message.conversation).await,
            "a refusal shows the conversation"
        );
        *shown
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_under_the_lock_is_stored_with_its_outbox_item_and_archives_the_conversation() {
    let answering = Answering::new().await;
    let stores = &answering.stores;
    let before = stores.stored_conversation(&answering.conversation).await;
    let reply = answering.reply(10);
    assert_eq!(stores.accept(&reply, answering.guard(), None).await, Accepted::Stored);
    assert_eq!(stores.messages.get(stores.organization(), &reply.id).await.unwrap(), Some(reply.clone()));
    assert!(stores.item(keys::outbox(&reply.conversation, &reply.id)).await.is_some());
    let after = stores.stored_conversation(&answering.conversation).await;
    assert_eq!(after.last_message.id, reply.id);
    assert_eq!(
        (after.last_message.direction, after.last_message.created_at),
        (Direction::Outbound, at_second(10))
    );
    assert_eq!((after.folder, after.last_activity_at), (Folder::Archived, at_second(10)));
    assert_eq!((after.read, &after.last_inbound), (before.read, &before.last_inbound), "read as it was");
    assert_eq!(after.lock, before.lock, "the holder may go on writing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_with_an_old_or_a_guessed_token_is_refused() {
    let answering = Answering::new().await;
    let now = answering.stores.acquire_lock(&answering.conversation, &ada(), at_second(6)).await.token;
    let shown = answering.refused(&answering.reply(10), answering.guard()).await;
    assert_eq!(shown.lock.fence, now, "another tab has the current token");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_one_instant_after_the_lease_is_refused() {
    let answering = Answering::new().await;
    let shown = answering.refused(&answering.reply(65), answering.guard()).await;
    assert_eq!(shown.lock.live(at_second(65)), None);
    let last = Message { created_at: at_second(65) - Duration::from_millis(1), ..answering.reply(64) };
    assert_eq!(answering.stores.accept(&last, answering.guard(), None).await, Accepted::Stored);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_after_the_idle_release_is_refused_though_the_lease_was_renewed() {
    let answering = Answering::new().await;
    let (stores, policy) = (&answering.stores, LockPolicy::default());
    for at in [60, 110, 160, 210, 240] {
        let thread = stores.conversation_key(&answering.conversation);
        stores
            .locks
            .renew(thread, &answering.ada.id, answering.token, false, at_second(at), &policy)
            .await
            .unwrap();
    }
    let shown = answering.refused(&answering.reply(245), answering.guard()).await;
    assert!(shown.lock.lease.is_some_and(|lease| lease.expires_at > at_second(245)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_writer_cannot_reply_after_a_takeover() {
    let answering = Answering::new().await;
    answering.stores.acquire_lock(&answering.conversation, &ben(), at_second(70)).await;
    let paused = answering.reply(10); // its host believes that no time has passed
    let shown = answering.refused(&paused, answering.guard()).await;
    assert_eq!(shown.lock.lease.map(|lease| lease.holder), Some(ben()));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_user_cannot_use_the_holders_token() {
    let answering = Answering::new().await;
    let ben = ben();
    let guard = Guard::Reply { lock: Some((&ben.id, answering.token)), seen: Some(&answering.question) };
    answering.refused(&answering.reply(10), guard).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_has_not_seen_the_newest_message_is_refused_with_it_unless_unguarded() {
    let answering = Answering::new().await;
    let newer = answering.stores.receive(&number(143), "Sorry, I meant Saturday", at_second(8)).await;
    let shown = answering.refused(&answering.reply(10), answering.guard()).await;
    assert_eq!(shown.unseen_by(Some(&answering.question)), Some(&newer));
    let lock = Some((&answering.ada.id, answering.token));
    let seen = Guard::Reply { lock, seen: Some(&newer) };
    assert_eq!(answering.stores.accept(&answering.reply(11), seen, None).await, Accepted::Stored);
    let unguarded = Guard::Reply { lock, seen: None };
    assert_eq!(answering.stores.accept(&answering.reply(12), unguarded, None).await, Accepted::Stored);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opted_out_or_blocked_contact_is_sent_nothing() {
    for (opted_out, blocked) in [(true, false), (false, true)] {
        let answering = Answering::somebody(&Contact { opted_out, blocked, ..contact(143) }).await;
        let shown = answering.refused(&answering.reply(10), answering.guard()).await;
        assert_eq!((shown.contact.opted_out, shown.contact.blocked), (opted_out, blocked));
        answering.refused(&answering.reply(11), Guard::Compose { user: Some(&answering.ada.id) }).await;
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
    let answering = Answering::new().await;
    let guard = Guard::Reply { lock: None, seen: Some(&answering.question) };
    assert_eq!(answering.stores.accept(&answering.reply(10), guard, None).await, Accepted::Stored);
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
    let begun = stores.stored_conversation(&message.conversation).await;
    assert_eq!((begun.folder, begun.read, begun.last_activity_at), (Folder::Archived, true, at_second(3)));
    assert_eq!((begun.contact, begun.last_message.id, begun.last_inbound), (known, message.id, None));
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
    let answering = Answering::new().await;
    let (ada, ben) = (ada(), ben());
    for user in [Some(&ben.id), None] {
        let shown = answering.refused(&answering.reply(10), Guard::Compose { user }).await;
        assert_eq!(
            shown.lock.lease.map(|lease| lease.holder),
            Some(ada.clone()),
            "a machine holds nothing either"
        );
    }
    let holder = Guard::Compose { user: Some(&ada.id) };
    assert_eq!(answering.stores.accept(&answering.reply(10), holder, None).await, Accepted::Stored);
    let after_the_end = Guard::Compose { user: None };
    assert_eq!(answering.stores.accept(&answering.reply(65), after_the_end, None).await, Accepted::Stored);
}
