//! Contacts of a team, for all its members: create, edit, remove, search, opt out; and for the members of an
//! inbox, the inbound messages that may be opt-out requests.
//!
//! Creating is idempotent by `Idempotency-Key`, a review by its ID. A change is written to the contact first
//! and to its copies in conversations afterwards. If a request stops in between, the next change or a retry
//! updates the copies.

mod details;
mod find;
mod opt_out;
mod review;
mod write;

use axum::{Router, extract::FromRef};
use shared_app::opt_out::OptOutWorkflow;
use shared_aws::{
    clients::{Aws, Secrets, SigningSecret},
    contact::Contacts,
    notification::Notifications,
    opt_out::{OptOutReviews, OptOuts},
    table::{Table, UsedKeys},
    team::{Members, TeamMembers, Teams},
};
use shared_http::{caller::Claims, cursor::Cursors, problem::Problem, serve};
use shared_lambda::config::Environment;

/// The function's clients and settings.
#[derive(Debug, Clone, FromRef)]
pub struct App {
    claims: Claims,
    cursors: Cursors,
    members: Members,
    team_members: TeamMembers,
    teams: Teams,
    contacts: Contacts,
    notices: Notifications,
    opt_out: OptOutWorkflow,
    opt_outs: OptOuts,
    reviews: OptOutReviews,
    keys: UsedKeys,
}

impl App {
    /// Reads the settings and creates the clients. Errors with every invalid setting.
    pub fn from_environment() -> Result<Self, lambda_http::Error> {
        let mut env = Environment::default();
        let (name, signing) = (env.required("TABLE_NAME"), env.required("SIGNING_SECRET"));
        let claims = Claims::from_environment(&mut env);
        env.finish()?;
        let aws = Aws::from_environment()?;
        let cursors = Cursors::new(SigningSecret::named(&Secrets::of(&aws), signing));
        Ok(Self::new(&Table::of(&aws, name), claims, cursors))
    }

    /// Uses this table.
    pub fn new(table: &Table, claims: Claims, cursors: Cursors) -> Self {
        Self {
            claims,
            cursors,
            members: Members::new(table.clone()),
            team_members: TeamMembers::new(table.clone()),
            teams: Teams::new(table.clone()),
            contacts: Contacts::new(table.clone()),
            notices: Notifications::new(table.clone()),
            opt_out: OptOutWorkflow::new(table.clone()),
            opt_outs: OptOuts::new(table.clone()),
            reviews: OptOutReviews::new(table.clone()),
            keys: UsedKeys::new(table.clone()),
        }
    }
}

shared_http::routes! {
    App:
    find::list, write::create,
    find::read, write::update, write::remove,
    opt_out::put, opt_out::delete,
    opt_out::of_contact,
    opt_out::of_team,
    review::list,
    review::resolve,
}

/// The function's router.
pub fn router(app: App) -> Router {
    serve::router(routes(), app)
}

fn changed() -> Problem {
    Problem::changed("The contact was changed by another request at the same time. Try again.")
}
