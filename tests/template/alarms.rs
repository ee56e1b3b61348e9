//! The alarms: what they watch, their severity, and their runbooks.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use serde_norway::Value;
use shared_lambda::metric::{METRICS, NAMESPACE};

use super::{ROOT, resources, template, texts};

const RUNBOOKS: &str = "docs/operations/runbooks.md";

fn alarms() -> BTreeMap<String, Value> {
    resources("AWS::CloudWatch::Alarm")
}

/// The text of a value, which may be in a mapping of the template.
fn text(value: &Value) -> String {
    match value {
        Value::Tagged(tagged) if tagged.tag == "FindInMap" => {
            let path = texts(&tagged.value);
            let found =
                path.iter().fold(template()["Mappings"].clone(), |map, key| map[key.as_str()].clone());
            found.as_str().unwrap_or_else(|| panic!("no {path:?}")).to_owned()
        }
        value => texts(value).concat(),
    }
}

fn severity(alarm: &Value) -> String {
    let tags = alarm["Tags"].as_sequence().cloned().unwrap_or_default();
    tags.iter().find(|tag| tag["Key"] == "severity").map(|tag| text(&tag["Value"])).unwrap_or_default()
}

/// Functions that API Gateway calls. If one fails, the API answers 5xx.
fn functions_of_the_api() -> BTreeSet<String> {
    let of_the_api = |function: &Value| {
        let events = function["Events"].as_mapping().cloned().unwrap_or_default();
        events.values().any(|event| event["Type"] == "HttpApi")
    };
    let functions = resources("AWS::Serverless::Function");
    functions.into_iter().filter(|(_, function)| of_the_api(function)).map(|(name, _)| name).collect()
}

/// Functions whose messages end in a queue with an alarm if they fail again and again.
fn workers_with_dead_letters() -> BTreeSet<String> {
    let (alarms, queues) = (alarms(), resources("AWS::SQS::Queue"));
    let has_alarm = |queue: &str| {
        let dead_letters = texts(&queues[queue]["RedrivePolicy"]["deadLetterTargetArn"]).concat();
        let name = dead_letters.trim_end_matches(".Arn").to_owned();
        alarms.get(&format!("{name}NotEmpty")).is_some_and(|alarm| {
            alarm["MetricName"] == "ApproximateNumberOfMessagesVisible"
                && texts(&alarm["Dimensions"]).concat().contains(&name)
        })
    };
    let is_covered = |function: &Value| {
        let events = function["Events"].as_mapping().cloned().unwrap_or_default();
        !events.is_empty()
            && events.values().all(|event| {
                let queue = texts(&event["Properties"]["Queue"]).concat();
                event["Type"] == "SQS" && has_alarm(queue.trim_end_matches(".Arn"))
            })
    };
    let functions = resources("AWS::Serverless::Function");
    functions.into_iter().filter(|(_, function)| is_covered(function)).map(|(name, _)| name).collect()
}

#[test]
fn every_function_has_an_alarm_or_is_covered_by_that_of_the_api_or_of_dead_letters() {
    let alarms = alarms();
    assert_eq!(alarms["ApiServerErrors"]["MetricName"], "5xx");
    let (of_the_api, workers) = (functions_of_the_api(), workers_with_dead_letters());
    assert!(workers.contains("BroadcastWorkerFunction"));
    for name in resources("AWS::Serverless::Function").keys() {
        let watches =
            |alarm: &Value| alarm["MetricName"] == "Errors" && texts(&alarm["Dimensions"]).contains(name);
        let is_covered = of_the_api.contains(name) || workers.contains(name);
        assert!(is_covered || alarms.values().any(watches), "{name}");
    }
}

#[test]
fn every_function_with_a_schedule_has_a_heartbeat() {
    let scheduled = |function: &Value| {
        let events = function["Events"].as_mapping().cloned().unwrap_or_default();
        events.values().any(|event| matches!(event["Type"].as_str(), Some("Schedule" | "ScheduleV2")))
    };
    let alarms = alarms();
    for (name, _) in resources("AWS::Serverless::Function").iter().filter(|(_, function)| scheduled(function))
    {
        let loses_nothing = ["InboxReconcileFunction", "RetentionSweepFunction"].contains(&name.as_str());
        let (metric, expected) = if loses_nothing { ("Errors", "ticket") } else { ("Invocations", "page") };
        let is_heartbeat = |alarm: &Value| {
            alarm["MetricName"] == metric
                && alarm["TreatMissingData"] == "breaching"
                && severity(alarm) == expected
                && texts(&alarm["Dimensions"]).contains(name)
        };
        assert!(alarms.values().any(is_heartbeat), "{name}");
    }
}

#[test]
fn every_alarm_has_a_severity_and_a_runbook() {
    let page = fs::read_to_string(format!("{ROOT}/{RUNBOOKS}")).unwrap();
    let mut headings = BTreeMap::new();
    let mut chapter = "";
    for line in page.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            chapter = heading;
        } else if let Some(heading) = line.strip_prefix("### ") {
            headings.insert(heading.to_lowercase().replace(' ', "-"), chapter.to_lowercase());
        }
    }
    let mut used = BTreeSet::new();
    for (name, alarm) in alarms() {
        let description = text(&alarm["AlarmDescription"]);
        let (_, anchor) = description
            .split_once(&format!(". {RUNBOOKS}#"))
            .unwrap_or_else(|| panic!("{name} has no runbook: {description}"));
        assert_eq!(Some(&severity(&alarm)), headings.get(anchor), "{name}: severity of #{anchor}");
        used.insert(anchor.to_owned());
    }
    assert_eq!(used, headings.into_keys().collect(), "each runbook has an alarm");
}

/// Who is woken by an alarm also has to learn that it ended.
#[test]
fn every_alarm_notifies_when_it_begins_and_when_it_ends() {
    let notified = ["HasAlarmTopic", "AlarmTopicArn", "CreateAlarmTopic", "AlarmTopic", "AWS::NoValue"];
    for (name, alarm) in alarms() {
        assert_eq!(texts(&alarm["AlarmActions"]), notified, "{name}");
        assert_eq!(alarm["OKActions"], alarm["AlarmActions"], "{name}");
    }
}

/// A text of a broadcast can wait: its broadcast says so, and it has no reader who waits for an answer.
#[test]
fn messages_that_are_not_sent_page() {
    let alarms = alarms();
    for name in ["SendQueueSlow", "SendDeadLettersNotEmpty", "SendingPaused", "OutboxRelayBehind"] {
        assert_eq!(severity(&alarms[name]), "page", "{name}");
    }
    assert_eq!(severity(&alarms["BroadcastSendQueueSlow"]), "ticket");
}

#[test]
fn alarms_on_metrics_of_the_product_have_their_dimensions() {
    for (name, alarm) in alarms() {
        if alarm["Namespace"] != NAMESPACE {
            continue;
        }
        let metric = METRICS.iter().find(|metric| alarm["MetricName"] == metric.name);
        let metric = metric.unwrap_or_else(|| panic!("{name} watches no metric of the code"));
        let dimensions = alarm["Dimensions"].as_sequence().unwrap();
        let names: Vec<_> = dimensions.iter().filter_map(|dimension| dimension["Name"].as_str()).collect();
        let with_dimension = metric.dimension.map(|(dimension, _)| vec!["Stack", dimension]);
        assert!(names == ["Stack"] || Some(&names) == with_dimension.as_ref(), "{name}: {names:?}");
    }
    let template = template();
    assert!(template["Globals"]["Function"]["Environment"]["Variables"]["STACK_NAME"] != Value::Null);
}

/// `CloudWatch` charges for each alarm.
#[test]
fn the_alarms_cost_less_than_five_dollars_a_month() {
    let prices: Value =
        serde_norway::from_str(&fs::read_to_string(format!("{ROOT}/infra/prices.yaml")).unwrap()).unwrap();
    let price = prices["perMonth"]["alarm"].as_f64().unwrap();
    let alarms = u32::try_from(alarms().len()).unwrap();
    assert!(f64::from(alarms) * price < 5.0, "{alarms} alarms");
}
