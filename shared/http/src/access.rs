//! Access to one inbox: members alone. To everybody else the inbox does not exist.

use lambda_http::Request;
use shared_aws::{locks::Thread, members::Members};
use shared_domain::{
    ids::{ConversationId, InboxId, OrganisationId},
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
