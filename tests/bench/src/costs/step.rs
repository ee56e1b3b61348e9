//! One invocation of a function and the AWS requests that it makes.

use std::iter::Sum;

use test_kit::meter::{Bill, Charge, Meter};

use super::prices::Prices;

/// Counts of everything that is charged.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Count {
    /// Requests of the HTTP API.
    pub gateway: u32,
    /// Invocations of functions.
    pub invocations: f64,
    /// Requests of the send queue that functions make.
    pub queued: f64,
    /// Requests of the poller: receives and deletes.
    pub polled: f64,
    /// Receives and deletes of standard queues.
    pub polled_standard: f64,
    /// Requests to publish to the topic.
    pub published: f64,
    /// Messages that the topic delivers to queues.
    pub delivered: f64,
    /// Frames that are sent to sockets.
    pub frames: f64,
    /// Messages sent to the carrier.
    pub carrier: u32,
    /// Bytes of the functions' log lines.
    pub logged: f64,
    /// Requests and units of the table.
    pub table: Bill,
}

impl Sum for Count {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), |sum, count| Self {
            gateway: sum.gateway + count.gateway,
            invocations: sum.invocations + count.invocations,
            queued: sum.queued + count.queued,
            polled: sum.polled + count.polled,
            polled_standard: sum.polled_standard + count.polled_standard,
            published: sum.published + count.published,
            delivered: sum.delivered + count.delivered,
            frames: sum.frames + count.frames,
            logged: sum.logged + count.logged,
            carrier: sum.carrier + count.carrier,
            table: Bill::new(
                sum.table.requests + count.table.requests,
                sum.table.read + count.table.read,
                sum.table.write + count.table.write,
            ),
        })
    }
}

impl Count {
    /// Returns the requests of the send queue.
    pub fn queue(&self) -> f64 {
        self.queued + self.polled
    }

    /// Returns the billed time of the functions.
    pub(super) fn billed_millis(&self, prices: &Prices) -> f64 {
        let assumed = &prices.assumptions;
        f64::from(self.table.requests * assumed.dynamodb_millis + self.carrier * assumed.carrier_millis)
            + (self.queued + self.published) * f64::from(assumed.queue_millis)
            + self.frames * f64::from(assumed.frame_millis) / assumed.frames_at_once
            + self.invocations * f64::from(assumed.own_millis)
    }

    /// Returns the cost of a million without the log, in dollars.
    pub fn dollars_per_million(&self, prices: &Prices) -> f64 {
        let price = &prices.per_million;
        let seconds = self.billed_millis(prices) / 1000.0;
        let gigabytes = f64::from(prices.assumptions.memory_megabytes) / 1024.0;
        f64::from(self.gateway) * price.gateway_requests
            + self.invocations * price.invocations
            + seconds * gigabytes * prices.lambda_gigabyte_second * 1e6
            + self.queue() * price.fifo_queue_requests
            + self.polled_standard * price.queue_requests
            + self.published * price.topic_requests
            + self.delivered * price.topic_deliveries
            + self.frames * price.frames
            + self.table.read * price.read_units
            + self.table.write * price.write_units
    }

    /// Returns the cost of the log of a million, in dollars: lines of the functions, and those of the
    /// gateway.
    pub fn log_dollars_per_million(&self, prices: &Prices) -> f64 {
        let access = f64::from(self.gateway) * prices.assumptions.access_log_bytes;
        (self.logged + access) * prices.log_gigabyte / 1e3 // a million lines of a kilobyte are a gigabyte
    }
}

/// An invocation of a function.
#[derive(Debug)]
pub struct Step {
    pub function: &'static str,
    pub count: Count,
    /// The uses of the table's units.
    pub parts: Vec<Part>,
    /// Write units by partition key, and by index.
    pub writes: Vec<(String, f64)>,
    /// Read units by partition key.
    pub reads: Vec<(String, f64)>,
}

/// A use of the table's units.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// The item or index.
    pub what: String,
    /// Read units if set, otherwise write units.
    pub is_read: bool,
    pub units: f64,
}

impl Step {
    /// Returns the counts since the meter was last read, plus the given counts of the invocation.
    pub(super) fn metered(function: &'static str, meter: &Meter, known: Count) -> Self {
        let charges = meter.take_charges();
        let table = charges.iter().fold(Bill::default(), |sum, charge| {
            let bill = charge.bill;
            Bill::new(sum.requests + bill.requests, sum.read + bill.read, sum.write + bill.write)
        });
        let parts = charges.iter().flat_map(parts).collect();
        let writes = charges.iter().flat_map(writes).collect();
        let reads = charges.iter().flat_map(reads).collect();
        Self { function, count: Count { table, ..known }, parts, writes, reads }
    }
}

/// Splits the units of a transaction evenly among its items.
fn parts(charge: &Charge) -> Vec<Part> {
    let in_indexes: f64 = charge.indexes.values().sum();
    #[expect(clippy::cast_precision_loss, reason = "a hundred items at most")]
    let items = charge.items.len().max(1) as f64;
    let is_read = charge.bill.read > 0.0;
    let part = |what: String, units: f64| Part { what, is_read, units };
    let share = (if is_read { charge.bill.read } else { charge.bill.write } - in_indexes) / items;
    let mut names: Vec<String> = charge.items.iter().map(|(pk, sk)| name(pk, sk).to_owned()).collect();
    if names.is_empty() {
        names.push("query".into());
    }
    let mut parts: Vec<Part> = names.into_iter().map(|name| part(name, share)).collect();
    parts.extend(charge.indexes.iter().map(|(index, units)| part(format!("`{index}`"), *units)));
    parts
}

/// Returns the write units of each partition of the table and each index. Those of a request are split evenly
/// among its items.
fn writes(charge: &Charge) -> Vec<(String, f64)> {
    if charge.bill.write == 0.0 {
        return Vec::new();
    }
    let in_indexes: f64 = charge.indexes.values().sum();
    #[expect(clippy::cast_precision_loss, reason = "a hundred items at most")]
    let share = (charge.bill.write - in_indexes) / charge.items.len().max(1) as f64;
    let items = charge.items.iter().map(|(pk, _)| (pk.clone(), share));
    items.chain(charge.indexes.iter().map(|(index, units)| (index.clone(), *units))).collect()
}

/// Returns the read units of each partition of the table. Those of a request are split evenly among its
/// items. Those of indexes are left out.
fn reads(charge: &Charge) -> Vec<(String, f64)> {
    if let Some(partition) = &charge.partition {
        return vec![(partition.clone(), charge.bill.read)];
    }
    if charge.bill.read == 0.0 {
        return Vec::new();
    }
    #[expect(clippy::cast_precision_loss, reason = "a hundred items at most")]
    let share = charge.bill.read / charge.items.len().max(1) as f64;
    charge.items.iter().map(|(pk, _)| (pk.clone(), share)).collect()
}

/// Returns the kind of an item according to its keys.
fn name(pk: &str, sk: &str) -> &'static str {
    let known = [
        ("MEMBER#", "access check"),
        ("AWAY", "Out of Office"),
        ("INBOX", "inbox"),
        ("TEAM", "team"),
        ("NOTIFY", "notification settings"),
        ("CLAIM", "carrier's id"),
        ("LOCKS", "user's locks"),
        ("cnv_", "conversation"),
        ("con_", "contact"),
        ("NUMBER#", "contact by number"),
        ("STATE", "opt-out"),
    ];
    if pk.starts_with("OUTBOX#") {
        return "outbox item";
    }
    if sk.starts_with("msg_") {
        return "message";
    }
    let found = known.into_iter().find(|(start, _)| sk.starts_with(start));
    found.map_or("inbox by number", |(_, name)| name)
}
