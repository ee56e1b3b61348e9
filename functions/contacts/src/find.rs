//! Finding contacts: by the customer's own id, by number, by the beginning of a name, or all of them.

use lambda_http::Request;
use shared_aws::contact::{ContactEntry, ContactPage};
use shared_domain::{field::FieldError, ids::ContactId, phone::PhoneNumber};
use shared_http::{
    access::{self, TeamAccess},
    input,
    problem::Problem,
    reply::{self, Outcome},
    wire::{Page, contact::ContactView, problem::ProblemView},
};

use crate::App;

/// The longest question that is looked up.
const MAX_QUESTION: usize = 80;

/// List contacts
///
/// For the team's members. `q` finds an exact id of the customer's, a number in any usual notation, or the beginning of a
/// name (`jo`, `smith`, `jo smith`, `smith jo`).
#[utoipa::path(get, path = "/v1/teams/{teamId}/contacts", tag = "contacts",
    params(("teamId" = String, Path), ("q" = Option<String>, Query), ("limit" = Option<u16>, Query, description = "1 to 100, default 25"),
        ("cursor" = Option<String>, Query)),
    responses((status = 200, body = Page<ContactView>), (status = 400, body = ProblemView), (status = 404, body = ProblemView),
        (status = 422, body = ProblemView)))]
pub(crate) async fn list(app: &App, request: &Request) -> Outcome {
    let access = access::team(request, &app.claims, &app.members).await?;
    let limit = input::limit(request)?;
    let question = input::query(request, "q").map(str::trim).filter(|question| !question.is_empty());
    if question.is_some_and(|question| question.chars().count() > MAX_QUESTION) {
        return Err(FieldError::new("?q", "at most 80 characters").into());
    }
    let scope = format!("contacts {} {}", access.team(), question.unwrap_or_default());
    let cursor = input::query(request, "cursor");
    let after = cursor.map(|cursor| app.cursors.open(&access.principal, &scope, cursor)).transpose()?;
    let (organization, team) = (&access.organization, access.team());
    let found = match question {
        None => app.book.page(organization, team, limit, after.as_deref()).await?,
        Some(question) => {
            let exact = if after.is_none() { exact(app, &access, question).await? } else { None };
            match exact {
                Some(entry) => ContactPage { entries: vec![entry], next: None },
                None => app.book.by_name(organization, team, question, limit, after.as_deref()).await?,
            }
        }
    };
    let items = found.entries.iter().map(ContactView::of).collect();
    let next_cursor = found.next.map(|place| app.cursors.seal(&access.principal, &scope, &place));
    reply::json(200, &Page { items, next_cursor })
}

async fn exact(app: &App, access: &TeamAccess, question: &str) -> Result<Option<ContactEntry>, Problem> {
    let (organization, team) = (&access.organization, access.team());
    if let Some(entry) = app.book.by_external_id(organization, team, question).await? {
        return Ok(Some(entry));
    }
    let Ok(number) = PhoneNumber::parse(question) else { return Ok(None) };
    match app.contacts.by_number(organization, team, &number).await? {
        Some(contact) => Ok(app.book.get(organization, team, &contact.id).await?),
        None => Ok(None),
    }
}

/// Read a contact
///
/// For the team's members.
#[utoipa::path(get, path = "/v1/teams/{teamId}/contacts/{contactId}", tag = "contacts",
    params(("teamId" = String, Path), ("contactId" = String, Path)),
    responses((status = 200, body = ContactView), (status = 404, body = ProblemView)))]
pub(crate) async fn read(app: &App, request: &Request) -> Outcome {
    let access = access::team(request, &app.claims, &app.members).await?;
    reply::json(200, &ContactView::of(&in_path(app, &access, request).await?))
}

/// The contact in the path.
pub(crate) async fn in_path(
    app: &App,
    access: &TeamAccess,
    request: &Request,
) -> Result<ContactEntry, Problem> {
    let contact: ContactId = input::path_id(request, "contactId")?;
    let entry = app.book.get(&access.organization, access.team(), &contact).await?;
    entry.ok_or_else(Problem::not_found)
}
