//! The signed-in user, teams with their members, which e-mails they want, and what their admins did.
//!
//! Creating a team is idempotent by `Idempotency-Key`; members are put under their own id, so putting them twice is once.

mod me;
mod members;
mod notifications;
mod teams;

use lambda_http::{Body, Request, Response};
use shared_aws::{
    clients::{Aws, Secrets},
    conversation::{Locks, Unread},
    inbox::Inboxes,
    table::{Table, UsedKeys},
    team::{Audit, Members, TeamMembers, Teams},
};
use shared_domain::time::Timestamp;
use shared_http::{caller::Claims, cursor::Cursors, input, problem::Problem, reply};
use shared_lambda::config::Environment;
use utoipa::OpenApi;

/// What the function uses.
#[derive(Debug)]
pub struct App {
    claims: Claims,
    cursors: Cursors,
    members: Members,
    inboxes: Inboxes,
    unread: Unread,
    teams: Teams,
    team_members: TeamMembers,
    locks: Locks,
    audit: Audit,
    keys: UsedKeys,
}

impl App {
    /// Reads settings and the signing secret, and makes clients.
    ///
    /// # Errors
    /// Every setting that is wrong, or the secret that could not be read.
    pub async fn from_environment() -> Result<Self, lambda_http::Error> {
        let mut env = Environment::default();
        let (name, signing) = (env.required("TABLE_NAME"), env.required("SIGNING_SECRET"));
        let claims = Claims::from_environment(&mut env);
        env.finish()?;
        let aws = Aws::from_environment()?;
        let signing = Secrets::of(&aws).text(&signing).await?;
        Ok(Self::new(&Table::of(&aws, name), claims, Cursors::new(&signing)))
    }

    /// Over this table.
    pub fn new(table: &Table, claims: Claims, cursors: Cursors) -> Self {
        Self {
            claims,
            cursors,
            members: Members::new(table.clone()),
            inboxes: Inboxes::new(table.clone()),
            unread: Unread::new(table.clone()),
            teams: Teams::new(table.clone()),
            team_members: TeamMembers::new(table.clone()),
            locks: Locks::new(table.clone()),
            audit: Audit::new(table.clone()),
            keys: UsedKeys::new(table.clone()),
        }
    }
}

/// Answers one request. `entropy` is random and tells teams of one instant apart.
pub async fn handle(app: &App, now: Timestamp, entropy: u64, request: Request) -> Response<Body> {
    let outcome = match input::route(&request) {
        "GET /v1/me" => me::me(app, now, &request).await,
        "GET /v1/teams" => teams::list(app, &request).await,
        "POST /v1/teams" => teams::create(app, now, entropy, &request).await,
        "GET /v1/teams/{teamId}" => teams::read(app, &request).await,
        "PATCH /v1/teams/{teamId}" => teams::change(app, now, entropy, &request).await,
        "GET /v1/teams/{teamId}/audit" => teams::audit(app, &request).await,
        "GET /v1/teams/{teamId}/members" => members::list(app, &request).await,
        "GET /v1/teams/{teamId}/members/{userId}" => members::read(app, &request).await,
        "PUT /v1/teams/{teamId}/members/{userId}" => members::put(app, now, entropy, &request).await,
        "DELETE /v1/teams/{teamId}/members/{userId}" => members::remove(app, now, entropy, &request).await,
        "GET /v1/teams/{teamId}/notification-settings" => notifications::read(app, &request).await,
        "PUT /v1/teams/{teamId}/notification-settings" => {
            notifications::replace(app, now, entropy, &request).await
        }
        _ => Err(Problem::not_found()),
    };
    reply::finish(&reply::request_id(&request), outcome)
}

fn unknown_user() -> Problem {
    Problem::forbidden("user_required", "This user is not known here.")
}

/// Somebody else changed the same at this instant: the caller may ask again.
fn changed() -> Problem {
    Problem::changed("It was changed at this instant by somebody else; try again.")
}

/// This function's part of the OpenAPI document.
#[derive(Debug, OpenApi)]
#[openapi(paths(
    me::me,
    teams::list,
    teams::create,
    teams::read,
    teams::change,
    teams::audit,
    members::list,
    members::read,
    members::put,
    members::remove,
    notifications::read,
    notifications::replace
))]
pub struct Api;
