//! Conversations of an inbox: lists, one conversation, its history, and changes by hand, also of many at once.
//!
//! `PATCH` is idempotent: it sets what it names.

mod list;
mod search;

use lambda_http::{Body, Request, Response};
use shared_aws::{
    clients::{Aws, Bucket, Secrets},
    contact::ContactBook,
    conversation::{ConversationUpdate, Conversations},
    messaging::Messages,
    table::Table,
    team::Members,
};
use shared_domain::{
    conversation::Folder,
    field::FieldError,
    ids::{ConversationId, MessageId},
    time::Timestamp,
};
use shared_http::{
    access::{self, MemberAccess},
    caller::Claims,
    cursor::Cursors,
    input,
    problem::Problem,
    reply::{self, Outcome},
    wire::{
        Page,
        conversation::{ConversationChange, ConversationView, ConversationsChange, ConversationsChanged},
        message::{Links, MessageView},
        problem::ProblemView,
    },
};
use shared_lambda::config::Environment;
use utoipa::OpenApi;

/// The most conversations that one request changes.
const MAX_BULK_CONVERSATIONS: usize = 100;

/// What the function uses.
#[derive(Debug)]
pub struct App {
    claims: Claims,
    cursors: Cursors,
    members: Members,
    conversations: Conversations,
    contacts: ContactBook,
    messages: Messages,
    bucket: Bucket,
}

impl App {
    /// Reads settings and secrets, and makes clients.
    ///
    /// # Errors
    /// Every setting that is wrong, or the secret that could not be read.
    pub async fn from_environment() -> Result<Self, lambda_http::Error> {
        let mut env = Environment::default();
        let (name, secret, claims) =
            (env.required("TABLE_NAME"), env.required("SIGNING_SECRET"), Claims::from_environment(&mut env));
        let bucket = env.required("FILES_BUCKET");
        env.finish()?;
        let aws = Aws::from_environment()?;
        let cursors = Cursors::new(&Secrets::of(&aws).text(&secret).await?);
        Ok(Self::new(Table::of(&aws, name), Bucket::new(&aws, &bucket), claims, cursors))
    }

    /// Over this table and bucket.
    pub fn new(table: Table, bucket: Bucket, claims: Claims, cursors: Cursors) -> Self {
        Self {
            claims,
            cursors,
            members: Members::new(table.clone()),
            conversations: Conversations::new(table.clone()),
            contacts: ContactBook::new(table.clone()),
            messages: Messages::new(table),
            bucket,
        }
    }
}

/// Answers one request.
pub async fn handle(app: &App, now: Timestamp, request: Request) -> Response<Body> {
    let outcome = match input::route(&request) {
        "GET /v1/inboxes/{inboxId}/conversations" => list::list(app, now, &request).await,
        "PATCH /v1/inboxes/{inboxId}/conversations" => change_many(app, now, &request).await,
        "GET /v1/inboxes/{inboxId}/conversations/{conversationId}" => read(app, now, &request).await,
        "PATCH /v1/inboxes/{inboxId}/conversations/{conversationId}" => change(app, now, &request).await,
        "GET /v1/inboxes/{inboxId}/conversations/{conversationId}/messages" => {
            history(app, now, &request).await
        }
        _ => Err(Problem::not_found()),
    };
    reply::finish(&reply::request_id(&request), outcome)
}

/// Read a conversation
///
/// With who is responding, if anybody.
#[utoipa::path(get, path = "/v1/inboxes/{inboxId}/conversations/{conversationId}", tag = "conversations",
    params(("inboxId" = String, Path), ("conversationId" = String, Path)),
    responses((status = 200, body = ConversationView), (status = 404, body = ProblemView)))]
async fn read(app: &App, now: Timestamp, request: &Request) -> Outcome {
    let member = access::member(request, &app.claims, &app.members).await?;
    let conversation = access::conversation(request)?;
    let found = app.conversations.get(member.thread(&conversation)).await?;
    reply::json(200, &ConversationView::of(&found.ok_or_else(Problem::not_found)?, now))
}

/// Archive, bring back, mark read or unread
///
/// What is absent stays as it is.
#[utoipa::path(patch, path = "/v1/inboxes/{inboxId}/conversations/{conversationId}", tag = "conversations",
    params(("inboxId" = String, Path), ("conversationId" = String, Path)), request_body = ConversationChange,
    responses((status = 200, body = ConversationView), (status = 400, body = ProblemView),
        (status = 404, body = ProblemView)))]
async fn change(app: &App, now: Timestamp, request: &Request) -> Outcome {
    let member = access::member(request, &app.claims, &app.members).await?;
    let conversation = access::conversation(request)?;
    let found = app.conversations.get(member.thread(&conversation)).await?;
    let found = found.ok_or_else(Problem::not_found)?; // decided before the shape of the body
    let wanted: ConversationChange = input::body(request)?;
    let change = ConversationUpdate { folder: wanted.folder.map(Folder::from), read: wanted.read };
    let changed = app.conversations.change(&member.organization, found, change, now).await?;
    reply::json(200, &ConversationView::of(&changed.ok_or_else(Problem::not_found)?, now))
}

/// Archive, bring back, mark read or unread: many at once
///
/// Up to 100 conversations of the inbox. What is absent stays as it is; those that are not there are named.
#[utoipa::path(patch, path = "/v1/inboxes/{inboxId}/conversations", tag = "conversations",
    params(("inboxId" = String, Path)), request_body = ConversationsChange,
    responses((status = 200, body = ConversationsChanged), (status = 400, body = ProblemView),
        (status = 404, body = ProblemView), (status = 422, body = ProblemView)))]
async fn change_many(app: &App, now: Timestamp, request: &Request) -> Outcome {
    let member = access::member(request, &app.claims, &app.members).await?;
    let wanted: ConversationsChange = input::body(request)?;
    if !(1..=MAX_BULK_CONVERSATIONS).contains(&wanted.conversation_ids.len()) {
        return Err(FieldError::new("/conversationIds", "1 to 100 conversations").into());
    }
    let (mut ids, mut missing) = (Vec::new(), Vec::new());
    for id in wanted.conversation_ids {
        match ConversationId::parse(&id) {
            Ok(id) if ids.contains(&id) => {}
            Ok(id) => ids.push(id),
            Err(_) => missing.push(id),
        }
    }
    let change = ConversationUpdate { folder: wanted.folder.map(Folder::from), read: wanted.read };
    let (organization, inbox) = (&member.organization, &member.membership.inbox);
    let mut changed = app.conversations.change_many(organization, inbox, &ids, change, now).await?;
    let mut items = Vec::new();
    for id in ids {
        match changed.iter().position(|conversation| conversation.id == id) {
            Some(place) => items.push(ConversationView::of(&changed.swap_remove(place), now)),
            None => missing.push(id.to_string()),
        }
    }
    reply::json(200, &ConversationsChanged { items, missing })
}

/// History of a conversation
///
/// Every text ever sent or received there, newest first, outbound ones with the name of who sent them.
#[utoipa::path(get, path = "/v1/inboxes/{inboxId}/conversations/{conversationId}/messages", tag = "conversations",
    params(("inboxId" = String, Path), ("conversationId" = String, Path),
        ("limit" = Option<u16>, Query, description = "1 to 100, default 25"), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = Page<MessageView>), (status = 400, body = ProblemView),
        (status = 404, body = ProblemView)))]
async fn history(app: &App, now: Timestamp, request: &Request) -> Outcome {
    let member = access::member(request, &app.claims, &app.members).await?;
    let conversation = access::conversation(request)?;
    let found = app.conversations.get(member.thread(&conversation)).await?;
    let conversation = found.ok_or_else(Problem::not_found)?.id;
    let limit = input::limit(request)?;
    let scope = format!("history {conversation}");
    let before = place(app, &member, &scope, request)?.and_then(|place| MessageId::parse(&place).ok());
    let page = app.messages.history(&member.organization, &conversation, limit, before.as_ref()).await?;
    let links = Links { bucket: &app.bucket, organization: &member.organization, now };
    let items = page.messages.iter().map(|message| MessageView::of(message, &links)).collect();
    let next_cursor = page.next.map(|id| app.cursors.seal(&member.principal, &scope, id.as_str()));
    reply::json(200, &Page { items, next_cursor })
}

fn place(
    app: &App,
    member: &MemberAccess,
    scope: &str,
    request: &Request,
) -> Result<Option<String>, Problem> {
    let cursor = input::query(request, "cursor");
    cursor.map(|cursor| app.cursors.open(&member.principal, scope, cursor)).transpose()
}

/// This function's part of the OpenAPI document.
#[derive(Debug, OpenApi)]
#[openapi(paths(list::list, read, change, change_many, history))]
pub struct Api;
