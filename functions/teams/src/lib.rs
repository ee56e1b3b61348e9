//! The signed-in user, teams with their members and notification settings, the audit trail, and the
//! organization with its settings and its sending pause.
//!
//! Creating a team is idempotent by `Idempotency-Key`, putting a member by the user's ID.

mod machine_clients;
mod me;
mod members;
mod notifications;
mod organization;
mod owner;
mod sending_pause;
mod teams;

use axum::{
    Router,
    extract::{FromRef, FromRequestParts},
};
use lambda_http::http::request::Parts;
use shared_app::{machine_secret::SecretRotations, membership::Memberships, team_edit::TeamEdits};
use shared_aws::{
    clients::{Aws, Secrets, SigningSecret, UserDirectory},
    conversation::{Conversations, Locks, Unread},
    inbox::Inboxes,
    sending::SendingPauses,
    table::{Table, UsedKeys},
    team::{Audit, Members, Organizations, TeamMembers, Teams, UserProfile},
};
use shared_http::{
    caller::{Claims, UserCaller},
    cursor::Cursors,
    problem::Problem,
    serve,
};
use shared_lambda::config::Environment;

/// The function's clients and settings.
#[derive(Debug, Clone, FromRef)]
pub struct App {
    claims: Claims,
    cursors: Cursors,
    members: Members,
    inboxes: Inboxes,
    conversations: Conversations,
    unread: Unread,
    teams: Teams,
    team_edits: TeamEdits,
    team_members: TeamMembers,
    memberships: Memberships,
    locks: Locks,
    audit: Audit,
    organizations: Organizations,
    rotations: SecretRotations,
    pauses: SendingPauses,
    keys: UsedKeys,
    /// Where members sign in. `None` if the stack has a foreign issuer of tokens.
    directory: Option<UserDirectory>,
    /// Machine clients of the user pool whose tokens the API accepts. The template creates the first one.
    machine_clients: Vec<String>,
}

impl App {
    /// Reads the settings and creates the clients. Errors with every invalid setting.
    pub fn from_environment() -> Result<Self, lambda_http::Error> {
        let mut env = Environment::default();
        let (name, signing) = (env.required("TABLE_NAME"), env.required("SIGNING_SECRET"));
        let claims = Claims::from_environment(&mut env);
        let pool = env.optional("USER_POOL_ID");
        let machine_clients = env.optional("MACHINE_CLIENT_IDS").unwrap_or_default();
        env.finish()?;
        let aws = Aws::from_environment()?;
        let cursors = Cursors::new(SigningSecret::named(&Secrets::of(&aws), signing));
        let directory = pool.map(|pool| UserDirectory::new(&aws, pool));
        let machine_clients =
            machine_clients.split(',').filter(|id| !id.is_empty()).map(str::to_owned).collect();
        let app = Self::new(&Table::of(&aws, name), claims, cursors);
        Ok(Self { directory, machine_clients, ..app })
    }

    /// Uses this table.
    pub fn new(table: &Table, claims: Claims, cursors: Cursors) -> Self {
        Self {
            claims,
            cursors,
            members: Members::new(table.clone()),
            inboxes: Inboxes::new(table.clone()),
            conversations: Conversations::new(table.clone()),
            unread: Unread::new(table.clone()),
            teams: Teams::new(table.clone()),
            team_edits: TeamEdits::new(table),
            team_members: TeamMembers::new(table.clone()),
            memberships: Memberships::new(table),
            locks: Locks::new(table.clone()),
            audit: Audit::new(table.clone()),
            organizations: Organizations::new(table.clone()),
            rotations: SecretRotations::new(table),
            pauses: SendingPauses::new(table.clone()),
            keys: UsedKeys::new(table.clone()),
            directory: None,
            machine_clients: Vec::new(),
        }
    }

    /// Accepts these machine clients of the user pool.
    #[must_use]
    pub fn with_machine_clients(self, ids: &[&str]) -> Self {
        Self { machine_clients: ids.iter().map(|&id| id.to_owned()).collect(), ..self }
    }

    /// Invites new members to this user pool.
    #[must_use]
    pub fn with_directory(self, directory: UserDirectory) -> Self {
        Self { directory: Some(directory), ..self }
    }
}

shared_http::routes! {
    App:
    me::me,
    teams::list, teams::create,
    teams::read, teams::update,
    teams::audit,
    members::list,
    members::read, members::put, members::remove,
    notifications::read, notifications::replace,
    organization::read, organization::update,
    machine_clients::list, machine_clients::create, machine_clients::rotate_secret, machine_clients::remove,
    sending_pause::read, sending_pause::pause, sending_pause::resume,
}

/// The function's router.
pub fn router(app: App) -> Router {
    serve::router(routes(), app)
}

/// The caller as a user that exists in the organization. `403` for everyone else.
struct KnownUser {
    caller: UserCaller,
    profile: UserProfile,
}

impl FromRequestParts<App> for KnownUser {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let caller = UserCaller::from_request_parts(parts, app).await?;
        let profile = app.members.profile(&caller.organization, &caller.user).await?;
        Ok(Self { profile: profile.ok_or_else(unknown_user)?, caller })
    }
}

fn unknown_user() -> Problem {
    Problem::forbidden("user_required", "You are not a user of this organization.")
}

fn changed() -> Problem {
    Problem::changed("The team was changed by another request at the same time. Try again.")
}
