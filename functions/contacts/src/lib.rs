//! Contacts of a team, for all its members: entered by hand, changed, removed, found; and the texts of an inbox that may be
//! wishes for no more texts, for the inbox's members.
//!
//! Creating is idempotent by `Idempotency-Key`, a decision about a text by the text. Every change is written to the contact first and to its copies on
//! conversations afterwards; a request that broke off in between is mended by the next change, or by asking again.

mod details;
mod find;
mod opt_out;
mod review;
mod write;

use lambda_http::{Body, Request, Response};
use shared_app::opt_out::OptOutWorkflow;
use shared_aws::{
    clients::{Aws, Secrets},
    contact::{ContactBook, ContactCopies, Contacts, FormerNumbers},
    notification::Notices,
    opt_out::{OptOutReviews, OptOuts},
    table::{Table, UsedKeys},
    team::{Members, TeamMembers, Teams},
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
    team_members: TeamMembers,
    teams: Teams,
    contacts: Contacts,
    former_numbers: FormerNumbers,
    book: ContactBook,
    copies: ContactCopies,
    notices: Notices,
    opt_out: OptOutWorkflow,
    opt_outs: OptOuts,
    reviews: OptOutReviews,
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
            team_members: TeamMembers::new(table.clone()),
            teams: Teams::new(table.clone()),
            contacts: Contacts::new(table.clone()),
            former_numbers: FormerNumbers::new(table.clone()),
            book: ContactBook::new(table.clone()),
            copies: ContactCopies::new(table.clone()),
            notices: Notices::new(table.clone()),
            opt_out: OptOutWorkflow::new(table.clone()),
            opt_outs: OptOuts::new(table.clone()),
            reviews: OptOutReviews::new(table.clone()),
            keys: UsedKeys::new(table.clone()),
        }
    }
}

/// Answers one request. `entropy` is random and tells contacts of one instant apart.
pub async fn handle(app: &App, now: Timestamp, entropy: u64, request: Request) -> Response<Body> {
    let outcome = match input::route(&request) {
        "GET /v1/teams/{teamId}/contacts" => find::list(app, &request).await,
        "POST /v1/teams/{teamId}/contacts" => write::create(app, now, entropy, &request).await,
        "GET /v1/teams/{teamId}/contacts/{contactId}" => find::read(app, &request).await,
        "PATCH /v1/teams/{teamId}/contacts/{contactId}" => write::change(app, &request).await,
        "DELETE /v1/teams/{teamId}/contacts/{contactId}" => write::remove(app, &request).await,
        "PUT /v1/teams/{teamId}/contacts/{contactId}/opt-out" => opt_out::out(app, now, &request).await,
        "DELETE /v1/teams/{teamId}/contacts/{contactId}/opt-out" => {
            opt_out::back_in(app, now, &request).await
        }
        "GET /v1/teams/{teamId}/contacts/{contactId}/opt-outs" => opt_out::of_contact(app, &request).await,
        "GET /v1/teams/{teamId}/opt-outs" => opt_out::of_team(app, now, &request).await,
        "GET /v1/inboxes/{inboxId}/opt-out-reviews" => review::list(app, &request).await,
        "PUT /v1/inboxes/{inboxId}/opt-out-reviews/{reviewId}" => review::decide(app, now, &request).await,
        _ => Err(Problem::not_found()),
    };
    reply::finish(&reply::request_id(&request), outcome)
}

/// Somebody else changed the same at this instant: the caller may ask again.
fn changed() -> Problem {
    Problem::changed("The contact was changed at this instant by somebody else; try again.")
}

/// This function's part of the OpenAPI document.
#[derive(Debug, OpenApi)]
#[openapi(paths(
    find::list,
    find::read,
    write::create,
    write::change,
    write::remove,
    opt_out::out,
    opt_out::back_in,
    opt_out::of_contact,
    opt_out::of_team,
    review::list,
    review::decide
))]
pub struct Api;
