//! The opt-out ledger: every change of an opt-out state, found from the team and from the contact, newest
//! first.

use serde::{Deserialize, Serialize};
use shared_domain::{
    ids::{ContactId, MessageId, OrganizationId, TeamId, UserId},
    keys::TeamKey,
    opt_out::{LedgerEntry, OptOutScope, OptOutSource},
    phone::PhoneNumber,
    time::Timestamp,
};

use crate::{
    opt_out::opt_outs::OptOuts,
    table::{
        error::StoreError,
        keys,
        query::{KeyRange, Order, Page},
        transaction::Transaction,
    },
};

#[derive(Debug, Serialize, Deserialize)]
struct LedgerRow {
    at: Timestamp,
    contact: ContactId,
    number: PhoneNumber,
    opted_out: bool,
    personal: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    organization: bool,
    team: TeamId,
    source: OptOutSource,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<MessageId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<UserId>,
}

impl LedgerRow {
    fn of(team: &TeamId, entry: &LedgerEntry) -> Self {
        let LedgerEntry { at, contact, number, opted_out, scope, source, message, user } = entry.clone();
        let personal = scope == OptOutScope::Personal;
        let organization = scope == OptOutScope::Organization;
        let team = team.clone();
        Self { at, contact, number, opted_out, personal, organization, team, source, message, user }
    }

    fn entry(self) -> LedgerEntry {
        let Self { at, contact, number, opted_out, personal, organization, team, source, message, user } =
            self;
        let scope = match (personal, organization) {
            (true, _) => OptOutScope::Personal,
            (false, true) => OptOutScope::Organization,
            (false, false) => OptOutScope::Team(team),
        };
        LedgerEntry { at, contact, number, opted_out, scope, source, message, user }
    }
}

/// Adds a change to the ledgers of the team and of the contact.
pub(super) fn write(
    transaction: &mut Transaction<'_>,
    team: TeamKey<'_>,
    contact: &ContactId,
    entry: &LedgerEntry,
) -> Result<(), StoreError> {
    let row = LedgerRow::of(team.team, entry);
    transaction.put(keys::opt_out_of_team(team, entry.at, contact), &row)?;
    transaction.put(keys::opt_out_of_contact(team.organization, contact, entry.at), &row)?;
    Ok(())
}

impl OptOuts {
    /// Parses an image of a stream record. Errors with `Corrupt` if it is not a ledger entry.
    pub(crate) fn entry_of_image(image: serde_dynamo::Item) -> Result<LedgerEntry, StoreError> {
        Ok(serde_dynamo::from_item::<_, LedgerRow>(image)?.entry())
    }

    /// Returns a page of a team's ledger between two times, newest first.
    pub async fn of_team(
        &self,
        team: TeamKey<'_>,
        (from, to): (Timestamp, Timestamp),
        limit: u16,
        after: Option<&str>,
    ) -> Result<Page<LedgerEntry>, StoreError> {
        let partition = keys::team_partition(team);
        self.ledger_page(partition, (keys::opt_outs_at(from), keys::opt_outs_at(to)), limit, after).await
    }

    /// Returns a page of a contact's ledger, newest first.
    pub async fn of_contact(
        &self,
        organization: &OrganizationId,
        contact: &ContactId,
        limit: u16,
        after: Option<&str>,
    ) -> Result<Page<LedgerEntry>, StoreError> {
        let partition = keys::contact_partition(organization, contact);
        let all = (keys::opt_outs_at(Timestamp::from_millis(0)), keys::opt_outs_end());
        self.ledger_page(partition, all, limit, after).await
    }

    /// Returns the entries of a team about a number or one of these contacts, read consistently. Reads the
    /// whole ledger of the team.
    pub async fn about(
        &self,
        team: TeamKey<'_>,
        number: &PhoneNumber,
        contacts: &[&ContactId],
    ) -> Result<Vec<LedgerEntry>, StoreError> {
        let range = KeyRange::prefix(keys::team_partition(team), keys::OPT_OUTS);
        let rows: Vec<LedgerRow> = self.table.all(&range).await?;
        let entries = rows.into_iter().map(LedgerRow::entry);
        Ok(entries.filter(|entry| entry.number == *number || contacts.contains(&&entry.contact)).collect())
    }

    /// Deletes an entry from the ledgers of the team and of the contact.
    pub async fn erase_entry(&self, team: TeamKey<'_>, entry: &LedgerEntry) -> Result<(), StoreError> {
        let mut transaction = Transaction::new(&self.table);
        transaction.delete(keys::opt_out_of_team(team, entry.at, &entry.contact))?;
        transaction.delete(keys::opt_out_of_contact(team.organization, &entry.contact, entry.at))?;
        transaction.commit().await.map(drop)
    }

    async fn ledger_page(
        &self,
        partition: String,
        (from, to): (String, String),
        limit: u16,
        after: Option<&str>,
    ) -> Result<Page<LedgerEntry>, StoreError> {
        if from > to {
            return Ok(Page { items: Vec::new(), next: None });
        }
        let range = KeyRange::between(partition, from, to);
        Ok(self.table.page(range, Order::Descending, limit, after).await?.map(LedgerRow::entry))
    }
}
