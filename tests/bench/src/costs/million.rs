//! The cost of a month with a million messages: half of the messages come in, and each of them is answered by
//! one of the agents of `infra/prices.yaml`. README.md names what is left out.

use std::collections::BTreeSet;

use super::{Flow, flows, idle, prices::Prices};

/// The planned cost of a month, in dollars.
pub const GOAL: f64 = 25.00;

/// What is done for each of the 500,000 conversations, and how often.
const CONVERSATION: [(&str, f64); 8] = [
    ("inbound message, unread conversation with assigned user", 1.0),
    ("acquire a lock, unread conversation", 1.0),
    ("page of a conversation", 1.0),
    ("renew a lock", 2.0),
    ("reply, with two delivery reports", 1.0),
    ("release a lock", 1.0),
    ("page of 50 conversations", 2.0),
    ("acquire, refused", 0.05),
];

/// The parts of the cost, in dollars.
#[derive(Debug, Default)]
#[expect(missing_docs, reason = "the names say it all")]
pub struct Million {
    pub requests: f64,
    pub events: f64,
    pub frames: f64,
    pub logs: f64,
    pub metrics: f64,
    pub storage: f64,
    pub connections: f64,
    pub users: f64,
    pub keys: f64,
    pub idle: f64,
    pub alarms: f64,
}

impl Million {
    /// Returns the parts with their names.
    pub fn parts(&self) -> [(&'static str, f64); 11] {
        [
            ("requests of the API, webhooks and workers", self.requests),
            ("events", self.events),
            ("frames", self.frames),
            ("logs", self.logs),
            ("custom metrics", self.metrics),
            ("storage", self.storage),
            ("open connections", self.connections),
            ("users of Cognito", self.users),
            ("calls of KMS", self.keys),
            ("an idle month", self.idle),
            ("alarms", self.alarms),
        ]
    }

    /// Returns the total, in dollars.
    pub fn dollars(&self) -> f64 {
        self.parts().iter().map(|(_, dollars)| dollars).sum()
    }
}

/// Counts the month.
pub async fn month(prices: &Prices) -> Million {
    let (flows, idle) = (flows::all(prices).await, idle::month(prices).await);
    let assumed = &prices.assumptions;
    let agents = f64::from(assumed.agents);
    // Only the topic has a key whose calls are charged for, and only `event-writer` publishes to it. It has
    // events in every five minutes of the month.
    let keys = 2.0 * assumed.minutes_per_month / assumed.data_key_minutes;
    let mut month = Million {
        idle: idle.dollars(),
        alarms: idle.alarms.dollars,
        users: agents * prices.per_month.user,
        keys: keys * prices.per_million.key_requests / 1e6,
        connections: agents * assumed.working_minutes * prices.per_million.connection_minutes / 1e6,
        storage: assumed.stored_kilobytes_per_message * prices.table_gigabyte, // a million kilobytes are a gigabyte
        ..Million::default()
    };
    let mut metrics: BTreeSet<&String> = BTreeSet::new();
    for (name, times) in CONVERSATION {
        let flow: &Flow = flows.iter().find(|flow| flow.name == name).unwrap();
        let millions = times / 2.0;
        let frames = flow.live.iter().map(|step| step.count.frames).sum::<f64>() * prices.per_million.frames;
        month.requests += millions * flow.dollars(prices);
        month.events += millions * (flow.live_dollars(prices) - frames);
        month.frames += millions * frames;
        month.logs += millions * flow.log_dollars(prices);
        metrics.extend(&flow.metrics);
    }
    month.metrics = idle::count(metrics.len()) * prices.per_month.metric;
    month
}
