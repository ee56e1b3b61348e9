//! Outbound messages: reply, compose, send failed messages again, read a message, check whether a reply is
//! allowed, and prepare media to send.
//!
//! Accepting a message is one transaction with all of its guards: an accepted message is durably stored.
//! Replies and composed messages are idempotent by `Idempotency-Key`: the same key and body return the first
//! response. Without a key, a repeated request sends a second message.

mod compose;
mod content;
mod outcome;
mod reply_to;
mod retry;
mod upload;

use axum::{
    Router,
    extract::{FromRef, State},
};
use shared_app::retry::RetryWorkflow;
use shared_aws::{
    clients::{Aws, Bucket},
    contact::Contacts,
    conversation::Conversations,
    inbox::Inboxes,
    messaging::{Messages, Sends},
    opt_out::OptOuts,
    table::{Table, UsedKeys},
    team::Members,
    template::Templates,
};
use shared_domain::{
    contact::Contact,
    ids::{self, OrganizationId},
    inbox::{Inbox, InboxKind},
    keys::InboxKey,
    opt_out::OptOutSubject,
    time::Timestamp,
};
use shared_http::{
    caller::{Caller, Claims},
    json::Json,
    problem::Problem,
    request::{Now, PathId},
    serve,
    wire::message::{Links, MessageView},
};
use shared_lambda::config::{ConfigError, Environment};

/// The maximum number of characters in a message.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// In a reply.
    pub reply: usize,
    /// In a composed message.
    pub compose: usize,
}

/// The function's clients and settings.
#[derive(Debug, Clone, FromRef)]
pub struct App {
    claims: Claims,
    limits: Limits,
    members: Members,
    inboxes: Inboxes,
    contacts: Contacts,
    templates: Templates,
    conversations: Conversations,
    messages: Messages,
    sends: Sends,
    retries: RetryWorkflow,
    keys: UsedKeys,
    opt_outs: OptOuts,
    bucket: Bucket,
}

impl App {
    /// Reads the settings and creates the clients. Errors with every invalid setting.
    pub fn from_environment() -> Result<Self, ConfigError> {
        let mut env = Environment::default();
        let (name, claims) = (env.required("TABLE_NAME"), Claims::from_environment(&mut env));
        let limits = Limits { reply: env.number("REPLY_LIMIT", 1), compose: env.number("COMPOSE_LIMIT", 1) };
        let bucket = env.required("FILES_BUCKET");
        env.finish()?;
        let aws = Aws::from_environment()?;
        Ok(Self::new(Table::of(&aws, name), Bucket::new(&aws, &bucket), claims, limits))
    }

    /// Uses this table and bucket.
    pub fn new(table: Table, bucket: Bucket, claims: Claims, limits: Limits) -> Self {
        Self {
            claims,
            limits,
            members: Members::new(table.clone()),
            inboxes: Inboxes::new(table.clone()),
            contacts: Contacts::new(table.clone()),
            templates: Templates::new(table.clone()),
            bucket,
            conversations: Conversations::new(table.clone()),
            messages: Messages::new(table.clone()),
            keys: UsedKeys::new(table.clone()),
            opt_outs: OptOuts::new(table.clone()),
            retries: RetryWorkflow::new(&table),
            sends: Sends::new(table),
        }
    }

    /// Presigned URLs of media, for a caller who has access to the message.
    fn links<'a>(&'a self, organization: &'a OrganizationId, now: Timestamp) -> Links<'a> {
        Links { bucket: &self.bucket, organization, now }
    }
}

shared_http::routes! {
    App:
    reply_to::reply,
    reply_to::can_send,
    compose::compose,
    retry::retry,
    read,
    upload::prepare,
}

/// The function's router.
pub fn router(app: App) -> Router {
    serve::router(routes(), app)
}

/// Read a message
///
/// Returns the message with its delivery history, for members of its inbox. Machine clients can read the
/// messages that machine clients of their organization have sent.
#[utoipa::path(get, path = "/v1/messages/{messageId}", tag = "messages", operation_id = "getMessage",
    params(("messageId" = String, Path)),
    responses((status = 200, body = MessageView)),
    extensions(("x-errors" = json!(["scope_missing"]))))]
async fn read(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<ids::kind::Message>,
    Now(now): Now,
) -> Result<Json<MessageView>, Problem> {
    let message = app.messages.get(caller.organization(), &id).await?.ok_or_else(Problem::not_found)?;
    let may_read = match caller.user() {
        Some(user) => app
            .members
            .membership(InboxKey { organization: caller.organization(), inbox: &message.inbox }, user)
            .await?
            .is_some(),
        None => message.is_from_machine(),
    };
    if !may_read {
        return Err(Problem::not_found());
    }
    Ok(Json(MessageView::of(&message, &app.links(caller.organization(), now))))
}

/// Applies the opt-outs that a contact does not show: from all personal inboxes, if the inbox is a personal
/// one, and from the whole organization, if the team does not know the number. 1 read unit for each of these,
/// none for a known contact of a shared inbox. `outbound-send` sees an opt-out that comes in after this
/// check.
async fn with_wider_opt_outs(
    app: &App,
    inbox: &Inbox,
    contact: Contact,
    is_known: bool,
) -> Result<Contact, Problem> {
    let mut subjects = Vec::new();
    if inbox.kind == InboxKind::Personal {
        subjects.push(OptOutSubject::of(inbox, &contact.number));
    }
    if !is_known {
        subjects.push(OptOutSubject::of_organization(&inbox.organization, &contact.number));
    }
    if subjects.is_empty() || contact.opted_out {
        return Ok(contact);
    }
    let opted_out = app.opt_outs.any_out(&subjects).await?;
    Ok(Contact { opted_out, ..contact })
}
