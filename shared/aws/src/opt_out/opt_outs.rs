//! Opt-outs: the state of each number in a scope.
//!
//! A change is one transaction: the state, the ledger entries of the team and of the contact, and, if one is
//! due, the confirmation with its outbox entry. The copies on conversations follow
//! ([`Contacts::sync_conversations`](crate::contact::Contacts::sync_conversations)). The sender reads the
//! state again before it calls the carrier, so that a message that was accepted at the same instant is not
//! sent.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use shared_domain::{
    contact::Contact,
    ids::{InboxId, MessageId, TeamId},
    keys::TeamKey,
    message::Message,
    notification::{Notification, NotificationKind},
    opt_out::{LedgerEntry, OptOutChange, OptOutScope, OptOutSource, OptOutState, OptOutSubject},
    phone::PhoneNumber,
};

use crate::{
    messaging::rows::{MessageRow, OutboxRow},
    notification::rows::NotificationRow,
    opt_out::{
        ledger,
        numbers::{NumberStatus, status_key},
    },
    table::{
        error::StoreError,
        item::{by_key, from_item, number},
        keys::{self, Key},
        requests::Table,
        transaction::Transaction,
    },
};

/// The opt-out state of a number as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OptOutRecord {
    pub state: OptOutState,
    /// The inboxes that received STOP. START to one of them ends the opt-out.
    pub stopped_at: Vec<InboxId>,
    /// Whether the team blocked the number.
    pub blocked: bool,
    /// The newest message that changed the state.
    last: Option<MessageId>,
    /// The newest START to each inbox that changed nothing.
    starts: BTreeMap<InboxId, MessageId>,
    version: u64,
}

impl OptOutRecord {
    /// Whether neither this message nor a newer one has changed the state. Message ids sort by time.
    pub fn precedes(&self, message: &MessageId) -> bool {
        self.last.as_ref().is_none_or(|last| last < message)
    }

    /// Whether this message is a START to this inbox that is remembered, or older than one.
    pub fn has_later_start(&self, inbox: &InboxId, message: &MessageId) -> bool {
        self.starts.get(inbox).is_some_and(|start| start >= message)
    }
}

/// What is written together with a change.
#[derive(Debug, Clone, Copy)]
pub struct OptOutWrite<'a> {
    /// The team whose ledger has the change.
    pub team: &'a TeamId,
    /// The contact with the number in that team.
    pub contact: &'a Contact,
    pub entry: &'a LedgerEntry,
    /// The inbox that received a keyword.
    pub inbox: Option<&'a InboxId>,
    /// The confirmation, if one is due.
    pub confirmation: Option<&'a Message>,
    /// Whether to notify the team by e-mail.
    pub notify: bool,
}

/// The status of a number in a scope. A number that is only blocked has no `state`.
#[derive(Debug, Serialize, Deserialize, Default)]
pub(crate) struct StateRow {
    #[serde(default)]
    pub state: OptOutState,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub blocked: bool,
    #[serde(default)]
    pub stopped_at: Vec<InboxId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<MessageId>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub starts: BTreeMap<InboxId, MessageId>,
    pub version: u64,
}

impl StateRow {
    fn record(self) -> OptOutRecord {
        let Self { state, blocked, stopped_at, last, starts, version } = self;
        OptOutRecord { state, stopped_at, blocked, last, starts, version }
    }

    /// The next version of a record. A change of it starts here.
    fn after(record: &OptOutRecord) -> Self {
        let OptOutRecord { state, stopped_at, blocked, last, starts, version } = record.clone();
        Self { state, blocked, stopped_at, last, starts, version: version + 1 }
    }

    pub(crate) fn status(&self) -> NumberStatus {
        NumberStatus { opted_out: self.state.is_out(), blocked: self.blocked, version: self.version }
    }
}

/// The opt-outs of numbers.
#[derive(Debug, Clone)]
pub struct OptOuts {
    pub(super) table: Table,
}

impl OptOuts {
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// Returns the state of a number, read consistently. Costs 1 read unit.
    pub async fn get(&self, subject: &OptOutSubject) -> Result<OptOutRecord, StoreError> {
        let row: Option<StateRow> = self.table.get(state_key(subject), true).await?;
        Ok(row.unwrap_or_default().record())
    }

    /// Returns the states of numbers in a team, read consistently, for 1 read unit each. A missing number is
    /// opted in.
    pub(crate) async fn get_many(
        &self,
        team: TeamKey<'_>,
        numbers: &[PhoneNumber],
    ) -> Result<HashMap<PhoneNumber, OptOutRecord>, StoreError> {
        let items = by_key(
            self.table.get_many(numbers.iter().map(|number| status_key(team, number)).collect()).await?,
        );
        let record = |number: &PhoneNumber| {
            let item = items.get(&status_key(team, number))?.clone();
            Some(from_item::<StateRow>(item).map(|row| (number.clone(), row.record())))
        };
        numbers.iter().filter_map(record).collect()
    }

    /// Whether any of these numbers is opted out in its scope: one request, 1 read unit each.
    pub async fn any_out(&self, subjects: &[OptOutSubject]) -> Result<bool, StoreError> {
        Ok(self.status(subjects).await?.opted_out)
    }

    /// Whether any of these numbers is opted out or blocked in its scope. Costs as [`OptOuts::any_out`].
    pub async fn status(&self, subjects: &[OptOutSubject]) -> Result<NumberStatus, StoreError> {
        let found = self.table.batch_get(subjects.iter().map(state_key).collect(), true).await?;
        let rows: Vec<StateRow> = serde_dynamo::from_items(found)?;
        Ok(rows.iter().map(StateRow::status).fold(NumberStatus::default(), NumberStatus::and))
    }

    /// Stores a change with everything that belongs to it. `false` if the state changed since it was read, or
    /// the contact was removed.
    pub async fn record(
        &self,
        subject: &OptOutSubject,
        before: &OptOutRecord,
        change: &OptOutChange,
        with: OptOutWrite<'_>,
    ) -> Result<bool, StoreError> {
        self.record_and(subject, before, change, with, |_| Ok(())).await
    }

    /// [`OptOuts::record`] with more writes in its transaction.
    pub(crate) async fn record_and(
        &self,
        subject: &OptOutSubject,
        before: &OptOutRecord,
        change: &OptOutChange,
        with: OptOutWrite<'_>,
        add_writes: impl FnOnce(&mut Transaction<'_>) -> Result<(), StoreError>,
    ) -> Result<bool, StoreError> {
        let (organization, contact) = (&subject.organization, with.contact);
        let team = TeamKey { organization, team: with.team };
        let mut transaction = Transaction::new(&self.table);
        let mut stopped_at = before.stopped_at.clone();
        if !change.state.is_out_by(OptOutSource::Keyword) {
            stopped_at.clear();
        } else if let Some(inbox) = with.inbox {
            stopped_at.retain(|stopped| stopped != inbox);
            stopped_at.push(inbox.clone());
        }
        let by_keyword = with.entry.source == OptOutSource::Keyword;
        let keyword_message = with.entry.message.clone().filter(|_| by_keyword);
        let row = StateRow {
            state: change.state.clone(),
            stopped_at,
            last: keyword_message.or_else(|| before.last.clone()),
            ..StateRow::after(before)
        };
        put_state(&mut transaction, subject, before, &row)?;
        ledger::write(&mut transaction, team, &contact.id, with.entry)?;
        if matches!(subject.scope, OptOutScope::Team(_)) {
            transaction.require_exists(keys::contact(team, &contact.id))?;
        }
        if let Some(message) = with.confirmation {
            let key = keys::message(organization, &message.conversation, &message.id);
            transaction.put_new(key, &MessageRow::of(message))?;
            let key = keys::outbox(&message.conversation, &message.id);
            transaction.put_new(key, &OutboxRow::of(organization, message))?;
        }
        if with.notify && change.turned {
            let notification = Notification {
                id: format!("opt-out-{}-{}", contact.id, with.entry.at.millis()),
                organization: organization.clone(),
                team: Some(with.team.clone()),
                subject: NotificationKind::OptOutChanged {
                    contact: contact.id.clone(),
                    opted_out: change.state.is_out(),
                },
                at: with.entry.at,
                admins: Vec::new(),
            };
            transaction.put(keys::notification(&notification.id), &NotificationRow::of(&notification))?;
        }
        add_writes(&mut transaction)?;
        Ok(transaction.commit().await?.is_done())
    }

    /// Stores a STOP that changed nothing, so that an older START that arrives later does not undo it: 2
    /// write units. `false` if the state changed since it was read.
    pub async fn remember_stop(
        &self,
        subject: &OptOutSubject,
        before: &OptOutRecord,
        message: &MessageId,
    ) -> Result<bool, StoreError> {
        let row = StateRow { last: Some(message.clone()), ..StateRow::after(before) };
        self.replace(subject, before, &row).await
    }

    /// Stores a START to an inbox that changed nothing, so that an older STOP to the same inbox that arrives
    /// later does not override it: 2 write units. `false` if the state changed since it was read.
    pub async fn remember_start(
        &self,
        subject: &OptOutSubject,
        before: &OptOutRecord,
        inbox: &InboxId,
        message: &MessageId,
    ) -> Result<bool, StoreError> {
        let mut row = StateRow::after(before);
        row.starts.insert(inbox.clone(), message.clone());
        self.replace(subject, before, &row).await
    }

    /// Deletes the state of a number, unless it is opted out: then only the opt-out stays. Returns whether
    /// the number is opted out.
    pub async fn erase(&self, subject: &OptOutSubject) -> Result<bool, StoreError> {
        loop {
            let before = self.get(subject).await?;
            if before.state.is_out() {
                let row = StateRow { blocked: false, ..StateRow::after(&before) };
                if !before.blocked || self.replace(subject, &before, &row).await? {
                    return Ok(true);
                }
            } else {
                let deleted = self.table.delete_if(state_key(subject), |delete| {
                    delete
                        .condition_expression("attribute_not_exists(pk) OR version = :version")
                        .expression_attribute_values(":version", number(before.version))
                });
                if deleted.await?.is_done() {
                    return Ok(false);
                }
            }
        }
    }

    async fn replace(
        &self,
        subject: &OptOutSubject,
        before: &OptOutRecord,
        row: &StateRow,
    ) -> Result<bool, StoreError> {
        let mut transaction = Transaction::new(&self.table);
        put_state(&mut transaction, subject, before, row)?;
        Ok(transaction.commit().await?.is_done())
    }
}

pub(crate) fn state_key(subject: &OptOutSubject) -> Key {
    let scope = match &subject.scope {
        OptOutScope::Team(team) => team.as_str(),
        OptOutScope::Organization => "ORGANIZATION",
        OptOutScope::Personal => "PERSONAL",
    };
    keys::opt_out(&subject.organization, scope, &subject.number)
}

/// Writes a state that did not change since it was read.
fn put_state(
    transaction: &mut Transaction<'_>,
    subject: &OptOutSubject,
    before: &OptOutRecord,
    row: &StateRow,
) -> Result<usize, StoreError> {
    transaction.put_if(state_key(subject), row, |put| {
        put.condition_expression("attribute_not_exists(pk) OR version = :version")
            .expression_attribute_values(":version", number(before.version))
    })
}
