//! The dashboard shows every metric of the product, and its saved queries ask for events that exist.

use std::{collections::BTreeSet, fs};

use serde_norway::Value;
use shared_lambda::metric::{METRICS, NAMESPACE};

use super::{ROOT, resources, texts};

const COLUMNS: u64 = 24;

fn widgets() -> Vec<Value> {
    let dashboard = &resources("AWS::CloudWatch::Dashboard")["Dashboard"]["DashboardBody"];
    dashboard["Fn::ToJsonString"]["widgets"].as_sequence().unwrap().clone()
}

/// A metric of a widget: its namespace, name and dimensions.
struct Shown {
    namespace: String,
    name: String,
    dimensions: BTreeSet<String>,
}

/// The part of a text between two marks.
fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    Some(text.split_once(start)?.1.split_once(end)?.0)
}

/// Reads the metrics of a widget. `.` repeats the field of the metric above.
fn metrics_of(widget: &Value) -> Vec<Shown> {
    let mut shown = Vec::new();
    let mut above = Vec::<String>::new();
    for metric in widget["properties"]["metrics"].as_sequence().unwrap() {
        let fields = metric.as_sequence().unwrap();
        if !fields[0]["expression"].is_null() {
            let expression = texts(&fields[0]["expression"]).concat();
            let name = between(&expression, "MetricName=\"", "\"").unwrap_or_else(|| panic!("{expression}"));
            let mut schema = between(&expression, "{", "}").unwrap().split(',').map(str::to_owned);
            let namespace = schema.next().unwrap();
            shown.push(Shown { namespace, name: name.into(), dimensions: schema.collect() });
            continue;
        }
        let fields: Vec<_> = fields.iter().filter(|field| !field.is_mapping()).collect();
        let fields: Vec<_> = fields.into_iter().map(|field| texts(field).concat()).collect();
        let field =
            |(place, text): (usize, &String)| if text == "." { above[place].clone() } else { text.clone() };
        above = fields.iter().enumerate().map(field).collect();
        let dimensions = above[2..].iter().step_by(2).cloned().collect();
        shown.push(Shown { namespace: above[0].clone(), name: above[1].clone(), dimensions });
    }
    shown
}

fn metrics() -> Vec<Shown> {
    widgets().iter().filter(|widget| widget["type"] == "metric").flat_map(metrics_of).collect()
}

#[test]
fn the_dashboard_shows_every_metric_of_the_product_and_no_other() {
    let shown: BTreeSet<_> =
        metrics().into_iter().filter(|shown| shown.namespace == NAMESPACE).map(|shown| shown.name).collect();
    let known: BTreeSet<_> = METRICS.iter().map(|metric| metric.name.to_owned()).collect();
    assert_eq!(shown, known);
}

#[test]
fn metrics_on_the_dashboard_have_their_dimensions() {
    for shown in metrics().into_iter().filter(|shown| shown.namespace == NAMESPACE) {
        let metric = METRICS.iter().find(|metric| metric.name == shown.name).unwrap();
        let stack = BTreeSet::from(["Stack".to_owned()]);
        let both = metric.dimension.map(|(name, _)| BTreeSet::from(["Stack".to_owned(), name.to_owned()]));
        assert!(
            shown.dimensions == stack || Some(&shown.dimensions) == both.as_ref(),
            "{}: {:?}",
            shown.name,
            shown.dimensions
        );
    }
}

#[test]
fn each_dimension_of_a_metric_is_on_the_dashboard() {
    let shown = metrics();
    for metric in METRICS {
        let Some((dimension, _)) = metric.dimension else { continue };
        let splits = |shown: &Shown| shown.name == metric.name && shown.dimensions.contains(dimension);
        assert!(shown.iter().any(splits), "{} by {dimension}", metric.name);
    }
}

#[test]
fn widgets_have_titles_and_do_not_overlap() {
    let mut taken = BTreeSet::new();
    for widget in widgets() {
        let number = |name: &str| widget[name].as_u64().unwrap_or_else(|| panic!("{name} of {widget:?}"));
        let (left, top) = (number("x"), number("y"));
        assert!(left + number("width") <= COLUMNS, "{widget:?}");
        for x in left..left + number("width") {
            for y in top..top + number("height") {
                assert!(taken.insert((x, y)), "{widget:?} overlaps another widget");
            }
        }
        if widget["type"] == "metric" {
            let properties = &widget["properties"];
            assert!(properties["title"].is_string() && !properties["region"].is_null(), "{widget:?}");
        }
    }
}

#[test]
fn saved_queries_ask_for_events_that_exist() {
    let catalog = fs::read_to_string(format!("{ROOT}/docs/operations/events.md")).unwrap();
    let queries = resources("AWS::Logs::QueryDefinition");
    assert!(!queries.is_empty());
    for (name, query) in queries {
        assert_eq!(texts(&query["LogGroupNames"]), ["FunctionLog"], "{name}");
        let text = query["QueryString"].as_str().unwrap();
        if let Some(event) = between(text, "fields.event = \"", "\"") {
            assert!(catalog.contains(&format!("| `{event}`")), "{name}: {event}");
        }
    }
}
