//! A reply: under the lock of a shared inbox, or straight from a personal one.

use lambda_http::Request;
use shared_aws::{
    inbox::Account,
    messaging::{Acceptance, Guard},
};
use shared_domain::{
    conversation::Conversation,
    ids::MessageId,
    inbox::InboxKind,
    lock::FencingToken,
    sending::{self, ReplyGuard, SendRefusal},
    time::Timestamp,
};
use shared_http::{
    access::{self, MemberAccess},
    idempotency::{self, Attempt},
    input,
    problem::Problem,
    refusal,
    reply::{self, Outcome},
    wire::{
        message::{CanSend, MessageView, ReasonView, Reply},
        problem::ProblemView,
    },
};

use crate::{App, content::Wanted, draft, outcome, with_personal_opt_out};

/// Reply
///
/// Accepted means durably stored; it is sent in the order of acceptance, and the conversation is archived.
#[utoipa::path(post, path = "/v1/inboxes/{inboxId}/conversations/{conversationId}/messages", tag = "messages",
    params(("inboxId" = String, Path), ("conversationId" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = Reply,
    responses((status = 202, body = MessageView), (status = 400, body = ProblemView), (status = 404, body = ProblemView),
        (status = 409, description = "Retired, registration incomplete, unseen text, blocked or opted out", body = ProblemView),
        (status = 412, description = "`lock_required` or `lock_lost`", body = ProblemView),
        (status = 422, description = "Too long, empty, a file or canned response that cannot be sent, or the key with another body", body = ProblemView),
        (status = 423, description = "A colleague is responding", body = ProblemView)))]
pub(crate) async fn reply(app: &App, now: Timestamp, entropy: u64, request: &Request) -> Outcome {
    let (member, conversation) = conversation(app, request).await?;
    let mut wanted: Reply = input::body(request)?;
    let content =
        Wanted::parse(wanted.text.take(), wanted.template_id.take(), std::mem::take(&mut wanted.media))?;
    let attempt = Attempt {
        organization: &member.organization,
        principal: member.principal.clone(),
        route: format!("reply {}", conversation.id),
        key: idempotency::key(request)?,
    };
    if let Some(answer) = outcome::repeated(app, now, &attempt).await? {
        return answer;
    }
    let seen = last_seen(&wanted, &conversation)?;
    let account = account(app, &member).await?;
    let conversation = heeding(app, &account, conversation).await?;
    let guard = guard(&member, &wanted, seen.as_ref());
    if let Some(reason) = reasons(&account, &conversation, &guard, now).first() {
        return Err(explained(app, &member, now, reason).await?);
    }
    let (contact, sender) = (&conversation.contact, &member.membership.user);
    let text = content.text(app, &member.organization, &account.team.id, contact, Some(sender)).await?;
    if let Some(reason) = sending::reason_against_text(&text, content.has_files(), app.limits.reply) {
        return Err(refusal::refused(&reason));
    }
    let media = content.media(app, now, entropy, &account.inbox).await?;
    let message = draft::outbound(&account, &contact.number, Some(sender.clone()), text, media, now, entropy);
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
    let stored = app.sends.accept(acceptance).await?;
    outcome::answer(app, now, &attempt, &message, stored, |thread| {
        let reasons = thread.map(|thread| reasons(&account, &thread, &guard, now)).unwrap_or_default();
        reasons.first().map(refusal::refused)
    })
    .await
}

/// Whether the caller may reply now
///
/// With every reason against it, not only the first.
#[utoipa::path(get, path = "/v1/inboxes/{inboxId}/conversations/{conversationId}/can-send", tag = "messages",
    params(("inboxId" = String, Path), ("conversationId" = String, Path)),
    responses((status = 200, body = CanSend), (status = 404, body = ProblemView)))]
pub(crate) async fn can_send(app: &App, now: Timestamp, request: &Request) -> Outcome {
    let (member, conversation) = conversation(app, request).await?;
    let account = account(app, &member).await?;
    let conversation = heeding(app, &account, conversation).await?;
    let user = &member.membership.user.id;
    let mine = conversation.lock.live(now).filter(|lease| lease.holder.id == *user);
    let guard =
        ReplyGuard { user, token: mine.map(|lease| lease.token), last_seen: None, accept_unseen: true };
    let reasons: Vec<ReasonView> = reasons(&account, &conversation, &guard, now)
        .iter()
        .map(refusal::refused)
        .map(|problem| ReasonView { code: problem.code, detail: problem.detail })
        .collect();
    reply::json(200, &CanSend { allowed: reasons.is_empty(), reasons })
}

async fn conversation(app: &App, request: &Request) -> Result<(MemberAccess, Conversation), Problem> {
    let member = access::member(request, &app.claims, &app.members).await?;
    let id = access::conversation(request)?;
    let found = app.conversations.get(member.thread(&id)).await?;
    Ok((member, found.ok_or_else(Problem::not_found)?))
}

async fn heeding(app: &App, account: &Account, conversation: Conversation) -> Result<Conversation, Problem> {
    let contact = conversation.contact.clone();
    let contact = with_personal_opt_out(app, &account.inbox, contact).await?;
    Ok(Conversation { contact, ..conversation })
}

async fn account(app: &App, member: &MemberAccess) -> Result<Account, Problem> {
    let account = app.inboxes.account(&member.organization, &member.membership.inbox).await?;
    account.ok_or_else(Problem::not_found)
}

/// The newest message that the writer saw; it must be one of this conversation.
fn last_seen(wanted: &Reply, conversation: &Conversation) -> Result<Option<MessageId>, Problem> {
    let Some(text) = &wanted.last_seen_message_id else { return Ok(None) };
    let seen = MessageId::parse(text).ok().filter(|id| id.conversation().as_ref() == Some(&conversation.id));
    let refused =
        || Problem::unprocessable("unknown_message", "/lastSeenMessageId", "no message of this conversation");
    seen.map(Some).ok_or_else(refused)
}

fn guard<'a>(member: &'a MemberAccess, wanted: &Reply, seen: Option<&'a MessageId>) -> ReplyGuard<'a> {
    ReplyGuard {
        user: &member.membership.user.id,
        token: wanted.lock_token.map(FencingToken::new),
        last_seen: seen,
        accept_unseen: wanted.accept_unseen,
    }
}

fn reasons(
    account: &Account,
    conversation: &Conversation,
    guard: &ReplyGuard<'_>,
    now: Timestamp,
) -> Vec<SendRefusal> {
    let from = sending::SendingAccount { inbox: &account.inbox, registration: account.team.registration };
    sending::reasons_against_reply(from, conversation, guard, now)
}

/// A refusal because of an unseen text carries that text.
async fn explained(
    app: &App,
    member: &MemberAccess,
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
