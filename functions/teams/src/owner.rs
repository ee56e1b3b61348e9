//! The organization's owner as a caller.

use axum::extract::FromRequestParts;
use lambda_http::http::request::Parts;
use shared_domain::user::User;
use shared_http::{caller::UserCaller, problem::Problem};

use crate::{App, unknown_user};

/// The caller as the organization's owner. `403` for everyone else.
pub(crate) struct Owner {
    pub(crate) caller: UserCaller,
    pub(crate) user: User,
}

impl FromRequestParts<App> for Owner {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let caller = UserCaller::from_request_parts(parts, app).await?;
        let user = app.members.user(&caller.organization, &caller.user).await?.ok_or_else(unknown_user)?;
        if user.owner { Ok(Self { caller, user }) } else { Err(owner_required()) }
    }
}

pub(crate) fn owner_required() -> Problem {
    Problem::forbidden("owner_required", "Only the organization's owner can do this.")
}
