//! Making an inbox: its number costs money and comes from the carrier, so it is made in two transactions with the
//! purchase between them.
//!
//! 1. **reserve**: the inbox in stage `creating`, its API code and its number, each of which nobody else may have, the
//!    idempotency key, and a row that says that a purchase is under way. A text to the number is stored from now on.
//! 2. the purchase, at the carrier.
//! 3. **complete**: the inbox is `active` with its first members, the purchase is settled, and a team that had not begun
//!    its registration begins it.
//!
//! What dies between them is either completed by a retry with the same key, which finds the reservation, or undone by the
//! sweep, which gives the number back. [`NewInboxes::undo`] removes what `reserve` wrote, and never an active inbox.

use shared_domain::{
    ids::{InboxId, OrganizationId},
    inbox::Inbox,
    membership::Membership,
    phone::PhoneNumber,
    registration::TimelineStep,
    time::Timestamp,
};

use crate::{
    inbox::rows::{InboxPointer, InboxRow, PurchaseRow},
    registration::registrations,
    table::{
        error::StoreError,
        idempotency::Idempotency,
        item::text,
        items::parse_id,
        keys::{self, Key},
        requests::Table,
        transaction::Transaction,
    },
    team::{audit::AuditEvent, members, rows::TeamPointer},
};

/// Purchases that are looked after in one go.
const SWEEP_LIMIT: i32 = 50;

/// The answer to a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reserved {
    /// It stands; the number may be bought.
    Done,
    /// Another inbox of the organization has the API code.
    ApiCodeTaken,
    /// An inbox of ours has the number.
    NumberTaken,
    /// The idempotency key was used meanwhile.
    KeyTaken,
}

/// The answer to a completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completed {
    /// The inbox is in use.
    Done,
    /// The reservation is gone, or was completed already.
    NotReserved,
    /// The registration that was to be begun has begun.
    RegistrationBegun,
}

/// Whether a number may have been bought for a reservation that is undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bought {
    /// Nothing was bought, or it was given back.
    SurelyNot,
    /// The carrier's answer was lost.
    Perhaps,
}

/// A purchase that is not settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purchase {
    /// The tenant.
    pub organization: OrganizationId,
    /// The inbox, whose id the number bears at the carrier.
    pub inbox: InboxId,
    /// The number.
    pub number: PhoneNumber,
    /// Since when.
    pub at: Timestamp,
}

/// Inboxes that are being made.
#[derive(Debug, Clone)]
pub struct NewInboxes {
    table: Table,
}

impl NewInboxes {
    /// In this table.
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// Reserves API code and number for an inbox in stage `creating`: 8 write units, 10 with a key.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn reserve(
        &self,
        inbox: &Inbox,
        key: Option<Idempotency<'_>>,
        now: Timestamp,
    ) -> Result<Reserved, StoreError> {
        let organization = &inbox.organization;
        let pointer = InboxPointer::of(inbox);
        let mut transaction = Transaction::new(&self.table);
        let code = transaction.put_new(keys::api_code(organization, &inbox.api_code), &pointer)?;
        let number = transaction.put_new(keys::own_number(&inbox.number), &pointer)?;
        transaction.put_new(keys::inbox(organization, &inbox.id), &InboxRow::of(inbox))?;
        let purchase = PurchaseRow {
            org: organization.to_string(),
            inbox: inbox.id.to_string(),
            number: inbox.number.clone(),
            at: now,
            key: key.map(|key| key.key(organization).pk),
        };
        transaction.put(keys::purchase(organization, &inbox.id), &purchase)?;
        let used = match key {
            Some(key) => {
                Some(transaction.add(key.part(&self.table, organization, inbox.id.as_str(), now)?))
            }
            None => None,
        };
        let committed = transaction.commit().await?;
        Ok(if used.is_some_and(|place| committed.refused_at(place)) {
            Reserved::KeyTaken
        } else if committed.refused_at(code) {
            Reserved::ApiCodeTaken
        } else if committed.refused_at(number) {
            Reserved::NumberTaken
        } else if committed.is_done() {
            Reserved::Done
        } else {
            return Err(StoreError::Unavailable("two inboxes got one id".into()));
        })
    }

    /// Puts a reserved inbox to use: its number's name at the carrier, its first members, and, where `opening` is given,
    /// the team's registration.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn complete(
        &self,
        inbox: &Inbox,
        number_sid: &str,
        first: &[Membership],
        opening: Option<&TimelineStep>,
        deed: &AuditEvent<'_>,
    ) -> Result<Completed, StoreError> {
        let organization = &inbox.organization;
        let mut transaction = Transaction::new(&self.table);
        let reserved = transaction.update(keys::inbox(organization, &inbox.id), |update| {
            update
                .update_expression("SET stage = :active, numberSid = :sid")
                .condition_expression("stage = :creating")
                .expression_attribute_values(":active", text("active"))
                .expression_attribute_values(":creating", text("creating"))
                .expression_attribute_values(":sid", text(number_sid))
        })?;
        transaction.delete(keys::purchase(organization, &inbox.id))?;
        let pointer = TeamPointer::of(organization, &inbox.team);
        transaction.put(keys::team_inbox(organization, &inbox.team, &inbox.id), &pointer)?;
        for member in first {
            members::write(&mut transaction, organization, member)?;
        }
        deed.write(&mut transaction, organization, &inbox.team)?;
        if let Some(step) = opening {
            registrations::open(&mut transaction, organization, &inbox.team, step)?;
        }
        let committed = transaction.commit().await?;
        Ok(if committed.is_done() {
            Completed::Done
        } else if committed.refused_at(reserved) {
            Completed::NotReserved
        } else {
            Completed::RegistrationBegun
        })
    }

    /// Removes a reservation with its key; `false` when the inbox is in use, or gone already. After a purchase that may
    /// yet have happened the number is watched on, so that the sweep gives it back.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn undo(&self, inbox: &Inbox, after: Bought) -> Result<bool, StoreError> {
        let organization = &inbox.organization;
        let purchase: Option<PurchaseRow> =
            self.table.get(keys::purchase(organization, &inbox.id), true).await?;
        let mut transaction = Transaction::new(&self.table);
        transaction.delete_if(keys::inbox(organization, &inbox.id), |delete| {
            delete
                .condition_expression("stage = :creating")
                .expression_attribute_values(":creating", text("creating"))
        })?;
        transaction.delete(keys::own_number(&inbox.number))?;
        transaction.delete(keys::api_code(organization, &inbox.api_code))?;
        if after == Bought::SurelyNot {
            transaction.delete(keys::purchase(organization, &inbox.id))?;
        }
        if let Some(pk) = purchase.and_then(|purchase| purchase.key) {
            transaction.delete(Key { pk, sk: "KEY".into() })?;
        }
        Ok(transaction.commit().await?.is_done())
    }

    /// Purchases that are not settled, in no order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn unsettled(&self) -> Result<Vec<Purchase>, StoreError> {
        let found = self
            .table
            .client
            .query()
            .table_name(&self.table.name)
            .key_condition_expression("pk = :purchase")
            .expression_attribute_values(":purchase", text(keys::PURCHASE))
            .limit(SWEEP_LIMIT)
            .send()
            .await?;
        let rows: Vec<PurchaseRow> = serde_dynamo::from_items(found.items.unwrap_or_default())?;
        let purchase = |row: PurchaseRow| {
            Ok(Purchase {
                organization: parse_id(&row.org)?,
                inbox: parse_id(&row.inbox)?,
                number: row.number,
                at: row.at,
            })
        };
        rows.into_iter().map(purchase).collect()
    }

    /// Forgets a purchase whose inbox is in use or gone.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn mark_resolved(&self, purchase: &Purchase) -> Result<(), StoreError> {
        let mut transaction = Transaction::new(&self.table);
        transaction.delete(keys::purchase(&purchase.organization, &purchase.inbox))?;
        transaction.commit().await.map(|_| ())
    }
}
