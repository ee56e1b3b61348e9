//! Contacts by id and by number, as messages need them. [`Contacts`] is the one store of contacts; the other
//! files of this folder add entries with custom fields, batches for imports, copies on conversations, and
//! numbers that contacts give up.

use std::collections::BTreeSet;

use shared_domain::{
    contact::Contact,
    ids::ContactId,
    inbox::Inbox,
    keys::TeamKey,
    message::Message,
    notification::{Notification, NotificationKind},
    opt_out::{OptOutSource, OptOutState},
    phone::PhoneNumber,
};

use crate::{
    contact::{
        entries::ContactEntry,
        rows::{ContactCopyRow, ContactPointer, ContactRow},
    },
    notification::rows::NotificationRow,
    opt_out::{
        numbers::{NumberStatus, status_key, status_keys},
        opt_outs::StateRow,
    },
    table::{
        error::StoreError,
        item::{Item, by_key, from_item, string_attribute},
        keys,
        query::KeyRange,
        requests::{Conditional, Table},
        transaction::Transaction,
    },
    team::teams::Teams,
};

/// The contact that conversations with a number show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownContact {
    pub contact: Contact,
    pub(crate) version: CopyVersion,
}

/// How recent a copy of a [`ShownContact`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct CopyVersion {
    /// The version of the pointer from the number to the contact.
    pub shown: u64,
    /// The version of the number's status.
    pub number: u64,
}

impl ShownContact {
    pub(crate) fn copy(&self) -> ContactCopyRow {
        ContactCopyRow {
            shown_version: self.version.shown,
            number_version: self.version.number,
            ..ContactCopyRow::of(&self.contact)
        }
    }
}

/// What the table holds of a number in a team, besides its contacts.
#[derive(Debug, Clone, Default)]
pub(super) struct NumberItems {
    pub(super) pointer: Option<ContactPointer>,
    pub(super) status: NumberStatus,
}

impl NumberItems {
    /// Returns the id of the contact that is shown. The id of a provisional contact is derived from its
    /// number, so it is found without a pointer.
    pub(super) fn shown_id(&self, team: TeamKey<'_>, number: &PhoneNumber) -> ContactId {
        let pointed_at = self.pointer.as_ref().map(|pointer| pointer.contact.clone());
        pointed_at.unwrap_or_else(|| ContactId::provisional(team.team, number))
    }

    /// Adds an item that was read: the pointer, or one of those that make up the status.
    pub(super) fn add(&mut self, item: Item) -> Result<(), StoreError> {
        if string_attribute(&item, "sk").is_some_and(|sk| sk.starts_with(keys::NUMBERS)) {
            self.pointer = Some(from_item(item)?);
        } else {
            self.status = self.status.and(from_item::<StateRow>(item)?.status());
        }
        Ok(())
    }

    pub(super) fn version(&self) -> CopyVersion {
        let shown = self.pointer.as_ref().map_or(0, |pointer| pointer.version);
        CopyVersion { shown, number: self.status.version }
    }

    pub(super) fn shown(&self, row: ContactRow) -> ShownContact {
        ShownContact { contact: row.contact(self.status), version: self.version() }
    }
}

/// The contacts of teams.
#[derive(Debug, Clone)]
pub struct Contacts {
    pub(super) table: Table,
}

impl Contacts {
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// Returns a contact: 2 requests, 1.5 read units. [`Contacts::get_entry`] reads consistently and includes
    /// custom fields.
    pub async fn get(&self, team: TeamKey<'_>, contact: &ContactId) -> Result<Option<Contact>, StoreError> {
        let row: Option<ContactRow> = self.table.get(keys::contact(team, contact), false).await?;
        let Some(row) = row else { return Ok(None) };
        let status = self.status(team, &row.number, false).await?;
        Ok(Some(row.contact(status)))
    }

    /// Returns the status of a number.
    pub(super) async fn status(
        &self,
        team: TeamKey<'_>,
        number: &PhoneNumber,
        consistent: bool,
    ) -> Result<NumberStatus, StoreError> {
        let items = self.table.batch_get(status_keys(team, number).into(), consistent).await?;
        let rows: Vec<StateRow> = serde_dynamo::from_items(items)?;
        Ok(rows.iter().map(StateRow::status).fold(NumberStatus::default(), NumberStatus::and))
    }

    /// Returns the contact that is shown for a number: 2 requests, 2 read units.
    pub async fn by_number(
        &self,
        team: TeamKey<'_>,
        number: &PhoneNumber,
    ) -> Result<Option<Contact>, StoreError> {
        let items = self.number_items(team, number, false).await?;
        Ok(self.shown(team, number, &items).await?.map(|shown| shown.contact))
    }

    /// Returns the contact that is shown for a number. Creates a provisional contact if there is none: 1
    /// write unit. Idempotent, because the id is derived from team and number.
    pub async fn by_number_or_provisional(
        &self,
        team: TeamKey<'_>,
        number: &PhoneNumber,
    ) -> Result<ShownContact, StoreError> {
        let items = self.number_items(team, number, false).await?;
        match self.shown(team, number, &items).await? {
            Some(shown) => Ok(shown),
            None => self.create_provisional(team, number, &items, None).await,
        }
    }

    /// Returns the pointer and the status of a number in one request.
    pub(super) async fn number_items(
        &self,
        team: TeamKey<'_>,
        number: &PhoneNumber,
        consistent: bool,
    ) -> Result<NumberItems, StoreError> {
        let [of_team, of_organization] = status_keys(team, number);
        let keys = vec![keys::contact_number(team, number), of_team, of_organization];
        let mut items = NumberItems::default();
        for item in self.table.batch_get(keys, consistent).await? {
            items.add(item)?;
        }
        Ok(items)
    }

    /// Returns the contact that is shown for a number of which these items were read.
    async fn shown(
        &self,
        team: TeamKey<'_>,
        number: &PhoneNumber,
        items: &NumberItems,
    ) -> Result<Option<ShownContact>, StoreError> {
        let key = keys::contact(team, &items.shown_id(team, number));
        let row: Option<ContactRow> = self.table.get(key, false).await?;
        Ok(row.filter(|row| row.number == *number).map(|row| items.shown(row)))
    }

    /// Returns the contact of an inbound message. Creates a provisional contact if the number is unknown: 1
    /// write unit, or 4 with the notification that the team may want.
    ///
    /// Contact and notification are one transaction, so each new contact causes one notification: if the
    /// process stops before it, a redelivery creates both; if it stops after it, the contact is known. The
    /// notification has an id derived from the message, under which its recipients are claimed.
    pub(crate) async fn of_inbound(
        &self,
        inbox: &Inbox,
        message: &Message,
    ) -> Result<ShownContact, StoreError> {
        let (team, number) = (inbox.team_key(), &message.contact_number);
        let items = self.number_items(team, number, false).await?;
        if let Some(shown) = self.shown(team, number, &items).await? {
            return Ok(shown);
        }
        let contact = ContactId::provisional(team.team, number);
        let subject = NotificationKind::UnknownContact { contact, inbox: inbox.id.clone() };
        let wanted = Teams::new(self.table.clone()).wants_notification(team, &subject).await?;
        let notification = Notification {
            id: format!("unknown-contact-{}", message.id),
            organization: inbox.organization.clone(),
            team: Some(inbox.team.clone()),
            subject,
            at: message.created_at,
            admins: Vec::new(),
        };
        self.create_provisional(team, number, &items, wanted.then_some(&notification)).await
    }

    /// Creates a contact of a number of which these items were read, with a notification. Writes neither if
    /// another request created the contact in the meantime.
    pub(super) async fn create_provisional(
        &self,
        team: TeamKey<'_>,
        number: &PhoneNumber,
        items: &NumberItems,
        notification: Option<&Notification>,
    ) -> Result<ShownContact, StoreError> {
        let row = ContactRow::of(&Contact::provisional(team.team, number));
        let key = keys::contact(team, &row.id);
        if let Some(notification) = notification {
            let mut transaction = Transaction::new(&self.table);
            transaction.put_new(key, &row)?;
            transaction.put(keys::notification(&notification.id), &NotificationRow::of(notification))?;
            let _ = transaction.commit().await?;
        } else {
            let put = self.table.put_new(key, &row).await?;
            if let Conditional::Failed(Some(found)) = put {
                return Ok(items.shown(from_item(found)?));
            }
        }
        Ok(items.shown(row))
    }

    /// Returns all contacts of a team that have a number, the provisional one included, read consistently.
    pub async fn all_with_number(
        &self,
        team: TeamKey<'_>,
        number: &PhoneNumber,
    ) -> Result<Vec<ContactEntry>, StoreError> {
        let range = KeyRange::prefix(keys::team_partition(team), keys::contacts_with_number(number));
        let pointers: Vec<ContactPointer> = self.table.all(&range).await?;
        let shown = self.number_items(team, number, true).await?.shown_id(team, number);
        let provisional = ContactId::provisional(team.team, number);
        let ids = pointers.into_iter().map(|pointer| pointer.contact).chain([shown, provisional]);
        let mut found = Vec::new();
        for id in ids.collect::<BTreeSet<_>>() {
            let entry = self.get_entry(team, &id).await?;
            found.extend(entry.filter(|entry| entry.contact.number == *number));
        }
        Ok(found)
    }

    /// Deletes the items of a team that find contacts by a number and that an interrupted change left.
    pub async fn erase_number(&self, team: TeamKey<'_>, number: &PhoneNumber) -> Result<(), StoreError> {
        let partition = keys::team_partition(team);
        let pointers = KeyRange::prefix(&partition, keys::contacts_with_number(number));
        let removals = KeyRange::prefix(&partition, keys::REMOVED_CONTACTS);
        let mut left = self.table.all_items(&pointers).await?;
        let removals = self.table.all_items(&removals).await?.into_iter();
        left.extend(removals.filter(|item| string_attribute(item, "number") == Some(number.as_str())));
        for key in by_key(left).into_keys().chain([keys::contact_number(team, number)]) {
            self.table.delete(key).await?;
        }
        Ok(())
    }

    /// Writes a contact, points its number at it, and opts out or blocks the number as the contact says. For
    /// tests.
    pub async fn put(&self, team: TeamKey<'_>, contact: &Contact) -> Result<(), StoreError> {
        let number = &contact.number;
        self.table.put(keys::contact(team, &contact.id), &ContactRow::of(contact)).await?;
        let pointer = ContactPointer { version: 1, ..ContactPointer::to(contact) };
        self.table.put(keys::contact_number(team, number), &pointer).await?;
        let key = keys::contact_with_number(team, number, &contact.id);
        self.table.put(key, &ContactPointer::to(contact)).await?;
        if contact.opted_out || contact.blocked {
            let sources = contact.opted_out.then_some(OptOutSource::User);
            let state = OptOutState::out_by(sources);
            let row = StateRow { state, blocked: contact.blocked, version: 1, ..StateRow::default() };
            self.table.put(status_key(team, number), &row).await?;
        }
        Ok(())
    }
}
