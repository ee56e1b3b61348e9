//! The current names of assigned users. A conversation has a copy of its contact, and with it the name that
//! the user had when the contact was written.

use std::collections::{BTreeSet, HashMap};

use shared_aws::table::StoreError;
use shared_domain::{conversation::Conversation, ids::UserId};
use shared_http::access::InboxMember;

use crate::App;

/// Sets the names of the assigned users to the current ones. Half a read unit for each user other than the
/// caller, in one request. No request if there are none. A user who does not exist any more keeps the name.
pub(crate) async fn set_current_names(
    app: &App,
    member: &InboxMember,
    conversations: &mut [Conversation],
) -> Result<(), StoreError> {
    let caller = &member.membership.user;
    let assigned = conversations.iter().filter_map(|conversation| conversation.contact.assigned.as_ref());
    let others: BTreeSet<UserId> =
        assigned.map(|user| user.id.clone()).filter(|user| *user != caller.id).collect();
    let mut names = HashMap::from([(caller.id.clone(), caller.name.clone())]);
    if !others.is_empty() {
        let others: Vec<UserId> = others.into_iter().collect();
        let users = app.members.users(&member.organization, &others).await?;
        names.extend(users.into_iter().map(|user| (user.id, user.name)));
    }
    for user in conversations.iter_mut().filter_map(|conversation| conversation.contact.assigned.as_mut()) {
        if let Some(name) = names.get(&user.id) {
            user.name.clone_from(name);
        }
    }
    Ok(())
}
