//! The feed: the events of a user's inboxes and teams, in pages, and the tickets of sockets.
//!
//! The cursor is the reader's position in each inbox and team, so it advances by what was returned, and it
//! survives changes of memberships. A poll that finds nothing costs two requests.

mod feed;
mod positions;
mod tickets;

use axum::{
    Router,
    extract::{FromRef, State},
};
use shared_aws::{
    clients::{Aws, Secrets, SigningSecret},
    event::EventLog,
    realtime::Tickets,
    table::Table,
    team::Members,
};
use shared_http::{
    caller::{Claims, UserCaller},
    cursor::Cursors,
    json::Json,
    page::PageRequest,
    problem::Problem,
    serve,
    wire::event::Feed,
};
use shared_lambda::config::{ConfigError, Environment};

/// The function's clients and settings.
#[derive(Debug, Clone, FromRef)]
pub struct App {
    claims: Claims,
    cursors: Cursors,
    members: Members,
    log: EventLog,
    tickets: Tickets,
    realtime: RealtimeUrl,
}

/// Address of the socket.
#[derive(Debug, Clone)]
pub struct RealtimeUrl(pub String);

impl App {
    /// Reads the settings and creates the clients. Errors with every invalid setting.
    pub fn from_environment() -> Result<Self, ConfigError> {
        let mut env = Environment::default();
        let (name, signing) = (env.required("TABLE_NAME"), env.required("SIGNING_SECRET"));
        let realtime = RealtimeUrl(env.required("REALTIME_URL"));
        let claims = Claims::from_environment(&mut env);
        env.finish()?;
        let aws = Aws::from_environment()?;
        let cursors = Cursors::new(SigningSecret::named(&Secrets::of(&aws), signing));
        Ok(Self::new(&Table::of(&aws, name), claims, cursors, realtime))
    }

    /// Uses this table.
    pub fn new(table: &Table, claims: Claims, cursors: Cursors, realtime: RealtimeUrl) -> Self {
        Self {
            claims,
            cursors,
            members: Members::new(table.clone()),
            log: EventLog::new(table.clone()),
            tickets: Tickets::new(table.clone()),
            realtime,
        }
    }
}

shared_http::routes! {
    App:
    list,
    tickets::issue,
}

/// The function's router.
pub fn router(app: App) -> Router {
    serve::router(routes(), app)
}

/// List events
///
/// What changed in the inboxes and teams that you are a member of, since the cursor. Without a cursor, the
/// list is empty and `nextCursor` is the present position: get one before you load what the events change.
/// Repeat the request with `nextCursor` until `items` is empty, then again after some seconds.
///
/// Events of one inbox or team come in their order, without gaps. Events of different ones come in no order.
/// `joined` and `left` name the inboxes and teams whose events begin and end with this response: load those
/// that you joined. Events are kept for three days. `410` names what to load again in `resync`, and has the
/// `nextCursor` to continue with.
#[utoipa::path(get, path = "/v1/events", tag = "events", operation_id = "listEvents",
    params(("limit" = Option<u16>, Query, minimum = 1, maximum = 100, description = "Default: 25."),
        ("cursor" = Option<String>, Query, description = "`nextCursor` of the response before.")),
    responses((status = 200, body = Feed)),
    extensions(("x-errors" = json!(["bad_cursor", "cursor_expired"]))))]
async fn list(State(app): State<App>, caller: UserCaller, page: PageRequest) -> Result<Json<Feed>, Problem> {
    let page = page.of(&caller.principal(), "events").await?;
    Ok(Json(feed::read(&app, &caller, &page).await?))
}
