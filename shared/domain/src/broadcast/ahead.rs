//! How many texts of a broadcast are released ahead of the pace of its number.
//!
//! A text that is released goes out soon, also after a pause, so at most 15 seconds' worth of an inbox is. A
//! worker releases texts in slices, and looks again after a second when it has filled the 15 seconds.

use std::time::Duration;

/// How far ahead of the pace of their number texts are released.
pub const AHEAD: Duration = Duration::from_secs(15);

/// How long before the end of a recipient's hours the last text is sent. The carrier needs some time as well.
pub const LAST_SEND: Duration = Duration::from_secs(60);

/// How many recipients one slice looks at, at most. It reads the state of the broadcast again after that.
pub const MAX_SLICE: usize = 250;

/// When the next slice begins after one that looked at this many recipients. A full slice has left room, so
/// the next one begins at once.
pub fn slice_delay(recipients: usize) -> Duration {
    if recipients < MAX_SLICE { Duration::from_secs(1) } else { Duration::ZERO }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BROADCASTS: usize = 20;
    const RATE: u32 = 75;
    /// What the release of a text takes: the reads of its recipient and the transaction.
    const RELEASE_MILLIS: u64 = 12;
    /// What a slice reads at its start.
    const SLICE_MILLIS: u64 = 60;
    /// How long a worker goes on before the queue delivers the broadcast to another one.
    const WORKER_MILLIS: u64 = 60_000;
    const MINUTES: u64 = 5;

    /// A broadcast with texts of one segment that go out at exactly the rate while any is queued.
    #[derive(Debug, Clone, Copy, Default)]
    struct Released {
        /// Texts that are queued and not sent, in thousandths.
        queued: u64,
        sent: u64,
        /// Until when texts were sent.
        now: u64,
        /// When the queue delivers the broadcast.
        due: u64,
    }

    impl Released {
        fn send_until(&mut self, now: u64) {
            let sent = (now.saturating_sub(self.now) * u64::from(RATE)).min(self.queued);
            self.queued -= sent;
            self.sent += sent;
            self.now = self.now.max(now);
        }
    }

    /// Runs 20 broadcasts with 20 workers and returns the segments that each has sent in a
    /// thousand seconds.
    fn rates(seed: u64) -> Vec<u64> {
        let mut entropy = seed;
        let mut random = |below: u64| {
            entropy = entropy.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (entropy >> 33) % below
        };
        let mut broadcasts = [Released::default(); BROADCASTS];
        let mut workers = [0_u64; BROADCASTS]; // when each is free
        let end = MINUTES * 60_000;
        while let Some(next) = (0..BROADCASTS).min_by_key(|index| broadcasts[*index].due)
            && broadcasts[next].due < end
        {
            let worker = (0..workers.len()).min_by_key(|worker| workers[*worker]).unwrap();
            let broadcast = &mut broadcasts[next];
            let start = broadcast.due.max(workers[worker]);
            let mut now = start;
            let delay = loop {
                now += SLICE_MILLIS;
                broadcast.send_until(now);
                let ahead = u64::from(RATE) * AHEAD.as_secs();
                let room = ahead.saturating_sub(broadcast.queued.div_ceil(1_000));
                let texts = MAX_SLICE.min(usize::try_from(room).unwrap());
                for _ in 0..texts {
                    now += RELEASE_MILLIS - 4 + random(9);
                    broadcast.queued += 1_000;
                    broadcast.send_until(now);
                }
                let delay = slice_delay(texts);
                if !delay.is_zero() || now - start > WORKER_MILLIS {
                    break delay;
                }
            };
            workers[worker] = now;
            // The queue delivers up to a second late.
            broadcast.due = now + u64::try_from(delay.as_millis()).unwrap() + random(1_000);
        }
        for broadcast in &mut broadcasts {
            broadcast.send_until(end);
        }
        broadcasts.iter().map(|broadcast| broadcast.sent * 1_000 / end).collect()
    }

    #[test]
    fn releasing_keeps_the_pace_of_20_broadcasts_within_two_percent() {
        for seed in 1..=5 {
            let slowest = rates(seed).into_iter().min().unwrap();
            assert!(slowest >= 980 * u64::from(RATE), "{slowest} segments in 1,000 seconds, seed {seed}");
        }
    }
}
