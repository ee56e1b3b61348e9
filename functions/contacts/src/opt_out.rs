//! Opting contacts out and in by hand, and the opt-out ledgers.

use axum::{extract::State, response::Response};
use shared_app::opt_out::{OptOutRequest, Outcome};
use shared_aws::table;
use shared_domain::{
    contact::Contact,
    field::FieldError,
    keys::TeamKey,
    opt_out::{LedgerEntry, OptOutSubject},
    time::Timestamp,
};
use shared_http::{
    access::TeamAccess,
    json::Json,
    list_format::ListFormat,
    page::{ListPage, PageRequest},
    problem::Problem,
    request::{KnownParameters, Now, Query},
    wire::{
        Page,
        contact::{ContactView, OptOutEntryView},
    },
};

use crate::{
    App, changed,
    find::{self, ContactInPath},
};

/// Opt a contact out
///
/// For the team's members, when a contact asked to stop in words other than a keyword. Idempotent.
#[utoipa::path(put, path = "/v1/teams/{teamId}/contacts/{contactId}/opt-out",
    tag = "contacts", operation_id = "optOutContact",
    params(("teamId" = String, Path), ("contactId" = String, Path)),
    responses((status = 200, body = ContactView)))]
pub(crate) async fn put(
    State(app): State<App>,
    access: TeamAccess,
    ContactInPath(entry): ContactInPath,
    Now(now): Now,
    _: KnownParameters,
) -> Result<Json<ContactView>, Problem> {
    set(&app, &access, &entry.contact, true, now).await
}

/// Opt a contact in again
///
/// For the team's members: records new consent, which ends every earlier opt-out. Idempotent.
#[utoipa::path(delete, path = "/v1/teams/{teamId}/contacts/{contactId}/opt-out",
    tag = "contacts", operation_id = "optInContact",
    params(("teamId" = String, Path), ("contactId" = String, Path)),
    responses((status = 200, body = ContactView)))]
pub(crate) async fn delete(
    State(app): State<App>,
    access: TeamAccess,
    ContactInPath(entry): ContactInPath,
    Now(now): Now,
    _: KnownParameters,
) -> Result<Json<ContactView>, Problem> {
    set(&app, &access, &entry.contact, false, now).await
}

async fn set(
    app: &App,
    access: &TeamAccess,
    contact: &Contact,
    opted_out: bool,
    now: Timestamp,
) -> Result<Json<ContactView>, Problem> {
    let subject = OptOutSubject::of_team(&access.organization, access.team(), &contact.number);
    let request = OptOutRequest {
        subject: &subject,
        team: access.team(),
        contact: Some(&contact.id),
        message: None,
        user: Some(&access.caller.user.id),
        notify: true,
        at: now,
    };
    let outcome = app.opt_out.apply_user(&request, opted_out).await?;
    let entry = find::get(app, access, &contact.id).await?;
    match outcome {
        Outcome::Done => Ok(Json(ContactView::of(&entry))),
        Outcome::ContactRemoved | Outcome::Contended => Err(changed()),
    }
}

/// List a contact's opt-outs
///
/// Every change with its source, newest first, for the team's members. `Accept: text/csv` returns CSV; the
/// header `x-next-cursor` is then the cursor of the next page.
#[utoipa::path(get, path = "/v1/teams/{teamId}/contacts/{contactId}/opt-outs",
    tag = "contacts", operation_id = "listContactOptOuts",
    params(("teamId" = String, Path), ("contactId" = String, Path), ("limit" = Option<u16>, Query),
        ("cursor" = Option<String>, Query)),
    responses((status = 200, content((Page<OptOutEntryView> = "application/json"), (String = "text/csv")),
        headers(("x-next-cursor" = String, description = "With `text/csv`: the cursor of the next page. Absent on the last page")))))]
pub(crate) async fn of_contact(
    State(app): State<App>,
    access: TeamAccess,
    ContactInPath(entry): ContactInPath,
    format: ListFormat,
    page: PageRequest,
) -> Result<Response, Problem> {
    let contact = &entry.contact.id;
    let page = format.page(page).of(&access.principal, format!("opt-outs {contact}")).await?;
    let ledger = app.opt_outs.of_contact(&access.organization, contact, page.limit, page.after()).await?;
    Ok(response(format, &page, &ledger))
}

/// List a team's opt-outs
///
/// Every change with its source, newest first, since `from` and before `to`, for the team's members. `Accept:
/// text/csv` returns CSV; the header `x-next-cursor` is then the cursor of the next page.
#[utoipa::path(get, path = "/v1/teams/{teamId}/opt-outs", tag = "contacts", operation_id = "listOptOuts",
    params(("teamId" = String, Path), ("from" = Option<String>, Query, description = "Since this time", format = DateTime),
        ("to" = Option<String>, Query, description = "Before this time", format = DateTime),
        ("limit" = Option<u16>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, content((Page<OptOutEntryView> = "application/json"), (String = "text/csv")),
        headers(("x-next-cursor" = String, description = "With `text/csv`: the cursor of the next page. Absent on the last page")))),
    extensions(("x-errors" = json!(["invalid_fields"]))))]
pub(crate) async fn of_team(
    State(app): State<App>,
    access: TeamAccess,
    Now(now): Now,
    query: Query,
    format: ListFormat,
    page: PageRequest,
) -> Result<Response, Problem> {
    let from = instant(&query, "from", Timestamp::from_millis(0))?;
    let to = instant(&query, "to", now + std::time::Duration::from_hours(24))?;
    let team = access.team();
    // Without `to`, the default moves with the time and is not part of the list's name.
    let list = format!("opt-outs {team} {} {}", from.millis(), query.get("to").unwrap_or_default());
    let page = format.page(page).of(&access.principal, list).await?;
    let ledger = app
        .opt_outs
        .of_team(TeamKey { organization: &access.organization, team }, (from, to), page.limit, page.after())
        .await?;
    Ok(response(format, &page, &ledger))
}

fn instant(query: &Query, name: &str, default: Timestamp) -> Result<Timestamp, Problem> {
    let Some(text) = query.get(name) else { return Ok(default) };
    let invalid = || FieldError::new(format!("?{name}"), "a timestamp, such as 2026-11-22T10:00:00Z");
    Ok(Timestamp::parse(text).ok_or_else(invalid)?)
}

fn response(format: ListFormat, page: &ListPage, ledger: &table::Page<LedgerEntry>) -> Response {
    let items = ledger.items.iter().map(OptOutEntryView::of);
    let page = page.response(items, ledger.next.as_deref());
    let columns = ["at", "contactId", "phoneNumber", "status", "scope", "source", "messageId", "userId"];
    format.response(&page, columns, |line| {
        [
            line.at.as_str(),
            &line.contact_id,
            &line.phone_number,
            line.status,
            line.scope,
            line.source,
            line.message_id.as_deref().unwrap_or_default(),
            line.user_id.as_deref().unwrap_or_default(),
        ]
    })
}
