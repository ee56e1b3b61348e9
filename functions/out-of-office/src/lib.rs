//! Out of Office of an inbox: set by the admins of its team, and by the user of a personal inbox. `PUT`
//! replaces the whole setting and is idempotent.

use axum::{
    Router,
    extract::{FromRef, State},
};
use shared_aws::{
    clients::Aws,
    inbox::{Inboxes, OutOfOffice, Saved, Stored},
    table::Table,
    team::{AuditEvent, Members},
};
use shared_domain::out_of_office::{Draft, Schedule};
use shared_http::{
    access::{InboxAccess, InboxEditor},
    caller::Claims,
    etag::IfMatch,
    json::Json,
    problem::Problem,
    request::{Entropy, Now},
    serve,
    wire::out_of_office::OutOfOfficeView,
};
use shared_lambda::config::{ConfigError, Environment};

/// Requests that save at the same time read again. With `If-Match`, only the first of them goes through.
const ATTEMPTS: usize = 3;

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
    Ok(Json(view(app.out_of_office.get(inbox.key()).await?)))
}

/// Replace Out of Office
///
/// For admins of the inbox's team, the organization's owner, and the user of a personal inbox. `on` starts
/// when it is saved. With `If-Match`, the change is refused with `412` if the settings are not those that you
/// read.
#[utoipa::path(put, path = "/v1/inboxes/{inboxId}/out-of-office",
    tag = "inboxes", operation_id = "replaceOutOfOffice",
    params(("inboxId" = String, Path), ("If-Match" = Option<String>, Header, description = "`ETag` of `getOutOfOffice`")),
    request_body = OutOfOfficeView,
    responses((status = 200, body = OutOfOfficeView)),
    extensions(("x-errors" = json!(["admin_required", "invalid_fields"]))))]
async fn replace(
    State(app): State<App>,
    InboxEditor(InboxAccess { inbox, caller, .. }): InboxEditor,
    Now(now): Now,
    Entropy(entropy): Entropy,
    if_match: IfMatch,
    Json(body): Json<OutOfOfficeView>,
) -> Result<Json<OutOfOfficeView>, Problem> {
    let schedule = Schedule::parse(&Draft::from(body))?;
    let (actor, target) = (&caller.user.id, inbox.id.as_str());
    let event = AuditEvent { actor, action: "out_of_office.edit", target, at: now, entropy };
    for _ in 0..ATTEMPTS {
        let before = app.out_of_office.stored(inbox.key()).await?;
        let known = before.as_ref().map(Stored::saved);
        if_match.check(&view(known.clone()))?;
        let draft = schedule.draft();
        // Saving the same mode again keeps the start of the closed period, so that no contact is answered
        // twice in it.
        let saved_at =
            known.filter(|known| known.draft.mode == draft.mode).map_or(now, |known| known.saved_at);
        let saved = Saved { draft, saved_at };
        let (team, key) = (inbox.team_key(), inbox.key());
        if app.out_of_office.replace(team, key, before.as_ref(), &saved, &event).await? {
            return Ok(Json(OutOfOfficeView::from(saved.draft)));
        }
    }
    Err(Problem::changed("Out of Office was changed by another request at the same time. Try again."))
}

/// What a reader sees. `off` if it was never set.
fn view(saved: Option<Saved>) -> OutOfOfficeView {
    let never_set = || Draft { time_zone: "UTC".into(), ..Draft::default() };
    OutOfOfficeView::from(saved.map_or_else(never_set, |saved| saved.draft))
}
