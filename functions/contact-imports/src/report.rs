//! Reports of imports.

use lambda_http::Request;
use shared_domain::{ids::ImportId, import::Import};
use shared_http::{
    access, input,
    problem::Problem,
    reply::{self, Outcome},
    wire::{Page, contact_import::ImportView, problem::ProblemView},
};

use crate::App;

/// Read an import's report
///
/// For admins of the team and the owner: how far it is, what its rows came to, and why rows were refused. While it runs the
/// counts grow by some hundred at once. Reports are kept for 90 days.
#[utoipa::path(get, path = "/v1/teams/{teamId}/contact-imports/{importId}", tag = "contacts",
    params(("teamId" = String, Path), ("importId" = String, Path)),
    responses((status = 200, body = ImportView), (status = 403, body = ProblemView), (status = 404, body = ProblemView)))]
pub(crate) async fn read(app: &App, request: &Request) -> Outcome {
    let access = access::team(request, &app.claims, &app.members).await?.manager()?;
    let id: ImportId = input::path_id(request, "importId")?;
    let import = app.imports.get(&access.organization, access.team(), &id).await?;
    reply::json(200, &view(app, &import.ok_or_else(Problem::not_found)?).await?)
}

/// List imports
///
/// Latest first, without their errors; for admins of the team and the owner.
#[utoipa::path(get, path = "/v1/teams/{teamId}/contact-imports", tag = "contacts",
    params(("teamId" = String, Path), ("limit" = Option<u16>, Query, description = "1 to 100, default 25"),
        ("cursor" = Option<String>, Query)),
    responses((status = 200, body = Page<ImportView>), (status = 400, body = ProblemView), (status = 403, body = ProblemView),
        (status = 404, body = ProblemView)))]
pub(crate) async fn list(app: &App, request: &Request) -> Outcome {
    let access = access::team(request, &app.claims, &app.members).await?.manager()?;
    let limit = input::limit(request)?;
    let scope = format!("contact-imports {}", access.team());
    let cursor = input::query(request, "cursor");
    let after = cursor.map(|cursor| app.cursors.open(&access.principal, &scope, cursor)).transpose()?;
    let found = app.imports.page(&access.organization, access.team(), limit, after.as_deref()).await?;
    let items = found.imports.iter().map(|import| ImportView::of(import, Vec::new())).collect();
    let next_cursor = found.next.map(|place| app.cursors.seal(&access.principal, &scope, &place));
    reply::json(200, &Page { items, next_cursor })
}

pub(crate) async fn view(app: &App, import: &Import) -> Result<ImportView, Problem> {
    Ok(ImportView::of(import, app.imports.faults(import).await?))
}
