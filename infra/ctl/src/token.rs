//! Tokens of users of a local cloud, for trying the API.

use clap::Args;
use serde::Serialize;
use shared_domain::ids::UserId;

use crate::{Error, Operator};

/// The password of every user of a local cloud.
pub const LOCAL_PASSWORD: &str = "Local-cloud-password-1";

/// A user who gets a token.
#[derive(Debug, Clone, Args)]
pub struct TokenRequest {
    /// User ID
    #[arg(long)]
    pub user: String,
    /// ID of the organization. By default, the only one
    #[arg(long)]
    pub organization: Option<String>,
}

/// An ID token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UserToken {
    pub user_id: String,
    pub token: String,
}

/// Signs a user in with the password of the local cloud. Refuses any other stack.
pub async fn create(operator: &Operator, request: &TokenRequest) -> Result<UserToken, Error> {
    let Some(pool) = operator.pool.as_ref().filter(|pool| pool.is_local) else {
        let detail = "Tokens without a password exist in the local cloud only. Sign in to this stack.";
        return Err(Error::Conflict(detail.into()));
    };
    let organization = match &request.organization {
        Some(id) => operator.organization(id).await?,
        None => only_organization(operator).await?,
    };
    let id = UserId::parse(&request.user)
        .map_err(|error| Error::Invalid { argument: "user", expected: error.to_string() })?;
    let user =
        operator.members.user(&organization.id, &id).await?.ok_or_else(|| {
            Error::Conflict(format!("The organization {} has no user {id}.", organization.id))
        })?;
    pool.users.set_password(&user.email, LOCAL_PASSWORD, operator.now).await?;
    let token = pool.users.sign_in(&pool.web_client, &user.email, LOCAL_PASSWORD, operator.now).await?;
    let token = token.ok_or_else(|| Error::Conflict(format!("{id} cannot sign in.")))?;
    Ok(UserToken { user_id: id.to_string(), token })
}

async fn only_organization(operator: &Operator) -> Result<shared_aws::team::Organization, Error> {
    let mut found = operator.organizations.list().await?;
    match (found.pop(), found.is_empty()) {
        (Some(only), true) => Ok(only),
        (None, _) => Err(Error::Conflict("The stack has no organization. Create one first.".into())),
        (Some(_), false) => Err(Error::Conflict(
            "The stack has several organizations. Choose one with --organization.".into(),
        )),
    }
}
