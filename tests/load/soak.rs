//! Messages in both directions for an hour, at a constant rate. Memory and delays stay what they were in the
//! beginning, and the metrics in the log set off no alarm.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use product_tests::{Phone, Stack, TestTeam};
use serde_json::{Value, json};
use shared_lambda::metric::NAMESPACE;
use test_kit::alarms::Recording;

use crate::memory;

/// Conversations that text.
const PHONES: usize = 50;
/// How much more a function may use in the last quarter than in the first, in percent and in KiB: caches
/// fill.
const MORE_MEMORY: (u64, u64) = (110, 1_024);
/// How much longer messages may wait in the last quarter, in percent and milliseconds.
const MORE_TIME: (u64, u64) = (150, 500);

fn number(name: &str, standard: f64) -> f64 {
    std::env::var(name).map_or(standard, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

#[derive(Debug, Default)]
struct Quarter {
    /// In KiB.
    memory: BTreeMap<String, u64>,
    /// From acceptance to the carrier, in milliseconds.
    delays: Vec<u64>,
    /// How long the product took to answer a webhook, in milliseconds.
    answers: Vec<u64>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_in_both_directions_take_no_more_memory_and_time_and_set_off_no_alarm() {
    let (minutes, rate) = (number("MINUTES", 60.0), number("RATE", 6.0));
    let stack = Stack::open();
    let (carrier, logged) = (stack.carrier(), stack.log().len());
    let team = TestTeam::create(&stack, "Soak", "amelia").await;
    let inbox = team.create_inbox("Soak").await;
    team.register(&carrier).await;
    let phones: Vec<Phone> = (0..PHONES).map(|_| Phone::new()).collect();
    let (began, length) = (Instant::now(), Duration::from_secs_f64(minutes * 60.0));
    let interval = Duration::from_secs_f64(2.0 / rate);
    let (mut quarters, mut read, mut turn) = (Vec::<Quarter>::new(), stack.log().len(), 0_u32);
    loop {
        let quarter = usize::try_from(began.elapsed().as_millis() * 4 / length.as_millis()).unwrap();
        if quarter >= quarters.len() {
            if let Some(last) = quarters.last_mut() {
                last.delays = delays(&stack, &mut read);
                report(quarters.len(), quarters.last().unwrap());
            }
            if quarters.len() == 4 {
                break;
            }
            quarters.push(Quarter::default());
        }
        let now = quarters.last_mut().unwrap();
        let phone = &phones[turn as usize % PHONES];
        let sent = Instant::now();
        carrier.send_inbound(phone, &inbox.number, &format!("Question {turn}")).await;
        now.answers.push(u64::try_from(sent.elapsed().as_millis()).unwrap());
        let body = json!({
            "from": { "inboxId": inbox.id }, "to": { "phoneNumber": phone.number() }, "text": format!("Answer {turn}"),
        });
        team.admin.post("/v1/messages", body).await.expect(202);
        if turn.is_multiple_of(50) {
            memory::raise(&mut now.memory, "VmRSS");
        }
        turn += 1;
        tokio::time::sleep((began + interval * turn).saturating_duration_since(Instant::now())).await;
    }
    let reached = 2.0 * f64::from(turn) / began.elapsed().as_secs_f64();
    eprintln!("{reached:.1} messages a second of {rate}");
    assert!(reached > 0.9 * rate, "the local cloud does not reach the rate: try a lower RATE");
    let (first, last) = (&quarters[0], &quarters[3]);
    for (function, used) in &last.memory {
        let before = first.memory.get(function).copied().unwrap_or(*used);
        let limit = before * MORE_MEMORY.0 / 100 + MORE_MEMORY.1;
        assert!(*used <= limit, "{function} grew from {before} to {used} KiB");
    }
    for (what, before, after) in
        [("sent after", &first.delays, &last.delays), ("answered after", &first.answers, &last.answers)]
    {
        let (before, after) = (percentile(before, 95), percentile(after, 95));
        let limit = before * MORE_TIME.0 / 100 + MORE_TIME.1;
        assert!(after <= limit, "{what} {before} ms in the first quarter, and {after} ms in the last");
    }
    let recorded = Recording::of(&stack.log()[logged..]);
    let seen = recorded.metrics.names(NAMESPACE);
    for metric in ["MessagesReceived", "MessagesAccepted", "MessagesSent", "Deliveries"] {
        assert!(seen.contains(metric), "{metric} is not in the log: {seen:?}");
    }
    assert!(recorded.seconds + 60 > length.as_secs(), "the log has metrics of {} s", recorded.seconds);
    eprintln!("metrics of {} s: {seen:?}", recorded.seconds);
    assert_eq!(recorded.firing(NAMESPACE), BTreeSet::new());
}

/// The delays of the messages that the log says were sent since it was read last.
fn delays(stack: &Stack, read: &mut usize) -> Vec<u64> {
    let log = stack.log();
    let lines = log[*read..].lines().filter(|line| line.contains("message_sent"));
    let sent = lines.filter_map(|line| serde_json::from_str::<Value>(&line[line.find('{')?..]).ok());
    let delays =
        sent.filter_map(|line| line["millis"].as_u64().or(line["fields"]["millis"].as_u64())).collect();
    *read = log.len();
    delays
}

fn percentile(times: &[u64], percent: usize) -> u64 {
    let mut times = times.to_vec();
    times.sort_unstable();
    times.get(times.len().saturating_sub(1) * percent / 100).copied().unwrap_or_default()
}

fn report(number: usize, quarter: &Quarter) {
    let Quarter { memory, delays, answers } = quarter;
    let largest = memory.iter().max_by_key(|(_, used)| **used);
    eprintln!(
        "quarter {number}: {} messages sent after p50 {} ms, p95 {} ms; webhooks answered after p95 {} ms; largest function {largest:?} KiB",
        delays.len(),
        percentile(delays, 50),
        percentile(delays, 95),
        percentile(answers, 95),
    );
}
