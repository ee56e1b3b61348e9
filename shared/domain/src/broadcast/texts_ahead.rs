//! The texts that the broadcasts of one inbox have released and the carrier has not got. Together they are
//! what the number sends in 15 seconds, however many broadcasts run.
//!
//! Each broadcast says how many segments it has on its way, and takes more under two rules. It goes up to an
//! equal share, so that one that began first does not keep all of it. One that has nothing on its way and
//! finds no room for its next text waits, and what that text needs is free for nobody who came later. So the
//! one that waits longest depends only on texts that are sent anyway.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{ids::BroadcastId, time::Timestamp};

/// How long the texts of a broadcast count that says nothing anymore. The sweep replaces a worker that died
/// within this time.
const COUNTED_FOR: Duration = Duration::from_mins(4);
/// How often a broadcast says the same again.
const REPEATED_AFTER: Duration = Duration::from_mins(1);

/// What is on its way from an inbox, by broadcast.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TextsAhead {
    #[serde(default)]
    broadcasts: BTreeMap<BroadcastId, Ahead>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Ahead {
    segments: u64,
    /// When the broadcast said so.
    at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    waits: Option<Waits>,
}

/// A broadcast that has nothing on its way and found no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Waits {
    since: Timestamp,
    /// The segments of its next text, but no more than the limit.
    needs: u64,
}

/// What a broadcast with texts to release sees of an inbox.
struct View {
    /// The segments of all broadcasts that are on their way.
    ahead: u64,
    /// What those need that wait for longer.
    needed_before: u64,
    /// How many segments the broadcast may have on its way.
    share: u64,
}

impl TextsAhead {
    /// Returns how many segments a broadcast with `own` segments on their way can take at most, if its texts
    /// are short. `limit` is what all broadcasts of the inbox may have on their way.
    pub fn room(&self, of: &BroadcastId, own: u64, limit: u64, now: Timestamp) -> u64 {
        let view = self.view(of, own, limit, now);
        view.free(limit).min(view.share.saturating_sub(own))
    }

    /// Returns how many other broadcasts have texts on their way, or wait for room.
    pub fn others(&self, of: &BroadcastId, now: Timestamp) -> usize {
        self.counted(now).filter(|(id, _)| *id != of).count()
    }

    /// Takes room for as many of a broadcast's next texts, by their segments, as fit. Returns how many, and
    /// the texts that are on their way then. A text that is longer than the limit goes alone.
    #[must_use]
    pub fn take(
        &self,
        of: &BroadcastId,
        own: u64,
        next: &[u64],
        limit: u64,
        now: Timestamp,
    ) -> (usize, Self) {
        let Some(first) = next.first().copied() else { return (0, self.with(of, own, now)) };
        let view = self.view(of, own, limit, now);
        let up_to = if own == 0 { view.share.max(first) } else { view.share.saturating_sub(own) };
        let room = view.free(limit).min(up_to);
        let sums = next.iter().scan(0, |sum, segments| {
            *sum += segments;
            Some(*sum)
        });
        let fitting: Vec<u64> = sums.take_while(|sum| *sum <= room).collect();
        let (count, taken) = match fitting.last() {
            Some(taken) => (fitting.len(), *taken),
            None if view.ahead == 0 && view.needed_before == 0 => (1, first),
            None => (0, 0),
        };
        let since = self.waits(of).map_or(now, |waits| waits.since);
        let waits = (own + taken == 0).then(|| Waits { since, needs: first.min(limit) });
        (count, self.said(of, Ahead { segments: own + taken, at: now, waits }))
    }

    /// Returns the texts with what a broadcast has on its way that takes no more now.
    #[must_use]
    pub fn with(&self, of: &BroadcastId, segments: u64, now: Timestamp) -> Self {
        if segments > 0 {
            return self.said(of, Ahead { segments, at: now, waits: None });
        }
        let mut after = self.clone();
        after.broadcasts.remove(of);
        after
    }

    fn view(&self, of: &BroadcastId, own: u64, limit: u64, now: Timestamp) -> View {
        let own_place = self.waits(of).map(|waits| (waits.since, of));
        let others: Vec<_> = self.counted(now).filter(|(id, _)| *id != of).collect();
        let is_before = |id, waits: &Waits| own_place.is_none_or(|own| (waits.since, id) < own);
        let needed_before = others
            .iter()
            .filter_map(|(id, said)| said.waits.filter(|waits| is_before(id, waits)))
            .map(|waits| waits.needs)
            .sum();
        let ahead = own + others.iter().map(|(_, said)| said.segments).sum::<u64>();
        let broadcasts = others.iter().fold(1, |count, _| count + 1);
        View { ahead, needed_before, share: limit / broadcasts }
    }

    fn waits(&self, of: &BroadcastId) -> Option<Waits> {
        self.broadcasts.get(of).and_then(|said| said.waits)
    }

    fn said(&self, of: &BroadcastId, ahead: Ahead) -> Self {
        let is_known = |said: &Ahead| {
            let is_same = (said.segments, said.waits) == (ahead.segments, ahead.waits);
            is_same && said.at + REPEATED_AFTER > ahead.at
        };
        if self.broadcasts.get(of).is_some_and(is_known) {
            return self.clone();
        }
        let counted = self.counted(ahead.at).map(|(id, said)| (id.clone(), *said));
        let mut broadcasts: BTreeMap<_, _> = counted.collect();
        broadcasts.insert(of.clone(), ahead);
        Self { broadcasts }
    }

    fn counted(&self, now: Timestamp) -> impl Iterator<Item = (&BroadcastId, &Ahead)> {
        self.broadcasts.iter().filter(move |(_, said)| said.at + COUNTED_FOR > now)
    }
}

impl View {
    fn free(&self, limit: u64) -> u64 {
        limit.saturating_sub(self.ahead + self.needed_before)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
    const LIMIT: u64 = 15;

    fn id(name: usize) -> BroadcastId {
        BroadcastId::parse(&format!("bct_{name:026}")).unwrap()
    }

    /// Takes as many texts of one segment as fit.
    fn fill(texts: &TextsAhead, of: usize, own: u64) -> (usize, TextsAhead) {
        texts.take(&id(of), own, &[1; 100], LIMIT, NOW)
    }

    #[test]
    fn one_broadcast_fills_the_limit() {
        let (taken, full) = fill(&TextsAhead::default(), 1, 0);
        assert_eq!(taken, 15);
        assert_eq!(full.room(&id(1), 9, LIMIT, NOW), 6, "six were sent since");
        assert_eq!(full.room(&id(1), 15, LIMIT, NOW), 0);
    }

    #[test]
    fn others_are_those_that_said_something_lately() {
        let later = NOW + Duration::from_mins(3);
        let both = fill(&TextsAhead::default(), 1, 0).1.with(&id(2), 5, later);
        assert_eq!([1, 2, 3].map(|of| both.others(&id(of), later)), [1, 1, 2]);
        assert_eq!([1, 2, 3].map(|of| both.others(&id(of), NOW + COUNTED_FOR)), [1, 0, 1]);
    }

    #[test]
    fn two_broadcasts_share_it() {
        let (_, first) = fill(&TextsAhead::default(), 1, 0);
        let (taken, both) = fill(&first, 2, 0);
        assert_eq!(taken, 0);
        assert_eq!(both.room(&id(1), 9, LIMIT, NOW), 0, "more than its share is on its way");
        let sent = both.with(&id(1), 6, NOW);
        assert_eq!(sent.room(&id(1), 6, LIMIT, NOW), 1, "its share is seven");
        assert_eq!(fill(&sent, 2, 0).0, 7);
    }

    #[test]
    fn a_broadcast_that_ends_or_says_nothing_leaves_its_room_to_the_others() {
        let two = TextsAhead::default().with(&id(1), 10, NOW).with(&id(2), 5, NOW);
        let ended = two.with(&id(1), 0, NOW);
        assert_eq!(ended.room(&id(2), 5, LIMIT, NOW), 10);
        assert_eq!(two.room(&id(2), 5, LIMIT, NOW + COUNTED_FOR), 10);
        assert_eq!(ended.with(&id(3), 0, NOW), ended);
    }

    #[test]
    fn a_text_that_is_longer_than_the_limit_goes_alone() {
        let (_, other) = fill(&TextsAhead::default(), 1, 0);
        let (taken, waiting) = other.take(&id(2), 0, &[17, 1], LIMIT, NOW);
        assert_eq!(taken, 0);
        assert_eq!(fill(&waiting, 1, 3).0, 0, "room for one that waits");
        let (taken, alone) = waiting.with(&id(1), 0, NOW).take(&id(2), 0, &[17, 1], LIMIT, NOW);
        assert_eq!(taken, 1);
        assert_eq!(fill(&alone, 1, 0).0, 0);
    }

    #[test]
    fn the_same_is_said_again_after_a_minute() {
        let said = TextsAhead::default().with(&id(1), 10, NOW);
        assert_eq!(said.with(&id(1), 10, NOW + Duration::from_secs(59)), said);
        assert_ne!(said.with(&id(1), 10, NOW + REPEATED_AFTER), said);
    }

    /// A broadcast whose texts have these numbers of segments, again and again.
    #[derive(Default)]
    struct Model {
        texts: Vec<u64>,
        queued: VecDeque<u64>,
        released: usize,
    }

    impl Model {
        fn own(&self) -> u64 {
            self.queued.iter().sum()
        }
    }

    /// Lets each broadcast look about once a second while the number sends `limit` segments in 15 seconds.
    /// Returns how many texts each of them released in half an hour.
    fn half_an_hour(kinds: &[Vec<u64>], limit: u64, seed: u64) -> Vec<usize> {
        let mut entropy = seed;
        let mut random = |below: u64| {
            entropy = entropy.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (entropy >> 33) % below
        };
        let model = |texts: &Vec<u64>| Model { texts: texts.clone(), ..Model::default() };
        let mut broadcasts: Vec<Model> = kinds.iter().map(model).collect();
        let longest = kinds.iter().flatten().copied().max().unwrap();
        let (mut ahead, mut credit, mut order) = (TextsAhead::default(), 0, VecDeque::new());
        for second in 0..1_800 {
            let now = NOW + Duration::from_secs(second);
            for _ in 0..broadcasts.len() {
                let looking = usize::try_from(random(broadcasts.len() as u64)).unwrap();
                let one = &mut broadcasts[looking];
                let next: Vec<u64> = one.texts.iter().cycle().skip(one.released).take(50).copied().collect();
                let (taken, after) = ahead.take(&id(looking), one.own(), &next, limit, now);
                ahead = after;
                // Some of the recipients are held or left out.
                let released = if random(10) == 0 { taken / 2 } else { taken };
                one.queued.extend(&next[..released]);
                one.released += released;
                if released < taken {
                    ahead = ahead.with(&id(looking), one.own(), now);
                }
                order.extend((0..released).map(|_| looking));
                let total: u64 = broadcasts.iter().map(Model::own).sum();
                assert!(total <= limit.max(longest), "{total} of {limit}, seed {seed}");
            }
            credit += limit;
            while let Some(sending) = order.front().copied()
                && credit >= 15 * broadcasts[sending].queued[0]
            {
                order.pop_front();
                credit -= 15 * broadcasts[sending].queued.pop_front().unwrap();
            }
            if order.is_empty() {
                credit = credit.min(limit);
            }
        }
        broadcasts.iter().map(|one| one.released).collect()
    }

    #[test]
    fn no_broadcast_stalls_or_starves_and_all_of_them_stay_within_the_limit() {
        let cases: Vec<(Vec<Vec<u64>>, u64)> = vec![
            (vec![vec![7, 9], vec![9]], 15),
            (vec![vec![5]; 4], 15),
            (vec![vec![2]; 8], 15),
            (vec![vec![1]; 20], 15),
            (vec![vec![1], vec![9]], 15),
            (vec![vec![17], vec![17, 1]], 15),
            (vec![vec![3, 5], vec![4]], 7),
            (vec![vec![49, 1], vec![1], vec![2]], 15),
            (vec![vec![1, 3]; 3], 1_125),
            (vec![vec![2, 3, 4, 5]; 5], 15),
        ];
        for (kinds, limit) in cases {
            for seed in 1..=3 {
                let released = half_an_hour(&kinds, limit, seed);
                let segments = |(texts, kind): (&usize, &Vec<u64>)| {
                    *texts as u64 * kind.iter().sum::<u64>() / kind.len() as u64
                };
                let each: Vec<u64> = released.iter().zip(&kinds).map(segments).collect();
                // Half of an equal part of what the number sends in half an hour. Less if another one has
                // texts that are longer than the limit.
                let longest = kinds.iter().flatten().copied().max().unwrap();
                let fair = 120 * limit.min(limit * limit / longest) / kinds.len() as u64 / 2;
                let least = each.iter().min().unwrap();
                assert!(*least >= fair, "{each:?} of {kinds:?} with {limit}, seed {seed}");
            }
        }
    }
}
