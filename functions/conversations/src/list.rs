//! The lists of an inbox.

use lambda_http::Request;
use shared_aws::conversation::Listing;
use shared_domain::{
    conversation::{Filter, Folder},
    ids::UserId,
    time::Timestamp,
};
use shared_http::{
    access::{self, MemberAccess},
    input,
    problem::Problem,
    reply::{self, Outcome},
    wire::{Page, conversation::ConversationView, problem::ProblemView},
};

use crate::{App, place, search};

/// List conversations
///
/// One folder, newest activity first. `assignedTo` and `read` combine. With `q`, those whose contact has this id of the
/// customer's, this number, or a name that begins like this; in both folders unless one is named. A page may be shorter
/// than asked; the last one has no `nextCursor`. A cursor belongs to the list with the same filters.
#[utoipa::path(get, path = "/v1/inboxes/{inboxId}/conversations", tag = "conversations",
    params(("inboxId" = String, Path), ("folder" = Option<String>, Query, description = "`inbox` (default) or `archived`"),
        ("assignedTo" = Option<String>, Query, description = "`me`, or the id of a user"),
        ("read" = Option<String>, Query, description = "`read` or `unread`"),
        ("q" = Option<String>, Query, description = "Name, customer's own id, or number"),
        ("limit" = Option<u16>, Query, description = "1 to 100, default 25"), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = Page<ConversationView>), (status = 400, body = ProblemView),
        (status = 404, body = ProblemView), (status = 422, body = ProblemView)))]
pub(crate) async fn list(app: &App, now: Timestamp, request: &Request) -> Outcome {
    let member = access::member(request, &app.claims, &app.members).await?;
    let (folder, filter) = (folder(request)?, filter(request, &member)?);
    if let Some(question) = search::question(request)? {
        return search::search(app, now, request, &member, folder, &filter, question).await;
    }
    let (folder, limit) = (folder.unwrap_or(Folder::Inbox), input::limit(request)?);
    let (organization, inbox) = (&member.organization, &member.membership.inbox);
    let scope = format!("conversations {inbox} {} {filter:?}", folder.as_str());
    let after = place(app, &member, &scope, request)?;
    let listing = Listing { organization, inbox, folder, filter: &filter };
    let page = app.conversations.list(listing, limit, after.as_deref()).await?;
    let items =
        page.conversations.iter().map(|conversation| ConversationView::of(conversation, now)).collect();
    let next_cursor = page.next.map(|place| app.cursors.seal(&member.principal, &scope, &place));
    reply::json(200, &Page { items, next_cursor })
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

/// What is to be shown of it.
fn filter(request: &Request, member: &MemberAccess) -> Result<Filter, Problem> {
    let assigned = match input::query(request, "assignedTo") {
        None => None,
        Some("me") => Some(member.membership.user.id.clone()),
        Some(user) => Some(
            UserId::parse(user).map_err(|_| Problem::bad_field("?assignedTo", "me, or the id of a user"))?,
        ),
    };
    let read = match input::query(request, "read") {
        None => None,
        Some("read") => Some(true),
        Some("unread") => Some(false),
        Some(_) => return Err(Problem::bad_field("?read", "read or unread")),
    };
    Ok(Filter { assigned, read })
}
