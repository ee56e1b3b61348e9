//! Out of Office of an inbox: set by those who manage its team, and by the user of a personal one. `PUT` is idempotent: it
//! sets what it names.

use lambda_http::{Body, Request, Response};
use shared_aws::{
    clients::Aws,
    inbox::{Inboxes, OutOfOffice, Saved},
    table::Table,
    team::{AuditEvent, Members},
};
use shared_domain::{
    inbox::InboxKind,
    out_of_office::{Draft, Schedule},
    time::Timestamp,
};
use shared_http::{
    access::{self, InboxAccess},
    caller::Claims,
    input,
    problem::Problem,
    reply::{self, Outcome},
    wire::{out_of_office::OutOfOfficeView, problem::ProblemView},
};
use shared_lambda::config::{ConfigError, Environment};

use utoipa::OpenApi;

/// What the function uses.
#[derive(Debug)]
pub struct App {
    claims: Claims,
    members: Members,
    inboxes: Inboxes,
    out_of_office: OutOfOffice,
}

impl App {
    /// Reads settings and makes clients.
    ///
    /// # Errors
    /// [`ConfigError`] naming every setting that is wrong.
    pub fn from_environment() -> Result<Self, ConfigError> {
        let mut env = Environment::default();
        let (name, claims) = (env.required("TABLE_NAME"), Claims::from_environment(&mut env));
        env.finish()?;
        Ok(Self::new(&Table::of(&Aws::from_environment()?, name), claims))
    }

    /// Over this table.
    pub fn new(table: &Table, claims: Claims) -> Self {
        Self {
            claims,
            members: Members::new(table.clone()),
            inboxes: Inboxes::new(table.clone()),
            out_of_office: OutOfOffice::new(table.clone()),
        }
    }
}

/// Answers one request. `entropy` is random and tells deeds of one instant apart.
pub async fn handle(app: &App, now: Timestamp, entropy: u64, request: Request) -> Response<Body> {
    let outcome = match input::route(&request) {
        "GET /v1/inboxes/{inboxId}/out-of-office" => read(app, &request).await,
        "PUT /v1/inboxes/{inboxId}/out-of-office" => replace(app, now, entropy, &request).await,
        _ => Err(Problem::not_found()),
    };
    reply::finish(&reply::request_id(&request), outcome)
}

/// Read Out of Office
///
/// For the inbox's members and for those who manage its team; `off` unless it was set.
#[utoipa::path(get, path = "/v1/inboxes/{inboxId}/out-of-office", tag = "inboxes", params(("inboxId" = String, Path)),
    responses((status = 200, body = OutOfOfficeView), (status = 404, body = ProblemView)))]
async fn read(app: &App, request: &Request) -> Outcome {
    let InboxAccess { inbox, .. } = access::inbox(request, &app.claims, &app.members, &app.inboxes).await?;
    let saved = app.out_of_office.get(&inbox.organization, &inbox.id).await?;
    let draft =
        saved.map_or_else(|| Draft { time_zone: "UTC".into(), ..Draft::default() }, |saved| saved.draft);
    reply::json(200, &OutOfOfficeView::from(draft))
}

/// Set Out of Office
///
/// By those who manage the inbox's team, and by the user of a personal inbox. `on` begins when it is saved.
#[utoipa::path(put, path = "/v1/inboxes/{inboxId}/out-of-office", tag = "inboxes", params(("inboxId" = String, Path)),
    request_body = OutOfOfficeView,
    responses((status = 200, body = OutOfOfficeView), (status = 400, body = ProblemView), (status = 403, body = ProblemView),
        (status = 404, body = ProblemView), (status = 422, body = ProblemView)))]
async fn replace(app: &App, now: Timestamp, entropy: u64, request: &Request) -> Outcome {
    let access = access::inbox(request, &app.claims, &app.members, &app.inboxes).await?;
    let own = access.member && access.inbox.kind == InboxKind::Personal;
    let InboxAccess { inbox, standing, .. } = if own { access } else { access.manager()? };
    let wanted: OutOfOfficeView = input::body(request)?;
    let schedule = Schedule::parse(&Draft::from(wanted))?;
    let draft = schedule.draft();
    let before = app.out_of_office.get(&inbox.organization, &inbox.id).await?;
    // Saved again without a change of mode, what was switched on stays on since then: nobody is answered a second time.
    let saved_at =
        before.filter(|before| before.draft.mode == draft.mode).map_or(now, |before| before.saved_at);
    let saved = Saved { draft, saved_at };
    let (actor, target) = (&standing.user.id, inbox.id.as_str());
    let deed = AuditEvent { actor, action: "out_of_office.edit", target, at: now, entropy };
    app.out_of_office.put(&inbox.organization, &inbox.team, &inbox.id, &saved, &deed).await?;
    reply::json(200, &OutOfOfficeView::from(saved.draft))
}

/// This function's part of the OpenAPI document.
#[derive(Debug, OpenApi)]
#[openapi(paths(read, replace))]
pub struct Api;
