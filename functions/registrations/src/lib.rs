//! A team's A2P 10DLC registration: read by its members, submitted and resubmitted by those who manage it.

mod submit;

use std::time::Duration;

use lambda_http::{Body, Request, Response};
use shared_aws::{
    clients::{Aws, Secrets},
    inbox::Inboxes,
    registration::Registrations,
    table::{Table, UsedKeys},
    team::Members,
};
use shared_carriers::twilio::{Client, Credentials};
use shared_domain::time::Timestamp;
use shared_http::{
    access::{self, TeamAccess},
    caller::Claims,
    input,
    problem::Problem,
    reply::{self, Outcome},
    wire::{problem::ProblemView, registration::RegistrationView},
};
use shared_lambda::config::Environment;
use utoipa::OpenApi;

/// How long one call to the carrier may take. A first submission needs three and one for each number.
const CARRIER_TIMEOUT: Duration = Duration::from_secs(6);

/// What the function uses.
#[derive(Debug)]
pub struct App {
    claims: Claims,
    carrier: Client,
    brand: Option<String>,
    members: Members,
    inboxes: Inboxes,
    registrations: Registrations,
    keys: UsedKeys,
}

impl App {
    /// Reads settings and the carrier's secret, and makes clients.
    ///
    /// # Errors
    /// Every setting that is wrong, or the secret that could not be read.
    pub async fn from_environment() -> Result<Self, lambda_http::Error> {
        let mut env = Environment::default();
        let (name, secret) = (env.required("TABLE_NAME"), env.required("CARRIER_SECRET"));
        let (url, messaging_url) = (env.required("CARRIER_BASE_URL"), env.required("CARRIER_MESSAGING_URL"));
        let brand = env.optional("BRAND_SID");
        let claims = Claims::from_environment(&mut env);
        env.finish()?;
        let aws = Aws::from_environment()?;
        let account = Secrets::of(&aws).carrier(&secret).await?;
        let (username, password) = account.api_login();
        let credentials = Credentials { account_sid: account.account_sid, username, password };
        let carrier = Client::new(&url, credentials, CARRIER_TIMEOUT)?.with_messaging_url(&messaging_url)?;
        Ok(Self::new(&Table::of(&aws, name), claims, carrier, brand))
    }

    /// Over this table and carrier, for campaigns of this brand.
    pub fn new(table: &Table, claims: Claims, carrier: Client, brand: Option<String>) -> Self {
        Self {
            claims,
            carrier,
            brand,
            members: Members::new(table.clone()),
            inboxes: Inboxes::new(table.clone()),
            registrations: Registrations::new(table.clone()),
            keys: UsedKeys::new(table.clone()),
        }
    }
}

/// Answers one request. `entropy` is random and tells steps of one instant apart.
pub async fn handle(app: &App, now: Timestamp, entropy: u64, request: Request) -> Response<Body> {
    let outcome = match input::route(&request) {
        "GET /v1/teams/{teamId}/registration" => read(app, &request).await,
        "POST /v1/teams/{teamId}/registration" => submit::submit(app, now, entropy, &request).await,
        _ => Err(Problem::not_found()),
    };
    reply::finish(&reply::request_id(&request), outcome)
}

/// Read the registration
///
/// State, notice and timeline, for the team's members; the carrier's names and the details for those who manage it.
#[utoipa::path(get, path = "/v1/teams/{teamId}/registration", tag = "registration", params(("teamId" = String, Path)),
    responses((status = 200, body = RegistrationView), (status = 404, body = ProblemView)))]
async fn read(app: &App, request: &Request) -> Outcome {
    let access = access::team(request, &app.claims, &app.members).await?;
    reply::json(200, &view(app, &access).await?)
}

async fn view(app: &App, access: &TeamAccess) -> Result<RegistrationView, Problem> {
    let registration = app.registrations.get(&access.organization, access.team()).await?;
    let timeline = app.registrations.timeline(&access.organization, access.team()).await?;
    // Teams that were set up without a campaign of ours carry their state alone.
    let registration = shared_domain::registration::Registration {
        status: access.standing.team.registration,
        ..registration
    };
    Ok(RegistrationView::of(access.team(), registration, &timeline, access.standing.manages()))
}

/// This function's part of the OpenAPI document.
#[derive(Debug, OpenApi)]
#[openapi(paths(read, submit::submit))]
pub struct Api;
