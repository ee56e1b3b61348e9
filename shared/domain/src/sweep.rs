//! The sweep of a number: it reads the carrier's list of received messages, and finds those whose webhook was
//! lost.
//!
//! The list is newest first and is read page by page, one page per run. The [`SweepPosition`] of a number
//! says which part of the list is checked: everything up to a time, except a gap if one page did not reach
//! back far enough. The next runs read the gap.
//!
//! Messages can appear in the list out of order, so each run looks back from the position by
//! [`OVERLAP`]. Messages younger than [`SETTLE_TIME`] are left to their webhook.
//!
//! ```
//! use std::time::Duration;
//! use shared_domain::sweep::{Listed, SETTLE_TIME, SweepPosition};
//! use shared_domain::time::Timestamp;
//!
//! let at = Timestamp::from_millis(1_800_000_000_000);
//! let position = SweepPosition::starting_at(at);
//! let page = [Listed { id: "SM1".into(), at }];
//! let now = at + SETTLE_TIME;
//! assert_eq!(position.unchecked(&page, now), [0]);
//! let position = position.after(&page, true, now).unwrap();
//! assert_eq!(position.unchecked(&page, now), [0; 0], "it is checked once");
//! assert_eq!(position.after(&page, true, now), None, "nothing to store");
//! ```

use std::{collections::BTreeSet, time::Duration};

use crate::time::Timestamp;

/// The age at which a message is no longer left to its webhook. The carrier ends its attempts after 15
/// seconds.
pub const SETTLE_TIME: Duration = Duration::from_secs(30);
/// How far each run looks back from its position.
pub const OVERLAP: Duration = Duration::from_secs(120);
/// The age at which a message is no longer looked for.
pub const MAX_AGE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// A message in the carrier's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The carrier's id.
    pub id: String,
    /// The carrier's date.
    pub at: Timestamp,
}

/// Which part of a number's list is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SweepPosition {
    /// All messages up to this time are checked, except those in the gap.
    pub at: Timestamp,
    /// The ids of checked messages that are within [`OVERLAP`] of the position.
    pub checked: BTreeSet<String>,
    /// A part of the list below the position that is not checked.
    pub gap: Option<SweepRange>,
}

/// A part of the carrier's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SweepRange {
    /// The oldest time.
    pub since: Timestamp,
    /// The newest time. `None` for the newest message.
    pub until: Option<Timestamp>,
}

impl SweepPosition {
    /// The position of a number from which nothing is checked since `at`.
    pub fn starting_at(at: Timestamp) -> Self {
        Self { at, checked: BTreeSet::new(), gap: None }
    }

    /// The part of the list that this run reads.
    pub fn range(&self, now: Timestamp) -> SweepRange {
        let oldest = now - MAX_AGE;
        match self.gap {
            Some(gap) => SweepRange { since: gap.since.max(oldest), ..gap },
            None => SweepRange { since: (self.at - OVERLAP).max(oldest), until: None },
        }
    }

    /// Returns the places of the messages of a page that must be checked, oldest first.
    pub fn unchecked(&self, page: &[Listed], now: Timestamp) -> Vec<usize> {
        let range = self.range(now);
        let places = (0..page.len()).rev();
        let is_unchecked = |listed: &Listed| {
            is_settled(listed, now) && listed.at >= range.since && !self.checked.contains(&listed.id)
        };
        places.filter(|place| is_unchecked(&page[*place])).collect()
    }

    /// Returns the position after all messages of a page are checked. `None` if it is the same, so that
    /// nothing is stored. `is_last` says that the list ends with this page.
    pub fn after(&self, page: &[Listed], is_last: bool, now: Timestamp) -> Option<Self> {
        let oldest = page.iter().map(|listed| listed.at).min();
        let after = match self.gap {
            Some(gap) => Self { gap: remaining(gap, oldest, is_last), ..self.clone() },
            None => self.after_newest(page, oldest, is_last, now)?,
        };
        Some(after).filter(|after| after != self)
    }

    /// `None` if no message of the page is settled.
    fn after_newest(
        &self,
        page: &[Listed],
        oldest: Option<Timestamp>,
        is_last: bool,
        now: Timestamp,
    ) -> Option<Self> {
        let settled = || page.iter().filter(|listed| is_settled(listed, now));
        let at = settled().map(|listed| listed.at).max()?.max(self.at);
        let near = settled().filter(|listed| listed.at >= at - OVERLAP);
        let unread = SweepRange { since: self.at, until: None };
        Some(Self {
            at,
            checked: near.map(|listed| listed.id.clone()).collect(),
            gap: remaining(unread, oldest, is_last),
        })
    }
}

/// Returns the part of a range that is left after its newest page, whose oldest message is given.
fn remaining(range: SweepRange, oldest: Option<Timestamp>, is_last: bool) -> Option<SweepRange> {
    let oldest = oldest.filter(|oldest| !is_last && *oldest >= range.since)?;
    // A page with more messages of one second than fit on it would be read again and again.
    let until = if range.until == Some(oldest) { oldest - Duration::from_secs(1) } else { oldest };
    Some(SweepRange { since: range.since, until: Some(until) })
}

fn is_settled(listed: &Listed, now: Timestamp) -> bool {
    listed.at + SETTLE_TIME <= now
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A time this many seconds after the epoch of the tests.
    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000 + seconds * 1000)
    }

    /// A message that was received at this second.
    fn listed(second: i64) -> Listed {
        Listed { id: format!("SM{second}"), at: at(second) }
    }

    fn ids(ids: &[&str]) -> BTreeSet<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    #[test]
    fn a_message_is_left_to_its_webhook_for_thirty_seconds() {
        let position = SweepPosition::starting_at(at(0));
        let page = [listed(10)];
        assert_eq!(position.unchecked(&page, at(39)), [0; 0]);
        assert_eq!(position.after(&page, true, at(39)), None);
        assert_eq!(position.unchecked(&page, at(40)), [0]);
        assert_eq!(position.after(&page, true, at(40)).unwrap().at, at(10));
    }

    #[test]
    fn messages_are_checked_oldest_first_and_once() {
        let position = SweepPosition::starting_at(at(0));
        let page = [listed(30), listed(20)];
        assert_eq!(position.unchecked(&page, at(100)), [1, 0]);
        let position = position.after(&page, true, at(100)).unwrap();
        assert_eq!((position.at, position.checked.clone()), (at(30), ids(&["SM20", "SM30"])));
        assert_eq!(position.after(&page, true, at(160)), None, "a quiet number needs no write");
    }

    #[test]
    fn a_message_that_is_listed_late_is_checked_if_it_is_within_the_overlap() {
        let position = SweepPosition { checked: ids(&["SM300"]), ..SweepPosition::starting_at(at(300)) };
        assert_eq!(position.range(at(400)), SweepRange { since: at(180), until: None });
        let page = [listed(300), listed(180), listed(179)];
        assert_eq!(position.unchecked(&page, at(400)), [1]);
        let after = position.after(&page, true, at(400)).unwrap();
        assert_eq!((after.at, after.checked), (at(300), ids(&["SM180", "SM300"])));
    }

    #[test]
    fn only_messages_near_the_position_are_remembered() {
        let page = [listed(500), listed(380), listed(379)];
        let after = SweepPosition::starting_at(at(0)).after(&page, true, at(600)).unwrap();
        assert_eq!(after.checked, ids(&["SM380", "SM500"]));
    }

    #[test]
    fn a_gap_is_read_page_by_page_down_to_the_old_position() {
        let position = SweepPosition::starting_at(at(0));
        let after = position.after(&[listed(500), listed(400)], false, at(600)).unwrap();
        let gap = |until| Some(SweepRange { since: at(0), until: Some(at(until)) });
        assert_eq!((after.at, after.gap), (at(500), gap(400)));
        assert_eq!(after.range(at(600)), gap(400).unwrap());
        let next = after.after(&[listed(400), listed(300)], false, at(660)).unwrap();
        assert_eq!((next.at, next.gap), (at(500), gap(300)));
        assert_eq!(next.checked, ids(&["SM400", "SM500"]), "the newest messages stay known");
        let reached = next.after(&[listed(300), listed(-1)], false, at(720)).unwrap();
        assert_eq!((reached.at, reached.gap), (at(500), None));
        let ended = next.after(&[listed(300)], true, at(720)).unwrap();
        assert_eq!(ended.gap, None);
    }

    #[test]
    fn a_second_with_more_messages_than_a_page_does_not_stop_the_sweep() {
        let position = SweepPosition {
            gap: Some(SweepRange { since: at(0), until: Some(at(300)) }),
            ..SweepPosition::starting_at(at(500))
        };
        let after = position.after(&[listed(300), listed(300)], false, at(600)).unwrap();
        assert_eq!(after.gap.unwrap().until, Some(at(299)));
    }

    #[test]
    fn messages_older_than_a_week_are_not_looked_for() {
        let now = at(0) + MAX_AGE + Duration::from_secs(1);
        let position = SweepPosition::starting_at(at(-1_000_000));
        assert_eq!(position.range(now).since, at(1));
        assert_eq!(position.unchecked(&[listed(1), listed(0)], now), [0]);
        let gap = Some(SweepRange { since: at(-1_000_000), until: Some(at(5)) });
        let position = SweepPosition { gap, ..SweepPosition::starting_at(at(10)) };
        assert_eq!(position.range(now), SweepRange { since: at(1), until: Some(at(5)) });
    }

    proptest! {
        /// Sweeps once a minute over a list that grows, with pages of three messages.
        #[test]
        fn every_message_is_checked(mut seconds in prop::collection::btree_set(0..2000_i64, 0..60)) {
            const PAGE: usize = 3;
            let mut position = SweepPosition::starting_at(at(0));
            let mut checked = BTreeSet::new();
            seconds.insert(2000);
            for minute in 1..80 {
                let now = at(minute * 60);
                let range = position.range(now);
                let is_listed = |second: &&i64| {
                    at(**second) <= now
                        && at(**second) >= range.since
                        && range.until.is_none_or(|until| at(**second) <= until)
                };
                let all: Vec<_> =
                    seconds.iter().rev().filter(is_listed).map(|second| listed(*second)).collect();
                let page = &all[..all.len().min(PAGE)];
                checked.extend(position.unchecked(page, now).into_iter().map(|place| page[place].id.clone()));
                position = position.after(page, all.len() <= PAGE, now).unwrap_or(position);
            }
            prop_assert_eq!(checked.len(), seconds.len());
        }
    }
}
