//! The alarms of the template: each fires for a planted fault, and none while everything is well.
//!
//! Metrics of the product come from log lines of functions that run here. Those of AWS come from a model of
//! the plant: invocations by the schedules of the template, queues that move a message to their dead letters
//! after as many receives as the template says, and the stream, the table and the API.

mod office;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde_norway::Value as Yaml;
use shared_app::probe::{ProbeWorkflow, Probed};
use shared_aws::sending::SendingPauses;
use shared_domain::{message::DeliveryState, opt_out::KeywordReplies, sending_pause::PauseCause};
use shared_lambda::{
    clock::now,
    metric::{METRICS, NAMESPACE},
};
use test_kit::{
    TestApp,
    alarms::{Alarm, Metrics, alarms},
    carrier::{TOKEN, unreachable_client},
    lambda_event::sqs_record,
    log::log_of,
    queue::received_sends,
    template,
    twilio::{callbacks, signed, webhook_accounts},
};

use crate::{inbound_sweep, outbound_send};

const MINUTE: u64 = 60;

/// When a planted fault begins. Everything is well for two hours before it.
const FAULT: u64 = 120 * MINUTE;

/// When the last evaluation is.
const END: u64 = FAULT + 360 * MINUTE;

/// What goes wrong at a resource, and from when until when.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fault {
    /// One invocation fails.
    Crash(String),
    /// Each invocation fails for ten minutes.
    Crashes(String),
    /// The schedule of a function is off for half an hour.
    ScheduleOff(String),
    /// The function is a stream's reader and stands still for ten minutes.
    StreamBlocked(String),
    /// A message of a work queue fails in each attempt.
    Poison(String),
    /// Nothing is received from a work queue.
    Blocked(String),
    /// The stream gives up a batch, and its pointer goes to this queue.
    GivenUp(String),
    /// The account is at its concurrency for five minutes.
    Throttled,
    TableThrottled,
    ApiErrors,
}

/// What the template says about the plant.
struct Plant {
    functions: BTreeMap<String, Option<u64>>,
    queues: BTreeMap<String, Queue>,
}

/// A queue of the template.
struct Queue {
    /// Seconds between two attempts.
    visibility: u64,
    /// Its dead-letter queue, and the receives after which a message goes there.
    redrive: Option<(String, u64)>,
}

fn number(template: &Yaml, value: &Yaml) -> Option<u64> {
    match value {
        Yaml::Tagged(tagged) if tagged.tag == "Ref" => {
            template["Parameters"][tagged.value.as_str()?]["Default"].as_u64()
        }
        value => value.as_u64(),
    }
}

fn schedule(function: &Yaml) -> Option<u64> {
    let events = function["Events"].as_mapping()?;
    let rate = events.values().find_map(|event| event["Properties"]["Schedule"].as_str())?;
    let minutes = rate.trim_start_matches("rate(").split(' ').next()?.parse::<u64>().ok()?;
    Some(minutes * MINUTE)
}

fn plant() -> Plant {
    let template = template::read();
    let of_type = |kind: &'static str| {
        let resources = template["Resources"].as_mapping().unwrap().iter();
        let wanted = resources.filter(move |(_, resource)| resource["Type"] == kind);
        wanted.map(|(name, resource)| (name.as_str().unwrap().to_owned(), resource["Properties"].clone()))
    };
    let queue = |properties: &Yaml| {
        let redrive = &properties["RedrivePolicy"];
        let target = match &redrive["deadLetterTargetArn"] {
            Yaml::Tagged(tagged) => tagged.value.as_str().map(|arn| arn.trim_end_matches(".Arn").to_owned()),
            _ => None,
        };
        let receives = number(&template, &redrive["maxReceiveCount"]);
        Queue {
            visibility: number(&template, &properties["VisibilityTimeout"]).unwrap_or(30),
            redrive: target.zip(receives),
        }
    };
    Plant {
        functions: of_type("AWS::Serverless::Function")
            .map(|(name, function)| (name, schedule(&function)))
            .collect(),
        queues: of_type("AWS::SQS::Queue").map(|(name, properties)| (name, queue(&properties))).collect(),
    }
}

impl Plant {
    /// The metrics of AWS with these faults.
    fn metrics(&self, faults: &[Fault]) -> Metrics {
        let mut metrics = Metrics::default();
        for at in (0..END).step_by(60) {
            for (function, schedule) in &self.functions {
                invoke(&mut metrics, faults, function, *schedule, at);
            }
            for queue in self.queues.keys() {
                let name = [("QueueName", queue.as_str())];
                let (age, depth) = self.age_and_depth(faults, queue, at);
                metrics.add("AWS/SQS", "ApproximateAgeOfOldestMessage", &name, at, age);
                metrics.add("AWS/SQS", "ApproximateNumberOfMessagesVisible", &name, at, depth);
            }
            let during = |minutes| (FAULT..FAULT + minutes * MINUTE).contains(&at);
            let errors = faults.contains(&Fault::ApiErrors) && during(1);
            metrics.add("AWS/ApiGateway", "5xx", &[("ApiId", "HttpApi")], at, if errors { 5.0 } else { 0.0 });
            if faults.contains(&Fault::TableThrottled) && during(7) {
                metrics.add("AWS/DynamoDB", "WriteThrottleEvents", &[("TableName", "Table")], at, 3.0);
            }
            let throttled = faults.contains(&Fault::Throttled) && during(5);
            metrics.add("AWS/Lambda", "Throttles", &[], at, if throttled { 2.0 } else { 0.0 });
        }
        metrics
    }

    /// The age of the oldest message of a queue in seconds, and the number of messages.
    fn age_and_depth(&self, faults: &[Fault], queue: &str, at: u64) -> (f64, f64) {
        let since = at.saturating_sub(FAULT);
        let seconds = |age: u64| f64::from(u32::try_from(age).unwrap());
        for fault in faults.iter().filter(|_| at >= FAULT) {
            match fault {
                Fault::Blocked(name) if name == queue => return (seconds(since), 1.0),
                Fault::GivenUp(name) if name == queue => return (seconds(since), 1.0),
                Fault::Poison(name) => {
                    let of = &self.queues[name];
                    let (dead_letters, receives) = of.redrive.as_ref().unwrap();
                    let is_dead = since >= receives * of.visibility;
                    if (name == queue && !is_dead) || (dead_letters == queue && is_dead) {
                        return (seconds(since), 1.0);
                    }
                }
                _ => {}
            }
        }
        (1.0, 0.0)
    }
}

/// What an invocation of a function, or its absence, adds.
fn invoke(metrics: &mut Metrics, faults: &[Fault], function: &str, schedule: Option<u64>, at: u64) {
    let name = [("FunctionName", function)];
    let during = |minutes: u64| (FAULT..FAULT + minutes * MINUTE).contains(&at);
    let has = |fault: fn(String) -> Fault| faults.contains(&fault(function.to_owned()));
    let is_off = has(Fault::ScheduleOff) && during(30);
    // A function without a schedule is invoked by traffic, at least sometimes.
    if at.is_multiple_of(schedule.unwrap_or(5 * MINUTE)) && !is_off {
        let crashed = (has(Fault::Crash) && during(1)) || (has(Fault::Crashes) && during(10));
        metrics.add("AWS/Lambda", "Invocations", &name, at, 1.0);
        metrics.add("AWS/Lambda", "Errors", &name, at, if crashed { 1.0 } else { 0.0 });
    }
    let is_blocked = has(Fault::StreamBlocked) && during(10);
    let age = if is_blocked { (at - FAULT + 60) * 1_000 } else { 300 };
    metrics.add("AWS/Lambda", "IteratorAge", &name, at, f64::from(u32::try_from(age).unwrap()));
}

/// The names of the alarms that these metrics set off.
fn firing(alarms: &[Alarm], metrics: &Metrics) -> BTreeSet<String> {
    let firing = alarms.iter().filter(|alarm| alarm.fires(metrics, 60 * MINUTE, END - 30 * MINUTE));
    firing.map(|alarm| alarm.name.clone()).collect()
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Each fault of the plant with the alarms that it sets off.
fn faults(plant: &Plant) -> Vec<(Fault, BTreeSet<String>)> {
    let mut faults = vec![
        (Fault::Throttled, names(&["FunctionsThrottled"])),
        (Fault::TableThrottled, names(&["TableThrottled"])),
        (Fault::ApiErrors, names(&["ApiServerErrors"])),
        (Fault::GivenUp("RelayFailures".into()), names(&["RelayFailuresNotEmpty"])),
        (Fault::GivenUp("SendDeadLetters".into()), names(&["SendDeadLettersNotEmpty"])),
        (Fault::StreamBlocked("OutboxRelayFunction".into()), names(&["OutboxRelayBehind"])),
        (Fault::StreamBlocked("EventWriterFunction".into()), names(&["EventWriterBehind"])),
    ];
    for (function, schedule) in &plant.functions {
        let name = function.trim_end_matches("Function");
        let errors = format!("{name}Errors");
        let has_alarm = alarms().iter().any(|alarm| alarm.name == errors);
        if has_alarm {
            faults.push((Fault::Crashes(function.clone()), names(&[&errors])));
            // The next run of a sweep is its retry.
            let after_one = if schedule.is_some() { BTreeSet::new() } else { names(&[&errors]) };
            faults.push((Fault::Crash(function.clone()), after_one));
        }
        if schedule.is_some() {
            // One alarm can watch both errors and silence.
            let silent = format!("{name}Silent");
            let is_own = alarms().iter().any(|alarm| alarm.name == silent);
            let expected = if is_own { &silent } else { &errors };
            faults.push((Fault::ScheduleOff(function.clone()), names(&[expected])));
        }
    }
    for (name, queue) in &plant.queues {
        let Some((dead_letters, receives)) = &queue.redrive else { continue };
        faults.push((Fault::Blocked(name.clone()), names(&[&format!("{name}Slow")])));
        if *receives < 100 {
            faults.push((Fault::Poison(name.clone()), names(&[&format!("{dead_letters}NotEmpty")])));
        }
    }
    faults
}

#[test]
fn each_fault_of_the_plant_sets_off_its_alarm_and_no_other() {
    let (plant, alarms) = (plant(), alarms());
    let mut fired = BTreeSet::new();
    for (fault, expected) in faults(&plant) {
        let mut found = firing(&alarms, &plant.metrics(std::slice::from_ref(&fault)));
        // A message whose attempts take longer than its queue may delay it is late before it is given up.
        if let Fault::Poison(queue) = &fault {
            found.remove(&format!("{queue}Slow"));
        }
        assert_eq!(found, expected, "{fault:?}");
        fired.extend(found);
    }
    let of_aws: BTreeSet<_> =
        alarms.iter().filter(|alarm| alarm.namespace != NAMESPACE).map(|alarm| alarm.name.clone()).collect();
    assert_eq!(of_aws.difference(&fired).collect::<Vec<_>>(), Vec::<&String>::new(), "no fault is planted");
}

/// Delivers a job of `outbound-send` with this answer of the carrier.
async fn send(test: &TestApp, fault: &str) -> DeliveryState {
    test.carrier.fault(fault, "1").await;
    let id = test.accept_message("hello", now()).await;
    let record = sqs_record("a", Some("g"), &outbound_send::job(test, &id), 1);
    outbound_send::deliver(&outbound_send::app(test), vec![record]).await;
    outbound_send::state(test, &id).await
}

/// One inbound message, sent to `inbound-sms` with this token.
async fn webhook(table: shared_aws::table::Table, token: &str) -> u16 {
    const SMS: &str = include_str!("../fixtures/twilio/inbound_sms.form");
    let app = inbound_sms::App::new(table, webhook_accounts(), KeywordReplies::Product);
    let request = signed("POST /webhooks/twilio/messages", "", SMS, token).request();
    inbound_sms::handle(&app, now(), 7, request).await.status().as_u16()
}

/// The longest period of an alarm on a metric of the product is 15 minutes. `make soak` asks the same of the
/// log of a running stack.
#[tokio::test(flavor = "multi_thread")]
async fn no_alarm_fires_while_everything_is_well() {
    let mut metrics = plant().metrics(&[]);
    for (minute, log) in (0..).zip(Box::pin(office::minutes(20)).await) {
        metrics.add_log(&log, FAULT + minute * MINUTE);
    }
    let seen = metrics.names(NAMESPACE);
    let missing: Vec<_> = office::RECORDED.iter().filter(|metric| !seen.contains(*metric)).collect();
    assert!(missing.is_empty(), "nothing recorded {missing:?}: {seen:?}");
    assert_eq!(firing(&alarms(), &metrics), BTreeSet::new());
}

/// Asserts that this log, written in these minutes after the fault began, sets off this alarm and no other.
fn assert_fires(alarm: &str, log: &str, minutes: &[u64]) {
    let mut metrics = plant().metrics(&[]);
    for minute in minutes {
        metrics.add_log(log, FAULT + minute * MINUTE);
    }
    assert_eq!(firing(&alarms(), &metrics), names(&[alarm]), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_carrier_that_refuses_the_account_or_is_down_sets_off_sending_paused() {
    let test = TestApp::start().await;
    let refused = log_of(async {
        assert_eq!(send(&test, "refuse:20003").await, DeliveryState::Queued);
    });
    assert_fires("SendingPaused", &refused.await, &[0]);
    let test = TestApp::start().await;
    let id = test.accept_message("hello", now()).await;
    let app = ::outbound_send::App::new(
        test.table(),
        TestApp::unreachable_bucket(),
        unreachable_client(),
        callbacks(),
        received_sends(&test.queue.url),
        3,
    );
    let record = sqs_record("a", Some("g"), &outbound_send::job(&test, &id), 1);
    let down = log_of(async {
        outbound_send::deliver(&app, vec![record]).await;
    });
    let down = down.await;
    assert!(down.contains("carrier_down"), "{down}");
    assert_fires("SendingPaused", &down, &[0]);
}

/// The longer a pause lasts, the more seldom the carrier is asked. The alarm does not end in between.
#[tokio::test(flavor = "multi_thread")]
async fn sending_paused_is_in_alarm_until_sending_resumes() {
    let test = TestApp::start().await;
    let since = now();
    let pauses = SendingPauses::new(test.table());
    pauses.pause_automatically(test.organization(), PauseCause::CarrierDown, since).await.unwrap();
    let down = ProbeWorkflow::new(test.table(), unreachable_client());
    let well = ProbeWorkflow::new(test.table(), test.carrier.client());
    let mut metrics = plant().metrics(&[]);
    for minute in 1..=90 {
        let log = log_of(async {
            let probed = down.run(since + Duration::from_mins(minute)).await.unwrap();
            assert_eq!(probed, Probed { resumed: 0, paused: 1 }, "{minute}");
        });
        // Every second run waits for the carrier, so its minute has no line, and the next has two.
        let seconds = if minute.is_multiple_of(2) { 30 } else { 75 };
        metrics.add_log(&log.await, FAULT + minute * MINUTE + seconds);
    }
    let log = log_of(async {
        let probed = well.run(since + Duration::from_mins(95)).await.unwrap();
        assert_eq!(probed, Probed { resumed: 1, paused: 0 });
    });
    metrics.add_log(&log.await, FAULT + 95 * MINUTE);
    let alarms = alarms();
    let alarm = alarms.iter().find(|alarm| alarm.name == "SendingPaused").unwrap();
    for minute in 3..=91 {
        assert!(alarm.is_breaching(&metrics, FAULT + minute * MINUTE), "{minute}");
    }
    assert!(!alarm.is_breaching(&metrics, FAULT + 96 * MINUTE), "sending resumed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_may_not_send_a_message_sets_off_carrier_account_fault() {
    let test = TestApp::start().await;
    let log = log_of(async {
        assert_eq!(send(&test, "refuse:21408").await, DeliveryState::Failed);
    });
    assert_fires("CarrierAccountFault", &log.await, &[0]);
}

/// Sending pauses after five lost answers in a row. A carrier that loses most answers sets off this alarm.
#[tokio::test(flavor = "multi_thread")]
async fn a_carrier_that_loses_most_answers_sets_off_sends_unknown() {
    let test = TestApp::start().await;
    let log = log_of(async {
        for _ in 0..4 {
            assert_eq!(send(&test, "error-after").await, DeliveryState::Unknown);
        }
        assert_eq!(send(&test, "none").await, DeliveryState::Sent);
    });
    assert_fires("SendsUnknown", &log.await, &[0, 2, 4, 6, 8]);
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_with_a_wrong_signature_set_off_webhooks_refused() {
    let test = TestApp::start().await;
    let log = log_of(async {
        for _ in 0..10 {
            assert_eq!(webhook(test.table(), "not the token").await, 403);
        }
    });
    assert_fires("WebhooksRefused", &log.await, &[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_that_cannot_be_stored_set_off_webhooks_failed() {
    let log = log_of(async {
        for _ in 0..3 {
            assert!(webhook(TestApp::unreachable_table(), TOKEN).await >= 500);
        }
    });
    assert_fires("WebhooksFailed", &log.await, &[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_webhooks_set_off_webhooks_lost() {
    let test = inbound_sweep::start().await;
    inbound_sweep::lose_message(&test, "hello", &[]).await;
    let log = log_of(async {
        assert_eq!(inbound_sweep::sweep(&test).await.found, 1);
    });
    let log = log.await;
    assert_fires("WebhooksLost", &log, &[0, 5]);
    let mut once = plant().metrics(&[]);
    once.add_log(&log, FAULT);
    assert_eq!(firing(&alarms(), &once), BTreeSet::new(), "one lost webhook is no fault");
}

/// The sweep says so in the log, its run is an error, which has an alarm, and the next run finds the message
/// again.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_message_that_cannot_be_stored_is_counted_and_found_again() {
    let test = inbound_sweep::start().await;
    inbound_sweep::lose_message(&test, "hello", &[]).await;
    let mut counted = 0;
    for requests in 0..40 {
        let mut is_error = false;
        let log = log_of(async {
            let table = test.engine.crashing_table(requests);
            is_error = inbound_sweep::sweep_with_table(&test, &table).await.is_err();
        });
        let log = log.await;
        let mut metrics = Metrics::default();
        metrics.add_log(&log, 0);
        if metrics.names(NAMESPACE).contains("MessagesNotRecovered") {
            assert!(is_error, "the run looks well: {log}");
            counted += 1;
        }
    }
    assert!(counted > 0, "no crash hit the store of a message");
    inbound_sweep::sweep(&test).await;
    assert_eq!(test.history().await.len(), 1);
}

/// The tests above provoke every alarm on a metric of the product.
#[test]
fn every_alarm_on_a_metric_of_the_product_has_a_test() {
    let source = include_str!("alarms.rs");
    for alarm in alarms().into_iter().filter(|alarm| alarm.namespace == NAMESPACE) {
        assert!(source.contains(&format!("assert_fires(\"{}\"", alarm.name)), "{}", alarm.name);
        assert!(METRICS.iter().any(|metric| metric.name == alarm.metric), "{}", alarm.name);
    }
}
