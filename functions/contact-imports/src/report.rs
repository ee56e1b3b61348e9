//! Reports of imports.

use axum::extract::State;
use shared_domain::{ids, import::Import};
use shared_http::{
    access::TeamAdmin,
    json::Json,
    page::PageRequest,
    problem::Problem,
    request::PathId,
    wire::{Page, contact_import::ImportView},
};

use crate::App;

/// Read an import's report
///
/// For team admins and the organization's owner: the progress, the counts and the refused rows with their
/// reasons. The counts grow in steps of some hundred rows while the import runs. Reports are kept for 90
/// days.
#[utoipa::path(get, path = "/v1/teams/{teamId}/contact-imports/{importId}",
    tag = "contacts", operation_id = "getContactImport",
    params(("teamId" = String, Path), ("importId" = String, Path)),
    responses((status = 200, body = ImportView)),
    extensions(("x-errors" = json!(["admin_required"]))))]
pub(crate) async fn read(
    State(app): State<App>,
    TeamAdmin(access): TeamAdmin,
    PathId(id): PathId<ids::kind::Import>,
) -> Result<Json<ImportView>, Problem> {
    let import = app.imports.get(access.team_key(), &id).await?;
    Ok(Json(view(&app, &import.ok_or_else(Problem::not_found)?).await?))
}

/// List imports
///
/// Newest first, without the refused rows. For team admins and the organization's owner.
#[utoipa::path(get, path = "/v1/teams/{teamId}/contact-imports",
    tag = "contacts", operation_id = "listContactImports",
    params(("teamId" = String, Path), ("limit" = Option<u16>, Query, description = "1 to 100, default 25"),
        ("cursor" = Option<String>, Query)),
    responses((status = 200, body = Page<ImportView>)),
    extensions(("x-errors" = json!(["admin_required"]))))]
pub(crate) async fn list(
    State(app): State<App>,
    TeamAdmin(access): TeamAdmin,
    page: PageRequest,
) -> Result<Json<Page<ImportView>>, Problem> {
    let page = page.of(&access.principal, format!("contact-imports {}", access.team())).await?;
    let found = app.imports.page(access.team_key(), page.limit, page.after()).await?;
    let items = found.items.iter().map(|import| ImportView::of(import, Vec::new()));
    Ok(Json(page.response(items, found.next.as_deref())))
}

pub(crate) async fn view(app: &App, import: &Import) -> Result<ImportView, Problem> {
    Ok(ImportView::of(import, app.imports.errors(import).await?))
}
