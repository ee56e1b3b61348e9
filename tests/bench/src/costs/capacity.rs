//! What one inbox, one team, one organization and one stack hold, from the counted requests of a message that
//! comes in and of the reply to it, of a recipient of a broadcast, and of a row of an import: the units of
//! each partition, and the use of the quotas that AWS gives an account by default.

use std::{collections::BTreeMap, fmt::Write};

use super::{Count, Flow, Step, bulk::Bulk, prices::Prices};

/// The write units that a partition of the table takes in a second. Source, also of the read units:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html>.
const PARTITION_UNITS: f64 = 1_000.0;
/// The read units that a partition of the table gives in a second.
const PARTITION_READS: f64 = 3_000.0;

/// A quota of an account, or a limit of the template.
struct Quota {
    name: &'static str,
    /// Its service, name and code in Service Quotas, or what to change instead.
    raised_by: &'static str,
    per_second: f64,
    used: fn(&Exchange<'_>) -> f64,
}

/// Sources: the quota pages of each service, for us-east-1. Those of API Gateway, SNS and Lambda are lower in
/// some regions and in new accounts.
const QUOTAS: [Quota; 6] = [
    Quota {
        name: "20 workers of `SendQueue`",
        raised_by: "not a quota: `MaximumConcurrency` in `template.yaml`",
        per_second: 20.0,
        used: |exchange| exchange.sending(),
    },
    Quota {
        name: "Lambda, 1,000 concurrent executions",
        raised_by: "AWS Lambda, *Concurrent executions*, `L-B99A9384`",
        per_second: 1_000.0,
        used: |exchange| exchange.running(),
    },
    Quota {
        name: "SNS, 30,000 messages a second",
        raised_by: "Amazon SNS, *Messages Published per Second*, `L-F8E2BA85`",
        per_second: 30_000.0,
        used: |exchange| exchange.sum(|count| count.published),
    },
    Quota {
        name: "API Gateway, 10,000 requests and frames a second",
        raised_by: "Amazon API Gateway, *Throttle rate*, `L-8A5B8E43`",
        per_second: 10_000.0,
        used: |exchange| exchange.sum(|count| f64::from(count.gateway) + count.frames),
    },
    Quota {
        name: "a new table, 4,000 write units a second",
        raised_by: "not a quota: warm throughput",
        per_second: 4_000.0,
        used: |exchange| exchange.sum(|count| count.table.write),
    },
    Quota {
        name: "a table, 40,000 write units a second",
        raised_by: "Amazon DynamoDB, *Table-level write throughput limit*, `L-AB614373`",
        per_second: 40_000.0,
        used: |exchange| exchange.sum(|count| count.table.write),
    },
];

/// The exchanges a second for which the table says what to ask.
const ASKED: f64 = 1_000.0;

/// A message that comes in, and the reply to it with everything that a user does for it.
struct Exchange<'a> {
    flows: Vec<&'a Flow>,
    prices: &'a Prices,
}

const EXCHANGE: [&str; 6] = [
    "inbound message, unread conversation with assigned user",
    "acquire a lock, unread conversation",
    "page of a conversation",
    "renew a lock",
    "reply, with two delivery reports",
    "release a lock",
];

impl Exchange<'_> {
    fn steps(&self) -> impl Iterator<Item = &Step> {
        self.flows.iter().flat_map(|flow| flow.steps.iter().chain(&flow.live))
    }

    fn sum(&self, count: fn(&Count) -> f64) -> f64 {
        self.steps().map(|step| count(&step.count)).sum()
    }

    /// Seconds of all functions.
    fn running(&self) -> f64 {
        self.steps().map(|step| step.count.billed_millis(self.prices)).sum::<f64>() / 1e3
    }

    /// Seconds of a worker that sends.
    fn sending(&self) -> f64 {
        let sends = self.steps().filter(|step| step.function == "outbound-send");
        sends.map(|step| step.count.billed_millis(self.prices)).sum::<f64>() / 1e3
    }
}

/// Partitions that many messages share, and the part of an exchange that each gets if there are several.
const SHARED: [(&str, &str, f64); 7] = [
    ("an inbox", "inbox", 1.0),
    ("the events of an inbox", "inbox events", 1.0),
    ("an inbox in `inbox-activity`", "inbox-activity", 1.0),
    ("an inbox in `inbox-unread`", "inbox-unread", 1.0),
    ("a user in `inbox-assigned`", "inbox-assigned", 1.0),
    ("one of 4 of the outbox", "outbox", 0.25),
    ("one of 4 in `delivery-checks`", "delivery-checks", 0.25),
];

/// Partitions that the work of a team or of an organization shares: what they are, their name, whether the
/// units are those of reads, and the part that each gets if there are several.
const OF_TEAMS: [(&str, &str, bool, f64); 10] = [
    ("an inbox", "inbox", false, 1.0),
    ("the events of an inbox", "inbox events", false, 1.0),
    ("a broadcast", "broadcast", false, 1.0),
    ("one of 8 of a broadcast's recipients", "recipients", false, 0.125),
    ("a team", "team", false, 1.0),
    ("a team", "team", true, 1.0),
    ("the events of a team", "team events", false, 1.0),
    ("the open screens of an organization", "screens", true, 1.0),
    ("the webhook endpoints of an organization", "endpoints", true, 1.0),
    ("the sending states of all organizations", "sending", true, 1.0),
];

/// The name of a partition by its key. `None` for a partition of its own, such as that of a message's claim.
fn partition(key: &str) -> Option<&'static str> {
    let last = key.rsplit('#').next()?;
    let of = |kind: &str| last.starts_with(kind);
    match last {
        _ if key.starts_with("OUTBOX#") => Some("outbox"),
        "EVENTS" if key.contains("#inb_") => Some("inbox events"),
        "EVENTS" if key.contains("#team_") => Some("team events"),
        "SOCKETS" => Some("screens"),
        "WEBHOOKS" => Some("endpoints"),
        "SENDING" => Some("sending"),
        _ if of("inb_") => Some("inbox"),
        _ if of("team_") => Some("team"),
        _ if of("bct_") => Some("broadcast"),
        _ if key.contains("#bct_") => Some("recipients"),
        _ => None,
    }
}

/// The units of the partitions that much work shares, by their names.
#[derive(Debug, Default)]
pub struct Units {
    writes: BTreeMap<&'static str, f64>,
    reads: BTreeMap<&'static str, f64>,
}

impl Units {
    /// Adds this part of what a flow and its events use.
    pub(super) fn add(&mut self, flow: &Flow, part: f64) {
        for step in flow.steps.iter().chain(&flow.live) {
            for (sum, of) in [(&mut self.writes, &step.writes), (&mut self.reads, &step.reads)] {
                for (key, used) in of {
                    if let Some(name) = partition(key) {
                        *sum.entry(name).or_default() += used * part;
                    }
                }
            }
        }
    }

    fn of(&self, name: &str, is_read: bool) -> f64 {
        let units = if is_read { &self.reads } else { &self.writes };
        units.get(name).copied().unwrap_or_default()
    }
}

/// Returns the write units of each shared partition.
fn units(flow: &Flow) -> BTreeMap<String, f64> {
    let mut units = BTreeMap::<String, f64>::new();
    let writes = flow.steps.iter().chain(&flow.live).flat_map(|step| &step.writes);
    for (key, written) in writes {
        let name = SHARED.iter().find(|(_, name, _)| name == key).map(|(_, name, _)| *name);
        if let Some(name) = name.or_else(|| partition(key)) {
            *units.entry(name.to_owned()).or_default() += written;
        }
    }
    units
}

fn find<'a>(flows: &'a [Flow], name: &str) -> &'a Flow {
    flows.iter().find(|flow| flow.name == name).unwrap()
}

/// The table of the partitions.
pub fn partitions(flows: &[Flow]) -> String {
    let all: Vec<_> = EXCHANGE.iter().map(|name| units(find(flows, name))).collect();
    let mut table = "| Partition | Write units of a message in | of its reply | of both, with the lock | Exchanges a second |\n|---|---|---|---|---|\n".to_owned();
    for (what, name, part) in SHARED {
        let of = |units: &BTreeMap<String, f64>| units.get(name).copied().unwrap_or_default() * part;
        let (inbound, reply) = (of(&all[0]), of(&all[4]));
        let both: f64 = all.iter().map(of).sum();
        writeln!(
            table,
            "| {what} | {inbound} | {reply} | {both} | {:.0} |",
            (PARTITION_UNITS / both).floor()
        )
        .unwrap();
    }
    table
}

/// The table of what teams and organizations hold.
pub fn teams(flows: &[Flow], bulk: &Bulk) -> String {
    let mut exchange = Units::default();
    for name in EXCHANGE {
        exchange.add(find(flows, name), 1.0);
    }
    let mut table = "| Partition | Units a second | of an exchange | of a recipient | of an imported row | Exchanges a second | Recipients a second | Rows a second |\n|---|---|---|---|---|---|---|---|\n".to_owned();
    for (what, name, is_read, part) in OF_TEAMS {
        let (limit, kind) = if is_read { (PARTITION_READS, "read") } else { (PARTITION_UNITS, "write") };
        let used = [&exchange, &bulk.recipient, &bulk.row].map(|units| units.of(name, is_read) * part);
        let [exchange, recipient, row] = used;
        let rate =
            |used: f64| if used > 0.0 { format!("{:.0}", (limit / used).floor()) } else { "–".into() };
        let [exchanges, recipients, rows] = used.map(rate);
        writeln!(
            table,
            "| {what} | {limit:.0} {kind} | {exchange:.2} | {recipient:.2} | {row:.2} | {exchanges} | {recipients} | {rows} |"
        )
        .unwrap();
    }
    table
}

/// The table of the quotas, the first to bite first.
pub fn quotas(flows: &[Flow], prices: &Prices) -> String {
    let exchange = Exchange { flows: EXCHANGE.iter().map(|name| find(flows, name)).collect(), prices };
    let mut rows: Vec<_> = QUOTAS.iter().map(|quota| (quota, (quota.used)(&exchange))).collect();
    let rate = |(quota, used): &(&Quota, f64)| quota.per_second / used;
    rows.sort_by(|one, other| rate(one).total_cmp(&rate(other)));
    let mut table = format!(
        "| Quota | Use of an exchange | Exchanges a second | In Service Quotas | To ask for, at {ASKED} exchanges a second |\n|---|---|---|---|---|\n"
    );
    for row in rows {
        let (Quota { name, raised_by, .. }, used) = row;
        let (rate, asked) = (rate(&row).floor(), ASKED * used);
        writeln!(table, "| {name} | {used:.2} | {rate:.0} | {raised_by} | {asked:.0} |").unwrap();
    }
    table
}
