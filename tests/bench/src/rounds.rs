//! Rounds of alternating calls of contestants (ABBA): the medians of each round, and the median of their
//! ratios.

use std::{fmt, time::Duration};

/// The medians of `N` contestants in `K` disciplines, by round.
pub(crate) struct Rounds<const N: usize, const K: usize>(Vec<[[Duration; K]; N]>);

/// The ratio of two contestants' times over the rounds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ratio {
    pub(crate) median: f64,
    least: f64,
    most: f64,
    medians: [Duration; 2],
}

/// Calls each contestant the same number of times in every round. The first round is a warm-up.
pub(crate) async fn rounds<const N: usize, const K: usize>(
    rounds: usize,
    turns: usize,
    mut turn: impl AsyncFnMut(usize) -> [Duration; K],
) -> Rounds<N, K> {
    let mut medians = Vec::with_capacity(rounds);
    for round in 0..=rounds {
        let mut times = vec![vec![Vec::with_capacity(turns); K]; N];
        for nth in 0..turns {
            for index in 0..N {
                let who = if nth % 2 == 0 { index } else { N - 1 - index };
                for (discipline, took) in turn(who).await.into_iter().enumerate() {
                    times[who][discipline].push(took);
                }
            }
        }
        if round > 0 {
            medians.push(std::array::from_fn(|who| std::array::from_fn(|of| median(&mut times[who][of]))));
        }
    }
    Rounds(medians)
}

impl<const N: usize, const K: usize> Rounds<N, K> {
    pub(crate) fn ratio(&self, discipline: usize, one: usize, other: usize) -> Ratio {
        let ratio = |round: &[[Duration; K]; N]| {
            round[one][discipline].as_secs_f64() / round[other][discipline].as_secs_f64()
        };
        let mut ratios: Vec<f64> = self.0.iter().map(ratio).collect();
        ratios.sort_by(f64::total_cmp);
        Ratio {
            median: ratios[ratios.len() / 2],
            least: ratios[0],
            most: ratios[ratios.len() - 1],
            medians: [self.median(discipline, one), self.median(discipline, other)],
        }
    }

    /// Returns the median of the rounds' medians.
    pub(crate) fn median(&self, discipline: usize, who: usize) -> Duration {
        median(&mut self.0.iter().map(|round| round[who][discipline]).collect::<Vec<_>>())
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { median, least, most, medians: [one, other] } = self;
        write!(f, "{median:.2} (rounds {least:.2}–{most:.2}; {} and {})", readable(*one), readable(*other))
    }
}

pub(crate) fn readable(time: Duration) -> String {
    let micros = time.as_secs_f64() * 1e6;
    if micros < 10_000.0 { format!("{micros:.0} µs") } else { format!("{:.0} ms", micros / 1000.0) }
}

pub(crate) fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}
