//! Checks the metrics that the functions wrote into their log while the journeys ran: each of the catalog is
//! there or in the log of another test, no other is, and no dimension has a value that grows with the number
//! of customers. `make journeys` runs this test after them.

#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
};

use serde_json::Value;
use shared_lambda::metric::{METRICS, Metric, NAMESPACE};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// A metric that no journey provokes.
struct Exception {
    metric: &'static str,
    /// What it would take.
    needs: &'static str,
    /// Whether a machine that pauses can provoke it too, because something does not answer in time.
    by_chance: bool,
    /// The test that provokes it and finds it in the log, with its file.
    file: &'static str,
    test: &'static str,
}

const NOT_PROVOKED_BY_JOURNEYS: [Exception; 5] = [
    Exception {
        metric: "BroadcastTextsNotReleased",
        needs: "a conversation that cannot be read",
        by_chance: true,
        file: "tests/handlers/broadcasts/releases.rs",
        test: "a_broadcast_waits_a_minute_after_eleven_texts_that_cannot_be_released",
    },
    Exception {
        metric: "MailRefused",
        needs: "an address that SES refuses",
        by_chance: false,
        file: "functions/email-notify/tests/recipients.rs",
        test: "an_e_mail_that_is_refused_or_unknown_is_counted_and_not_sent_again",
    },
    Exception {
        metric: "MailUnknown",
        needs: "an SES that does not answer",
        by_chance: true,
        file: "functions/email-notify/tests/recipients.rs",
        test: "an_e_mail_that_is_refused_or_unknown_is_counted_and_not_sent_again",
    },
    Exception {
        metric: "MessagesNotRecovered",
        needs: "a table that fails while the sweep stores a lost message",
        by_chance: true,
        file: "tests/handlers/alarms.rs",
        test: "a_lost_message_that_cannot_be_stored_is_counted_and_found_again",
    },
    Exception {
        metric: "Panics",
        needs: "a panic, and the code has no known one",
        by_chance: false,
        file: "shared/lambda/src/telemetry.rs",
        test: "a_panic_is_counted_and_logged_with_its_place_and_without_its_message",
    },
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
    let listed: BTreeSet<_> = NOT_PROVOKED_BY_JOURNEYS.iter().map(|exception| exception.metric).collect();
    let missing: Vec<_> =
        METRICS.iter().map(|metric| metric.name).filter(|name| !seen.contains(name)).collect();
    let unexplained: Vec<_> = missing.iter().filter(|name| !listed.contains(*name)).collect();
    assert!(unexplained.is_empty(), "no journey provokes {unexplained:?}");
    for Exception { metric, needs, by_chance, .. } in &NOT_PROVOKED_BY_JOURNEYS {
        let is_expected = *by_chance || !seen.contains(metric);
        assert!(is_expected, "a journey provokes {metric}, which was said to need {needs}");
    }
}

#[test]
fn a_metric_that_no_journey_provokes_is_found_in_the_log_by_the_test_that_is_named() {
    for Exception { metric, file, test, .. } in &NOT_PROVOKED_BY_JOURNEYS {
        let source = fs::read_to_string(format!("{ROOT}/{file}")).unwrap();
        let found = source.split_once(&format!("fn {test}()"));
        let (_, rest) = found.unwrap_or_else(|| panic!("{file} has no test {test}"));
        let body = rest.split("#[").next().unwrap_or_default();
        assert!(body.contains(&format!("\"{metric}\"")), "{test} does not read {metric}");
    }
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
