//! The costs of flows, of an idle month and of a million messages, as lines of a table.

use super::{flows, idle, million, prices::Prices};
use crate::figure::{self, Figure};

/// The block `dollars` of `BENCHMARKS.md`.
pub fn block(figures: &[Figure], prices: &Prices) -> String {
    format!("Prices of {}, of {}:\n\n{}", prices.region, prices.checked, figure::table(figures))
}

pub async fn measure(prices: &Prices) -> Vec<Figure> {
    let mut figures = Vec::new();
    for flow in flows::all(prices).await {
        let (dollars, total) = (flow.dollars(prices), flow.total());
        let what = format!("a million of: {}", flow.name);
        let value = format!(
            "${dollars:.2}; {} write and {} read units: {}",
            total.table.write,
            total.table.read,
            flow.parts()
        );
        figures.push(match flow.goal {
            Some(goal) => Figure::new(what, value, format!("≤ ${goal:.2}"), dollars <= goal),
            None => Figure::without_goal(what, value),
        });
        if !flow.live.is_empty() {
            let what =
                format!("its events, pushed to {} connections", prices.assumptions.connections_per_inbox);
            figures.push(Figure::without_goal(what, format!("${:.2} more", flow.live_dollars(prices))));
        }
    }
    let month = idle::month(prices).await;
    let mut parts: Vec<String> =
        month.lines.iter().map(|line| format!("{} ${:.2}", line.what, line.dollars)).collect();
    parts.sort();
    let (dollars, goal) = (month.dollars(), idle::GOAL);
    let value = format!("${dollars:.2}: {}", parts.join(", "));
    figures.push(Figure::new("an idle month", value, format!("≤ ${goal:.2}"), dollars <= goal));
    let alarms = format!("${:.2} more", month.alarms.dollars);
    figures.push(Figure::without_goal(format!("the same, its {}", month.alarms.what), alarms));
    let month = million::month(prices).await;
    let parts = month.parts().map(|(what, dollars)| format!("{what} ${dollars:.2}"));
    let (dollars, goal) = (month.dollars(), million::GOAL);
    let what = format!(
        "a month with a million messages and {} agents, everything but the carrier",
        prices.assumptions.agents
    );
    let value = format!("${dollars:.2}: {}", parts.join(", "));
    figures.push(Figure::new(what, value, format!("≤ ${goal:.2}"), dollars <= goal));
    figures
}
