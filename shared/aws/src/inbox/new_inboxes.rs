//! Creating an inbox. Its number costs money and comes from the carrier, so two transactions enclose the
//! purchase.
//!
//! 1. **Reserve**: writes the inbox in stage `creating`, claims its API code and its number, stores the
//!    idempotency key, and records that a purchase is under way. Inbound messages to the number are stored
//!    from now on.
//! 2. The purchase at the carrier, unless the account owns the number already.
//! 3. **Complete**: the inbox becomes `active` with its first members, the purchase is resolved, and the
//!    registration of the team begins if it had not begun.
//!
//! If the process stops in between, a retry with the same key finds the reservation and completes it, or the
//! sweep undoes it and releases the number. [`NewInboxes::undo`] removes what `reserve` wrote, and never an
//! active inbox.

use shared_domain::{
    ids::{InboxId, OrganizationId, UserId},
    inbox::Inbox,
    keys::InboxKey,
    membership::Membership,
    phone::PhoneNumber,
    registration::TimelineStep,
    time::Timestamp,
};

use crate::{
    inbox::{
        owned_numbers,
        rows::{InboxPointer, InboxRow, PurchaseRow},
    },
    messaging::SweptNumbers,
    registration::registrations,
    table::{
        error::StoreError,
        idempotency::Idempotency,
        item::text,
        keys::{self, Key},
        query::{KeyRange, Order},
        requests::Table,
        transaction::Transaction,
    },
    team::{audit::AuditEvent, inbox_members, rows::TeamPointer},
};

/// Maximum number of purchases in a sweep.
const SWEEP_LIMIT: u16 = 50;

/// The outcome of a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reserved {
    /// Reserved; the number may be bought.
    Done,
    /// Another inbox of the organization has the API code.
    ApiCodeTaken,
    /// Another inbox has the number.
    NumberTaken,
    /// The organization has the maximum number of numbers.
    NumberLimitReached,
    /// The owner of the personal inbox has one in the team already.
    PersonalInboxExists,
    /// Another request used the idempotency key in the meantime.
    KeyTaken,
}

/// The outcome of a completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completed {
    /// The inbox is active.
    Done,
    /// The reservation does not exist or is already completed.
    NotReserved,
    /// The registration that was to begin has begun already.
    RegistrationBegun,
}

/// Whether the number of an undone reservation may have been bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bought {
    /// Nothing was bought, or the number was released.
    No,
    /// The carrier's answer was lost.
    Unknown,
}

/// A purchase that is not resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purchase {
    pub organization: OrganizationId,
    /// The number carries the id of its inbox at the carrier.
    pub inbox: InboxId,
    pub number: PhoneNumber,
    /// The time of the reservation.
    pub at: Timestamp,
}

/// Inboxes that are being created.
#[derive(Debug, Clone)]
pub struct NewInboxes {
    table: Table,
}

impl NewInboxes {
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// Reserves the API code and number of an inbox in stage `creating`: 10 write units, 12 with an
    /// idempotency key. `owner` is the user of a personal inbox, which costs 2 more. `limit` is the maximum
    /// number of numbers of the organization.
    pub async fn reserve(
        &self,
        inbox: &Inbox,
        owner: Option<&UserId>,
        limit: u32,
        key: Option<Idempotency<'_>>,
        now: Timestamp,
    ) -> Result<Reserved, StoreError> {
        let organization = &inbox.organization;
        let pointer = InboxPointer::of(inbox);
        let mut transaction = Transaction::new(&self.table);
        let code = transaction.put_new(keys::api_code(organization, &inbox.api_code), &pointer)?;
        let number = transaction.put_new(keys::inbox_number(&inbox.number), &pointer)?;
        transaction.put_new(keys::inbox(inbox.key()), &InboxRow::of(inbox))?;
        let owned = owned_numbers::add(&mut transaction, organization, &inbox.number, limit)?;
        let purchase = PurchaseRow {
            org: organization.clone(),
            inbox: inbox.id.clone(),
            number: inbox.number.clone(),
            at: now,
            key: key.map(|key| key.item_key(organization).pk),
            owner: owner.cloned(),
        };
        transaction.put(keys::purchase(inbox.key()), &purchase)?;
        let personal = match owner {
            Some(owner) => {
                Some(transaction.put_new(keys::personal_inbox(inbox.team_key(), owner), &pointer)?)
            }
            None => None,
        };
        let used_key = match key {
            Some(key) => Some(key.write(&mut transaction, organization, inbox.id.as_str(), now)?),
            None => None,
        };
        let committed = transaction.commit().await?;
        Ok(if used_key.is_some_and(|place| committed.refused_at(place)) {
            Reserved::KeyTaken
        } else if personal.is_some_and(|place| committed.refused_at(place)) {
            Reserved::PersonalInboxExists
        } else if committed.refused_at(owned) {
            Reserved::NumberLimitReached
        } else if committed.refused_at(code) {
            Reserved::ApiCodeTaken
        } else if committed.refused_at(number) {
            Reserved::NumberTaken
        } else if committed.is_done() {
            Reserved::Done
        } else {
            return Err(StoreError::Unavailable("two inboxes got the same id".into()));
        })
    }

    /// Whether an organization has this many numbers or more.
    pub async fn has_reached_limit(
        &self,
        organization: &OrganizationId,
        limit: u32,
    ) -> Result<bool, StoreError> {
        owned_numbers::is_full(&self.table, organization, limit).await
    }

    /// Activates a reserved inbox with its first members, and begins the team's registration if `first_step`
    /// is given. `number_sid` is the carrier's id of the number. The sweep of inbound messages starts at
    /// `swept_since`, or at the purchase of the number.
    pub async fn complete(
        &self,
        inbox: &Inbox,
        number_sid: &str,
        first_members: &[Membership],
        first_step: Option<&TimelineStep>,
        swept_since: Option<Timestamp>,
        event: &AuditEvent<'_>,
    ) -> Result<Completed, StoreError> {
        let mut transaction = Transaction::new(&self.table);
        let reserved = transaction.update(keys::inbox(inbox.key()), |update| {
            update
                .update_expression("SET stage = :active, numberSid = :sid")
                .condition_expression("stage = :creating")
                .expression_attribute_values(":active", text("active"))
                .expression_attribute_values(":creating", text("creating"))
                .expression_attribute_values(":sid", text(number_sid))
        })?;
        transaction.delete(keys::purchase(inbox.key()))?;
        let pointer = TeamPointer::of(inbox.team_key());
        transaction.put(keys::team_inbox(inbox.team_key(), &inbox.id), &pointer)?;
        for member in first_members {
            inbox_members::write(&mut transaction, &inbox.organization, member)?;
        }
        if let Some(since) = swept_since {
            SweptNumbers::write(&mut transaction, &inbox.number, since)?;
        }
        event.write(&mut transaction, inbox.team_key())?;
        if let Some(step) = first_step {
            registrations::start(&mut transaction, inbox.team_key(), step)?;
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

    /// Removes a reservation with its idempotency key. `false` if the inbox is active or does not exist. If
    /// the number may have been bought, the purchase stays recorded, so that the sweep releases the number.
    pub async fn undo(&self, inbox: &Inbox, bought: Bought) -> Result<bool, StoreError> {
        let organization = &inbox.organization;
        let purchase: Option<PurchaseRow> = self.table.get(keys::purchase(inbox.key()), true).await?;
        let mut transaction = Transaction::new(&self.table);
        transaction.delete_if(keys::inbox(inbox.key()), |delete| {
            delete
                .condition_expression("stage = :creating")
                .expression_attribute_values(":creating", text("creating"))
        })?;
        transaction.delete(keys::inbox_number(&inbox.number))?;
        owned_numbers::remove(&mut transaction, organization, &inbox.number)?;
        transaction.delete(keys::api_code(organization, &inbox.api_code))?;
        if bought == Bought::No {
            transaction.delete(keys::purchase(inbox.key()))?;
        }
        if let Some(PurchaseRow { key, owner, .. }) = purchase {
            if let Some(pk) = key {
                transaction.delete(Key { pk, sk: "KEY".into() })?;
            }
            if let Some(owner) = owner {
                transaction.delete(keys::personal_inbox(inbox.team_key(), &owner))?;
            }
        }
        Ok(transaction.commit().await?.is_done())
    }

    /// Returns the purchases that are not resolved, in no order.
    pub async fn unresolved(&self) -> Result<Vec<Purchase>, StoreError> {
        let page =
            self.table.page(KeyRange::all(keys::PURCHASE), Order::Ascending, SWEEP_LIMIT, None).await?;
        let purchase = |row: PurchaseRow| Purchase {
            organization: row.org,
            inbox: row.inbox,
            number: row.number,
            at: row.at,
        };
        Ok(page.items.into_iter().map(purchase).collect())
    }

    /// Removes the record of a purchase whose inbox is active or does not exist.
    pub async fn mark_resolved(&self, purchase: &Purchase) -> Result<(), StoreError> {
        let inbox = InboxKey { organization: &purchase.organization, inbox: &purchase.inbox };
        self.table.delete(keys::purchase(inbox)).await
    }
}
