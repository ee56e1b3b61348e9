//! Opt-outs: the state of each number in a scope.
//!
//! A change is one transaction: the state, the ledger entries of the team and of the contact, the flag on the
//! contact that lists and sends use, and, if one is due, the confirmation with its outbox entry. The
//! contact's copies on conversations follow. The sender reads the state again before it calls the carrier, so
//! that a message that was accepted at the same instant is not sent.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Deserialize, Serialize};
use shared_domain::{
    contact::Contact,
    ids::{InboxId, MessageId, TeamId},
    keys::TeamKey,
    message::Message,
    notification::{Notification, NotificationKind},
    opt_out::{LedgerEntry, OptOutChange, OptOutSource, OptOutState, OptOutSubject, Scope},
    phone::PhoneNumber,
};

use crate::{
    contact::contacts::Contacts,
    messaging::rows::{MessageRow, OutboxRow},
    notification::rows::NotificationRow,
    opt_out::ledger,
    table::{
        error::StoreError,
        item::{Item, from_item, number, string_attribute},
        keys::{self, Key},
        requests::{EXISTS, Table},
        transaction::Transaction,
    },
};

/// The opt-out state of a number as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OptOutRecord {
    pub state: OptOutState,
    /// The inboxes that received STOP. START to one of them ends the opt-out.
    pub stopped_at: Vec<InboxId>,
    /// The newest message that changed the state.
    last: Option<MessageId>,
    version: u64,
}

impl OptOutRecord {
    /// Whether neither this message nor a newer one has changed the state. Message ids sort by time.
    pub fn predates(&self, message: &MessageId) -> bool {
        self.last.as_ref().is_none_or(|last| last < message)
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

#[derive(Debug, Serialize, Deserialize, Default)]
struct StateRow {
    state: OptOutState,
    #[serde(default)]
    stopped_at: Vec<InboxId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last: Option<MessageId>,
    version: u64,
}

impl StateRow {
    fn record(self) -> OptOutRecord {
        let Self { state, stopped_at, last, version } = self;
        OptOutRecord { state, stopped_at, last, version }
    }
}

/// The opt-outs of numbers.
#[derive(Debug, Clone)]
pub struct OptOuts {
    pub(super) table: Table,
    contacts: Contacts,
}

impl OptOuts {
    pub fn new(table: Table) -> Self {
        Self { contacts: Contacts::new(table.clone()), table }
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
        let subject = |number| OptOutSubject::of_team(team.organization, team.team, number);
        let keys = numbers.iter().map(|number| state_key(&subject(number))).collect();
        let record = |item: Item| {
            let number = string_attribute(&item, "pk").and_then(|pk| pk.rsplit('#').next());
            let number = PhoneNumber::from_carrier(number.unwrap_or_default())
                .map_err(|_| StoreError::Corrupt("a number in a key".into()))?;
            Ok((number, from_item::<StateRow>(item)?.record()))
        };
        self.table.get_many(keys).await?.into_iter().map(record).collect()
    }

    /// Whether any of these numbers is opted out in its scope: one request, 1 read unit each.
    pub async fn any_out(&self, subjects: &[OptOutSubject]) -> Result<bool, StoreError> {
        let found = self.table.batch_get(subjects.iter().map(state_key).collect(), true).await?;
        let rows: Vec<StateRow> = serde_dynamo::from_items(found)?;
        Ok(rows.iter().any(|row| row.state.is_out()))
    }

    /// Stores a change with everything that belongs to it. `false` if the state changed since it was read.
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
            version: before.version + 1,
        };
        put_state(&mut transaction, subject, before, &row)?;
        ledger::write(&mut transaction, team, &contact.id, with.entry)?;
        if matches!(subject.scope, Scope::Team(_)) {
            set_flag(&mut transaction, team, contact, change.state.is_out())?;
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
                team: with.team.clone(),
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

    /// Stores a keyword that changed nothing, so that an older one that arrives later does not undo it: 2
    /// write units. `false` if the state changed since it was read.
    pub async fn record_message(
        &self,
        subject: &OptOutSubject,
        before: &OptOutRecord,
        message: &MessageId,
    ) -> Result<bool, StoreError> {
        let row = StateRow {
            state: before.state.clone(),
            stopped_at: before.stopped_at.clone(),
            last: Some(message.clone()),
            version: before.version + 1,
        };
        let mut transaction = Transaction::new(&self.table);
        put_state(&mut transaction, subject, before, &row)?;
        Ok(transaction.commit().await?.is_done())
    }

    /// Updates the contact that is shown for a number, and its copies on conversations, with the number's
    /// state. Called after each change, and again if there was nothing to change, because a process may have
    /// stopped before it.
    pub async fn sync_copies(&self, team: TeamKey<'_>, number: &PhoneNumber) -> Result<(), StoreError> {
        let contact = self.contacts.by_number_or_provisional(team, number).await?;
        self.refresh_contact(team, contact).await
    }

    /// [`OptOuts::sync_copies`] for a caller that knows which contact is shown for the number.
    pub async fn refresh_contact(&self, team: TeamKey<'_>, mut contact: Contact) -> Result<(), StoreError> {
        let subject = OptOutSubject::of_team(team.organization, team.team, &contact.number);
        let opted_out = self.get(&subject).await?.state.is_out();
        if contact.opted_out != opted_out {
            contact.opted_out = opted_out;
            self.flag(team, &contact).await?;
        }
        self.contacts.sync_copies(team, &contact).await.map(drop)
    }

    /// Stores the flag of a contact that may no longer exist. An opt-out belongs to the number: of several
    /// contacts with the number, the one that is shown has the flag.
    async fn flag(&self, team: TeamKey<'_>, contact: &Contact) -> Result<(), StoreError> {
        let mut transaction = Transaction::new(&self.table);
        set_flag(&mut transaction, team, contact, contact.opted_out)?;
        transaction.commit().await.map(drop)
    }
}

fn state_key(subject: &OptOutSubject) -> Key {
    let scope = match &subject.scope {
        Scope::Team(team) => team.as_str(),
        Scope::Personal => "PERSONAL",
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

/// Writes the flag of a contact. The condition fails if the contact does not exist.
fn set_flag(
    transaction: &mut Transaction<'_>,
    team: TeamKey<'_>,
    contact: &Contact,
    opted_out: bool,
) -> Result<usize, StoreError> {
    transaction.update(keys::contact(team, &contact.id), |update| {
        let update = update
            .condition_expression(EXISTS)
            .expression_attribute_names("#out", "out")
            .expression_attribute_values(":one", number(1));
        if opted_out {
            update
                .update_expression("SET #out = :out ADD version :one")
                .expression_attribute_values(":out", AttributeValue::Bool(true))
        } else {
            update.update_expression("REMOVE #out ADD version :one")
        }
    })
}
