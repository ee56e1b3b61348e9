//! The message templates of a team. A second item per template keeps its name unique in the team.

use serde::{Deserialize, Serialize};
use shared_domain::{ids::TemplateId, keys::TeamKey, template::Template, time::Timestamp};

use crate::table::{
    error::StoreError,
    idempotency::Idempotency,
    item::number,
    keys,
    query::{KeyRange, Order, Page},
    requests::Table,
    transaction::Transaction,
    versioned::Versioned,
};

/// The outcome of writing a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TemplateWrite {
    Done,
    /// Another template of the team has this name.
    NameTaken,
    /// The template was changed or removed since it was read.
    Changed,
    /// Another request used the idempotency key in the meantime.
    KeyTaken,
}

#[derive(Debug, Serialize, Deserialize)]
struct TemplateRow {
    sk: TemplateId,
    name: String,
    text: String,
    version: u64,
}

#[derive(Debug, Serialize)]
struct NameRow {
    template: TemplateId,
}

/// The templates of teams.
#[derive(Debug, Clone)]
pub struct Templates {
    table: Table,
}

impl Templates {
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// Returns a template, read consistently. Costs 1 read unit.
    pub async fn get(
        &self,
        team: TeamKey<'_>,
        template: &TemplateId,
    ) -> Result<Option<Versioned<Template>>, StoreError> {
        let row: Option<TemplateRow> = self.table.get(keys::template(team, template), true).await?;
        Ok(row.map(TemplateRow::template))
    }

    /// Returns a page of the templates of a team in the order of their creation.
    pub async fn page(
        &self,
        team: TeamKey<'_>,
        limit: u16,
        after: Option<&str>,
    ) -> Result<Page<Versioned<Template>>, StoreError> {
        let range = KeyRange::prefix(keys::team_partition(team), keys::TEMPLATES);
        Ok(self.table.page(range, Order::Ascending, limit, after).await?.map(TemplateRow::template))
    }

    /// Writes a template. `before` is the template as the caller read it, `None` for a new one.
    ///
    /// Costs 2 write units if the name stays, 4 for a new template and 6 for another name; 2 more with an
    /// idempotency key.
    pub async fn write(
        &self,
        team: TeamKey<'_>,
        before: Option<&Versioned<Template>>,
        after: &Template,
        key: Option<(Idempotency<'_>, Timestamp)>,
    ) -> Result<TemplateWrite, StoreError> {
        let mut transaction = Transaction::new(&self.table);
        let version = before.map_or(0, |before| before.version);
        let row = TemplateRow {
            sk: after.id.clone(),
            name: after.name.clone(),
            text: after.text.clone(),
            version: version + 1,
        };
        let item_key = keys::template(team, &after.id);
        if before.is_some() {
            transaction.put_if(item_key, &row, |put| {
                put.condition_expression("version = :version")
                    .expression_attribute_values(":version", number(version))
            })?;
        } else {
            transaction.put_new(item_key, &row)?;
        }
        let old_name = before.map(|before| before.value.folded_name());
        let mut name = None;
        if old_name.as_ref() != Some(&after.folded_name()) {
            let name_key = keys::template_name(team, &after.folded_name());
            name = Some(transaction.put_new(name_key, &NameRow { template: after.id.clone() })?);
            if let Some(old) = old_name {
                transaction.delete(keys::template_name(team, &old))?;
            }
        }
        let used_key = match key {
            Some((key, now)) => {
                Some(key.write(&mut transaction, team.organization, after.id.as_str(), now)?)
            }
            None => None,
        };
        let committed = transaction.commit().await?;
        Ok(if committed.is_done() {
            TemplateWrite::Done
        } else if used_key.is_some_and(|place| committed.refused_at(place)) {
            TemplateWrite::KeyTaken
        } else if name.is_some_and(|place| committed.refused_at(place)) {
            TemplateWrite::NameTaken
        } else {
            TemplateWrite::Changed
        })
    }

    /// Removes a template with its name. `false` if it was changed since it was read.
    pub async fn remove(
        &self,
        team: TeamKey<'_>,
        template: &Versioned<Template>,
    ) -> Result<bool, StoreError> {
        let mut transaction = Transaction::new(&self.table);
        transaction.delete_if(keys::template(team, &template.value.id), |delete| {
            delete
                .condition_expression("version = :version")
                .expression_attribute_values(":version", number(template.version))
        })?;
        transaction.delete(keys::template_name(team, &template.value.folded_name()))?;
        Ok(transaction.commit().await?.is_done())
    }
}

impl TemplateRow {
    fn template(self) -> Versioned<Template> {
        let value = Template { id: self.sk, name: self.name, text: self.text };
        Versioned { value, version: self.version }
    }
}
