//! What becomes of a number that its contact leaves, for another number or for good: whoever else has it is shown on its
//! conversations, and otherwise it is a stranger's again, who stays opted out or blocked. A number with conversations is
//! remembered: imports look for conversations only where a number was met.

use std::collections::BTreeMap;

use shared_domain::{
    contact::Contact,
    ids::{ContactId, OrganizationId, TeamId},
    phone::PhoneNumber,
};

use crate::{
    contact::{
        contact_book::{ContactBook, ContactEntry},
        contact_copies::ContactCopies,
        contacts::Contacts,
    },
    table::{error::StoreError, requests::Table},
};

/// Numbers that were left.
#[derive(Debug, Clone)]
pub struct FormerNumbers {
    contacts: Contacts,
    book: ContactBook,
    copies: ContactCopies,
}

impl FormerNumbers {
    /// In this table.
    pub fn new(table: Table) -> Self {
        Self {
            contacts: Contacts::new(table.clone()),
            book: ContactBook::new(table.clone()),
            copies: ContactCopies::new(table),
        }
    }

    /// Settles a number that `contact` had and has no more. Idempotent.
    ///
    /// # Errors
    /// [`StoreError`]; asking again settles it.
    pub async fn release(
        &self,
        organization: &OrganizationId,
        team: &TeamId,
        contact: &ContactId,
        number: &PhoneNumber,
        (opted_out, blocked): (bool, bool),
    ) -> Result<(), StoreError> {
        let other = self.contacts.by_number(organization, team, number).await?;
        let now_shown = match other {
            Some(other) if other.id != *contact => other,
            _ => {
                let stranger = Contact { opted_out, blocked, ..Contact::provisional(team, number) };
                if opted_out || blocked {
                    let entry =
                        ContactEntry { contact: stranger.clone(), custom: BTreeMap::new(), version: 1 };
                    self.book.write(organization, team, None, &entry, None).await?;
                }
                stranger
            }
        };
        if self.copies.sync_copies(organization, team, &now_shown).await? > 0 {
            self.contacts.remember(organization, team, number).await?;
        }
        Ok(())
    }
}
