//! The signed-in user: `GET /v1/me`, all that a front end needs for navigation and Compose, and nothing more.

use futures_util::future::try_join_all;
use lambda_http::{Body, Request, Response};
use shared_aws::{
    client::Aws,
    config::{ConfigError, Environment},
    inboxes::{Account, Inboxes},
    members::{Home, Members},
    table::{StoreError, Table},
};
use shared_domain::{ids::OrganisationId, time::Timestamp};
use shared_http::{
    caller::{self, Claims},
    input,
    problem::Problem,
    reply::{self, Outcome},
    wire::{
        me::{Me, MeAccount, MeTeam, MeUser},
        problem::ProblemView,
    },
};
use utoipa::OpenApi;

/// What the function uses.
#[derive(Debug)]
pub struct App {
    claims: Claims,
    members: Members,
    inboxes: Inboxes,
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
        Ok(Self::new(Table::of(&Aws::from_environment()?, name), claims))
    }

    /// Over this table.
    pub fn new(table: Table, claims: Claims) -> Self {
        Self { claims, members: Members::new(table.clone()), inboxes: Inboxes::new(table) }
    }
}

/// Answers one request.
pub async fn handle(app: &App, _now: Timestamp, request: Request) -> Response<Body> {
    let outcome = match input::route(&request) {
        "GET /v1/me" => me(app, &request).await,
        _ => Err(Problem::not_found()),
    };
    reply::finish(&reply::request_id(&request), outcome)
}

/// The signed-in user
///
/// Teams with the user's role, and the accounts to show: inboxes the user is a member of whose team is registered, and
/// the personal inbox.
#[utoipa::path(get, path = "/v1/me", tag = "users",
    responses((status = 200, body = Me), (status = 403, body = ProblemView)))]
async fn me(app: &App, request: &Request) -> Outcome {
    let caller = caller::user(request, &app.claims)?;
    let home = app.members.home(&caller.organisation, &caller.user).await?;
    let home = home.ok_or_else(|| Problem::forbidden("user_required", "This user is not known here."))?;
    let accounts = app.inboxes.accounts(&caller.organisation, &home.inboxes).await?;
    let shown = accounts.into_iter().filter(|account| account.inbox.is_visible(account.team.registration));
    let mut accounts =
        try_join_all(shown.map(|account| with_unread(&app.inboxes, &caller.organisation, account))).await?;
    accounts.sort_by(|one, other| one.name.cmp(&other.name));
    reply::json(200, &me_of(home, accounts))
}

async fn with_unread(
    inboxes: &Inboxes,
    organisation: &OrganisationId,
    Account { inbox, .. }: Account,
) -> Result<MeAccount, StoreError> {
    let unread_count = inboxes.unread(organisation, &inbox.id).await?;
    Ok(MeAccount {
        inbox_id: inbox.id.to_string(),
        kind: inbox.kind.as_str(),
        name: inbox.name,
        color: inbox.color,
        phone_number: inbox.number.as_str().to_owned(),
        api_code: inbox.api_code,
        team_id: inbox.team.to_string(),
        unread_count,
    })
}

fn me_of(home: Home, accounts: Vec<MeAccount>) -> Me {
    let user = home.user;
    let teams = home.teams.into_iter().map(|team| MeTeam {
        team_id: team.team.to_string(),
        name: team.name,
        role: team.role.as_str(),
    });
    Me {
        user: MeUser { user_id: user.id.to_string(), name: user.name, email: user.email, owner: user.owner },
        teams: teams.collect(),
        accounts,
    }
}

/// This function's part of the OpenAPI document.
#[derive(Debug, OpenApi)]
#[openapi(paths(me))]
pub struct Api;
