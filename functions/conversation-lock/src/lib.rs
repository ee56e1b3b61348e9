//! The lock on a conversation of a shared inbox: `POST` acquires, `PUT` renews, `DELETE` releases, or breaks
//! with `?force=true`.
//!
//! Each operation is one conditional write after the access check. An acquire runs a second one side by side,
//! which reserves an entry in the user's locks. All are idempotent by conversation and token: a repeated
//! acquire gives the same holder a newer token, a repeated renewal extends the lease again, and releasing a
//! lock that is gone succeeds.

use axum::{
    Router,
    extract::{FromRef, FromRequestParts, State},
    response::NoContent,
};
use lambda_http::http::request::Parts;
use shared_aws::{
    clients::Aws,
    conversation::{Acquired, Conversations, Locks, Renewed},
    table::Table,
    team::Members,
};
use shared_domain::{
    ids::{self, ConversationId},
    inbox::InboxKind,
    keys::{ConversationKey, TeamKey},
    lock::{FencingToken, LockPolicy},
    time::Timestamp,
};
use shared_http::{
    access::{self, InboxMember},
    caller::Claims,
    json::Json,
    problem::Problem,
    refusal,
    request::{Entropy, KnownParameters, Now, PathId, Query},
    serve,
    wire::lock::{HeldLock, Renewal},
};
use shared_lambda::config::{ConfigError, Environment};

/// The function's clients and settings.
#[derive(Debug, Clone, FromRef)]
pub struct App {
    claims: Claims,
    members: Members,
    locks: Locks,
    conversations: Conversations,
    policy: LockPolicy,
}

impl App {
    /// Reads the settings and creates the clients. Errors with every invalid setting.
    pub fn from_environment() -> Result<Self, ConfigError> {
        let mut env = Environment::default();
        let (name, claims, policy) =
            (env.required("TABLE_NAME"), Claims::from_environment(&mut env), env.lock_policy());
        env.finish()?;
        Ok(Self::new(Table::of(&Aws::from_environment()?, name), claims, policy))
    }

    /// Uses this table.
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

shared_http::routes! {
    App:
    acquire, renew, release,
}

/// The function's router.
pub fn router(app: App) -> Router {
    serve::router(routes(), app)
}

/// The caller as a member of a shared inbox, at one of its conversations, which may not exist.
struct LockAccess {
    member: InboxMember,
    conversation: ConversationId,
}

impl LockAccess {
    fn key(&self) -> ConversationKey<'_> {
        self.member.conversation_key(&self.conversation)
    }
}

impl FromRequestParts<App> for LockAccess {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let member = InboxMember::from_request_parts(parts, app).await?;
        let PathId(conversation) = PathId::<ids::kind::Conversation>::from_request_parts(parts, app).await?;
        match member.membership.kind {
            InboxKind::Shared => Ok(Self { member, conversation }),
            InboxKind::Personal => {
                Err(Problem::new(409, "no_lock", "A personal inbox belongs to one user and needs no lock."))
            }
        }
    }
}

/// Acquire a lock
///
/// Locks a conversation so that you can reply. If you already hold the lock, you get a new token and the old
/// one becomes invalid. A user can hold only a few locks at a time (`LocksPerUser`).
#[utoipa::path(post, path = "/v1/inboxes/{inboxId}/conversations/{conversationId}/lock",
    tag = "lock", operation_id = "acquireLock",
    params(("inboxId" = String, Path), ("conversationId" = String, Path)),
    responses((status = 200, body = HeldLock)),
    extensions(("x-errors" = json!(["no_lock", "locked", "too_many_locks"]))))]
async fn acquire(
    State(app): State<App>,
    access: LockAccess,
    Now(now): Now,
    Entropy(entropy): Entropy,
    _: KnownParameters,
) -> Result<Json<HeldLock>, Problem> {
    let user = &access.member.membership.user;
    match app.locks.acquire(access.key(), user, now, entropy, &app.policy).await? {
        Acquired::Held(lease) => {
            tracing::info!(event = "lock_acquired", inbox = %access.member.membership.inbox, "lock acquired");
            Ok(Json(HeldLock::of(&lease, now, &app.policy)))
        }
        Acquired::Denied(denied) => {
            log_refused(&access, "held");
            Err(refusal::locked(&denied))
        }
        Acquired::TooMany(held) => {
            log_refused(&access, "limit");
            Err(refusal::too_many_locks(&held, app.policy.per_user, now))
        }
        Acquired::NoConversation => Err(Problem::not_found()),
    }
}

fn log_refused(access: &LockAccess, reason: &str) {
    tracing::info!(event = "lock_refused", inbox = %access.member.membership.inbox, reason, "lock refused");
}

/// Renew a lock
///
/// Extends your lock and reports whether you were active since the last renewal. If `idlePrompt` is true, ask
/// the user whether they are still working.
#[utoipa::path(put, path = "/v1/inboxes/{inboxId}/conversations/{conversationId}/lock",
    tag = "lock", operation_id = "renewLock",
    params(("inboxId" = String, Path), ("conversationId" = String, Path)),
    request_body = Renewal,
    responses((status = 200, body = HeldLock)),
    extensions(("x-errors" = json!(["no_lock", "lock_lost"]))))]
async fn renew(
    State(app): State<App>,
    access: LockAccess,
    Now(now): Now,
    body: Result<Json<Renewal>, Problem>,
) -> Result<Json<HeldLock>, Problem> {
    let Json(renewal) = in_conversation(&app, access.key(), body).await?;
    let token = FencingToken::new(renewal.token);
    let user = &access.member.membership.user.id;
    match app.locks.renew(access.key(), user, token, renewal.active, now, &app.policy).await? {
        Renewed::Held(lease) => Ok(Json(HeldLock::of(&lease, now, &app.policy))),
        Renewed::Lost(lost) => {
            let reason = lost.loss.code();
            tracing::info!(event = "lock_lost", inbox = %access.member.membership.inbox, reason, "lock lost");
            Err(refusal::lock_lost(&lost))
        }
        Renewed::NoConversation => Err(Problem::not_found()),
    }
}

/// Release a lock
///
/// Releases your lock. Succeeds if you no longer hold it. With `force=true`, an admin of the team or the
/// organization's owner breaks a lock that someone else holds.
#[utoipa::path(delete, path = "/v1/inboxes/{inboxId}/conversations/{conversationId}/lock",
    tag = "lock", operation_id = "releaseLock",
    params(("inboxId" = String, Path), ("conversationId" = String, Path), ("token" = Option<u64>, Query, description = "Fencing token of your lock. Required unless `force` is true"),
        ("force" = Option<bool>, Query, description = "Breaks the lock of another user")),
    responses((status = 204)),
    extensions(("x-errors" = json!(["admin_required", "no_lock"]))))]
async fn release(
    State(app): State<App>,
    access: LockAccess,
    Now(now): Now,
    query: Query,
) -> Result<NoContent, Problem> {
    if query.is_true("force") {
        return break_lock(&app, &access, now).await;
    }
    let token = query.get("token").and_then(|text| text.parse().ok());
    let token = token.ok_or_else(|| Problem::bad_field("?token", "the fencing token of your lock"));
    let token = FencingToken::new(in_conversation(&app, access.key(), token).await?);
    let exists = app.locks.release(access.key(), &access.member.membership.user.id, token).await?;
    if exists { Ok(NoContent) } else { Err(Problem::not_found()) }
}

/// Breaks the current lock, if there is one. The write names the token that was read, so a lock acquired
/// since is kept.
async fn break_lock(app: &App, access: &LockAccess, now: Timestamp) -> Result<NoContent, Problem> {
    let conversation = app.conversations.get(access.key()).await?.ok_or_else(Problem::not_found)?;
    let InboxMember { organization, membership, .. } = &access.member;
    let caller = app
        .members
        .user_in_team(TeamKey { organization, team: &membership.team }, &membership.user.id)
        .await?;
    access::require_admin(&caller.ok_or_else(Problem::admin_required)?)?;
    if let Some(lease) = conversation.lock.live(now) {
        app.locks.break_lock(access.key(), &membership.user, lease.token).await?;
    }
    Ok(NoContent)
}

/// Reports a conversation that does not exist before invalid input: `404` comes before `400`. The lock's own
/// writes check that the conversation exists, so it is read only if the input is invalid.
async fn in_conversation<T>(
    app: &App,
    key: ConversationKey<'_>,
    input: Result<T, Problem>,
) -> Result<T, Problem> {
    if input.is_err() && app.conversations.get(key).await?.is_none() {
        return Err(Problem::not_found());
    }
    input
}
