//! Numbers that a contact gives up, for another number or because it is removed.
//!
//! If another contact has the number, conversations show that contact. Otherwise the number is unknown again,
//! but it stays opted out or blocked. A number with conversations keeps a pointer, because imports look for
//! conversations only of numbers that have one.

use std::collections::BTreeMap;

use shared_domain::{contact::Contact, ids::ContactId, keys::TeamKey, phone::PhoneNumber};

use crate::{
    contact::{contacts::Contacts, entries::ContactEntry, rows::ContactPointer},
    table::{error::StoreError, keys},
};

impl Contacts {
    /// Releases a number that `contact` had. Idempotent; after an error, repeating the call completes it.
    pub async fn release_number(
        &self,
        team: TeamKey<'_>,
        contact: &ContactId,
        number: &PhoneNumber,
        (opted_out, blocked): (bool, bool),
    ) -> Result<(), StoreError> {
        let other = self.by_number(team, number).await?;
        let shown = match other {
            Some(other) if other.id != *contact => other,
            _ => {
                let provisional = Contact { opted_out, blocked, ..Contact::provisional(team.team, number) };
                if opted_out || blocked {
                    let custom = BTreeMap::new();
                    let entry = ContactEntry { contact: provisional.clone(), custom, version: 1 };
                    self.write(team, None, &entry, None).await?;
                }
                provisional
            }
        };
        if self.sync_copies(team, &shown).await? > 0 {
            let pointer = ContactPointer { contact: ContactId::provisional(team.team, number) };
            let _ = self.table.put_new(keys::contact_number(team, number), &pointer).await?;
        }
        Ok(())
    }
}
