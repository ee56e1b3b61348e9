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
    keys::TeamKey,
    lock::{FencingToken, LockPolicy},
    message::{Direction, Message},
    user::UserRef,
};

use crate::support::{Desk, ada, ben, contact, number, seconds, shared_inbox};

/// A text came in at 0 s; Ada opened the conversation at 5 s and has the first token, live until 65 s.
struct Answering {
    desk: Desk,
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
        let desk = Desk::open().await;
        desk.contacts
            .put(TeamKey { organization: desk.organization(), team: &desk.inbox.team }, asker)
            .await
            .unwrap();
        let question = desk.hear(&asker.number, "Is the office open on Friday?", seconds(0)).await;
        let conversation = desk.conversation_with(&asker.number);
        let token = desk.open_to_answer(&conversation, &ada(), seconds(5)).await.token;
        Self { desk, conversation, question, ada: ada(), token }
    }

    fn guard(&self) -> Guard<'_> {
        Guard::Reply { lock: Some((&self.ada.id, self.token)), seen: Some(&self.question) }
    }

    fn reply(&self, at: u64) -> Message {
        self.desk.draft(&number(143), "Yes, until noon.", &self.ada, seconds(at))
    }

    /// Tries a text that must be refused, and gives the conversation that the refusal shows.
    async fn refused(&self, message: &Message, guard: Guard<'_>) -> Conversation {
        let rows = self.desk.rows().await;
        let answer = self.desk.accept(message, guard, None).await;
        let Accepted::Refused(Some(shown)) = answer else { panic!("not refused: {answer:?}") };
        assert_eq!(self.desk.rows().await, rows, "a refusal writes nothing");
        assert_eq!(
            *shown,
            self.desk.look_at(&message.conversation).await,
            "a refusal shows the conversation"
        );
        *shown
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_under_the_lock_is_stored_with_its_outbox_row_and_archives_the_conversation() {
    let answering = Answering::new().await;
    let desk = &answering.desk;
    let before = desk.look_at(&answering.conversation).await;
    let reply = answering.reply(10);
    assert_eq!(desk.accept(&reply, answering.guard(), None).await, Accepted::Stored);
    assert_eq!(desk.messages.get(desk.organization(), &reply.id).await.unwrap(), Some(reply.clone()));
    assert!(desk.row(keys::outbox(&reply.conversation, &reply.id)).await.is_some());
    let after = desk.look_at(&answering.conversation).await;
    assert_eq!(after.last_message.id, reply.id);
    assert_eq!(
        (after.last_message.direction, after.last_message.created_at),
        (Direction::Outbound, seconds(10))
    );
    assert_eq!((after.folder, after.last_activity_at), (Folder::Archived, seconds(10)));
    assert_eq!((after.read, &after.last_inbound), (before.read, &before.last_inbound), "read as it was");
    assert_eq!(after.lock, before.lock, "the holder may go on writing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_with_an_old_or_a_guessed_token_is_refused() {
    let answering = Answering::new().await;
    let now = answering.desk.open_to_answer(&answering.conversation, &ada(), seconds(6)).await.token;
    let shown = answering.refused(&answering.reply(10), answering.guard()).await;
    assert_eq!(shown.lock.fence, now, "another tab has the current token");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_one_instant_after_the_lease_is_refused() {
    let answering = Answering::new().await;
    let shown = answering.refused(&answering.reply(65), answering.guard()).await;
    assert_eq!(shown.lock.live(seconds(65)), None);
    let last = Message { created_at: seconds(65) - Duration::from_millis(1), ..answering.reply(64) };
    assert_eq!(answering.desk.accept(&last, answering.guard(), None).await, Accepted::Stored);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_after_the_idle_release_is_refused_though_the_lease_was_renewed() {
    let answering = Answering::new().await;
    let (desk, policy) = (&answering.desk, LockPolicy::default());
    for at in [60, 110, 160, 210, 240] {
        let thread = desk.thread(&answering.conversation);
        desk.locks
            .renew(thread, &answering.ada.id, answering.token, false, seconds(at), &policy)
            .await
            .unwrap();
    }
    let shown = answering.refused(&answering.reply(245), answering.guard()).await;
    assert!(shown.lock.lease.is_some_and(|lease| lease.expires_at > seconds(245)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_writer_cannot_slip_in_a_reply_after_a_takeover() {
    let answering = Answering::new().await;
    answering.desk.open_to_answer(&answering.conversation, &ben(), seconds(70)).await;
    let paused = answering.reply(10); // its host believes that no time has passed
    let shown = answering.refused(&paused, answering.guard()).await;
    assert_eq!(shown.lock.lease.map(|lease| lease.holder), Some(ben()));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_user_cannot_use_the_holder_s_token() {
    let answering = Answering::new().await;
    let ben = ben();
    let guard = Guard::Reply { lock: Some((&ben.id, answering.token)), seen: Some(&answering.question) };
    answering.refused(&answering.reply(10), guard).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_has_not_seen_the_newest_text_is_refused_with_it_unless_nothing_is_guarded() {
    let answering = Answering::new().await;
    let newer = answering.desk.hear(&number(143), "Sorry, I meant Saturday", seconds(8)).await;
    let shown = answering.refused(&answering.reply(10), answering.guard()).await;
    assert_eq!(shown.unseen_by(Some(&answering.question)), Some(&newer));
    let lock = Some((&answering.ada.id, answering.token));
    let seen = Guard::Reply { lock, seen: Some(&newer) };
    assert_eq!(answering.desk.accept(&answering.reply(11), seen, None).await, Accepted::Stored);
    let unguarded = Guard::Reply { lock, seen: None };
    assert_eq!(answering.desk.accept(&answering.reply(12), unguarded, None).await, Accepted::Stored);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_who_opted_out_or_was_blocked_is_answered_or_written_to() {
    for (opted_out, blocked) in [(true, false), (false, true)] {
        let answering = Answering::somebody(&Contact { opted_out, blocked, ..contact(143) }).await;
        let shown = answering.refused(&answering.reply(10), answering.guard()).await;
        assert_eq!((shown.contact.opted_out, shown.contact.blocked), (opted_out, blocked));
        answering.refused(&answering.reply(11), Guard::Compose { user: Some(&answering.ada.id) }).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_no_reply_without_a_conversation() {
    let desk = Desk::open().await;
    let reply = desk.draft(&number(143), "Hello?", &ada(), seconds(0));
    let guard = Guard::Reply { lock: None, seen: None };
    assert_eq!(desk.accept(&reply, guard, None).await, Accepted::Refused(None));
    assert!(desk.rows().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_personal_inbox_answers_without_a_lock() {
    let answering = Answering::new().await;
    let guard = Guard::Reply { lock: None, seen: Some(&answering.question) };
    assert_eq!(answering.desk.accept(&answering.reply(10), guard, None).await, Accepted::Stored);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_composed_text_begins_a_conversation_archived_and_read() {
    let desk = Desk::open().await;
    let message = desk.draft(&number(143), "Your appointment is on Friday.", &ada(), seconds(3));
    let known = contact(143);
    let wanted = Acceptance {
        organization: desk.organization(),
        message: &message,
        contact: &known,
        guard: Guard::Compose { user: Some(&ada().id) },
        idempotency: None,
    };
    assert_eq!(desk.sends.accept(wanted).await.unwrap(), Accepted::Stored);
    let begun = desk.look_at(&message.conversation).await;
    assert_eq!((begun.folder, begun.read, begun.last_activity_at), (Folder::Archived, true, seconds(3)));
    assert_eq!((begun.contact, begun.last_message.id, begun.last_inbound), (known, message.id, None));
    assert_eq!(desk.unread().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_composed_into_an_unread_conversation_leaves_it_unread() {
    let desk = Desk::open().await;
    let conversation = desk.conversation_begun_by(&number(143), seconds(0)).await;
    let message = desk.draft(&number(143), "The office is closed today.", &ada(), seconds(3));
    assert_eq!(desk.accept(&message, Guard::Compose { user: None }, None).await, Accepted::Stored);
    let after = desk.look_at(&conversation).await;
    assert_eq!((after.folder, after.read), (Folder::Archived, false));
    assert_eq!(desk.unread().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compose_is_refused_while_another_holds_and_not_to_the_holder() {
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
    assert_eq!(answering.desk.accept(&answering.reply(10), holder, None).await, Accepted::Stored);
    let after_the_end = Guard::Compose { user: None };
    assert_eq!(answering.desk.accept(&answering.reply(65), after_the_end, None).await, Accepted::Stored);
}
