//! Conversations of an inbox: lists, search, one conversation, its history, and archiving or marking one or
//! many.
//!
//! `PATCH` is idempotent: it sets the fields of the request.

mod list;
mod names;
mod search;

use axum::{
    Router,
    extract::{FromRef, State},
};
use shared_aws::{
    clients::{Aws, Bucket, Secrets, SigningSecret},
    contact::Contacts,
    conversation::{ConversationUpdate, Conversations},
    messaging::Messages,
    table::Table,
    team::Members,
};
use shared_domain::{
    conversation::Folder,
    field::FieldError,
    ids::{ConversationId, MessageId, OrganizationId},
    keys::InboxKey,
};
use shared_http::{
    access::{ConversationAccess, InboxMember},
    caller::Claims,
    cursor::Cursors,
    json::Json,
    page::PageRequest,
    problem::Problem,
    request::{Now, Query},
    serve,
    wire::{
        Page,
        conversation::{ConversationChange, ConversationView, ConversationsChange, ConversationsChanged},
        message::{Links, MessageView},
    },
};
use shared_lambda::config::Environment;

use self::names::set_current_names;

const MAX_BULK_CONVERSATIONS: usize = 100;

/// The function's clients and settings.
#[derive(Debug, Clone, FromRef)]
pub struct App {
    claims: Claims,
    cursors: Cursors,
    members: Members,
    conversations: Conversations,
    contacts: Contacts,
    messages: Messages,
    bucket: Bucket,
}

impl App {
    /// Reads the settings and creates the clients. Errors with every invalid setting.
    pub fn from_environment() -> Result<Self, lambda_http::Error> {
        let mut env = Environment::default();
        let (name, secret, claims) =
            (env.required("TABLE_NAME"), env.required("SIGNING_SECRET"), Claims::from_environment(&mut env));
        let bucket = env.required("FILES_BUCKET");
        env.finish()?;
        let aws = Aws::from_environment()?;
        let cursors = Cursors::new(SigningSecret::named(&Secrets::of(&aws), secret));
        Ok(Self::new(Table::of(&aws, name), Bucket::new(&aws, &bucket), claims, cursors))
    }

    /// Uses this table and bucket.
    pub fn new(table: Table, bucket: Bucket, claims: Claims, cursors: Cursors) -> Self {
        Self {
            claims,
            cursors,
            members: Members::new(table.clone()),
            conversations: Conversations::new(table.clone()),
            contacts: Contacts::new(table.clone()),
            messages: Messages::new(table),
            bucket,
        }
    }
}

shared_http::routes! {
    App:
    list::list, update_many,
    read, update,
    history,
}

/// The function's router.
pub fn router(app: App) -> Router {
    serve::router(routes(), app)
}

/// Read a conversation
///
/// Includes who is responding, if anyone.
#[utoipa::path(get, path = "/v1/inboxes/{inboxId}/conversations/{conversationId}",
    tag = "conversations", operation_id = "getConversation",
    params(("inboxId" = String, Path), ("conversationId" = String, Path)),
    responses((status = 200, body = ConversationView)))]
async fn read(
    State(app): State<App>,
    ConversationAccess { member, mut conversation }: ConversationAccess,
    Now(now): Now,
) -> Result<Json<ConversationView>, Problem> {
    set_current_names(&app, &member, std::slice::from_mut(&mut conversation)).await?;
    Ok(Json(ConversationView::of(&conversation, now)))
}

/// Archive or mark a conversation
///
/// Moves the conversation between the folders, and marks it read or unread. Absent fields keep their values.
#[utoipa::path(patch, path = "/v1/inboxes/{inboxId}/conversations/{conversationId}",
    tag = "conversations", operation_id = "updateConversation",
    params(("inboxId" = String, Path), ("conversationId" = String, Path)),
    request_body = ConversationChange,
    responses((status = 200, body = ConversationView)))]
async fn update(
    State(app): State<App>,
    ConversationAccess { member, conversation }: ConversationAccess,
    Now(now): Now,
    Json(change): Json<ConversationChange>,
) -> Result<Json<ConversationView>, Problem> {
    let change = ConversationUpdate { folder: change.folder.map(Folder::from), read: change.read };
    let changed = app.conversations.change(&member.organization, conversation, change, now).await?;
    let mut changed = changed.ok_or_else(Problem::not_found)?;
    set_current_names(&app, &member, std::slice::from_mut(&mut changed)).await?;
    Ok(Json(ConversationView::of(&changed, now)))
}

/// Archive or mark many conversations
///
/// Changes up to 100 conversations of the inbox at once. Absent fields keep their values. Conversations that
/// do not exist are listed in `missing`.
#[utoipa::path(patch, path = "/v1/inboxes/{inboxId}/conversations",
    tag = "conversations", operation_id = "updateConversations",
    params(("inboxId" = String, Path)),
    request_body = ConversationsChange,
    responses((status = 200, body = ConversationsChanged)),
    extensions(("x-errors" = json!(["invalid_fields"]))))]
async fn update_many(
    State(app): State<App>,
    member: InboxMember,
    Now(now): Now,
    Json(body): Json<ConversationsChange>,
) -> Result<Json<ConversationsChanged>, Problem> {
    if !(1..=MAX_BULK_CONVERSATIONS).contains(&body.conversation_ids.len()) {
        return Err(FieldError::new("/conversationIds", "1 to 100 conversations").into());
    }
    let (mut ids, mut missing) = (Vec::new(), Vec::new());
    for id in body.conversation_ids {
        match ConversationId::parse(&id) {
            Ok(id) if ids.contains(&id) => {}
            Ok(id) => ids.push(id),
            Err(_) => missing.push(id),
        }
    }
    let change = ConversationUpdate { folder: body.folder.map(Folder::from), read: body.read };
    let (organization, inbox) = (&member.organization, &member.membership.inbox);
    let mut changed =
        app.conversations.change_many(InboxKey { organization, inbox }, &ids, change, now).await?;
    set_current_names(&app, &member, &mut changed).await?;
    let mut items = Vec::new();
    for id in ids {
        match changed.iter().position(|conversation| conversation.id == id) {
            Some(place) => items.push(ConversationView::of(&changed.swap_remove(place), now)),
            None => missing.push(id.to_string()),
        }
    }
    Ok(Json(ConversationsChanged { items, missing }))
}

/// List the messages of a conversation
///
/// All messages that were sent or received in it, newest first. With `after`, the messages that are newer
/// than that one, oldest first. Outbound messages include the name of the sender.
#[utoipa::path(get, path = "/v1/inboxes/{inboxId}/conversations/{conversationId}/messages",
    tag = "conversations", operation_id = "listMessages",
    params(("inboxId" = String, Path), ("conversationId" = String, Path),
        ("after" = Option<String>, Query, description = "ID of a message of the conversation"),
        ("limit" = Option<u16>, Query, description = "1 to 100, default 25"),
        ("cursor" = Option<String>, Query)),
    responses((status = 200, body = Page<MessageView>)))]
async fn history(
    State(app): State<App>,
    ConversationAccess { member, conversation }: ConversationAccess,
    Now(now): Now,
    query: Query,
    page: PageRequest,
) -> Result<Json<Page<MessageView>>, Problem> {
    let organization = &member.organization;
    let newer_than = match query.get("after") {
        Some(id) => Some(message_of(&app, organization, &conversation.id, id).await?),
        None => None,
    };
    let list = match &newer_than {
        Some(message) => format!("history {} after {message}", conversation.id),
        None => format!("history {}", conversation.id),
    };
    let page = page.of(&member.principal, list).await?;
    let (id, limit) = (&conversation.id, page.limit);
    let found = match &newer_than {
        Some(message) => {
            let start = page.after().unwrap_or(message.as_str());
            app.messages.newer_than(organization, id, limit, start).await?
        }
        None => app.messages.history(organization, id, limit, page.after()).await?,
    };
    let links = Links { bucket: &app.bucket, organization, now };
    let items = found.items.iter().map(|message| MessageView::of(message, &links));
    Ok(Json(page.response(items, found.next.as_deref())))
}

/// Returns the ID of a message of the conversation. Errors with `400` if there is none with this ID.
async fn message_of(
    app: &App,
    organization: &OrganizationId,
    conversation: &ConversationId,
    id: &str,
) -> Result<MessageId, Problem> {
    let unknown = || Problem::bad_field("?after", "the ID of a message of this conversation");
    let id = MessageId::parse(id).map_err(|_| unknown())?;
    if id.conversation().as_ref() != Some(conversation) {
        return Err(unknown());
    }
    Ok(app.messages.get(organization, &id).await?.ok_or_else(unknown)?.id)
}
