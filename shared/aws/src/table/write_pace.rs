//! Pacing of bulk writes. A partition takes 1,000 write units a second, and a team has one partition: an
//! import that uses all of them delays or refuses the team's messages and opt-outs.
//!
//! Source: <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html>.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Spaces writes so that they use at most a number of write units a second.
#[derive(Debug)]
pub(crate) struct WritePace {
    units_per_second: f64,
    backlog: Mutex<Backlog>,
}

impl WritePace {
    pub(crate) fn new(units_per_second: u32) -> Self {
        let backlog = Mutex::new(Backlog { units: 0.0, at: Instant::now() });
        Self { units_per_second: f64::from(units_per_second), backlog }
    }

    /// Waits until a write of about this many units fits.
    pub(crate) async fn wait(&self, units: f64) {
        let delay = self.backlog().reserve(units, Instant::now(), self.units_per_second);
        tokio::time::sleep(delay).await;
    }

    /// Corrects the units of a write by what it consumed.
    pub(crate) fn correct(&self, estimated: f64, consumed: f64) {
        self.backlog().units += consumed - estimated;
    }

    fn backlog(&self) -> std::sync::MutexGuard<'_, Backlog> {
        self.backlog.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The units of earlier writes for which no time has passed yet.
#[derive(Debug)]
struct Backlog {
    units: f64,
    at: Instant,
}

impl Backlog {
    /// Adds a write, and returns the time until it may begin.
    fn reserve(&mut self, units: f64, now: Instant, units_per_second: f64) -> Duration {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.units = (self.units - passed * units_per_second).max(0.0);
        self.at = now;
        let delay = Duration::from_secs_f64(self.units / units_per_second);
        self.units += units;
        delay
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_use_no_more_than_their_units_a_second() {
        let start = Instant::now();
        let mut backlog = Backlog { units: 0.0, at: start };
        let delays: Vec<_> = (0..4).map(|_| backlog.reserve(100.0, start, 300.0).as_millis()).collect();
        assert_eq!(delays, [0, 333, 666, 1000], "300 units in each second");
        let later = start + Duration::from_secs(1);
        assert_eq!(backlog.reserve(100.0, later, 300.0).as_millis(), 333);
    }

    #[test]
    fn unused_time_is_not_saved_for_a_burst() {
        let start = Instant::now();
        let mut backlog = Backlog { units: 0.0, at: start };
        let later = start + Duration::from_mins(1);
        let delays: Vec<_> = (0..2).map(|_| backlog.reserve(300.0, later, 300.0).as_secs()).collect();
        assert_eq!(delays, [0, 1]);
    }

    #[tokio::test]
    async fn a_write_that_consumed_more_delays_the_next_one() {
        let pace = WritePace::new(10_000);
        let start = Instant::now();
        pace.wait(10.0).await;
        pace.correct(10.0, 2_000.0);
        pace.wait(10.0).await;
        assert!(start.elapsed() >= Duration::from_millis(190), "{:?}", start.elapsed());
    }
}
