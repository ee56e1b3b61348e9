//! Users of an organization. Admins add users to teams with the API; the operator adds owners.

use std::collections::BTreeSet;

use clap::Args;
use serde::Serialize;
use shared_app::membership::Memberships;
use shared_aws::{
    clients::DirectoryUser,
    team::{AuditEvent, Organization, Teams, UserProfile},
};
use shared_domain::{
    ids::{TeamId, UserId},
    keys::TeamKey,
    settings,
    user::{User, UserRef},
};

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

/// A user to remove.
#[derive(Debug, Clone, Args)]
pub struct UserRemoval {
    /// ID of the organization
    #[arg(long)]
    pub organization: String,
    /// ID of the user
    #[arg(long)]
    pub id: String,
    /// ID of another owner, if the organization names this user as its owner
    #[arg(long)]
    pub successor: Option<String>,
    /// Removes the user without a question
    #[arg(long)]
    pub yes: bool,
}

/// A removed user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RemovedUser {
    pub organization_id: String,
    pub user_id: String,
    /// `false` if there was no such user.
    pub removed: bool,
    /// Locks that the user held.
    pub released_locks: usize,
}

/// Removes a user from an organization: ends an ownership, the sign-in and all memberships, and releases the
/// locks. The last owner is not removed. A command that stopped halfway is completed by the next one.
/// `confirm` asks the operator.
pub async fn remove(
    operator: &Operator,
    removal: &UserRemoval,
    confirm: impl FnOnce() -> bool,
) -> Result<RemovedUser, Error> {
    let organization = operator.organization(&removal.organization).await?;
    let user = parse_id("id", &removal.id)?;
    let successor = removal.successor.as_deref().map(|id| parse_id("successor", id)).transpose()?;
    let removed = |removed, released_locks| RemovedUser {
        organization_id: organization.id.to_string(),
        user_id: user.to_string(),
        removed,
        released_locks,
    };
    let Some(profile) = operator.members.profile(&organization.id, &user).await? else {
        return Ok(removed(false, 0));
    };
    if !removal.yes && !confirm() {
        return Err(Error::Conflict("Nothing was removed. Confirm, or pass --yes.".into()));
    }
    // First, because it may be refused. The user stays until everything else is removed, so a repeated
    // command finds what is left.
    if profile.user.owner {
        end_ownership(operator, &organization, &user, successor.as_ref()).await?;
    }
    if let Some(pool) = &operator.pool
        && let Some(found) = pool.users.find(&profile.user.email, operator.now).await?
        && found.is(&organization.id, &user)
    {
        pool.users.remove(&profile.user.email, operator.now).await?;
    }
    let released = leave_teams(operator, &organization, &profile).await?;
    let event = operator.event("user.remove", user.as_str());
    if !operator.organizations.remove_user(&organization.id, &user, &event).await? {
        return Err(Error::Conflict(format!(
            "The user {user} became an owner during the removal. Run the command again."
        )));
    }
    Ok(removed(true, released))
}

async fn end_ownership(
    operator: &Operator,
    organization: &Organization,
    user: &UserId,
    successor: Option<&UserId>,
) -> Result<(), Error> {
    // The event of the removal has the same time, so it needs another number.
    let entropy = operator.entropy.wrapping_add(1);
    let event = AuditEvent { entropy, ..operator.event("owner.remove", user.as_str()) };
    let successor = successor.filter(|successor| *successor != user);
    let ended = operator.organizations.end_ownership(&organization.id, user, successor, &event).await?;
    if ended {
        return Ok(());
    }
    let id = &organization.id;
    Err(Error::Conflict(match successor {
        Some(successor) => {
            format!("{successor} is not an owner of the organization {id}. Nothing was removed.")
        }
        None => format!(
            "{user} is the owner that the organization {id} names. Pass another owner with --successor. If there \
             is none, add one with `inboxctl user create --organization {id} --owner`."
        ),
    }))
}

/// Ends all memberships and releases the locks. Returns how many locks there were.
async fn leave_teams(
    operator: &Operator,
    organization: &Organization,
    profile: &UserProfile,
) -> Result<usize, Error> {
    let memberships = Memberships::new(&operator.table);
    let by = UserRef { id: operator.actor.clone(), name: "Operator".into() };
    let event = operator.event("member.remove", profile.user.id.as_str());
    // All teams: after a removal that stopped halfway, the profile no longer says where the user had locks.
    let teams = Teams::new(operator.table.clone()).ids(&organization.id).await?;
    let teams: BTreeSet<TeamId> = profile.teams.iter().map(|role| role.team.clone()).chain(teams).collect();
    let mut released = 0;
    for team in &teams {
        let team = TeamKey { organization: &organization.id, team };
        released += memberships.end(team, profile, &by, &event).await?;
    }
    Ok(released)
}

fn parse_id(argument: &'static str, id: &str) -> Result<UserId, Error> {
    UserId::parse(id).map_err(|error| Error::Invalid { argument, expected: error.to_string() })
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
