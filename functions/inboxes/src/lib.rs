//! Inboxes: the creation wizard, the numbers it offers, settings, members, retiring.
//!
//! Creating is idempotent by `Idempotency-Key`, also across a crash after the purchase: see [`mod@create`].

mod create;
mod draft;
mod edit;
mod members;
mod numbers;
mod wizard;

use std::time::Duration;

use lambda_http::{Body, Request, Response};
use shared_aws::{
    clients::{Aws, Secrets},
    conversation::Locks,
    inbox::{Inboxes, NewInboxes},
    registration::Registrations,
    table::{Table, UsedKeys},
    team::{Members, TeamMembers, Teams},
};
use shared_carriers::twilio::{Client, Credentials};
use shared_domain::time::Timestamp;
use shared_http::{caller::Claims, input, problem::Problem, reply};
use shared_lambda::config::Environment;
use utoipa::OpenApi;

/// How long one call to the carrier may take: three of them fit into a request.
const CARRIER_TIMEOUT: Duration = Duration::from_secs(8);

/// What the function uses.
#[derive(Debug)]
pub struct App {
    claims: Claims,
    carrier: Client,
    webhooks: String,
    members: Members,
    team_members: TeamMembers,
    teams: Teams,
    inboxes: Inboxes,
    new_inboxes: NewInboxes,
    registrations: Registrations,
    locks: Locks,
    keys: UsedKeys,
}

impl App {
    /// Reads settings and the carrier's secret, and makes clients.
    ///
    /// # Errors
    /// Every setting that is wrong, or the secret that could not be read.
    pub async fn from_environment() -> Result<Self, lambda_http::Error> {
        let mut env = Environment::default();
        let (name, webhooks) = (env.required("TABLE_NAME"), env.required("PUBLIC_BASE_URL"));
        let (secret, url) = (env.required("CARRIER_SECRET"), env.required("CARRIER_BASE_URL"));
        let messaging_url = env.required("CARRIER_MESSAGING_URL");
        let claims = Claims::from_environment(&mut env);
        env.finish()?;
        let aws = Aws::from_environment()?;
        let account = Secrets::of(&aws).carrier(&secret).await?;
        let (username, password) = account.api_login();
        let credentials = Credentials { account_sid: account.account_sid, username, password };
        let carrier = Client::new(&url, credentials, CARRIER_TIMEOUT)?.with_messaging_url(&messaging_url)?;
        Ok(Self::new(&Table::of(&aws, name), claims, carrier, webhooks))
    }

    /// Over this table and carrier; `webhooks` is the public address that calls and texts of new numbers go to.
    pub fn new(table: &Table, claims: Claims, carrier: Client, webhooks: String) -> Self {
        Self {
            claims,
            carrier,
            webhooks,
            members: Members::new(table.clone()),
            team_members: TeamMembers::new(table.clone()),
            teams: Teams::new(table.clone()),
            inboxes: Inboxes::new(table.clone()),
            new_inboxes: NewInboxes::new(table.clone()),
            registrations: Registrations::new(table.clone()),
            locks: Locks::new(table.clone()),
            keys: UsedKeys::new(table.clone()),
        }
    }
}

/// Answers one request. `entropy` is random and tells inboxes of one instant apart.
pub async fn handle(app: &App, now: Timestamp, entropy: u64, request: Request) -> Response<Body> {
    let outcome = match input::route(&request) {
        "GET /v1/inbox-wizard" => wizard::wizard(app, entropy, &request).await,
        "GET /v1/numbers/available" => numbers::available(app, &request).await,
        "GET /v1/teams/{teamId}/inboxes" => edit::list(app, &request).await,
        "POST /v1/teams/{teamId}/inboxes" => create::create(app, now, entropy, &request).await,
        "GET /v1/inboxes/{inboxId}" => edit::read(app, &request).await,
        "PATCH /v1/inboxes/{inboxId}" => edit::change(app, now, entropy, &request).await,
        "DELETE /v1/inboxes/{inboxId}" => edit::retire(app, now, entropy, &request).await,
        "GET /v1/inboxes/{inboxId}/members" => members::list(app, &request).await,
        "PUT /v1/inboxes/{inboxId}/members/{userId}" => members::put(app, now, entropy, &request).await,
        "DELETE /v1/inboxes/{inboxId}/members/{userId}" => members::remove(app, now, entropy, &request).await,
        _ => Err(Problem::not_found()),
    };
    reply::finish(&reply::request_id(&request), outcome)
}

/// Somebody else changed the same at this instant: the caller may ask again.
fn changed() -> Problem {
    Problem::changed("It was changed at this instant by somebody else; try again.")
}

fn api_code_taken() -> Problem {
    Problem::new(409, "api_code_taken", "Another inbox of the organization has this API code.")
        .with_error("/apiCode", "taken")
}

/// This function's part of the OpenAPI document.
#[derive(Debug, OpenApi)]
#[openapi(paths(
    wizard::wizard,
    numbers::available,
    edit::list,
    create::create,
    edit::read,
    edit::change,
    edit::retire,
    members::list,
    members::put,
    members::remove
))]
pub struct Api;
