//! The exact AWS requests of each flow, and the cost of a million at the prices of `infra/prices.yaml`. A
//! count that changes in either direction fails the test until the table is updated.

#![allow(clippy::print_stdout, reason = "--nocapture shows the use of each unit")]

use product_bench::costs::{Flow, bulk, capacity, flows, idle, million, money, prices::Prices};
use test_kit::docs::assert_block;

/// Flow, requests of the HTTP API, invocations, requests of the queue, requests, read units and write units
/// of the table, dollars for a million, and those of the events.
type Line = (&'static str, u32, f64, f64, u32, f64, f64, &'static str, &'static str);

const FLOWS: &[Line] = &[
    ("inbound message, unread conversation with assigned user", 1, 1.0, 0.0, 6, 1.5, 9.0, "7.12", "16.40"),
    ("inbound message, unread conversation without assigned user", 1, 1.0, 0.0, 6, 1.5, 7.0, "5.87", "16.04"),
    ("inbound message, first of an unknown number", 1, 1.0, 0.0, 13, 7.0, 8.0, "7.30", "20.14"),
    ("inbound message, redelivered", 1, 1.0, 0.0, 5, 3.5, 1.0, "2.35", "0.20"),
    ("reply, with two delivery reports", 3, 5.0, 3.0, 16, 10.0, 18.0, "18.98", "34.65"),
    ("acquire a lock", 1, 1.0, 0.0, 3, 0.5, 4.0, "3.82", "7.69"),
    ("acquire a lock, unread conversation", 1, 1.0, 0.0, 4, 0.5, 6.0, "5.08", "15.21"),
    ("renew a lock", 1, 1.0, 0.0, 2, 0.5, 1.0, "1.92", "0.20"),
    ("acquire, refused", 1, 1.0, 0.0, 4, 0.5, 3.0, "3.21", "0.20"),
    ("release a lock", 1, 1.0, 0.0, 3, 0.5, 4.0, "3.82", "7.69"),
    ("page of 50 conversations", 1, 1.0, 0.0, 2, 2.0, 0.0, "1.49", "0.00"),
    ("page of a conversation", 1, 1.0, 0.0, 3, 2.0, 0.0, "1.50", "0.00"),
];

/// Parts of a month with a million messages.
const MILLION: &[(&str, &str)] = &[
    ("requests of the API, webhooks and workers", "21.74"),
    ("events", "19.19"),
    ("frames", "18.00"),
    ("logs", "3.10"),
    ("custom metrics", "3.30"),
    ("storage", "1.35"),
    ("open connections", "0.05"),
    ("users of Cognito", "0.30"),
    ("calls of KMS", "0.05"),
    ("an idle month", "3.64"),
    ("alarms", "4.90"),
];

/// The cost of an idle month, and of its alarms.
const MONTH: (&str, &str) = ("3.64", "4.90");

fn line(flow: &Flow, prices: &Prices) -> Line {
    let total = flow.total();
    let dollars = format!("{:.2}", flow.dollars(prices)).leak();
    let events = format!("{:.2}", flow.live_dollars(prices)).leak();
    let table = total.table;
    (
        flow.name,
        total.gateway,
        total.invocations,
        total.queue(),
        table.requests,
        table.read,
        table.write,
        dollars,
        events,
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn every_flow_costs_what_is_written_here() {
    let prices = Prices::read();
    let flows = flows::all(&prices).await;
    for flow in &flows {
        for step in flow.steps.iter().chain(&flow.live) {
            println!("{}: {} {:?}", flow.name, step.function, step.count);
        }
        println!("{:?},\n  {}", line(flow, &prices), flow.parts());
    }
    let counted: Vec<Line> = flows.iter().map(|flow| line(flow, &prices)).collect();
    assert_eq!(counted, FLOWS);
    assert_block("ARCHITECTURE.md", "flows", &table(&flows, &prices));
}

fn table(flows: &[Flow], prices: &Prices) -> String {
    let head = "| One million of | Costs | Planned | Its events |\n|---|---|---|---|\n".to_owned();
    flows.iter().fold(head, |table, flow| {
        let goal = flow.goal.map(|goal| format!("${goal:.2}")).unwrap_or_default();
        let (dollars, events) = (flow.dollars(prices), flow.live_dollars(prices));
        let events = if flow.live.is_empty() { String::new() } else { format!("${events:.2}") };
        table + &format!("| {} | ${dollars:.2} | {goal} | {events} |\n", flow.name)
    })
}

#[test]
fn the_billed_memory_is_that_of_the_template() {
    let template =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../template.yaml")).unwrap();
    let template: serde_norway::Value = serde_norway::from_str(&template).unwrap();
    let megabytes = u64::from(Prices::read().assumptions.memory_megabytes);
    assert_eq!(template["Globals"]["Function"]["MemorySize"].as_u64(), Some(megabytes));
    let other = template["Resources"].as_mapping().unwrap().iter();
    let other = other.filter(|(_, resource)| !resource["Properties"]["MemorySize"].is_null());
    let other: Vec<_> = other.map(|(name, _)| name.as_str().unwrap()).collect();
    let expected =
        ["SegmentsFunction", "BroadcastsFunction", "ContactImportFunction", "BroadcastWorkerFunction"];
    assert_eq!(other, expected, "only imports, segments and broadcasts are not part of a flow");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_month_costs_what_is_written_here() {
    let month = idle::month(&Prices::read()).await;
    println!("{month:#?}");
    let dollars = |dollars: f64| format!("{dollars:.2}");
    let (idle, alarms) = (month.dollars(), month.alarms.dollars);
    assert_eq!((dollars(idle).as_str(), dollars(alarms).as_str()), MONTH);
    for (page, sentence) in [
        ("README.md", format!("costs ${:.2} per month", idle + alarms)),
        ("ARCHITECTURE.md", format!("costs ${idle:.2} per month")),
        ("ARCHITECTURE.md", format!("plus ${alarms:.2} for its alarms")),
    ] {
        let path = format!("{}/../../{page}", env!("CARGO_MANIFEST_DIR"));
        assert!(std::fs::read_to_string(path).unwrap().contains(&sentence), "{page}: {sentence}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_with_a_million_messages_costs_what_is_written_here() {
    let month = million::month(&Prices::read()).await;
    let parts: Vec<_> = month.parts().map(|(what, dollars)| (what, format!("{dollars:.2}"))).into();
    println!("{parts:?} {:.2}", month.dollars());
    let rows = month
        .parts()
        .map(|(what, dollars)| {
            format!(
                "| {what} | ${dollars:.2} |
"
            )
        })
        .concat();
    let total = month.dollars();
    assert_block(
        "ARCHITECTURE.md",
        "million",
        &format!(
            "| | Costs |
|---|---|
{rows}| total | ${total:.2} |
"
        ),
    );
    assert_eq!(
        parts,
        MILLION.iter().map(|(what, dollars)| (*what, (*dollars).to_owned())).collect::<Vec<_>>()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_capacity_gives_what_partitions_and_quotas_hold() {
    let prices = Prices::read();
    let flows = flows::all(&prices).await;
    let page = "docs/operations/capacity.md";
    assert_block(page, "partitions", &capacity::partitions(&flows));
    let bulk = bulk::measure(&prices).await;
    println!("{bulk:#?}");
    assert_block(page, "teams", &capacity::teams(&flows, &bulk));
    assert_block(page, "quotas", &capacity::quotas(&flows, &prices));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_readme_gives_the_costs() {
    let prices = Prices::read();
    let flows = flows::all(&prices).await;
    let dollars = |name: &str| flows.iter().find(|flow| flow.name == name).unwrap().dollars(&prices);
    let inbound = dollars("inbound message, unread conversation with assigned user");
    let reply = dollars("reply, with two delivery reports");
    let month = idle::month(&prices).await;
    let (idle, alarms) = (month.dollars(), month.alarms.dollars);
    let (agents, all) = (prices.assumptions.agents, million::month(&prices).await.dollars());
    let table = format!(
        "| | Cost in {} at list prices, without Twilio |\n|---|---|\n\
        | one month without traffic | ${idle:.2}, and ${alarms:.2} for the alarms |\n\
        | one million inbound messages | ${inbound:.2} |\n\
        | one million replies with delivery reports | ${reply:.2} |\n\
        | one month with a million messages and {agents} agents, idle cost and alarms included | ${all:.2} |\n",
        prices.region
    );
    assert_block("README.md", "costs", &table);
}

/// `make bench` writes the same rows.
#[tokio::test(flavor = "multi_thread")]
async fn the_benchmarks_give_the_costs() {
    let prices = Prices::read();
    let figures = money::measure(&prices).await;
    assert_block("BENCHMARKS.md", "dollars", &money::block(&figures, &prices));
}
