//! The lock on a conversation of a shared inbox: `POST` acquires, `PUT` renews, `DELETE` releases, or breaks with
//! `?force=true`.
//!
//! Each operation is one conditional write after the access check. Idempotent by conversation and token: an acquire that
//! is repeated gives a newer token to the same holder, a renewal extends again, a release of what is gone is a release.

use lambda_http::{Body, Request, Response, http::Method};
use shared_aws::{
    clients::Aws,
    conversation::{Acquired, Conversations, Locks, Renewed},
    table::Table,
    team::Members,
};
use shared_domain::{
    ids::ConversationId,
    inbox::InboxKind,
    keys::ConversationKey,
    lock::{FencingToken, LockPolicy},
    membership::Role,
    time::Timestamp,
};
use shared_http::{
    access::{self, MemberAccess},
    caller::{self, Claims},
    input,
    problem::Problem,
    refusal,
    reply::{self, Outcome},
    wire::lock::{HeldLock, Renewal},
};
use shared_lambda::config::{ConfigError, Environment};
use utoipa::OpenApi;

/// What the function uses.
#[derive(Debug)]
pub struct App {
    claims: Claims,
    members: Members,
    locks: Locks,
    conversations: Conversations,
    policy: LockPolicy,
}

impl App {
    /// Reads settings and makes clients.
    ///
    /// # Errors
    /// [`ConfigError`] naming every setting that is wrong.
    pub fn from_environment() -> Result<Self, ConfigError> {
        let mut env = Environment::default();
        let (name, claims, policy) =
            (env.required("TABLE_NAME"), Claims::from_environment(&mut env), env.lock_policy());
        env.finish()?;
        Ok(Self::new(Table::of(&Aws::from_environment()?, name), claims, policy))
    }

    /// Over this table.
    pub fn new(table: Table, claims: Claims, policy: LockPolicy) -> Self {
        Self {
            claims,
            members: Members::new(table.clone()),
            conversations: Conversations::new(table.clone()),
            locks: Locks::new(table),
            policy,
        }
    }
}

/// Answers one request.
pub async fn handle(app: &App, now: Timestamp, request: Request) -> Response<Body> {
    let outcome = match *request.method() {
        Method::POST => acquire(app, now, &request).await,
        Method::PUT => renew(app, now, &request).await,
        Method::DELETE if input::query(&request, "force") == Some("true") => {
            break_lock(app, now, &request).await
        }
        Method::DELETE => release(app, &request).await,
        _ => Err(Problem::not_found()),
    };
    reply::finish(&reply::request_id(&request), outcome)
}

/// Acquire
///
/// Opens a conversation to answer it. The same user acquiring again gets a new token, and the old one dies. One user holds
/// a few locks at a time (`LocksPerUser`).
#[utoipa::path(post, path = "/v1/inboxes/{inboxId}/conversations/{conversationId}/lock", tag = "lock",
    params(("inboxId" = String, Path), ("conversationId" = String, Path)),
    responses((status = 200, body = HeldLock), (status = 404, body = ProblemView), (status = 409, body = ProblemView),
        (status = 423, description = "A colleague is responding: `holder`, `expiresAt`", body = ProblemView),
        (status = 429, description = "As many locks as one may have: `limit`, `held`", body = ProblemView)))]
async fn acquire(app: &App, now: Timestamp, request: &Request) -> Outcome {
    let (member, conversation) = shared_inbox(app, request).await?;
    let acquired =
        app.locks.acquire(member.thread(&conversation), &member.membership.user, now, &app.policy).await?;
    match acquired {
        Acquired::Held(lease) => reply::json(200, &HeldLock::of(&lease, now, &app.policy)),
        Acquired::Denied(denied) => Err(refusal::locked(&denied)),
        Acquired::TooMany(held) => Err(refusal::too_many_locks(&held, app.policy.per_user, now)),
        Acquired::NoConversation => Err(Problem::not_found()),
    }
}

/// Renew
///
/// Says whether the user was active. `idlePrompt` means: ask whether somebody is there.
#[utoipa::path(put, path = "/v1/inboxes/{inboxId}/conversations/{conversationId}/lock", tag = "lock",
    params(("inboxId" = String, Path), ("conversationId" = String, Path)), request_body = Renewal,
    responses((status = 200, body = HeldLock), (status = 400, body = ProblemView), (status = 404, body = ProblemView),
        (status = 412, description = "`lock_lost`: `reason`, `holder`", body = ProblemView)))]
async fn renew(app: &App, now: Timestamp, request: &Request) -> Outcome {
    let (member, conversation) = shared_inbox(app, request).await?;
    let thread = member.thread(&conversation);
    let renewal: Renewal = in_thread(app, thread, input::body(request)).await?;
    let token = FencingToken::new(renewal.token);
    let user = &member.membership.user.id;
    match app.locks.renew(thread, user, token, renewal.active, now, &app.policy).await? {
        Renewed::Held(lease) => reply::json(200, &HeldLock::of(&lease, now, &app.policy)),
        Renewed::Lost(lost) => Err(refusal::lock_lost(&lost)),
        Renewed::NoConversation => Err(Problem::not_found()),
    }
}

/// Release
///
/// Gives the lock back; also when it is already gone. An admin of the team breaks somebody else's with `force=true`.
#[utoipa::path(delete, path = "/v1/inboxes/{inboxId}/conversations/{conversationId}/lock", tag = "lock",
    params(("inboxId" = String, Path), ("conversationId" = String, Path), ("token" = Option<u64>, Query),
        ("force" = Option<bool>, Query)),
    responses((status = 204), (status = 400, body = ProblemView), (status = 403, body = ProblemView),
        (status = 404, body = ProblemView)))]
async fn release(app: &App, request: &Request) -> Outcome {
    let (member, conversation) = shared_inbox(app, request).await?;
    let thread = member.thread(&conversation);
    let token = input::query(request, "token").and_then(|text| text.parse().ok());
    let token = token.ok_or_else(|| Problem::bad_field("?token", "the token of the lock, a whole number"));
    let token = FencingToken::new(in_thread(app, thread, token).await?);
    let there = app.locks.release(thread, &member.membership.user.id, token).await?;
    if there { reply::no_content() } else { Err(Problem::not_found()) }
}

/// Breaks whatever lock there is. The break names the token it read, so a lock acquired meanwhile stays.
async fn break_lock(app: &App, now: Timestamp, request: &Request) -> Outcome {
    let (member, conversation) = shared_inbox(app, request).await?;
    let thread = member.thread(&conversation);
    let found = app.conversations.get(thread).await?.ok_or_else(Problem::not_found)?;
    require_admin(app, request, &member).await?;
    if let Some(lease) = found.lock.live(now) {
        app.locks.break_lock(thread, &member.membership.user, lease.token).await?;
    }
    reply::no_content()
}

async fn require_admin(app: &App, request: &Request, member: &MemberAccess) -> Result<(), Problem> {
    let caller = caller::user(request, &app.claims)?;
    let role = app.members.role(&caller.organization, &member.membership.team, &caller.user).await?;
    if role.is_some_and(|role| role.role == Role::Admin) {
        return Ok(());
    }
    let owner = app.members.user(&caller.organization, &caller.user).await?.is_some_and(|user| user.owner);
    if owner {
        Ok(())
    } else {
        Err(Problem::forbidden("admin_required", "Only an admin of the team may break a lock."))
    }
}

/// `404` is decided before `400`: input of the wrong shape costs a look whether the conversation is there.
async fn in_thread<T>(
    app: &App,
    thread: ConversationKey<'_>,
    input: Result<T, Problem>,
) -> Result<T, Problem> {
    if input.is_err() && app.conversations.get(thread).await?.is_none() {
        return Err(Problem::not_found());
    }
    input
}

/// The member and the conversation; a personal inbox has no lock.
async fn shared_inbox(app: &App, request: &Request) -> Result<(MemberAccess, ConversationId), Problem> {
    let member = access::member(request, &app.claims, &app.members).await?;
    let conversation = access::conversation(request)?;
    match member.membership.kind {
        InboxKind::Shared => Ok((member, conversation)),
        InboxKind::Personal => {
            Err(Problem::new(409, "no_lock", "A personal inbox has one user and needs no lock."))
        }
    }
}

use shared_http::wire::problem::ProblemView;

/// This function's part of the OpenAPI document.
#[derive(Debug, OpenApi)]
#[openapi(paths(acquire, renew, release))]
pub struct Api;
