//! Opt-outs: where each number stands, and the ledger of every change.
//!
//! A change is one transaction: the state under its scope and number, its line in the ledger of the team and of the
//! contact, the flag on the contact that lists and sends go by, and, where one is due, the confirmation with its outbox row.
//! The contact's copies on conversations follow; the sender asks once more before it calls the carrier, so that a text
//! that was accepted at the same instant loses.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Deserialize, Serialize};
use shared_domain::{
    contact::Contact,
    ids::{ContactId, InboxId, MessageId, OrganizationId, TeamId},
    message::Message,
    notice::{Notification, NotificationKind},
    opt_out::{LedgerEntry, OptOutChange, OptOutSource, OptOutState, OptOutSubject, Scope},
    phone::PhoneNumber,
    time::Timestamp,
};

use crate::{
    contact::{contact_copies::ContactCopies, contacts::Contacts},
    messaging::rows::{MessageRow, OutboxRow},
    notification::rows::NotificationRow,
    table::{
        error::StoreError,
        item::{Item, number, text},
        items::parse_id,
        keys::{self, Key},
        requests::Table,
        transaction::Transaction,
    },
};

/// Where a number stands, as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OptOutRecord {
    /// Opted out by whom, if at all.
    pub state: OptOutState,
    /// The inboxes that STOP was texted to: START to one of them opens again.
    pub stopped_at: Vec<InboxId>,
    last: Option<String>,
    version: u64,
}

impl OptOutRecord {
    /// Whether no text of this age, and no newer one, has changed it: ids of messages sort by time.
    pub fn predates(&self, message: &MessageId) -> bool {
        self.last.as_deref().is_none_or(|last| last < message.as_str())
    }
}

/// What goes with a change.
#[derive(Debug, Clone, Copy)]
pub struct OptOutWrite<'a> {
    /// Whose ledger it stands in.
    pub team: &'a TeamId,
    /// The contact of the number in that team.
    pub contact: &'a Contact,
    /// The change's line.
    pub entry: &'a LedgerEntry,
    /// The inbox that a keyword was texted to.
    pub inbox: Option<&'a InboxId>,
    /// The confirmation, where one is due.
    pub confirmation: Option<&'a Message>,
    /// Whether the team is to be told by e-mail.
    pub told: bool,
}

#[derive(Debug, Serialize, Deserialize, Default)]
struct StateRow {
    state: OptOutState,
    #[serde(default)]
    stopped_at: Vec<String>,
    /// The newest text that changed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last: Option<String>,
    version: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct EntryRow {
    at: Timestamp,
    contact: String,
    number: PhoneNumber,
    opted_out: bool,
    personal: bool,
    team: String,
    source: OptOutSource,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
}

/// A page of a ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerPage {
    /// Newest first.
    pub entries: Vec<LedgerEntry>,
    /// Where the next page begins.
    pub next: Option<String>,
}

/// Opt-outs.
#[derive(Debug, Clone)]
pub struct OptOuts {
    table: Table,
    contacts: Contacts,
    copies: ContactCopies,
}

impl OptOuts {
    /// In this table.
    pub fn new(table: Table) -> Self {
        Self { contacts: Contacts::new(table.clone()), copies: ContactCopies::new(table.clone()), table }
    }

    /// Where a number stands, read consistently: 1 read unit.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn get(&self, subject: &OptOutSubject) -> Result<OptOutRecord, StoreError> {
        let row: Option<StateRow> = self.table.get(key(subject), true).await?;
        row.unwrap_or_default().standing()
    }

    /// Where many numbers stand with a team, read consistently: a read unit each. Who is not among them is opted in.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn several(
        &self,
        organization: &OrganizationId,
        team: &TeamId,
        numbers: &[PhoneNumber],
    ) -> Result<HashMap<PhoneNumber, OptOutRecord>, StoreError> {
        let asked = numbers.iter().map(|number| key(&OptOutSubject::of_team(organization, team, number)));
        let found = self.table.get_many(asked.collect()).await?;
        let standing = |item: Item| {
            let pk = item.get("pk").and_then(|pk| pk.as_s().ok());
            let number = pk.and_then(|pk| pk.rsplit('#').next()).unwrap_or_default();
            let number = PhoneNumber::from_carrier(number)
                .map_err(|_| StoreError::Unreadable("a number in a key".into()))?;
            Ok((number, serde_dynamo::from_item::<_, StateRow>(item)?.standing()?))
        };
        found.into_iter().map(standing).collect()
    }

    /// Whether any of these numbers and scopes is opted out: one request, a read unit each.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn any_out(&self, subjects: &[OptOutSubject]) -> Result<bool, StoreError> {
        let found = self.table.batch_get(subjects.iter().map(key).collect(), true).await?;
        let rows: Vec<StateRow> = serde_dynamo::from_items(found)?;
        Ok(rows.iter().any(|row| row.state.is_out()))
    }

    /// Stores a change with all that goes with it; `false` when the number stood elsewhere by then: read it again.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn record(
        &self,
        subject: &OptOutSubject,
        before: &OptOutRecord,
        change: &OptOutChange,
        with: OptOutWrite<'_>,
    ) -> Result<bool, StoreError> {
        self.record_and(subject, before, change, with, |_| Ok(())).await
    }

    /// The same with more writes in its transaction.
    pub(crate) async fn record_and(
        &self,
        subject: &OptOutSubject,
        before: &OptOutRecord,
        change: &OptOutChange,
        with: OptOutWrite<'_>,
        also: impl FnOnce(&mut Transaction<'_>) -> Result<(), StoreError>,
    ) -> Result<bool, StoreError> {
        let (organization, contact) = (&subject.organization, with.contact);
        let mut transaction = Transaction::new(&self.table);
        let mut stopped_at: Vec<String> = before.stopped_at.iter().map(ToString::to_string).collect();
        if !change.state.is_out_by(OptOutSource::Keyword) {
            stopped_at.clear(); // whoever opened it
        } else if let Some(inbox) = with.inbox {
            stopped_at.retain(|at| at != inbox.as_str());
            stopped_at.push(inbox.to_string());
        }
        let of_contact = with.entry.source == OptOutSource::Keyword;
        let last = with.entry.message.as_ref().filter(|_| of_contact).map(ToString::to_string);
        let row = StateRow {
            state: change.state.clone(),
            stopped_at,
            last: last.or_else(|| before.last.clone()),
            version: before.version + 1,
        };
        transaction.put_if(key(subject), &row, |put| {
            put.condition_expression("attribute_not_exists(pk) OR version = :version")
                .expression_attribute_values(":version", number(before.version))
        })?;
        let entry = EntryRow::of(with.team, with.entry);
        for key in [
            keys::opt_out_of_team(organization, with.team, with.entry.at, &contact.id),
            keys::opt_out_of_contact(organization, &contact.id, with.entry.at),
        ] {
            transaction.put(key, &entry)?;
        }
        if matches!(subject.scope, Scope::Team(_)) {
            flagged(&mut transaction, organization, with.team, contact, change.state.is_out())?;
        }
        if let Some(message) = with.confirmation {
            let at = keys::message(organization, &message.conversation, &message.id);
            transaction.put_new(at, &MessageRow::of(message))?;
            let outbox = OutboxRow {
                org: organization.to_string(),
                sk: message.id.to_string(),
                at: message.created_at,
            };
            transaction.put_new(keys::outbox(&message.conversation, &message.id), &outbox)?;
        }
        if with.told && change.turned {
            let notice = Notification {
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
            transaction.put(keys::notice(&notice.id), &NotificationRow::of(&notice))?;
        }
        also(&mut transaction)?;
        Ok(transaction.commit().await?.is_done())
    }

    /// Notes a keyword that changed nothing, since an older one that comes after it must not undo what it says; `false` when
    /// the number stood elsewhere by then: read it again. 2 write units.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn record_message(
        &self,
        subject: &OptOutSubject,
        before: &OptOutRecord,
        message: &MessageId,
    ) -> Result<bool, StoreError> {
        let row = StateRow {
            state: before.state.clone(),
            stopped_at: before.stopped_at.iter().map(ToString::to_string).collect(),
            last: Some(message.to_string()),
            version: before.version + 1,
        };
        let mut transaction = Transaction::new(&self.table);
        transaction.put_if(key(subject), &row, |put| {
            put.condition_expression("attribute_not_exists(pk) OR version = :version")
                .expression_attribute_values(":version", number(before.version))
        })?;
        Ok(transaction.commit().await?.is_done())
    }

    /// Brings the contact's copies on conversations up to where its number stands. Done after each change, and again by
    /// whoever finds that nothing had to be changed: a process may have died before it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn sync_copies(
        &self,
        organization: &OrganizationId,
        team: &TeamId,
        number: &PhoneNumber,
    ) -> Result<(), StoreError> {
        let contact = self.contacts.by_number_or_provisional(organization, team, number).await?;
        self.refresh_contact(organization, team, contact).await
    }

    /// Brings a contact's flag, and its copies on conversations, up to where its number stands: for who knows which contact
    /// is shown for the number.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn refresh_contact(
        &self,
        organization: &OrganizationId,
        team: &TeamId,
        mut contact: Contact,
    ) -> Result<(), StoreError> {
        let subject = OptOutSubject::of_team(organization, team, &contact.number);
        let opted_out = self.get(&subject).await?.state.is_out();
        if contact.opted_out != opted_out {
            contact.opted_out = opted_out;
            self.flag(organization, team, &contact).await?;
        }
        self.copies.sync_copies(organization, team, &contact).await.map(|_| ())
    }

    /// An opt-out is the number's: of several contacts that share one, whichever is shown for it carries the flag.
    async fn flag(
        &self,
        organization: &OrganizationId,
        team: &TeamId,
        contact: &Contact,
    ) -> Result<(), StoreError> {
        let mut transaction = Transaction::new(&self.table);
        flagged(&mut transaction, organization, team, contact, contact.opted_out)?;
        transaction.commit().await.map(|_| ()) // gone meanwhile: nothing to flag
    }

    /// A team's ledger between two instants, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn of_team(
        &self,
        organization: &OrganizationId,
        team: &TeamId,
        (from, to): (Timestamp, Timestamp),
        limit: u16,
        after: Option<&str>,
    ) -> Result<LedgerPage, StoreError> {
        let partition = keys::team_partition(organization, team);
        self.page(partition, (keys::opt_outs_at(from), keys::opt_outs_at(to)), limit, after).await
    }

    /// A contact's ledger, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn of_contact(
        &self,
        organization: &OrganizationId,
        contact: &ContactId,
        limit: u16,
        after: Option<&str>,
    ) -> Result<LedgerPage, StoreError> {
        let partition = keys::contact_partition(organization, contact);
        let all = (keys::opt_outs_at(Timestamp::from_millis(0)), keys::opt_outs_end());
        self.page(partition, all, limit, after).await
    }

    async fn page(
        &self,
        partition: String,
        (from, to): (String, String),
        limit: u16,
        after: Option<&str>,
    ) -> Result<LedgerPage, StoreError> {
        if from > to {
            return Ok(LedgerPage { entries: Vec::new(), next: None }); // the table refuses to be asked
        }
        let start =
            after.map(|place| Item::from([("pk".into(), text(&partition)), ("sk".into(), text(place))]));
        let found = self
            .table
            .client
            .query()
            .table_name(&self.table.name)
            .key_condition_expression("pk = :partition AND sk BETWEEN :from AND :to")
            .expression_attribute_values(":partition", text(&partition))
            .expression_attribute_values(":from", text(from))
            .expression_attribute_values(":to", text(to))
            .scan_index_forward(false)
            .limit(i32::from(limit))
            .set_exclusive_start_key(start)
            .send()
            .await?;
        let next = found.last_evaluated_key.and_then(|key| key.get("sk")?.as_s().ok().cloned());
        let rows: Vec<EntryRow> = serde_dynamo::from_items(found.items.unwrap_or_default())?;
        Ok(LedgerPage { entries: rows.into_iter().map(EntryRow::entry).collect::<Result<_, _>>()?, next })
    }
}

impl StateRow {
    fn standing(self) -> Result<OptOutRecord, StoreError> {
        let stopped_at = self.stopped_at.iter().map(|inbox| parse_id(inbox)).collect::<Result<_, _>>()?;
        Ok(OptOutRecord { state: self.state, stopped_at, last: self.last, version: self.version })
    }
}

/// Writes the flag of a contact that is there.
fn flagged(
    transaction: &mut Transaction<'_>,
    organization: &OrganizationId,
    team: &TeamId,
    contact: &Contact,
    out: bool,
) -> Result<usize, StoreError> {
    transaction.update(keys::contact(organization, team, &contact.id), |update| {
        let update = update
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_names("#out", "out")
            .expression_attribute_values(":one", number(1));
        if out {
            update
                .update_expression("SET #out = :out ADD version :one")
                .expression_attribute_values(":out", AttributeValue::Bool(true))
        } else {
            update.update_expression("REMOVE #out ADD version :one")
        }
    })
}

fn key(subject: &OptOutSubject) -> Key {
    let scope = match &subject.scope {
        Scope::Team(team) => team.as_str(),
        Scope::Personal => "PERSONAL",
    };
    keys::opt_out(&subject.organization, scope, &subject.number)
}

impl EntryRow {
    fn of(team: &TeamId, entry: &LedgerEntry) -> Self {
        Self {
            at: entry.at,
            contact: entry.contact.to_string(),
            number: entry.number.clone(),
            opted_out: entry.opted_out,
            personal: entry.scope == Scope::Personal,
            team: team.to_string(),
            source: entry.source,
            message: entry.message.as_ref().map(ToString::to_string),
            user: entry.user.as_ref().map(ToString::to_string),
        }
    }

    fn entry(self) -> Result<LedgerEntry, StoreError> {
        let scope = if self.personal { Scope::Personal } else { Scope::Team(parse_id(&self.team)?) };
        Ok(LedgerEntry {
            at: self.at,
            contact: parse_id(&self.contact)?,
            number: self.number,
            opted_out: self.opted_out,
            scope,
            source: self.source,
            message: self.message.as_deref().map(parse_id).transpose()?,
            user: self.user.as_deref().map(parse_id).transpose()?,
        })
    }
}
