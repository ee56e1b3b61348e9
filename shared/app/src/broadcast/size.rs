//! Whether an audience can be evaluated in a request. The worker that prepares a broadcast has more time.

use shared_aws::table::StoreError;
use shared_domain::{audience::SegmentKind, broadcast::Broadcast};

use super::BroadcastWorkflow;
use crate::audience::ITEMS_OF_CONTACT;

/// How many contacts a request evaluates at most. The contacts of a team are one partition, which gives 3,000
/// read units a second: with a kilobyte each, counting and reading them takes 19 s of the 29 s that a request
/// has.
const MAX_CONTACTS: u64 = 150_000;
/// Filters that read more for each contact evaluate fewer.
const MAX_ITEMS: u64 = MAX_CONTACTS * ITEMS_OF_CONTACT;

impl BroadcastWorkflow {
    /// Whether the audience of a broadcast cannot be evaluated in a request. It is counted before anything is
    /// evaluated, so that the answer comes soon. Contacts and numbers that the audience names are few. A
    /// filter counts with all contacts of the team, which it reads, and a segment that was removed is left to
    /// the evaluation.
    pub async fn is_too_large(&self, broadcast: &Broadcast) -> Result<bool, StoreError> {
        let team = broadcast.team_key();
        let (mut items, mut of_team) = (0_u64, None);
        for id in &broadcast.audience.segments {
            let Some(segment) = self.segments.get(team, id).await? else { continue };
            let (contacts, each) = match &segment.value.kind {
                // Its contacts are read one by one, which costs three times as much.
                SegmentKind::Static => (segment.value.count, 3 * ITEMS_OF_CONTACT),
                SegmentKind::Filter(filter) => {
                    let contacts = match of_team {
                        Some(contacts) => contacts,
                        None => self.contacts.count(team, MAX_CONTACTS + 1).await?,
                    };
                    of_team = Some(contacts);
                    (contacts, self.audience.items_for_contact(team, filter).await?)
                }
            };
            items = items.saturating_add(contacts.saturating_mul(each));
        }
        Ok(items > MAX_ITEMS)
    }
}
