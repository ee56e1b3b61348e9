//! A team's A2P 10DLC registration: read by its members, submitted and resubmitted by its admins.

mod submit;

use std::time::Duration;

use axum::{
    Router,
    extract::{FromRef, State},
};
use shared_app::carrier;
use shared_aws::{
    clients::{Aws, Secrets},
    inbox::Inboxes,
    registration::Registrations,
    table::{Table, UsedKeys},
    team::Members,
};
use shared_carriers::twilio::Client;
use shared_http::{
    access::TeamAccess, caller::Claims, json::Json, problem::Problem, serve,
    wire::registration::RegistrationView,
};
use shared_lambda::{clock, config::Environment};

/// The limit for one call to the carrier. A first submission needs three calls, and one for each number.
const CARRIER_TIMEOUT: Duration = Duration::from_secs(6);

/// The function's clients and settings.
#[derive(Debug, Clone, FromRef)]
pub struct App {
    claims: Claims,
    carrier: Client,
    #[from_ref(skip)]
    brand: Option<String>,
    members: Members,
    inboxes: Inboxes,
    registrations: Registrations,
    keys: UsedKeys,
}

impl App {
    /// Reads the settings and creates the clients. Errors with every invalid setting.
    pub fn from_environment() -> Result<Self, lambda_http::Error> {
        let mut env = Environment::default();
        let (name, secret) = (env.required("TABLE_NAME"), env.required("CARRIER_SECRET"));
        let (url, messaging_url) = (env.required("CARRIER_BASE_URL"), env.required("CARRIER_MESSAGING_URL"));
        let brand = env.optional("BRAND_SID");
        let claims = Claims::from_environment(&mut env);
        env.finish()?;
        let aws = Aws::from_environment()?;
        let carrier = carrier::client(&Secrets::of(&aws), &secret, &url, CARRIER_TIMEOUT, clock::now)?;
        let carrier = carrier.with_messaging_url(&messaging_url)?;
        Ok(Self::new(&Table::of(&aws, name), claims, carrier, brand))
    }

    /// Uses this table and carrier, and submits campaigns under this brand.
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

shared_http::routes! {
    App:
    read, submit::submit,
}

/// The function's router.
pub fn router(app: App) -> Router {
    serve::router(routes(), app)
}

/// Read the registration
///
/// Status, notice and timeline, for the team's members. Team admins and the organization's owner also see the
/// carrier's IDs and the submitted details.
#[utoipa::path(get, path = "/v1/teams/{teamId}/registration",
    tag = "registration", operation_id = "getRegistration",
    params(("teamId" = String, Path)),
    responses((status = 200, body = RegistrationView)))]
async fn read(State(app): State<App>, access: TeamAccess) -> Result<Json<RegistrationView>, Problem> {
    Ok(Json(view(&app, &access).await?))
}

async fn view(app: &App, access: &TeamAccess) -> Result<RegistrationView, Problem> {
    let registration = app.registrations.get(access.team_key()).await?;
    let timeline = app.registrations.timeline(access.team_key()).await?;
    // The team's status is authoritative.
    let registration =
        shared_domain::registration::Registration { status: access.caller.team.registration, ..registration };
    Ok(RegistrationView::of(access.team(), registration, &timeline, access.caller.manages()))
}
