//! Opt-outs by hand, and the ledgers of every change.

use std::fmt::Write;

use lambda_http::{Body, Request, Response};
use shared_app::opt_out::{self as opt_out_workflow, OptOutRequest};
use shared_aws::opt_out::LedgerPage;
use shared_domain::{
    field::FieldError,
    import::export_safe,
    opt_out::{self, LedgerEntry, OptOutSubject},
    time::Timestamp,
};
use shared_http::{
    access::{self, TeamAccess},
    input,
    problem::Problem,
    reply::{self, Outcome},
    wire::{
        Page,
        contact::{ContactView, OptOutEntryView},
        problem::ProblemView,
    },
};

use crate::{App, changed, find::in_path};

/// The most lines of one CSV answer: a page of a larger ledger is asked for by its cursor.
const CSV_LINES: u16 = 100;

/// Opt a contact out
///
/// By any member of the team, for somebody who asked to stop in other words than a keyword. Idempotent.
#[utoipa::path(put, path = "/v1/teams/{teamId}/contacts/{contactId}/opt-out", tag = "contacts",
    params(("teamId" = String, Path), ("contactId" = String, Path)),
    responses((status = 200, body = ContactView), (status = 404, body = ProblemView)))]
pub(crate) async fn out(app: &App, now: Timestamp, request: &Request) -> Outcome {
    by_hand(app, now, request, true).await
}

/// Opt a contact in again
///
/// By any member of the team: the record of new consent, which opens whatever closed before. Idempotent.
#[utoipa::path(delete, path = "/v1/teams/{teamId}/contacts/{contactId}/opt-out", tag = "contacts",
    params(("teamId" = String, Path), ("contactId" = String, Path)),
    responses((status = 200, body = ContactView), (status = 404, body = ProblemView)))]
pub(crate) async fn back_in(app: &App, now: Timestamp, request: &Request) -> Outcome {
    by_hand(app, now, request, false).await
}

async fn by_hand(app: &App, now: Timestamp, request: &Request, opt_out: bool) -> Outcome {
    let access = access::team(request, &app.claims, &app.members).await?;
    let contact = in_path(app, &access, request).await?.contact;
    let subject = OptOutSubject::of_team(&access.organization, access.team(), &contact.number);
    let change = OptOutRequest {
        subject: &subject,
        team: access.team(),
        contact: Some(&contact.id),
        message: None,
        user: Some(&access.standing.user.id),
        notify: true,
        at: now,
    };
    let changed_state = app.opt_out.apply(&change, |state| opt_out::after_user(state, opt_out)).await?;
    let entry = in_path(app, &access, request).await?;
    match changed_state {
        opt_out_workflow::Outcome::Done => reply::json(200, &ContactView::of(&entry)),
        opt_out_workflow::Outcome::ContactChanged | opt_out_workflow::Outcome::Contended => Err(changed()),
    }
}

/// A contact's opt-outs
///
/// Every change with its source, newest first; for the team's members. `Accept: text/csv` gives CSV.
#[utoipa::path(get, path = "/v1/teams/{teamId}/contacts/{contactId}/opt-outs", tag = "contacts",
    params(("teamId" = String, Path), ("contactId" = String, Path), ("limit" = Option<u16>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = Page<OptOutEntryView>), (status = 404, body = ProblemView)))]
pub(crate) async fn of_contact(app: &App, request: &Request) -> Outcome {
    let access = access::team(request, &app.claims, &app.members).await?;
    let contact = in_path(app, &access, request).await?.contact.id;
    let scope = format!("opt-outs {contact}");
    let after = place(app, &access, &scope, request)?;
    let limit = limit(request)?;
    let ledger = app.opt_outs.of_contact(&access.organization, &contact, limit, after.as_deref()).await?;
    answer(app, &access, &scope, request, ledger)
}

/// A team's opt-outs
///
/// Every change with its source, newest first, `from` (included) `to` (not included); for the team's members. `Accept:
/// text/csv` gives CSV, whose next page is named by the header `x-next-cursor`.
#[utoipa::path(get, path = "/v1/teams/{teamId}/opt-outs", tag = "contacts",
    params(("teamId" = String, Path), ("from" = Option<String>, Query), ("to" = Option<String>, Query),
        ("limit" = Option<u16>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = Page<OptOutEntryView>), (status = 400, body = ProblemView), (status = 404, body = ProblemView),
        (status = 422, body = ProblemView)))]
pub(crate) async fn of_team(app: &App, now: Timestamp, request: &Request) -> Outcome {
    let access = access::team(request, &app.claims, &app.members).await?;
    let from = instant(request, "from", Timestamp::from_millis(0))?;
    let to = instant(request, "to", now + std::time::Duration::from_hours(24))?;
    let scope = format!(
        "opt-outs {} {} {}",
        access.team(),
        from.millis(),
        input::query(request, "to").unwrap_or_default()
    );
    let after = place(app, &access, &scope, request)?;
    let limit = limit(request)?;
    let ledger = app
        .opt_outs
        .of_team(&access.organization, access.team(), (from, to), limit, after.as_deref())
        .await?;
    answer(app, &access, &scope, request, ledger)
}

fn instant(request: &Request, name: &str, default: Timestamp) -> Result<Timestamp, Problem> {
    let Some(text) = input::query(request, name) else { return Ok(default) };
    let instant = Timestamp::parse(text);
    Ok(instant
        .ok_or_else(|| FieldError::new(format!("?{name}"), "an instant, such as 2026-11-22T10:00:00Z"))?)
}

fn place(app: &App, access: &TeamAccess, scope: &str, request: &Request) -> Result<Option<String>, Problem> {
    let cursor = input::query(request, "cursor");
    cursor.map(|cursor| app.cursors.open(&access.principal, scope, cursor)).transpose()
}

fn limit(request: &Request) -> Result<u16, Problem> {
    if wants_csv(request) && input::query(request, "limit").is_none() {
        return Ok(CSV_LINES);
    }
    input::limit(request)
}

fn wants_csv(request: &Request) -> bool {
    let accept = request.headers().get("accept").and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/csv"))
}

fn answer(app: &App, access: &TeamAccess, scope: &str, request: &Request, ledger: LedgerPage) -> Outcome {
    let next_cursor = ledger.next.map(|place| app.cursors.seal(&access.principal, scope, &place));
    if wants_csv(request) {
        return Ok(csv(&ledger.entries, next_cursor));
    }
    let items = ledger.entries.iter().map(OptOutEntryView::of).collect();
    reply::json(200, &Page { items, next_cursor })
}

/// RFC 4180, each cell in quotes, and none of them a formula to a spreadsheet.
fn csv(entries: &[LedgerEntry], next_cursor: Option<String>) -> Response<Body> {
    let mut text = String::from("at,contactId,phoneNumber,status,scope,source,messageId,userId\r\n");
    for entry in entries {
        let line = OptOutEntryView::of(entry);
        let cells = [
            line.at.as_str(),
            &line.contact_id,
            &line.phone_number,
            line.status,
            line.scope,
            line.source,
            line.message_id.as_deref().unwrap_or_default(),
            line.user_id.as_deref().unwrap_or_default(),
        ];
        let cells = cells.map(|cell| format!("\"{}\"", export_safe(cell).replace('"', "\"\"")));
        let _ = write!(text, "{}\r\n", cells.join(","));
    }
    let mut answer = reply::response(200, "text/csv; charset=utf-8", text);
    if let Some(cursor) = next_cursor.and_then(|cursor| cursor.parse().ok()) {
        answer.headers_mut().insert("x-next-cursor", cursor);
    }
    answer
}
