//! Organizations with their first owner.

use clap::Args;
use serde::Serialize;
use shared_aws::{
    clients::{AddUserOutcome, DirectoryUser, NewDirectoryUser},
    team::{CreateOrganizationOutcome, Organization},
};
use shared_domain::{
    ids::{Id, OrganizationId, UserId},
    opt_out::SharedOptOutScope,
    settings,
    user::User,
};

use crate::{Error, Operator, user};

/// An organization to create.
#[derive(Debug, Clone, Args)]
pub struct NewOrganization {
    /// Name of the organization, unique in the stack
    #[arg(long)]
    pub name: String,
    /// Name of the owner
    #[arg(long)]
    pub owner_name: String,
    /// E-mail address of the owner, who gets an invitation
    #[arg(long)]
    pub owner_email: String,
    /// User ID of the owner. By default, the part of the address before the @. With your own issuer, it is
    /// the user's claim in the tokens
    #[arg(long)]
    pub owner_id: Option<String>,
    /// ID of the organization, such as `org_clinic`. By default, a new ID
    #[arg(long)]
    pub id: Option<String>,
    /// Sends no invitation
    #[arg(long)]
    pub no_invitation: bool,
}

/// A created organization, or the one that was created before with the same arguments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CreatedOrganization {
    pub organization_id: String,
    pub owner_id: String,
    /// Whether the owner was added to the user pool and invited by this command.
    pub invited: bool,
    pub created: bool,
}

/// Creates an organization and its owner, with a row for each and a user of the pool. An organization with
/// the same name and the same owner is completed if necessary. Two commands at once create one organization.
pub async fn create(operator: &Operator, new: &NewOrganization) -> Result<CreatedOrganization, Error> {
    let name = settings::name("/name", &new.name).map_err(Error::of_argument("name"))?;
    let owner = owner(new)?;
    // First the pool: an owner is added to it last, so the organization of an owner in the pool is found.
    let taken = pool_user(operator, &owner.email).await?;
    let existing = operator.organizations.find(&name).await?;
    if let Some(taken) = taken {
        let is_owner = existing.as_ref().is_some_and(|existing| taken.is(&existing.id, &existing.owner));
        if !is_owner {
            return Err(user::email_taken(&owner.email, &taken));
        }
    }
    let id = match &new.id {
        Some(id) => OrganizationId::parse(id)
            .map_err(|error| Error::Invalid { argument: "id", expected: error.to_string() })?,
        None => Id::new(operator.now, operator.entropy),
    };
    let organization = Organization {
        id,
        name,
        owner: owner.id.clone(),
        created_at: operator.now,
        opt_out_scope: SharedOptOutScope::default(),
    };
    let event = operator.event("organization.create", organization.id.as_str());
    let outcome = match existing {
        Some(existing) => CreateOrganizationOutcome::NameTaken(existing),
        None => operator.organizations.create(&organization, &owner, &event).await?,
    };
    let (organization, created) = match outcome {
        CreateOrganizationOutcome::Created => (organization, true),
        CreateOrganizationOutcome::NameTaken(other) => {
            (same_organization(operator, other, &owner, new).await?, false)
        }
    };
    let owner = User { id: organization.owner.clone(), ..owner };
    let invited = add_to_pool(operator, &organization.id, &owner, !new.no_invitation).await?;
    Ok(CreatedOrganization {
        organization_id: organization.id.to_string(),
        owner_id: owner.id.to_string(),
        invited,
        created,
    })
}

fn owner(new: &NewOrganization) -> Result<User, Error> {
    let email = settings::email("/email", &new.owner_email).map_err(Error::of_argument("owner-email"))?;
    let id = new.owner_id.clone().unwrap_or_else(|| user::default_id(&email));
    Ok(User {
        id: UserId::parse(&id)
            .map_err(|error| Error::Invalid { argument: "owner-id", expected: error.to_string() })?,
        name: settings::name("/name", &new.owner_name).map_err(Error::of_argument("owner-name"))?,
        email,
        owner: true,
    })
}

/// Returns the organization if it was created with this owner.
async fn same_organization(
    operator: &Operator,
    other: Organization,
    owner: &User,
    new: &NewOrganization,
) -> Result<Organization, Error> {
    let known = operator.members.user(&other.id, &other.owner).await?;
    let same_email = known.is_some_and(|known| known.email.eq_ignore_ascii_case(&owner.email));
    let same_owner = same_email && new.owner_id.as_ref().is_none_or(|id| id == other.owner.as_str());
    let same_id = new.id.as_ref().is_none_or(|id| id == other.id.as_str());
    if same_owner && same_id {
        return Ok(other);
    }
    Err(Error::Conflict(format!(
        "The organization {} exists with the ID {} and the owner {}. Choose another name, or add an owner with \
         `inboxctl user create --organization {} --owner`.",
        other.name, other.id, other.owner, other.id
    )))
}

async fn pool_user(operator: &Operator, email: &str) -> Result<Option<DirectoryUser>, Error> {
    match &operator.pool {
        Some(pool) => Ok(pool.users.find(email, operator.now).await?),
        None => Ok(None),
    }
}

/// Adds a user to the pool, if the stack has one. `false` if the user was there already.
pub(crate) async fn add_to_pool(
    operator: &Operator,
    organization: &OrganizationId,
    user: &User,
    invite: bool,
) -> Result<bool, Error> {
    let Some(pool) = &operator.pool else { return Ok(false) };
    let new = NewDirectoryUser { organization, id: &user.id, name: &user.name, email: &user.email, invite };
    match pool.users.add(&new, operator.now).await? {
        AddUserOutcome::Added => Ok(invite),
        AddUserOutcome::EmailTaken(taken) if taken.is(organization, &user.id) => Ok(false),
        AddUserOutcome::EmailTaken(taken) => Err(user::email_taken(&user.email, &taken)),
    }
}

/// An organization in the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedOrganization {
    pub organization_id: String,
    pub name: String,
    pub owner_id: String,
    pub created_at: String,
}

/// Lists all organizations of the stack.
pub async fn list(operator: &Operator) -> Result<Vec<ListedOrganization>, Error> {
    let found = operator.organizations.list().await?;
    Ok(found
        .into_iter()
        .map(|organization| ListedOrganization {
            organization_id: organization.id.to_string(),
            name: organization.name,
            owner_id: organization.owner.to_string(),
            created_at: organization.created_at.to_string(),
        })
        .collect())
}
