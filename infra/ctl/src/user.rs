//! Users of an organization. Admins add users to teams with the API; the operator adds owners.

use clap::Args;
use serde::Serialize;
use shared_aws::clients::DirectoryUser;
use shared_domain::{ids::UserId, settings, user::User};

use crate::{Error, Operator, organization};

/// A user to add.
#[derive(Debug, Clone, Args)]
pub struct NewUser {
    /// ID of the organization
    #[arg(long)]
    pub organization: String,
    /// Name of the user
    #[arg(long)]
    pub name: String,
    /// E-mail address of the user, who gets an invitation
    #[arg(long)]
    pub email: String,
    /// User ID. By default, the part of the address before the @
    #[arg(long)]
    pub id: Option<String>,
    /// Makes the user an owner of the organization
    #[arg(long)]
    pub owner: bool,
    /// Sends no invitation
    #[arg(long)]
    pub no_invitation: bool,
}

/// An added user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CreatedUser {
    pub organization_id: String,
    pub user_id: String,
    pub owner: bool,
    /// Whether the user was added to the user pool and invited by this command.
    pub invited: bool,
    pub created: bool,
}

/// Adds a user to an organization and to the pool. A user with the same ID and address is completed if
/// necessary.
pub async fn create(operator: &Operator, new: &NewUser) -> Result<CreatedUser, Error> {
    let organization = operator.organization(&new.organization).await?;
    let email = settings::email("/email", &new.email).map_err(Error::of_argument("email"))?;
    let id = new.id.clone().unwrap_or_else(|| default_id(&email));
    let user = User {
        id: UserId::parse(&id)
            .map_err(|error| Error::Invalid { argument: "id", expected: error.to_string() })?,
        name: settings::name("/name", &new.name).map_err(Error::of_argument("name"))?,
        email,
        owner: new.owner,
    };
    if let Some(pool) = &operator.pool
        && let Some(taken) = pool.users.find(&user.email, operator.now).await?
        && !taken.is(&organization.id, &user.id)
    {
        return Err(email_taken(&user.email, &taken));
    }
    let event = operator.event("user.create", user.id.as_str());
    let created = operator.organizations.add_user(&organization.id, &user, &event).await?;
    if !created {
        let known = operator.members.user(&organization.id, &user.id).await?;
        let known = known.filter(|known| known.email.eq_ignore_ascii_case(&user.email));
        if known.is_none_or(|known| known.owner != user.owner) {
            return Err(Error::Conflict(format!(
                "The organization {} has a user {id} with another address or another role. Choose another --id.",
                organization.id
            )));
        }
    }
    let invited = organization::add_to_pool(operator, &organization.id, &user, !new.no_invitation).await?;
    Ok(CreatedUser {
        organization_id: organization.id.to_string(),
        user_id: user.id.to_string(),
        owner: user.owner,
        invited,
        created,
    })
}

/// Returns the part of an address before the `@`, with `-` for what an ID cannot contain.
pub(crate) fn default_id(email: &str) -> String {
    let local = email.split('@').next().unwrap_or_default();
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    local.to_ascii_lowercase().chars().map(|c| if fits(c) { c } else { '-' }).collect()
}

pub(crate) fn email_taken(email: &str, taken: &DirectoryUser) -> Error {
    Error::Conflict(if taken.id.is_empty() {
        format!(
            "{email} is a user of the pool without an organization. Delete that user, or use another address."
        )
    } else {
        format!(
            "{email} is already the user {} of the organization {}. Use another address.",
            taken.id, taken.organization
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_id_of_a_user_is_the_part_before_the_at_sign() {
        for (email, id) in [
            ("olivia@clinic.example", "olivia"),
            ("Olivia.Owens@clinic.example", "olivia.owens"),
            ("o+inbox@clinic.example", "o-inbox"),
        ] {
            assert_eq!(default_id(email), id);
            assert!(UserId::parse(id).is_ok());
        }
    }
}
