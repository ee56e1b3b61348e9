//! Out of Office of an inbox: set by the admins of its team, and by the user of a personal inbox. `PUT`
//! replaces the whole setting and is idempotent.

use axum::{
    Router,
    extract::{FromRef, State},
};
use shared_aws::{
    clients::Aws,
    inbox::{Inboxes, OutOfOffice, Saved},
    table::Table,
    team::{AuditEvent, Members},
};
use shared_domain::out_of_office::{Draft, Schedule};
use shared_http::{
    access::{InboxAccess, InboxEditor},
    caller::Claims,
    json::Json,
    problem::Problem,
    request::{Entropy, Now},
    serve,
    wire::out_of_office::OutOfOfficeView,
};
use shared_lambda::config::{ConfigError, Environment};

/// The function's clients and settings.
#[derive(Debug, Clone, FromRef)]
pub struct App {
    claims: Claims,
    members: Members,
    inboxes: Inboxes,
    out_of_office: OutOfOffice,
}

impl App {
    /// Reads the settings and creates the clients. Errors with every invalid setting.
    pub fn from_environment() -> Result<Self, ConfigError> {
        let mut env = Environment::default();
        let (name, claims) = (env.required("TABLE_NAME"), Claims::from_environment(&mut env));
        env.finish()?;
        Ok(Self::new(&Table::of(&Aws::from_environment()?, name), claims))
    }

    /// Uses this table.
    pub fn new(table: &Table, claims: Claims) -> Self {
        Self {
            claims,
            members: Members::new(table.clone()),
            inboxes: Inboxes::new(table.clone()),
            out_of_office: OutOfOffice::new(table.clone()),
        }
    }
}

shared_http::routes! {
    App:
    read, replace,
}

/// The function's router.
pub fn router(app: App) -> Router {
    serve::router(routes(), app)
}

/// Read Out of Office
///
/// For the inbox's members, the admins of its team and the organization's owner. `off` if it was never set.
#[utoipa::path(get, path = "/v1/inboxes/{inboxId}/out-of-office",
    tag = "inboxes", operation_id = "getOutOfOffice",
    params(("inboxId" = String, Path)),
    responses((status = 200, body = OutOfOfficeView)))]
async fn read(
    State(app): State<App>,
    InboxAccess { inbox, .. }: InboxAccess,
) -> Result<Json<OutOfOfficeView>, Problem> {
    let saved = app.out_of_office.get(inbox.key()).await?;
    let never_set = || Draft { time_zone: "UTC".into(), ..Draft::default() };
    Ok(Json(OutOfOfficeView::from(saved.map_or_else(never_set, |saved| saved.draft))))
}

/// Replace Out of Office
///
/// For admins of the inbox's team, the organization's owner, and the user of a personal inbox. `on` starts
/// when it is saved.
#[utoipa::path(put, path = "/v1/inboxes/{inboxId}/out-of-office",
    tag = "inboxes", operation_id = "replaceOutOfOffice",
    params(("inboxId" = String, Path)),
    request_body = OutOfOfficeView,
    responses((status = 200, body = OutOfOfficeView)),
    extensions(("x-errors" = json!(["admin_required", "invalid_fields"]))))]
async fn replace(
    State(app): State<App>,
    InboxEditor(InboxAccess { inbox, caller, .. }): InboxEditor,
    Now(now): Now,
    Entropy(entropy): Entropy,
    Json(body): Json<OutOfOfficeView>,
) -> Result<Json<OutOfOfficeView>, Problem> {
    let schedule = Schedule::parse(&Draft::from(body))?;
    let draft = schedule.draft();
    let before = app.out_of_office.get(inbox.key()).await?;
    // Saving the same mode again keeps the start of the closed period, so that no contact is answered twice
    // in it.
    let saved_at =
        before.filter(|before| before.draft.mode == draft.mode).map_or(now, |before| before.saved_at);
    let saved = Saved { draft, saved_at };
    let (actor, target) = (&caller.user.id, inbox.id.as_str());
    let event = AuditEvent { actor, action: "out_of_office.edit", target, at: now, entropy };
    app.out_of_office.put(inbox.team_key(), inbox.key(), &saved, &event).await?;
    Ok(Json(OutOfOfficeView::from(saved.draft)))
}
