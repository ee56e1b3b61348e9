//! Evaluates the segments of a team: reads its contacts page by page and keeps those that a filter matches.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use shared_aws::{
    broadcast::{Broadcasts, Recipients, reference},
    contact::{ContactEntry, Contacts, LastMessages},
    inbox::Inboxes,
    segment::Segments,
    table::{StoreError, Table},
};
use shared_domain::{
    audience::{AudienceSegment, BroadcastResult, ContactFacts, Filter, SegmentKind},
    broadcast::SkipReason,
    ids::{BroadcastId, SegmentId},
    inbox::Inbox,
    keys::TeamKey,
    phone::PhoneNumber,
    time::Timestamp,
};

/// How many contacts are read at a time.
const PAGE: u16 = 1_000;
/// How many contacts a preview reads at most.
pub const MAX_PREVIEW_CONTACTS: u16 = 10_000;
/// How many items a preview reads at most: fewer contacts, if a filter reads more than two items more for
/// each.
const MAX_PREVIEW_ITEMS: u64 = 50_000;
/// How many items are read for each contact: itself, and the two with the status of its number.
pub const ITEMS_OF_CONTACT: u64 = 3;
/// How many contacts a preview shows.
pub const SAMPLE: usize = 10;

/// What a filter matches among the contacts that were read.
#[derive(Debug, Default)]
pub struct Preview {
    /// How many contacts match, including those that are excluded.
    pub count: u64,
    /// The first contacts that match.
    pub sample: Vec<ContactEntry>,
    /// How many of them get no text, by reason.
    pub excluded: BTreeMap<SkipReason, u64>,
    /// Whether all contacts of the team were read.
    pub complete: bool,
}

/// A page of contacts of a segment.
#[derive(Debug)]
pub struct Matches {
    pub contacts: Vec<ContactEntry>,
    /// How many contacts were read.
    pub read: usize,
    /// The start of the next page. `None` on the last page.
    pub next: Option<String>,
}

/// The workflow of audiences.
#[derive(Debug, Clone)]
pub struct AudienceWorkflow {
    contacts: Contacts,
    inboxes: Inboxes,
    segments: Segments,
    broadcasts: Broadcasts,
    recipients: Recipients,
}

impl AudienceWorkflow {
    pub fn new(table: &Table) -> Self {
        Self {
            contacts: Contacts::new(table.clone()),
            inboxes: Inboxes::new(table.clone()),
            segments: Segments::new(table.clone()),
            broadcasts: Broadcasts::new(table.clone()),
            recipients: Recipients::new(table.clone()),
        }
    }

    /// How many items are read for each contact for which a filter is evaluated: [`ITEMS_OF_CONTACT`], its
    /// conversations with all inboxes if the filter asks for messages, and its result in each broadcast.
    pub async fn items_for_contact(&self, team: TeamKey<'_>, filter: &Filter) -> Result<u64, StoreError> {
        let inboxes = if filter.needs_last_messages() { self.inboxes.of_team(team).await?.len() } else { 0 };
        let more = u64::try_from(inboxes + filter.broadcasts().len()).unwrap_or(u64::MAX);
        Ok(ITEMS_OF_CONTACT.saturating_add(more))
    }

    /// Returns a page of the contacts of a segment.
    pub async fn page(
        &self,
        team: TeamKey<'_>,
        segment: &AudienceSegment,
        after: Option<&str>,
        now: Timestamp,
    ) -> Result<Matches, StoreError> {
        match &segment.kind {
            SegmentKind::Static => self.page_of_static(team, &segment.id, after).await,
            SegmentKind::Filter(filter) => self.page_of_filter(team, filter, PAGE, after, now).await,
        }
    }

    /// Returns the contacts that a filter matches among the next `limit` of the team.
    async fn page_of_filter(
        &self,
        team: TeamKey<'_>,
        filter: &Filter,
        limit: u16,
        after: Option<&str>,
        now: Timestamp,
    ) -> Result<Matches, StoreError> {
        let page = self.contacts.scan(team, limit, after).await?;
        let read = page.items.len();
        let contacts = self.matching(team, filter, page.items, now).await?;
        Ok(Matches { contacts, read, next: page.next })
    }

    async fn page_of_static(
        &self,
        team: TeamKey<'_>,
        segment: &SegmentId,
        after: Option<&str>,
    ) -> Result<Matches, StoreError> {
        let page = self.segments.contacts(team.organization, segment, after).await?;
        let contacts = self.contacts.get_entries(team, &page.items).await?;
        Ok(Matches { contacts, read: page.items.len(), next: page.next })
    }

    async fn matching(
        &self,
        team: TeamKey<'_>,
        filter: &Filter,
        entries: Vec<ContactEntry>,
        now: Timestamp,
    ) -> Result<Vec<ContactEntry>, StoreError> {
        let numbers: Vec<_> = entries.iter().map(|entry| entry.contact.number.clone()).collect();
        let last = if filter.needs_last_messages() {
            let inboxes: Vec<Inbox> = self.inboxes.of_team(team).await?;
            self.contacts.last_messages(&inboxes, &numbers).await?
        } else {
            HashMap::new()
        };
        let results = self.results(team, &filter.broadcasts(), &numbers).await?;
        let matches = |entry: &ContactEntry| {
            let LastMessages { inbound, outbound } =
                last.get(&entry.contact.number).copied().unwrap_or_default();
            let facts = ContactFacts {
                created_at: entry.created_at,
                last_inbound_at: inbound,
                last_outbound_at: outbound,
                results: results.get(&entry.contact.number).map_or(&[], Vec::as_slice),
                ..ContactFacts::new(&entry.contact, &entry.custom, &entry.tags)
            };
            filter.matches(&facts, now)
        };
        Ok(entries.into_iter().filter(matches).collect())
    }

    /// Returns what happened to these numbers in these broadcasts of the team, those that have started: 1
    /// read unit for each number and broadcast. Nobody has a result of a broadcast that was removed since the
    /// filter was written.
    async fn results(
        &self,
        team: TeamKey<'_>,
        broadcasts: &[&BroadcastId],
        numbers: &[PhoneNumber],
    ) -> Result<HashMap<PhoneNumber, Vec<(BroadcastId, BroadcastResult)>>, StoreError> {
        let mut results = HashMap::<_, Vec<_>>::new();
        // Contacts may share a number.
        let numbers: Vec<_> = numbers.iter().collect::<BTreeSet<_>>().into_iter().cloned().collect();
        for id in broadcasts {
            let Some(found) = self.broadcasts.get(team, id).await? else { continue };
            if !self.recipients.has_any(&found.value).await? {
                continue;
            }
            let of = reference(&found.value);
            for recipient in self.recipients.get_many(team.organization, &of, &numbers).await? {
                let result = BroadcastResult { state: recipient.state, answer: recipient.answer() };
                results.entry(recipient.number).or_default().push(((*id).clone(), result));
            }
        }
        Ok(results)
    }

    /// Evaluates a filter over at most [`MAX_PREVIEW_CONTACTS`] contacts of the team, or fewer if that reads
    /// too many items.
    pub async fn preview(
        &self,
        team: TeamKey<'_>,
        filter: &Filter,
        now: Timestamp,
    ) -> Result<Preview, StoreError> {
        let mut preview = Preview::default();
        let mut left = preview_contacts(self.items_for_contact(team, filter).await?);
        let mut after = None;
        while left > 0 {
            let page = self.page_of_filter(team, filter, PAGE.min(left), after.as_deref(), now).await?;
            left = left.saturating_sub(u16::try_from(page.read).unwrap_or(u16::MAX));
            for entry in page.contacts {
                preview.count += 1;
                if let Some(reason) = excluded(&entry) {
                    *preview.excluded.entry(reason).or_default() += 1;
                }
                if preview.sample.len() < SAMPLE {
                    preview.sample.push(entry);
                }
            }
            after = page.next;
            if after.is_none() {
                preview.complete = true;
                break;
            }
        }
        Ok(preview)
    }
}

/// How many contacts a preview reads if it reads this number of items for each.
fn preview_contacts(items_for_contact: u64) -> u16 {
    let contacts = (MAX_PREVIEW_ITEMS / items_for_contact.max(1)).max(1);
    u16::try_from(contacts).unwrap_or(u16::MAX).min(MAX_PREVIEW_CONTACTS)
}

/// Why a contact of an audience gets no text, whatever the text is.
pub fn excluded(entry: &ContactEntry) -> Option<SkipReason> {
    if !entry.contact.number.can_receive() {
        Some(SkipReason::InvalidNumber)
    } else if entry.contact.blocked {
        Some(SkipReason::Blocked)
    } else if entry.contact.opted_out {
        Some(SkipReason::OptedOut)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preview_reads_fewer_contacts_with_a_filter_that_reads_more_for_each() {
        let plain = preview_contacts(ITEMS_OF_CONTACT);
        assert_eq!((plain, preview_contacts(5), preview_contacts(8)), (MAX_PREVIEW_CONTACTS, 10_000, 6_250));
        assert_eq!(preview_contacts(ITEMS_OF_CONTACT + 20), 2_173, "twenty inboxes");
        assert_eq!((preview_contacts(u64::MAX), preview_contacts(0)), (1, MAX_PREVIEW_CONTACTS));
    }
}
