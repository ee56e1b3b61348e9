//! Typed keys: the ids that together name one team, inbox, conversation or recipient.
//!
//! Every item is read through the id of its organization, so one organization cannot read the data of
//! another. Keys are borrowed and cheap to copy.
//!
//! ```
//! use shared_domain::ids::{InboxId, OrganizationId};
//! use shared_domain::keys::InboxKey;
//!
//! let (organization, inbox) = (OrganizationId::parse("org_1").unwrap(), InboxId::parse("inb_1").unwrap());
//! let key = InboxKey { organization: &organization, inbox: &inbox };
//! assert_eq!(key.inbox.as_str(), "inb_1");
//! ```

use crate::{
    ids::{BroadcastId, ConversationId, InboxId, OrganizationId, TeamId},
    phone::PhoneNumber,
};

/// Names a team.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it all")]
pub struct TeamKey<'a> {
    pub organization: &'a OrganizationId,
    pub team: &'a TeamId,
}

/// Names an inbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it all")]
pub struct InboxKey<'a> {
    pub organization: &'a OrganizationId,
    pub inbox: &'a InboxId,
}

/// Names a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it all")]
pub struct ConversationKey<'a> {
    pub organization: &'a OrganizationId,
    pub inbox: &'a InboxId,
    pub conversation: &'a ConversationId,
}

/// Names a recipient of a broadcast. A number is one recipient, however many segments and contacts have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it all")]
pub struct RecipientKey<'a> {
    pub broadcast: &'a BroadcastId,
    pub number: &'a PhoneNumber,
}

/// Names an inbox together with its team.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it all")]
pub struct TeamInboxKey<'a> {
    pub organization: &'a OrganizationId,
    pub team: &'a TeamId,
    pub inbox: &'a InboxId,
}

impl<'a> TeamInboxKey<'a> {
    /// The key of the inbox alone.
    pub fn inbox_key(self) -> InboxKey<'a> {
        InboxKey { organization: self.organization, inbox: self.inbox }
    }
}

impl<'a> InboxKey<'a> {
    /// The key of a conversation of this inbox.
    pub fn conversation(self, conversation: &'a ConversationId) -> ConversationKey<'a> {
        ConversationKey { organization: self.organization, inbox: self.inbox, conversation }
    }
}

impl<'a> ConversationKey<'a> {
    /// The key of the conversation's inbox.
    pub fn inbox_key(self) -> InboxKey<'a> {
        InboxKey { organization: self.organization, inbox: self.inbox }
    }
}
