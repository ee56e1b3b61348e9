//! The segments of a team. The contacts of a static segment are items of their own, so that a segment can
//! have any number of them.

use aws_sdk_dynamodb::types::{AttributeValue, Select};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared_domain::{
    audience::{AudienceSegment, Filter, SegmentKind},
    ids::{ContactId, OrganizationId, SegmentId},
    keys::TeamKey,
    time::Timestamp,
};

use crate::table::{
    error::StoreError,
    idempotency::Idempotency,
    item::{item, number, string_attribute},
    keys,
    query::{KeyRange, Order, Page},
    requests::{EXISTS, Table},
    transaction::Transaction,
    versioned::Versioned,
};

/// The outcome of writing a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SegmentWrite {
    Done,
    /// The segment was changed or removed since it was read.
    Changed,
    /// Another request used the idempotency key in the meantime.
    KeyTaken,
}

/// A segment without a filter is static.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SegmentRow {
    sk: SegmentId,
    name: String,
    /// JSON text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    filter: Option<String>,
    count: u64,
    /// Absent if a version before counted it.
    #[serde(default)]
    complete: Option<bool>,
    counted_at: Timestamp,
    version: u64,
    /// Whether it is being removed: it does not exist any more, and its contacts are taken out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    removed: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct MemberRow {
    sk: ContactId,
}

/// The segments of teams.
#[derive(Debug, Clone)]
pub struct Segments {
    table: Table,
}

impl Segments {
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// Returns a segment, read consistently. Costs 1 read unit.
    pub async fn get(
        &self,
        team: TeamKey<'_>,
        segment: &SegmentId,
    ) -> Result<Option<Versioned<AudienceSegment>>, StoreError> {
        let row: Option<SegmentRow> = self.table.get(keys::segment(team, segment), true).await?;
        row.filter(|row| !row.removed).map(SegmentRow::segment).transpose()
    }

    /// Returns a page of the segments of a team in the order of their creation. It is shorter than the limit
    /// if some are being removed.
    pub async fn page(
        &self,
        team: TeamKey<'_>,
        limit: u16,
        after: Option<&str>,
    ) -> Result<Page<Versioned<AudienceSegment>>, StoreError> {
        let range = KeyRange::prefix(keys::team_partition(team), keys::SEGMENTS);
        let mut page: Page<SegmentRow> = self.table.page(range, Order::Ascending, limit, after).await?;
        page.items.retain(|row| !row.removed);
        page.try_map(SegmentRow::segment)
    }

    /// Returns the ids of a page of all segments of a team, also of those that are being removed.
    pub async fn ids(
        &self,
        team: TeamKey<'_>,
        limit: u16,
        after: Option<&str>,
    ) -> Result<Page<SegmentId>, StoreError> {
        let range = KeyRange::prefix(keys::team_partition(team), keys::SEGMENTS);
        let page: Page<SegmentRow> = self.table.page(range, Order::Ascending, limit, after).await?;
        page.try_map(|row| Ok(row.sk))
    }

    /// Writes a segment. `before` is the segment as the caller read it, `None` for a new one. Costs 2 write
    /// units, and 2 more with an idempotency key.
    pub async fn write(
        &self,
        team: TeamKey<'_>,
        before: Option<&Versioned<AudienceSegment>>,
        after: &AudienceSegment,
        key: Option<(Idempotency<'_>, Timestamp)>,
    ) -> Result<SegmentWrite, StoreError> {
        let mut transaction = Transaction::new(&self.table);
        let version = before.map_or(0, |before| before.version);
        let row = SegmentRow::of(after, version + 1);
        let item_key = keys::segment(team, &after.id);
        if before.is_some() {
            transaction.put_if(item_key, &row, |put| {
                put.condition_expression("version = :version")
                    .expression_attribute_values(":version", number(version))
            })?;
        } else {
            transaction.put_new(item_key, &row)?;
        }
        let used_key = match key {
            Some((key, now)) => {
                Some(key.write(&mut transaction, team.organization, after.id.as_str(), now)?)
            }
            None => None,
        };
        let committed = transaction.commit().await?;
        Ok(if committed.is_done() {
            SegmentWrite::Done
        } else if used_key.is_some_and(|place| committed.refused_at(place)) {
            SegmentWrite::KeyTaken
        } else {
            SegmentWrite::Changed
        })
    }

    /// Stores how many contacts a static segment has, which were counted after the segment was read. `false`
    /// if it was changed, counted or removed since then.
    pub async fn set_count(
        &self,
        team: TeamKey<'_>,
        segment: &Versioned<AudienceSegment>,
        count: u64,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let written = self.table.update_if(keys::segment(team, &segment.value.id), |update| {
            update
                .update_expression("SET #count = :count, countedAt = :now ADD version :one")
                .condition_expression("version = :version")
                .expression_attribute_values(":version", number(segment.version))
                .expression_attribute_names("#count", "count")
                .expression_attribute_values(":count", number(count))
                .expression_attribute_values(":now", number(now.millis()))
                .expression_attribute_values(":one", number(1))
        });
        Ok(written.await?.is_done())
    }

    /// Removes a segment. `false` if it does not exist. From the first write on, nobody finds the segment, so
    /// that no audience has only a part of its contacts. A call that stops in between is completed by another
    /// one.
    pub async fn remove(&self, team: TeamKey<'_>, segment: &SegmentId) -> Result<bool, StoreError> {
        let marked = self.table.update_if(keys::segment(team, segment), |update| {
            update
                .update_expression("SET removed = :removed ADD version :one")
                .condition_expression(EXISTS)
                .expression_attribute_values(":removed", AttributeValue::Bool(true))
                .expression_attribute_values(":one", number(1))
        });
        if !marked.await?.is_done() {
            return Ok(false);
        }
        let mut after = None;
        loop {
            let page = self.contacts(team.organization, segment, after.as_deref()).await?;
            self.remove_contacts(team.organization, segment, &page.items).await?;
            after = page.next;
            if after.is_none() {
                self.table.delete(keys::segment(team, segment)).await?;
                return Ok(true);
            }
        }
    }

    /// Puts contacts into a static segment: 1 write unit each. Returns how many were not in it.
    pub async fn add_contacts(
        &self,
        organization: &OrganizationId,
        segment: &SegmentId,
        contacts: &[ContactId],
    ) -> Result<usize, StoreError> {
        let keys: Vec<_> =
            contacts.iter().map(|contact| keys::segment_contact(organization, segment, contact)).collect();
        let known = self.table.get_many(keys).await?;
        let is_known = |contact: &&ContactId| {
            known.iter().any(|item| string_attribute(item, "sk") == Some(contact.as_str()))
        };
        let new: Vec<_> = contacts.iter().filter(|contact| !is_known(contact)).collect();
        let new_item = |contact: &&ContactId| {
            let key = keys::segment_contact(organization, segment, contact);
            item(key, &MemberRow { sk: (*contact).clone() })
        };
        self.table.put_many(new.iter().map(new_item).collect::<Result<_, _>>()?).await?;
        Ok(new.len())
    }

    /// Takes contacts out of a static segment: 1 write unit each.
    pub async fn remove_contacts(
        &self,
        organization: &OrganizationId,
        segment: &SegmentId,
        contacts: &[ContactId],
    ) -> Result<(), StoreError> {
        let keys = contacts.iter().map(|contact| keys::segment_contact(organization, segment, contact));
        self.table.delete_many(keys.collect()).await
    }

    /// Returns a page of up to 1,000 contacts of a static segment, read consistently.
    pub async fn contacts(
        &self,
        organization: &OrganizationId,
        segment: &SegmentId,
        after: Option<&str>,
    ) -> Result<Page<ContactId>, StoreError> {
        let range = KeyRange::all(keys::segment_partition(organization, segment));
        let page: Page<MemberRow> = self.table.consistent_page(range, 1_000, after).await?;
        Ok(page.map(|row| row.sk))
    }

    /// Counts the contacts of a static segment.
    pub async fn count_contacts(
        &self,
        organization: &OrganizationId,
        segment: &SegmentId,
    ) -> Result<u64, StoreError> {
        let range = KeyRange::all(keys::segment_partition(organization, segment));
        let query = self.table.query(&range).consistent_read(true).select(Select::Count);
        let mut pages = query.into_paginator().send();
        let mut count = 0;
        while let Some(page) = pages.try_next().await? {
            count += u64::try_from(page.count).unwrap_or_default();
        }
        Ok(count)
    }
}

impl SegmentRow {
    fn of(segment: &AudienceSegment, version: u64) -> Self {
        let filter = match &segment.kind {
            SegmentKind::Static => None,
            SegmentKind::Filter(filter) => Some(filter.to_json().to_string()),
        };
        Self {
            sk: segment.id.clone(),
            name: segment.name.clone(),
            filter,
            count: segment.count,
            complete: Some(segment.complete),
            counted_at: segment.counted_at,
            version,
            removed: false,
        }
    }

    fn segment(self) -> Result<Versioned<AudienceSegment>, StoreError> {
        let kind = match &self.filter {
            None => SegmentKind::Static,
            Some(text) => SegmentKind::Filter(stored_filter(text)?),
        };
        let Self { sk: id, name, count, complete, counted_at, version, .. } = self;
        let complete = complete.unwrap_or(kind == SegmentKind::Static);
        Ok(Versioned { value: AudienceSegment { id, name, kind, count, complete, counted_at }, version })
    }
}

fn stored_filter(text: &str) -> Result<Filter, StoreError> {
    let corrupt = || StoreError::Corrupt("the filter of a segment".into());
    let json: Value = serde_json::from_str(text).map_err(|_| corrupt())?;
    Filter::parse("", &json).map_err(|_| corrupt())
}
