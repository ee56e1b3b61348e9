//! Canned responses of a team, each with a row that keeps its name one's alone.

use serde::{Deserialize, Serialize};
use shared_domain::{
    ids::{OrganizationId, TeamId, TemplateId},
    template::CannedResponse,
    time::Timestamp,
};

use crate::table::{
    error::StoreError,
    idempotency::Idempotency,
    item::number,
    items::parse_id,
    keys,
    requests::{Order, Table},
    transaction::Transaction,
};

/// A canned response as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateEntry {
    /// The canned response.
    pub response: CannedResponse,
    /// Grows with each change: whoever changes says which one they read.
    pub version: u64,
}

/// A page of canned responses, those made first first.
#[derive(Debug, Clone)]
pub struct TemplatePage {
    /// At most as many as asked for.
    pub entries: Vec<TemplateEntry>,
    /// Where the next page begins.
    pub next: Option<String>,
}

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TemplateWrite {
    /// It is stored.
    Done,
    /// Another one of the team has this name.
    NameTaken,
    /// Somebody else changed or removed it meanwhile.
    Changed,
    /// The idempotency key was used meanwhile.
    KeyTaken,
}

#[derive(Debug, Serialize, Deserialize)]
struct TemplateRow {
    sk: String,
    name: String,
    text: String,
    version: u64,
}

#[derive(Debug, Serialize)]
struct NameRow {
    template: String,
}

/// Canned responses.
#[derive(Debug, Clone)]
pub struct Templates {
    table: Table,
}

impl Templates {
    /// In this table.
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// One, read consistently: 1 read unit.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn get(
        &self,
        organization: &OrganizationId,
        team: &TeamId,
        template: &TemplateId,
    ) -> Result<Option<TemplateEntry>, StoreError> {
        let row: Option<TemplateRow> =
            self.table.get(keys::template(organization, team, template), true).await?;
        row.map(entry).transpose()
    }

    /// A page of a team's, in one query.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn page(
        &self,
        organization: &OrganizationId,
        team: &TeamId,
        limit: u16,
        after: Option<&str>,
    ) -> Result<TemplatePage, StoreError> {
        let partition = keys::team_partition(organization, team);
        let (items, next) =
            self.table.page(partition, keys::TEMPLATES, Order::Ascending, limit, after).await?;
        let rows: Vec<TemplateRow> = serde_dynamo::from_items(items)?;
        Ok(TemplatePage { entries: rows.into_iter().map(entry).collect::<Result<_, _>>()?, next })
    }

    /// Writes one. `before` is what was read, nothing for a new one. 2 write units with the name as it was, 4 for a new
    /// one, 6 for one with another name; 2 more with an idempotency key.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn write(
        &self,
        organization: &OrganizationId,
        team: &TeamId,
        before: Option<&TemplateEntry>,
        after: &CannedResponse,
        key: Option<(Idempotency<'_>, Timestamp)>,
    ) -> Result<TemplateWrite, StoreError> {
        let mut transaction = Transaction::new(&self.table);
        let version = before.map_or(0, |before| before.version);
        let row = TemplateRow {
            sk: after.id.to_string(),
            name: after.name.clone(),
            text: after.text.clone(),
            version: version + 1,
        };
        let at = keys::template(organization, team, &after.id);
        if before.is_some() {
            transaction.put_if(at, &row, |put| {
                put.condition_expression("version = :version")
                    .expression_attribute_values(":version", number(version))
            })?;
        } else {
            transaction.put_new(at, &row)?;
        }
        let old_name = before.map(|before| before.response.folded_name());
        let mut named = None;
        if old_name.as_ref() != Some(&after.folded_name()) {
            let name = NameRow { template: after.id.to_string() };
            let place = keys::template_name(organization, team, &after.folded_name());
            named = Some(transaction.put_new(place, &name)?);
            if let Some(old) = old_name {
                transaction.delete(keys::template_name(organization, team, &old))?;
            }
        }
        let used = match key {
            Some((key, now)) => {
                Some(transaction.add(key.part(&self.table, organization, after.id.as_str(), now)?))
            }
            None => None,
        };
        let committed = transaction.commit().await?;
        Ok(if committed.is_done() {
            TemplateWrite::Done
        } else if used.is_some_and(|place| committed.refused_at(place)) {
            TemplateWrite::KeyTaken
        } else if named.is_some_and(|place| committed.refused_at(place)) {
            TemplateWrite::NameTaken
        } else {
            TemplateWrite::Changed
        })
    }

    /// Removes one with its name; `false` when it was changed meanwhile.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn remove(
        &self,
        organization: &OrganizationId,
        team: &TeamId,
        read: &TemplateEntry,
    ) -> Result<bool, StoreError> {
        let mut transaction = Transaction::new(&self.table);
        transaction.delete_if(keys::template(organization, team, &read.response.id), |delete| {
            delete
                .condition_expression("version = :version")
                .expression_attribute_values(":version", number(read.version))
        })?;
        transaction.delete(keys::template_name(organization, team, &read.response.folded_name()))?;
        Ok(transaction.commit().await?.is_done())
    }
}

fn entry(row: TemplateRow) -> Result<TemplateEntry, StoreError> {
    let response = CannedResponse { id: parse_id(&row.sk)?, name: row.name, text: row.text };
    Ok(TemplateEntry { response, version: row.version })
}
