//! Checks the metrics that the functions wrote into their log while the journeys ran: each of the catalog is
//! there, no other is, and no dimension has a value that grows with the number of customers. `make journeys`
//! runs this test after them.

#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
};

use serde_json::Value;
use shared_lambda::metric::{METRICS, Metric, NAMESPACE};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Metrics that no journey provokes, with what they need. Tests of functions provoke it, except the removal
/// of a segment.
const NOT_PROVOKED_BY_JOURNEYS: [(&str, &str); 10] = [
    ("BroadcastTextsNotReleased", "a conversation cannot be read"),
    ("BroadcastsFailed", "a segment is removed between the approval and the start"),
    ("BroadcastsMissed", "a repetition is missed after an outage of hours"),
    ("BroadcastsPaused", "the carrier refuses many texts of a broadcast"),
    ("CampaignsDeleted", "someone deletes a campaign at the carrier"),
    ("CarrierAccountFaults", "the carrier refuses the account"),
    ("MailRefused", "SES refuses an address"),
    ("MailUnknown", "SES does not answer"),
    ("MessagesNotRecovered", "the table fails while the sweep stores a lost message"),
    ("Panics", "the code has no known panic"),
];

/// The log lines with metrics.
fn lines() -> Vec<Value> {
    let state_dir = env::var("STATE_DIR").unwrap_or_else(|_| ".local/test".into());
    let path = format!("{ROOT}/{state_dir}/product.log");
    let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}; `make journeys` writes it"));
    let text = String::from_utf8_lossy(&bytes);
    let objects = text.lines().filter_map(|line| serde_json::from_str(&line[line.find('{')?..]).ok());
    objects.filter(|line: &Value| !line["_aws"].is_null()).collect()
}

fn directives(line: &Value) -> impl Iterator<Item = &Value> {
    line["_aws"]["CloudWatchMetrics"].as_array().unwrap().iter()
}

fn texts(list: &Value) -> BTreeSet<&str> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

fn metric(name: &str) -> &'static Metric {
    METRICS
        .iter()
        .find(|metric| metric.name == name)
        .unwrap_or_else(|| panic!("{name} is not in the catalog"))
}

#[test]
fn the_journeys_provoke_each_metric_of_the_catalog_except_the_listed() {
    let lines = lines();
    let names = lines.iter().flat_map(directives).flat_map(|directive| {
        let metrics = directive["Metrics"].as_array().unwrap();
        metrics.iter().map(|metric| metric["Name"].as_str().unwrap())
    });
    let seen: BTreeSet<_> = names.collect();
    let listed: BTreeSet<_> = NOT_PROVOKED_BY_JOURNEYS.iter().map(|(name, _)| *name).collect();
    let missing: Vec<_> =
        METRICS.iter().map(|metric| metric.name).filter(|name| !seen.contains(name)).collect();
    let unexplained: Vec<_> = missing.iter().filter(|name| !listed.contains(*name)).collect();
    assert!(unexplained.is_empty(), "no journey provokes {unexplained:?}");
    let provoked: Vec<_> = listed.intersection(&seen).collect();
    assert!(provoked.is_empty(), "a journey provokes {provoked:?}, so no reason is needed");
}

#[test]
fn every_line_has_the_metrics_of_its_event_in_the_catalog_and_no_others() {
    for line in lines() {
        for directive in directives(&line) {
            assert_eq!(directive["Namespace"], NAMESPACE);
            let [recorded] = &directive["Metrics"].as_array().unwrap()[..] else { panic!("{directive}") };
            let metric = metric(recorded["Name"].as_str().unwrap());
            assert_eq!(line["fields"]["event"], metric.event, "{}", metric.name);
            assert_eq!(recorded["Unit"], metric.value.unit(), "{}", metric.name);
            assert!(line[metric.name].is_u64(), "{} has no value", metric.name);
            let sets: Vec<_> = directive["Dimensions"].as_array().unwrap().iter().map(texts).collect();
            let both = metric.dimension.map(|(name, _)| BTreeSet::from(["Stack", name]));
            let expected: Vec<_> = [Some(BTreeSet::from(["Stack"])), both].into_iter().flatten().collect();
            assert_eq!(sets, expected, "{}", metric.name);
        }
    }
}

/// A dimension with one value for each customer would be one metric for each, and a bill that grows with
/// them.
#[test]
fn dimension_values_are_words_of_the_code() {
    let mut values: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in lines() {
        for directive in directives(&line) {
            for name in directive["Dimensions"].as_array().unwrap().iter().flat_map(texts) {
                let value = line[name].as_str().unwrap_or_else(|| panic!("{name} is not in the line"));
                values.entry(name.to_owned()).or_default().insert(value.to_owned());
            }
        }
    }
    assert_eq!(values["Stack"].len(), 1, "{:?}", values["Stack"]);
    for (name, values) in values.iter().filter(|(name, _)| *name != "Stack") {
        assert!(values.len() <= 12, "{name} has {} values: {values:?}", values.len());
        for value in values {
            let is_word = value.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            assert!(is_word && (3..=24).contains(&value.len()), "{name} has the value {value:?}");
        }
    }
}
