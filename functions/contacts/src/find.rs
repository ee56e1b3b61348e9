//! Searching contacts by external ID, phone number or the start of a name or of a word of it, and listing all
//! of them.

use axum::extract::{FromRequestParts, State};
use lambda_http::http::request::Parts;
use shared_aws::{
    contact::ContactEntry,
    table::{self, keys},
};
use shared_domain::{
    ids::{self, ContactId},
    keys::TeamKey,
    phone::PhoneNumber,
};
use shared_http::{
    access::TeamAccess,
    json::Json,
    page::{ListPage, PageRequest},
    problem::Problem,
    request::{PathId, Query},
    wire::{Page, contact::ContactView},
};

use crate::App;

/// List contacts
///
/// For the team's members. `q` finds an exact external ID, all contacts with a phone number in any common
/// format, and names of which a word begins like this (`jo`, `smith`, `jo smith`, `smith jo`).
#[utoipa::path(get, path = "/v1/teams/{teamId}/contacts", tag = "contacts", operation_id = "listContacts",
    params(("teamId" = String, Path), ("q" = Option<String>, Query, description = "An external ID, a phone number, or the beginning of a name"),
        ("limit" = Option<u16>, Query, description = "1 to 100, default 25"),
        ("cursor" = Option<String>, Query)),
    responses((status = 200, body = Page<ContactView>)),
    extensions(("x-errors" = json!(["invalid_fields"]))))]
pub(crate) async fn list(
    State(app): State<App>,
    access: TeamAccess,
    query: Query,
    page: PageRequest,
) -> Result<Json<Page<ContactView>>, Problem> {
    let term = query.search_term()?;
    let (organization, team) = (&access.organization, access.team());
    let page = page.of(&access.principal, format!("contacts {team} {}", term.unwrap_or_default())).await?;
    let found = match term {
        None => app.contacts.page(TeamKey { organization, team }, page.limit, page.after()).await?,
        Some(term) => {
            let with_id = with_external_id(&app, &access, term, &page).await?;
            let mut found = others(&app, &access, term, &page, with_id.is_some()).await?;
            if let Some(first) = with_id {
                found.items.retain(|entry| entry.contact.id != first.contact.id);
                found.items.insert(0, first);
            }
            found
        }
    };
    Ok(Json(page.response(found.items.iter().map(ContactView::of), found.next.as_deref())))
}

/// Returns the contact with this external ID, which is the first of the first page.
async fn with_external_id(
    app: &App,
    access: &TeamAccess,
    term: &str,
    page: &ListPage,
) -> Result<Option<ContactEntry>, Problem> {
    match page.after() {
        None => Ok(app.contacts.by_external_id(access.team_key(), term).await?),
        Some(_) => Ok(None),
    }
}

/// Returns the contacts with this phone number, or else with a name that begins like this.
async fn others(
    app: &App,
    access: &TeamAccess,
    term: &str,
    page: &ListPage,
    follows_another: bool,
) -> Result<table::Page<ContactEntry>, Problem> {
    let (team, after) = (access.team_key(), page.after());
    let limit = page.limit.saturating_sub(u16::from(follows_another)).max(1);
    let is_page_of_names = after.is_some_and(|after| !after.starts_with(keys::NUMBERS));
    if let Ok(number) = PhoneNumber::parse(term)
        && !is_page_of_names
    {
        let found = app.contacts.with_number(team, &number, limit, after).await?;
        if !found.items.is_empty() {
            return Ok(found);
        }
    }
    Ok(app.contacts.by_name(team, term, limit, after).await?)
}

/// Read a contact
///
/// For the team's members.
#[utoipa::path(get, path = "/v1/teams/{teamId}/contacts/{contactId}",
    tag = "contacts", operation_id = "getContact",
    params(("teamId" = String, Path), ("contactId" = String, Path)),
    responses((status = 200, body = ContactView)))]
pub(crate) async fn read(ContactInPath(entry): ContactInPath) -> Json<ContactView> {
    Json(ContactView::of(&entry))
}

/// The contact in the path, for a caller with access to its team. `404` if the team has no such contact.
pub(crate) struct ContactInPath(pub(crate) ContactEntry);

impl FromRequestParts<App> for ContactInPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let access = TeamAccess::from_request_parts(parts, app).await?;
        let PathId(contact) = PathId::<ids::kind::Contact>::from_request_parts(parts, app).await?;
        get(app, &access, &contact).await.map(Self)
    }
}

/// Reads a contact of the team. Errors with `404` if there is none.
pub(crate) async fn get(
    app: &App,
    access: &TeamAccess,
    contact: &ContactId,
) -> Result<ContactEntry, Problem> {
    let entry = app.contacts.get_entry(access.team_key(), contact).await?;
    entry.ok_or_else(Problem::not_found)
}
