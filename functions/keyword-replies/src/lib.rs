//! Keyword replies of an inbox: read by its members, written by the admins of its team, and by the user of a
//! personal inbox.
//!
//! Creating is idempotent by `Idempotency-Key`; editing sets the fields of the request.

use axum::{
    Router,
    extract::{FromRef, FromRequestParts, State},
    http::StatusCode,
    response::NoContent,
};
use lambda_http::http::request::Parts;
use shared_aws::{
    clients::{Aws, Secrets, SigningSecret},
    inbox::Inboxes,
    keyword_reply::{KeywordReplies, KeywordReplyWrite, SavedKeywordReply},
    table::{Table, UsedKeys, Versioned},
    team::{AuditEvent, Members},
};
use shared_domain::{
    ids::{self, Id, KeywordReplyId},
    inbox::Inbox,
    keyword_reply::{KeywordReply, MAX_KEYWORD_REPLIES, WrittenKeywordReply, keyword_in},
};
use shared_http::{
    access::{InboxAccess, InboxEditor},
    caller::Claims,
    cursor::Cursors,
    idempotency::Attempt,
    json::{Json, KeyedJson},
    page::PageRequest,
    problem::Problem,
    request::{Entropy, KnownParameters, Now, PathId},
    serve,
    wire::{
        Page,
        keyword_reply::{KeywordReplyChange, KeywordReplyView, NewKeywordReply},
    },
};
use shared_lambda::config::Environment;

/// The function's clients and settings.
#[derive(Debug, Clone, FromRef)]
pub struct App {
    claims: Claims,
    cursors: Cursors,
    members: Members,
    inboxes: Inboxes,
    replies: KeywordReplies,
    keys: UsedKeys,
}

impl App {
    /// Reads the settings and creates the clients. Errors with every invalid setting.
    pub fn from_environment() -> Result<Self, lambda_http::Error> {
        let mut env = Environment::default();
        let (name, signing) = (env.required("TABLE_NAME"), env.required("SIGNING_SECRET"));
        let claims = Claims::from_environment(&mut env);
        env.finish()?;
        let aws = Aws::from_environment()?;
        let cursors = Cursors::new(SigningSecret::named(&Secrets::of(&aws), signing));
        Ok(Self::new(&Table::of(&aws, name), claims, cursors))
    }

    /// Uses this table.
    pub fn new(table: &Table, claims: Claims, cursors: Cursors) -> Self {
        Self {
            claims,
            cursors,
            members: Members::new(table.clone()),
            inboxes: Inboxes::new(table.clone()),
            replies: KeywordReplies::new(table.clone()),
            keys: UsedKeys::new(table.clone()),
        }
    }
}

shared_http::routes! {
    App:
    list, create,
    update, remove,
}

/// The function's router.
pub fn router(app: App) -> Router {
    serve::router(routes(), app)
}

/// List keyword replies
///
/// For the inbox's members, the admins of its team and the organization's owner. Oldest first. An inbox has
/// at most 100.
#[utoipa::path(get, path = "/v1/inboxes/{inboxId}/keyword-replies",
    tag = "inboxes", operation_id = "listKeywordReplies",
    params(("inboxId" = String, Path), ("limit" = Option<u16>, Query, description = "1 to 100, default 25"),
        ("cursor" = Option<String>, Query)),
    responses((status = 200, body = Page<KeywordReplyView>)))]
async fn list(
    State(app): State<App>,
    InboxAccess { principal, inbox, .. }: InboxAccess,
    page: PageRequest,
) -> Result<Json<Page<KeywordReplyView>>, Problem> {
    let page = page.of(&principal, format!("keyword-replies {}", inbox.id)).await?;
    let found = app.replies.page(inbox.key(), page.limit, page.after()).await?;
    let items = found.items.iter().map(|entry| KeywordReplyView::of(&entry.value));
    Ok(Json(page.response(items, found.next.as_deref())))
}

/// Create a keyword reply
///
/// For admins of the inbox's team, the organization's owner, and the user of a personal inbox. An inbound
/// text that is one of the keywords, as a whole, gets the reply instead of the out-of-office message. Its
/// contact gets the tag.
#[utoipa::path(post, path = "/v1/inboxes/{inboxId}/keyword-replies",
    tag = "inboxes", operation_id = "createKeywordReply",
    params(("inboxId" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = NewKeywordReply,
    responses((status = 201, body = KeywordReplyView)),
    extensions(("x-errors" = json!(["admin_required", "invalid_fields", "keyword_taken", "too_many_keyword_replies"]))))]
async fn create(
    State(app): State<App>,
    InboxEditor(access): InboxEditor,
    Now(now): Now,
    Entropy(entropy): Entropy,
    KeyedJson { body, key }: KeyedJson<NewKeywordReply>,
) -> Result<(StatusCode, Json<KeywordReplyView>), Problem> {
    let inbox = &access.inbox;
    let attempt = Attempt {
        organization: &inbox.organization,
        principal: access.principal,
        route: format!("keyword-replies {}", inbox.id),
        key,
    };
    if let Some(id) = attempt.recalled(&app.keys, now).await? {
        return created_before(&app, inbox, &id).await;
    }
    let NewKeywordReply { keywords, text, tag } = body;
    let written = WrittenKeywordReply { keywords, text, tag };
    let reply = KeywordReply::parse(&written)?;
    if app.replies.count(inbox.key()).await? >= MAX_KEYWORD_REPLIES {
        let detail = "The inbox has the maximum number of keyword replies, 100. Remove one first.";
        return Err(Problem::new(409, "too_many_keyword_replies", detail));
    }
    let saved = SavedKeywordReply { id: Id::new(now, entropy), reply, saved_at: now };
    let (actor, target) = (&access.caller.user.id, saved.id.as_str());
    let event = AuditEvent { actor, action: "keyword_reply.create", target, at: now, entropy };
    let key = attempt.idempotency().map(|key| (key, now));
    match app.replies.write(inbox, None, &saved, &event, key).await? {
        KeywordReplyWrite::Done => Ok((StatusCode::CREATED, Json(KeywordReplyView::of(&saved)))),
        KeywordReplyWrite::KeywordTaken(keyword) => Err(keyword_taken(&written.keywords, &keyword)),
        KeywordReplyWrite::Changed => Err(changed()),
        KeywordReplyWrite::KeyTaken => {
            let id = attempt.recalled(&app.keys, now).await?.ok_or_else(changed)?;
            created_before(&app, inbox, &id).await
        }
    }
}

async fn created_before(
    app: &App,
    inbox: &Inbox,
    id: &str,
) -> Result<(StatusCode, Json<KeywordReplyView>), Problem> {
    let id = KeywordReplyId::parse(id).map_err(|_| Problem::not_found())?;
    let entry = find(app, inbox, &id).await?;
    Ok((StatusCode::CREATED, Json(KeywordReplyView::of(&entry.value))))
}

/// The keyword reply in the path, for a caller who may edit its inbox. `404` if the inbox has no such reply.
struct EditedReply {
    access: InboxAccess,
    saved: Versioned<SavedKeywordReply>,
}

impl FromRequestParts<App> for EditedReply {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let InboxEditor(access) = InboxEditor::from_request_parts(parts, app).await?;
        let PathId(id) = PathId::<ids::kind::KeywordReply>::from_request_parts(parts, app).await?;
        let saved = find(app, &access.inbox, &id).await?;
        Ok(Self { access, saved })
    }
}

async fn find(
    app: &App,
    inbox: &Inbox,
    id: &KeywordReplyId,
) -> Result<Versioned<SavedKeywordReply>, Problem> {
    app.replies.get(inbox.key(), id).await?.ok_or_else(Problem::not_found)
}

/// Edit a keyword reply
///
/// For admins of the inbox's team, the organization's owner, and the user of a personal inbox. Absent fields
/// keep their values, null removes the tag.
#[utoipa::path(patch, path = "/v1/inboxes/{inboxId}/keyword-replies/{keywordReplyId}",
    tag = "inboxes", operation_id = "updateKeywordReply",
    params(("inboxId" = String, Path), ("keywordReplyId" = String, Path)),
    request_body = KeywordReplyChange,
    responses((status = 200, body = KeywordReplyView)),
    extensions(("x-errors" = json!(["admin_required", "invalid_fields", "keyword_taken"]))))]
async fn update(
    State(app): State<App>,
    EditedReply { access, saved: mut before }: EditedReply,
    Now(now): Now,
    Entropy(entropy): Entropy,
    Json(change): Json<KeywordReplyChange>,
) -> Result<Json<KeywordReplyView>, Problem> {
    let inbox = &access.inbox;
    for _ in 0..3 {
        let reply = changed_by(&before.value.reply, &change)?;
        let after = SavedKeywordReply { id: before.value.id.clone(), reply, saved_at: now };
        let (actor, target) = (&access.caller.user.id, after.id.as_str());
        let event = AuditEvent { actor, action: "keyword_reply.edit", target, at: now, entropy };
        match app.replies.write(inbox, Some(&before), &after, &event, None).await? {
            KeywordReplyWrite::Done => return Ok(Json(KeywordReplyView::of(&after))),
            KeywordReplyWrite::KeywordTaken(keyword) => {
                return Err(keyword_taken(change.keywords.as_deref().unwrap_or_default(), &keyword));
            }
            KeywordReplyWrite::Changed | KeywordReplyWrite::KeyTaken => {}
        }
        before = find(&app, inbox, &after.id).await?;
    }
    Err(changed())
}

fn changed_by(before: &KeywordReply, change: &KeywordReplyChange) -> Result<KeywordReply, Problem> {
    let mut written = before.written();
    if let Some(keywords) = &change.keywords {
        written.keywords.clone_from(keywords);
    }
    if let Some(text) = &change.text {
        written.text.clone_from(text);
    }
    if let Some(tag) = &change.tag {
        written.tag.clone_from(tag);
    }
    Ok(KeywordReply::parse(&written)?)
}

/// Remove a keyword reply
///
/// For admins of the inbox's team, the organization's owner, and the user of a personal inbox. Tags that
/// contacts got stay.
#[utoipa::path(delete, path = "/v1/inboxes/{inboxId}/keyword-replies/{keywordReplyId}",
    tag = "inboxes", operation_id = "deleteKeywordReply",
    params(("inboxId" = String, Path), ("keywordReplyId" = String, Path)),
    responses((status = 204)),
    extensions(("x-errors" = json!(["admin_required"]))))]
async fn remove(
    State(app): State<App>,
    EditedReply { access, mut saved }: EditedReply,
    Now(now): Now,
    Entropy(entropy): Entropy,
    _: KnownParameters,
) -> Result<NoContent, Problem> {
    let inbox = &access.inbox;
    for _ in 0..3 {
        let (actor, target) = (&access.caller.user.id, saved.value.id.as_str());
        let event = AuditEvent { actor, action: "keyword_reply.remove", target, at: now, entropy };
        if app.replies.remove(inbox, &saved, &event).await? {
            return Ok(NoContent);
        }
        saved = find(&app, inbox, &saved.value.id).await?;
    }
    Err(changed())
}

/// `keywords` are those of the request, of which one is `taken`.
fn keyword_taken(keywords: &[String], taken: &str) -> Problem {
    let place = keywords.iter().position(|entered| keyword_in(entered).as_deref() == Some(taken));
    let index = place.unwrap_or_default();
    let detail = "Another keyword reply of the inbox already has one of these keywords.";
    Problem::new(409, "keyword_taken", detail).with_error(&format!("/keywords/{index}"), "already in use")
}

fn changed() -> Problem {
    Problem::changed("The keyword reply was changed by another request at the same time. Try again.")
}
