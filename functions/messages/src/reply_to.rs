//! Replies: under the lock of a shared inbox, or without a lock from a personal inbox.

use axum::extract::State;
use shared_aws::messaging::{Acceptance, Accepted, Guard};
use shared_domain::{
    conversation::Conversation,
    ids::MessageId,
    inbox::{InboxKind, TeamInbox},
    keys::InboxKey,
    lock::FencingToken,
    message::Message,
    sending::{self, ReplyGuard, SendRefusal},
    time::Timestamp,
};
use shared_http::{
    access::{ConversationAccess, InboxMember},
    idempotency::Attempt,
    json::{Json, KeyedJson},
    problem::Problem,
    refusal,
    request::{Entropy, Now},
    wire::message::{CanSend, MessageView, ReasonView, Reply},
};

use crate::{
    App,
    content::Content,
    outcome::{self, Outcome},
    with_wider_opt_outs,
};

/// Reply
///
/// Sends a message in the conversation. Accepted means durably stored: messages are sent in the order of
/// acceptance, and the conversation is archived.
#[utoipa::path(post, path = "/v1/inboxes/{inboxId}/conversations/{conversationId}/messages",
    tag = "messages", operation_id = "reply",
    params(("inboxId" = String, Path), ("conversationId" = String, Path),
        ("Idempotency-Key" = Option<String>, Header)),
    request_body = Reply,
    responses((status = 202, body = MessageView)),
    extensions(("x-errors" = json!(["cannot_receive", "own_number", "text_invalid", "blocked", "inbox_retired", "opted_out", "registration_incomplete",
        "unseen_message", "lock_lost", "lock_required", "media_invalid", "media_not_uploaded",
        "template_incomplete", "text_empty", "text_too_long", "unknown_message", "unknown_template",
        "locked"]))))]
pub(crate) async fn reply(
    State(app): State<App>,
    ConversationAccess { member, conversation }: ConversationAccess,
    Now(now): Now,
    Entropy(entropy): Entropy,
    KeyedJson { mut body, key }: KeyedJson<Reply>,
) -> Outcome {
    let app = &app;
    let content = Content::parse(body.text.take(), body.template_id.take(), std::mem::take(&mut body.media))?;
    let attempt = Attempt {
        organization: &member.organization,
        principal: member.principal.clone(),
        route: format!("reply {}", conversation.id),
        key,
    };
    if let Some(answer) = outcome::repeated(app, now, &attempt).await? {
        return answer;
    }
    let seen = last_seen(&body, &conversation)?;
    let account = account(app, &member).await?;
    let conversation = with_opt_out(app, &account, conversation).await?;
    let guard = guard(&member, &body, seen.as_ref());
    if let Some(reason) = reasons(&account, &conversation, &guard, now).first() {
        return Err(refusal_problem(app, &member, now, reason).await?);
    }
    let (contact, sender) = (&conversation.contact, &member.membership.user);
    let text = content.text(app, &member.organization, &account.team.id, contact, Some(sender)).await?;
    if let Some(reason) = sending::reason_against_text(&text, content.has_files(), app.limits.reply) {
        return Err(refusal::refused(&reason));
    }
    let media = content.media(app, now, entropy, &account.inbox).await?;
    let message = Message {
        sender: Some(sender.clone()),
        media,
        ..account.outbound(&contact.number, text, now, entropy)
    };
    let acceptance = Acceptance {
        organization: &member.organization,
        message: &message,
        contact: &conversation.contact,
        guard: Guard::Reply {
            lock: guard
                .token
                .filter(|_| account.inbox.kind == InboxKind::Shared)
                .map(|token| (guard.user, token)),
            seen: guard.last_seen.filter(|_| !guard.accept_unseen),
        },
        idempotency: attempt.idempotency(),
    };
    let stored = outcome::accept(app, now, acceptance).await?;
    if stored == Accepted::Stored {
        outcome::log_answer(&conversation, &message);
    }
    outcome::answer(app, now, &attempt, &message, stored, |current| {
        let reasons = current.map(|current| reasons(&account, &current, &guard, now)).unwrap_or_default();
        reasons.first().map(refusal::refused)
    })
    .await
}

/// Check whether you can reply
///
/// Returns all reasons why a reply would be refused now.
#[utoipa::path(get, path = "/v1/inboxes/{inboxId}/conversations/{conversationId}/can-send",
    tag = "messages", operation_id = "checkReply",
    params(("inboxId" = String, Path), ("conversationId" = String, Path)),
    responses((status = 200, body = CanSend)))]
pub(crate) async fn can_send(
    State(app): State<App>,
    ConversationAccess { member, conversation }: ConversationAccess,
    Now(now): Now,
) -> Result<Json<CanSend>, Problem> {
    let app = &app;
    let account = account(app, &member).await?;
    let conversation = with_opt_out(app, &account, conversation).await?;
    let user = &member.membership.user.id;
    let own_lock = conversation.lock.live(now).filter(|lease| lease.holder.id == *user);
    let guard =
        ReplyGuard { user, token: own_lock.map(|lease| lease.token), last_seen: None, accept_unseen: true };
    let reasons: Vec<ReasonView> = reasons(&account, &conversation, &guard, now)
        .iter()
        .map(refusal::refused)
        .map(|problem| ReasonView { code: problem.code, detail: problem.detail })
        .collect();
    Ok(Json(CanSend { allowed: reasons.is_empty(), reasons }))
}

async fn with_opt_out(
    app: &App,
    account: &TeamInbox,
    conversation: Conversation,
) -> Result<Conversation, Problem> {
    let contact = conversation.contact.clone();
    let contact = with_wider_opt_outs(app, &account.inbox, contact, true).await?;
    Ok(Conversation { contact, ..conversation })
}

async fn account(app: &App, member: &InboxMember) -> Result<TeamInbox, Problem> {
    let account = app
        .inboxes
        .get_with_team(InboxKey { organization: &member.organization, inbox: &member.membership.inbox })
        .await?;
    account.ok_or_else(Problem::not_found)
}

/// The newest message that the sender has seen. `422` if it is not a message of this conversation.
fn last_seen(body: &Reply, conversation: &Conversation) -> Result<Option<MessageId>, Problem> {
    let Some(text) = &body.last_seen_message_id else { return Ok(None) };
    let seen = MessageId::parse(text).ok().filter(|id| id.conversation().as_ref() == Some(&conversation.id));
    let refused = || {
        Problem::unprocessable(
            "unknown_message",
            "/lastSeenMessageId",
            "The message does not belong to this conversation.",
        )
    };
    seen.map(Some).ok_or_else(refused)
}

fn guard<'a>(member: &'a InboxMember, body: &Reply, seen: Option<&'a MessageId>) -> ReplyGuard<'a> {
    ReplyGuard {
        user: &member.membership.user.id,
        token: body.lock_token.map(FencingToken::new),
        last_seen: seen,
        accept_unseen: body.accept_unseen,
    }
}

fn reasons(
    account: &TeamInbox,
    conversation: &Conversation,
    guard: &ReplyGuard<'_>,
    now: Timestamp,
) -> Vec<SendRefusal> {
    let from = sending::SendingInbox { inbox: &account.inbox, registration: account.team.registration };
    sending::reasons_against_reply(from, conversation, guard, now)
}

/// The problem for a reason. One about an unseen message includes that message.
async fn refusal_problem(
    app: &App,
    member: &InboxMember,
    now: Timestamp,
    reason: &SendRefusal,
) -> Result<Problem, Problem> {
    let problem = refusal::refused(reason);
    let SendRefusal::Unseen(id) = reason else { return Ok(problem) };
    let unseen = app.messages.get(&member.organization, id).await?;
    let links = app.links(&member.organization, now);
    let view = unseen.and_then(|message| serde_json::to_value(MessageView::of(&message, &links)).ok());
    Ok(problem.with("unseenMessage", view.unwrap_or_default()))
}
