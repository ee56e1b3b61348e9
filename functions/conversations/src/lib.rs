//! Conversations of an inbox: lists by folder, one conversation, its history, and changes by hand.
//!
//! `PATCH` is idempotent: it sets what it names.

mod search;

use lambda_http::{Body, Request, Response};
use shared_aws::{
    bucket::Bucket,
    client::Aws,
    config::Environment,
    contact_book::ContactBook,
    conversations::{Change, Conversations},
    members::Members,
    messages::Messages,
    secrets::Secrets,
    table::Table,
};
use shared_domain::{conversation::Folder, ids::MessageId, time::Timestamp};
use shared_http::{
    access::{self, MemberAccess},
    caller::Claims,
    cursor::Cursors,
    input,
    problem::Problem,
    reply::{self, Outcome},
    wire::{
        Page,
        conversation::{ConversationChange, ConversationView},
        message::{Links, MessageView},
        problem::ProblemView,
    },
};
use utoipa::OpenApi;

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
        "GET /v1/inboxes/{inboxId}/conversations" => list(app, now, &request).await,
        "GET /v1/inboxes/{inboxId}/conversations/{conversationId}" => read(app, now, &request).await,
        "PATCH /v1/inboxes/{inboxId}/conversations/{conversationId}" => change(app, now, &request).await,
        "GET /v1/inboxes/{inboxId}/conversations/{conversationId}/messages" => {
            history(app, now, &request).await
        }
        _ => Err(Problem::not_found()),
    };
    reply::finish(&reply::request_id(&request), outcome)
}

/// List conversations
///
/// One folder, newest activity first. With `q`, those whose contact has this id of the customer's, this number, or a name
/// that begins like this; in both folders unless one is named.
#[utoipa::path(get, path = "/v1/inboxes/{inboxId}/conversations", tag = "conversations",
    params(("inboxId" = String, Path), ("folder" = Option<String>, Query, description = "`inbox` (default) or `archived`"),
        ("q" = Option<String>, Query, description = "Name, customer's own id, or number"),
        ("limit" = Option<u16>, Query, description = "1 to 100, default 25"), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = Page<ConversationView>), (status = 400, body = ProblemView),
        (status = 404, body = ProblemView), (status = 422, body = ProblemView)))]
async fn list(app: &App, now: Timestamp, request: &Request) -> Outcome {
    let member = access::member(request, &app.claims, &app.members).await?;
    let folder = folder(request)?;
    if let Some(question) = search::question(request)? {
        return search::search(app, now, request, &member, folder, question).await;
    }
    let (folder, limit) = (folder.unwrap_or(Folder::Inbox), input::limit(request)?);
    let scope = format!("conversations {} {}", member.membership.inbox, folder.as_str());
    let after = place(app, &member, &scope, request)?;
    let inbox = &member.membership.inbox;
    let page = app.conversations.list(&member.organisation, inbox, folder, limit, after.as_deref()).await?;
    let items =
        page.conversations.iter().map(|conversation| ConversationView::of(conversation, now)).collect();
    let next_cursor = page.next.map(|place| app.cursors.seal(&member.principal, &scope, &place));
    reply::json(200, &Page { items, next_cursor })
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
    let thread = member.thread(&conversation);
    if app.conversations.get(thread).await?.is_none() {
        return Err(Problem::not_found()); // decided before the shape of the body
    }
    let wanted: ConversationChange = input::body(request)?;
    let change = Change { folder: wanted.folder.map(Folder::from), read: wanted.read };
    let changed = app.conversations.change(thread, change, now).await?;
    reply::json(200, &ConversationView::of(&changed.ok_or_else(Problem::not_found)?, now))
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
    let page = app.messages.history(&member.organisation, &conversation, limit, before.as_ref()).await?;
    let links = Links { bucket: &app.bucket, organisation: &member.organisation, now };
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

/// The folder that is asked for, if one is.
fn folder(request: &Request) -> Result<Option<Folder>, Problem> {
    match input::query(request, "folder") {
        None => Ok(None),
        Some("inbox") => Ok(Some(Folder::Inbox)),
        Some("archived") => Ok(Some(Folder::Archived)),
        Some(_) => Err(Problem::bad_field("?folder", "inbox or archived")),
    }
}

/// This function's part of the OpenAPI document.
#[derive(Debug, OpenApi)]
#[openapi(paths(list, read, change, history))]
pub struct Api;
