//! Inboxes: the creation wizard, the numbers it offers, settings, members, retiring.
//!
//! Creating an inbox is idempotent by `Idempotency-Key`, even if the function dies after the purchase: see
//! [`mod@create`].

mod create;
mod draft;
mod edit;
mod members;
mod numbers;
mod wizard;

use std::time::Duration;

use axum::{Router, extract::FromRef};
use shared_app::carrier;
use shared_aws::{
    clients::{Aws, Secrets},
    conversation::Locks,
    inbox::{Inboxes, NewInboxes},
    registration::Registrations,
    table::{Table, UsedKeys},
    team::{Members, TeamMembers, Teams},
};
use shared_carriers::twilio::Client;
use shared_http::{caller::Claims, problem::Problem, serve};
use shared_lambda::{clock, config::Environment};

/// The limit for one call to the carrier. Three of them fit into one request.
const CARRIER_TIMEOUT: Duration = Duration::from_secs(8);

/// The function's clients and settings.
#[derive(Debug, Clone, FromRef)]
pub struct App {
    claims: Claims,
    carrier: Client,
    #[from_ref(skip)]
    webhooks: String,
    #[from_ref(skip)]
    max_numbers: u32,
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
    /// Reads the settings and creates the clients. Errors with every invalid setting.
    pub fn from_environment() -> Result<Self, lambda_http::Error> {
        let mut env = Environment::default();
        let (name, webhooks) = (env.required("TABLE_NAME"), env.required("PUBLIC_BASE_URL"));
        let (secret, url) = (env.required("CARRIER_SECRET"), env.required("CARRIER_BASE_URL"));
        let messaging_url = env.required("CARRIER_MESSAGING_URL");
        let max_numbers = env.number("NUMBERS_PER_ORGANIZATION", 1);
        let claims = Claims::from_environment(&mut env);
        env.finish()?;
        let aws = Aws::from_environment()?;
        let carrier = carrier::client(&Secrets::of(&aws), &secret, &url, CARRIER_TIMEOUT, clock::now)?;
        let carrier = carrier.with_messaging_url(&messaging_url)?;
        let app = Self::new(&Table::of(&aws, name), claims, carrier, webhooks);
        Ok(app.with_max_numbers(max_numbers))
    }

    /// Uses this table and carrier, without a limit of numbers. `webhooks` is the public base URL to which
    /// new numbers send calls and texts.
    pub fn new(table: &Table, claims: Claims, carrier: Client, webhooks: String) -> Self {
        Self {
            claims,
            carrier,
            webhooks,
            max_numbers: u32::MAX,
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

    /// Limits the numbers of each organization.
    #[must_use]
    pub fn with_max_numbers(self, max_numbers: u32) -> Self {
        Self { max_numbers, ..self }
    }
}

shared_http::routes! {
    App:
    wizard::start,
    numbers::search,
    edit::list, create::create,
    edit::read, edit::update, edit::retire,
    members::list,
    members::add, members::remove,
}

/// The function's router.
pub fn router(app: App) -> Router {
    serve::router(routes(), app)
}

/// The inbox was changed by another request at the same time.
fn changed() -> Problem {
    Problem::changed("The inbox was changed by another request at the same time. Try again.")
}

fn api_code_taken() -> Problem {
    Problem::new(409, "api_code_taken", "Another inbox of the organization already uses this API code.")
        .with_error("/apiCode", "already in use")
}
