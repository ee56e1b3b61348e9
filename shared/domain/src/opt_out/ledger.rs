use super::{
    state::{OptOutChange, OptOutSource},
    subject::{OptOutScope, OptOutSubject},
};
use crate::{
    ids::{ContactId, MessageId, UserId},
    phone::PhoneNumber,
    time::Timestamp,
};

/// An entry of the opt-out ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the other names say it all")]
pub struct LedgerEntry {
    pub at: Timestamp,
    pub contact: ContactId,
    /// The contact's number at that time.
    pub number: PhoneNumber,
    /// Whether the contact is opted out after the change.
    pub opted_out: bool,
    pub scope: OptOutScope,
    pub source: OptOutSource,
    /// The message that caused the change: the contact's keyword, or the message that the carrier refused.
    pub message: Option<MessageId>,
    /// The user who made the change.
    pub user: Option<UserId>,
}

impl OptOutChange {
    /// The ledger entry of this change.
    pub fn entry(
        &self,
        subject: &OptOutSubject,
        contact: ContactId,
        message: Option<MessageId>,
        user: Option<UserId>,
        at: Timestamp,
    ) -> LedgerEntry {
        LedgerEntry {
            at,
            contact,
            number: subject.number.clone(),
            opted_out: self.state.is_out(),
            scope: subject.scope.clone(),
            source: self.source,
            message,
            user,
        }
    }
}
