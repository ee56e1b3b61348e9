//! The lists of an inbox.

use axum::extract::State;
use shared_aws::conversation::Listing;
use shared_domain::{
    conversation::{Assignment, Filter, Folder},
    field::FieldError,
    ids::UserId,
    keys::InboxKey,
};
use shared_http::{
    access::InboxMember,
    json::Json,
    page::PageRequest,
    problem::Problem,
    request::{Now, Query},
    wire::{
        Page,
        conversation::{ConversationView, FolderName},
        values::ReadState,
    },
};

use crate::{App, names::set_current_names, search};

/// List conversations
///
/// The conversations of one folder, latest activity first. `assignedTo` and `read` combine. With `q`, finds
/// conversations whose contact has this external ID or phone number, or a name that starts with it; searches
/// both folders unless you name one. A page of a search can have fewer items than `limit`; the last page of
/// any list has no `nextCursor`. Use a cursor with the filters of the request that returned it.
#[utoipa::path(get, path = "/v1/inboxes/{inboxId}/conversations",
    tag = "conversations", operation_id = "listConversations",
    params(("inboxId" = String, Path),
        ("folder" = Option<FolderName>, Query, description = "Default: `inbox`, or both with `q`"),
        ("assignedTo" = Option<String>, Query, description = "`me`, `none`, or a user ID"),
        ("read" = Option<ReadState>, Query, description = "All conversations if absent"),
        ("q" = Option<String>, Query, description = "A name, an external ID, or a phone number"),
        ("limit" = Option<u16>, Query, description = "1 to 100, default 25"),
        ("cursor" = Option<String>, Query)),
    responses((status = 200, body = Page<ConversationView>)),
    extensions(("x-errors" = json!(["invalid_fields"]))))]
pub(crate) async fn list(
    State(app): State<App>,
    member: InboxMember,
    Now(now): Now,
    query: Query,
    page: PageRequest,
) -> Result<Json<Page<ConversationView>>, Problem> {
    let (folder, filter) = (folder(&query)?, filter(&app, &query, &member).await?);
    if let Some(term) = query.search_term()? {
        return search::search(&app, now, &member, folder, &filter, term, page).await.map(Json);
    }
    let folder = folder.unwrap_or(Folder::Inbox);
    let inbox = InboxKey { organization: &member.organization, inbox: &member.membership.inbox };
    let page = page
        .of(&member.principal, format!("conversations {} {} {filter:?}", inbox.inbox, folder.as_str()))
        .await?;
    let listing = Listing { inbox, folder, filter: &filter };
    let mut found = app.conversations.list(listing, page.limit, page.after()).await?;
    set_current_names(&app, &member, &mut found.items).await?;
    let items = found.items.iter().map(|conversation| ConversationView::of(conversation, now));
    Ok(Json(page.response(items, found.next.as_deref())))
}

/// The folder of the request, if it names one.
fn folder(query: &Query) -> Result<Option<Folder>, Problem> {
    match query.get("folder") {
        None => Ok(None),
        Some("inbox") => Ok(Some(Folder::Inbox)),
        Some("archived") => Ok(Some(Folder::Archived)),
        Some(_) => Err(Problem::bad_field("?folder", "inbox or archived")),
    }
}

/// The filter of the request. Errors with `422` if `assignedTo` names no user of the organization.
async fn filter(app: &App, query: &Query, member: &InboxMember) -> Result<Filter, Problem> {
    let assigned = match query.get("assignedTo") {
        None => None,
        Some("me") => Some(Assignment::User(member.membership.user.id.clone())),
        Some("none") => Some(Assignment::None),
        Some(user) => {
            let unknown = || FieldError::new("?assignedTo", "me, none, or the ID of a user");
            let user = UserId::parse(user).map_err(|_| unknown())?;
            let known = app.members.user(&member.organization, &user).await?;
            Some(Assignment::User(known.ok_or_else(unknown)?.id))
        }
    };
    let read = match query.get("read") {
        None => None,
        Some("read") => Some(true),
        Some("unread") => Some(false),
        Some(_) => return Err(Problem::bad_field("?read", "read or unread")),
    };
    Ok(Filter { assigned, read })
}
