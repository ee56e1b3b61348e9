//! Access to a team, to the settings of an inbox, and to what was written there. Members of an inbox read and answer;
//! those who manage its team change its settings; to everybody else it does not exist.

use lambda_http::Request;
use shared_aws::{
    inboxes::Inboxes,
    locks::Thread,
    members::{Members, Standing},
};
use shared_domain::{
    ids::{ConversationId, InboxId, OrganisationId, TeamId},
    inbox::{Inbox, Stage},
    membership::Membership,
};

use crate::{
    caller::{self, Claims},
    input::path_id,
    problem::Problem,
};

/// A member who asks for something in an inbox.
#[derive(Debug, Clone)]
pub struct MemberAccess {
    /// The tenant.
    pub organisation: OrganisationId,
    /// A name for cursors and keys.
    pub principal: String,
    /// The membership, with the user's name.
    pub membership: Membership,
}

impl MemberAccess {
    /// A conversation of the inbox.
    pub fn thread<'a>(&'a self, conversation: &'a ConversationId) -> Thread<'a> {
        Thread { organisation: &self.organisation, inbox: &self.membership.inbox, conversation }
    }
}

/// The caller as a member of the inbox in the path: half a read unit.
///
/// # Errors
/// `403` for a token without a user, `404` for anything the caller may not see.
pub async fn member(request: &Request, claims: &Claims, members: &Members) -> Result<MemberAccess, Problem> {
    let caller = caller::user(request, claims)?;
    let inbox: InboxId = path_id(request, "inboxId")?;
    let membership = members.membership(&caller.organisation, &inbox, &caller.user).await?;
    let membership = membership.ok_or_else(Problem::not_found)?;
    Ok(MemberAccess { principal: caller.principal(), organisation: caller.organisation, membership })
}

/// The conversation in the path; a text that is no id names nothing.
///
/// # Errors
/// `404`.
pub fn conversation(request: &Request) -> Result<ConversationId, Problem> {
    path_id(request, "conversationId")
}

/// Somebody who asks for something in a team they belong to, or whose organisation they own.
#[derive(Debug, Clone)]
pub struct TeamAccess {
    /// The tenant.
    pub organisation: OrganisationId,
    /// A name for cursors and keys.
    pub principal: String,
    /// Who, with which rights, in which team.
    pub standing: Standing,
}

impl TeamAccess {
    /// The team.
    pub fn team(&self) -> &TeamId {
        &self.standing.team.id
    }

    /// Only for those who manage the team.
    ///
    /// # Errors
    /// `403`.
    pub fn manager(self) -> Result<Self, Problem> {
        if self.standing.manages() { Ok(self) } else { Err(admin_required()) }
    }
}

fn admin_required() -> Problem {
    Problem::forbidden("admin_required", "Only an admin of the team may do that.")
}

/// The caller in the team in the path: 1.5 read units in one request.
///
/// # Errors
/// `403` for a token without a user, `404` for anything the caller may not see.
pub async fn team(request: &Request, claims: &Claims, members: &Members) -> Result<TeamAccess, Problem> {
    let caller = caller::user(request, claims)?;
    let team: TeamId = path_id(request, "teamId")?;
    let standing = members.standing(&caller.organisation, &team, &caller.user).await?;
    let standing = standing.filter(|standing| standing.user.owner || standing.role.is_some());
    let standing = standing.ok_or_else(Problem::not_found)?;
    Ok(TeamAccess { principal: caller.principal(), organisation: caller.organisation, standing })
}

/// Somebody who asks about an inbox itself, not about what was written there.
#[derive(Debug, Clone)]
pub struct InboxAccess {
    /// The inbox.
    pub inbox: Inbox,
    /// Whether the caller is a member.
    pub member: bool,
    /// Who, with which rights, in the inbox's team.
    pub standing: Standing,
}

impl InboxAccess {
    /// Only for those who manage the inbox's team.
    ///
    /// # Errors
    /// `403`.
    pub fn manager(self) -> Result<Self, Problem> {
        if self.standing.manages() { Ok(self) } else { Err(admin_required()) }
    }
}

/// The caller at the inbox in the path: a member, or somebody who manages its team.
///
/// # Errors
/// `403` for a token without a user, `404` for anything the caller may not see, an inbox that is being made included.
pub async fn inbox(
    request: &Request,
    claims: &Claims,
    members: &Members,
    inboxes: &Inboxes,
) -> Result<InboxAccess, Problem> {
    let caller = caller::user(request, claims)?;
    let id: InboxId = path_id(request, "inboxId")?;
    let found = inboxes.get(&caller.organisation, &id).await?;
    let inbox = found.filter(|inbox| inbox.stage != Stage::Creating).ok_or_else(Problem::not_found)?;
    let standing = members.standing(&caller.organisation, &inbox.team, &caller.user).await?;
    let standing = standing.ok_or_else(Problem::not_found)?;
    let member = members.membership(&caller.organisation, &id, &caller.user).await?.is_some();
    if member || standing.manages() {
        Ok(InboxAccess { inbox, member, standing })
    } else {
        Err(Problem::not_found())
    }
}
