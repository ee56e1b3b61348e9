//! The alarms of `template.yaml`, and an evaluator that follows the rules of `CloudWatch`: what an alarm does
//! can be tested with metrics that functions wrote into their log.
//!
//! The rules are those of [evaluating an alarm] and of [missing data]. An alarm is evaluated each minute,
//! over windows that end at that minute. It looks at more periods than it evaluates, and fills in missing
//! data only if there are too few real values.
//!
//! [evaluating an alarm]: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html
//! [missing data]: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;
use serde_norway::Value;

use crate::{log::STACK, template};

/// How many periods `CloudWatch` reads beside those that it evaluates, as its examples show.
const MORE_PERIODS: usize = 2;

/// Name and value of each dimension. References to resources are their logical IDs.
pub type Dimensions = BTreeMap<String, String>;

/// How the samples of a period become one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statistic {
    Sum,
    Maximum,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    AtLeast,
    LessThan,
}

/// A metric alarm of the template.
#[derive(Debug, Clone, PartialEq)]
pub struct Alarm {
    pub name: String,
    pub namespace: String,
    pub metric: String,
    pub dimensions: Dimensions,
    pub statistic: Statistic,
    /// Seconds.
    pub period: u64,
    pub evaluation_periods: usize,
    pub datapoints_to_alarm: usize,
    pub threshold: f64,
    pub comparison: Comparison,
    /// Whether a period without data counts as breaching.
    pub missing_is_breaching: bool,
}

/// Samples of metrics, at seconds since any moment.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    samples: BTreeMap<(String, String, Dimensions), Vec<(u64, f64)>>,
}

impl Metrics {
    /// Records a sample.
    pub fn add(&mut self, namespace: &str, metric: &str, dimensions: &[(&str, &str)], at: u64, value: f64) {
        let dimensions =
            dimensions.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.samples
            .entry((namespace.to_owned(), metric.to_owned(), dimensions))
            .or_default()
            .push((at, value));
    }

    /// Records the metrics of log lines in the embedded metric format, as `CloudWatch` reads them. Lines
    /// without metrics are skipped.
    ///
    /// # Panics
    ///
    /// If a line with metrics lacks a value or a dimension. `CloudWatch` would skip the metric silently.
    pub fn add_log(&mut self, log: &str, at: u64) {
        for line in lines_with_metrics(log) {
            self.add_line(&line, at);
        }
    }

    fn add_line(&mut self, line: &Json, at: u64) {
        for directive in list(&line["_aws"]["CloudWatchMetrics"]) {
            for (metric, set) in list(&directive["Metrics"])
                .iter()
                .flat_map(|metric| list(&directive["Dimensions"]).iter().map(move |set| (metric, set)))
            {
                let name = metric["Name"].as_str().expect("a metric has a name");
                let names = list(set).iter().map(|name| name.as_str().expect("dimensions are strings"));
                let dimensions: Vec<_> = names.map(|name| (name, dimension(line, name))).collect();
                let value = line[name].as_f64().unwrap_or_else(|| panic!("{line}: {name}"));
                let namespace = directive["Namespace"].as_str().expect("a namespace");
                self.add(namespace, name, &dimensions, at, value);
            }
        }
    }

    /// Names of the metrics in a namespace.
    pub fn names(&self, namespace: &str) -> BTreeSet<&str> {
        let keys = self.samples.keys().filter(|(in_namespace, ..)| in_namespace == namespace);
        keys.map(|(_, name, _)| name.as_str()).collect()
    }

    /// The samples of both.
    #[must_use]
    pub fn with(mut self, other: &Self) -> Self {
        for (key, samples) in &other.samples {
            self.samples.entry(key.clone()).or_default().extend(samples);
        }
        self
    }
}

/// The log lines with metrics. A line may have a prefix.
fn lines_with_metrics(log: &str) -> impl Iterator<Item = Json> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Json>(&line[line.find('{')?..]).ok());
    lines.filter(|line| !line["_aws"].is_null())
}

/// The value of a dimension. A running stack has a name of its own, where the template has a reference.
fn dimension<'a>(line: &'a Json, name: &str) -> &'a str {
    let value = line[name].as_str().unwrap_or_else(|| panic!("{line}: {name}"));
    if name == "Stack" { STACK } else { value }
}

/// The metrics that a running stack wrote into its log, at the times of their lines.
#[derive(Debug, Clone)]
pub struct Recording {
    pub metrics: Metrics,
    /// The seconds between its first line and its last.
    pub seconds: u64,
}

impl Recording {
    /// Seconds without metrics before the first line, more than any alarm looks back.
    const BEFORE: u64 = 86_400;
    /// Seconds after the last line, so that its periods end.
    const AFTER: u64 = 3_600;

    /// Reads the metrics of a log.
    ///
    /// # Panics
    ///
    /// If a line with metrics lacks its time, a value or a dimension.
    pub fn of(log: &str) -> Self {
        let lines: Vec<Json> = lines_with_metrics(log).collect();
        let second = |line: &Json| line["_aws"]["Timestamp"].as_u64().expect("a time") / 1_000;
        let first = lines.iter().map(second).min().unwrap_or_default();
        let last = lines.iter().map(second).max().unwrap_or_default();
        let mut metrics = Metrics::default();
        for line in &lines {
            metrics.add_line(line, Self::BEFORE + second(line) - first);
        }
        Self { metrics, seconds: last - first }
    }

    /// The names of the alarms on metrics of this namespace that fired at any time.
    pub fn firing(&self, namespace: &str) -> BTreeSet<String> {
        let until = Self::BEFORE + self.seconds + Self::AFTER;
        let alarms = alarms().into_iter().filter(|alarm| alarm.namespace == namespace);
        let firing = alarms.filter(|alarm| alarm.fires(&self.metrics, Self::BEFORE, until));
        firing.map(|alarm| alarm.name).collect()
    }
}

fn list(value: &Json) -> &[Json] {
    value.as_array().map_or(&[], Vec::as_slice)
}

impl Alarm {
    /// Whether it is in the state `ALARM` at any minute from `from` to `until`, both in seconds.
    pub fn fires(&self, metrics: &Metrics, from: u64, until: u64) -> bool {
        (from..=until).step_by(60).any(|now| self.is_breaching(metrics, now))
    }

    /// Whether it is in the state `ALARM` when it is evaluated at this second.
    pub fn is_breaching(&self, metrics: &Metrics, now: u64) -> bool {
        let key = (self.namespace.clone(), self.metric.clone(), self.dimensions.clone());
        let samples = metrics.samples.get(&key).map_or(&[][..], Vec::as_slice);
        let periods = self.evaluation_periods + MORE_PERIODS;
        let newest_first = (0..periods).map_while(|back| {
            let end = now.checked_sub(back as u64 * self.period)?;
            let start = end.checked_sub(self.period)?;
            let values = samples.iter().filter(|(at, _)| (start..end).contains(at)).map(|(_, value)| *value);
            let values: Vec<f64> = values.collect();
            Some((!values.is_empty()).then(|| self.statistic.of(&values)))
        });
        let points: Vec<Option<f64>> = newest_first.collect();
        self.breaches(&points)
    }

    /// Whether these values, of which the newest is first, breach.
    fn breaches(&self, newest_first: &[Option<f64>]) -> bool {
        let real = newest_first.iter().flatten().take(self.evaluation_periods);
        let real: Vec<bool> = real.map(|value| self.comparison.holds(*value, self.threshold)).collect();
        let filled = if self.missing_is_breaching { self.evaluation_periods - real.len() } else { 0 };
        real.iter().filter(|breaches| **breaches).count() + filled >= self.datapoints_to_alarm
    }
}

impl Statistic {
    fn of(self, values: &[f64]) -> f64 {
        match self {
            Self::Sum => values.iter().sum(),
            Self::Maximum => values.iter().copied().fold(f64::MIN, f64::max),
        }
    }
}

impl Comparison {
    fn holds(self, value: f64, threshold: f64) -> bool {
        match self {
            Self::AtLeast => value >= threshold,
            Self::LessThan => value < threshold,
        }
    }
}

/// Returns the metric alarms of the template.
///
/// # Panics
///
/// If an alarm uses a setting that the evaluator does not know.
pub fn alarms() -> Vec<Alarm> {
    let template = template::read();
    let resources = template["Resources"].as_mapping().expect("the template has resources");
    let alarms = resources.iter().filter(|(_, resource)| resource["Type"] == "AWS::CloudWatch::Alarm");
    alarms
        .map(|(name, resource)| {
            alarm(&template, name.as_str().expect("names are strings"), &resource["Properties"])
        })
        .collect()
}

fn alarm(template: &Value, name: &str, properties: &Value) -> Alarm {
    let text = |field: &str| text(template, &properties[field]);
    let number = |field: &str| number(template, &properties[field]);
    let evaluation_periods = number("EvaluationPeriods").expect("an alarm has evaluation periods");
    for setting in ["ExtendedStatistic", "Metrics", "EvaluateLowSampleCountPercentile"] {
        assert!(properties[setting].is_null(), "{name}: the evaluator does not know {setting}");
    }
    let dimensions = properties["Dimensions"].as_sequence().cloned().unwrap_or_default();
    let whole = |number: f64| format!("{number}").parse().unwrap_or_else(|_| panic!("{name}: {number}"));
    Alarm {
        name: name.to_owned(),
        namespace: text("Namespace"),
        metric: text("MetricName"),
        dimensions: dimensions
            .iter()
            .map(|one| (self::text(template, &one["Name"]), self::text(template, &one["Value"])))
            .collect(),
        statistic: match &*text("Statistic") {
            "Sum" => Statistic::Sum,
            "Maximum" => Statistic::Maximum,
            other => panic!("{name}: {other}"),
        },
        period: whole(number("Period").expect("an alarm has a period")),
        evaluation_periods: usize::try_from(whole(evaluation_periods)).expect("few periods"),
        datapoints_to_alarm: usize::try_from(whole(
            number("DatapointsToAlarm").unwrap_or(evaluation_periods),
        ))
        .expect("few periods"),
        threshold: number("Threshold").expect("an alarm has a threshold"),
        comparison: match &*text("ComparisonOperator") {
            "GreaterThanOrEqualToThreshold" => Comparison::AtLeast,
            "LessThanThreshold" => Comparison::LessThan,
            other => panic!("{name}: {other}"),
        },
        missing_is_breaching: match &*text("TreatMissingData") {
            "breaching" => true,
            "notBreaching" => false,
            other => panic!("{name}: {other}"),
        },
    }
}

/// The value of a mapping of the template, if the value is `Fn::FindInMap`.
fn resolved(template: &Value, value: &Value) -> Value {
    let Value::Tagged(tagged) = value else { return value.clone() };
    if tagged.tag != "FindInMap" {
        return tagged.value.clone();
    }
    let path = tagged.value.as_sequence().expect("a list of keys");
    path.iter().fold(template["Mappings"].clone(), |map, key| map[key].clone())
}

/// A text, the logical ID of the resource that `!Ref` or `!GetAtt` names, or an empty text.
fn text(template: &Value, value: &Value) -> String {
    match resolved(template, value) {
        Value::String(text) => text.split('.').next().unwrap_or_default().to_owned(),
        Value::Mapping(entries) => match entries.iter().next() {
            Some((name, of)) if name == "Ref" => text(template, of),
            Some((name, of)) if name == "Fn::GetAtt" => text(template, &of[0]),
            _ => String::new(),
        },
        _ => String::new(),
    }
}

fn number(template: &Value, value: &Value) -> Option<f64> {
    resolved(template, value).as_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three_periods(datapoints_to_alarm: usize, missing_is_breaching: bool) -> Alarm {
        Alarm {
            name: "Example".into(),
            namespace: "Example".into(),
            metric: "Example".into(),
            dimensions: Dimensions::new(),
            statistic: Statistic::Sum,
            period: 60,
            evaluation_periods: 3,
            datapoints_to_alarm,
            threshold: 1.0,
            comparison: Comparison::AtLeast,
            missing_is_breaching,
        }
    }

    /// Whether the alarm breaches, with missing data breaching and not breaching. `0` is a value within the
    /// threshold, `X` one beyond it, and `-` no value; the newest is last, as in the tables of `CloudWatch`.
    fn states(datapoints_to_alarm: usize, values: &str) -> (bool, bool) {
        let mut metrics = Metrics::default();
        for (minute, value) in values.split(' ').enumerate() {
            let value = match value {
                "0" => 0.0,
                "X" => 1.0,
                _ => continue,
            };
            metrics.add("Example", "Example", &[], minute as u64 * 60, value);
        }
        let state = |breaching| three_periods(datapoints_to_alarm, breaching).is_breaching(&metrics, 5 * 60);
        (state(true), state(false))
    }

    /// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html>
    #[test]
    fn missing_data_is_treated_as_in_the_tables_of_cloudwatch() {
        for (values, expected) in [
            ("0 - X - X", (false, false)),
            ("0 - - - -", (false, false)),
            ("- - - - -", (true, false)),
            ("0 X X - X", (true, true)),
            ("- - X - -", (true, false)),
        ] {
            assert_eq!(states(3, values), expected, "3 of 3: {values}");
        }
        for (values, expected) in [
            ("0 - X - X", (true, true)),
            ("0 0 X 0 X", (true, true)),
            ("0 - X - -", (true, false)),
            ("- - - - 0", (true, false)),
            ("- - - X -", (true, false)),
        ] {
            assert_eq!(states(2, values), expected, "2 of 3: {values}");
        }
    }

    #[test]
    fn samples_of_a_period_become_one_value() {
        let mut metrics = Metrics::default();
        for at in [0, 20, 59, 60] {
            metrics.add("Example", "Example", &[], at, 0.4);
        }
        let alarm = |statistic| Alarm { statistic, evaluation_periods: 1, ..three_periods(1, false) };
        assert!(alarm(Statistic::Sum).is_breaching(&metrics, 60));
        assert!(!alarm(Statistic::Maximum).is_breaching(&metrics, 60));
    }

    /// A line with the metric `SendsUnknown` of another stack, this many seconds after the first one.
    fn unknown_send(second: u64) -> String {
        let metrics = serde_json::json!([{
            "Namespace": "SharedInbox", "Dimensions": [["Stack"]],
            "Metrics": [{ "Name": "SendsUnknown", "Unit": "Count" }],
        }]);
        let millis = 1_795_341_600_000 + second * 1_000;
        let line = serde_json::json!({
            "SendsUnknown": 1, "Stack": "shared-inbox-dev",
            "_aws": { "Timestamp": millis, "CloudWatchMetrics": metrics },
        });
        format!("a prefix {line}\nno metric\n{{}}\n")
    }

    #[test]
    fn the_log_of_a_stack_sets_off_the_alarms_of_its_times() {
        let every = |seconds: u64| (0..20).map(|nth| unknown_send(nth * seconds)).collect::<String>();
        let recorded = Recording::of(&every(40));
        assert_eq!((recorded.seconds, recorded.metrics.names("SharedInbox").len()), (760, 1));
        assert_eq!(recorded.firing("SharedInbox"), BTreeSet::from(["SendsUnknown".to_owned()]));
        assert_eq!(Recording::of(&every(60)).firing("SharedInbox"), BTreeSet::new(), "no 20 in 15 minutes");
        assert_eq!(Recording::of("").seconds, 0);
    }

    #[test]
    fn the_alarms_of_the_template_are_read() {
        let alarms = alarms();
        let find = |name: &str| alarms.iter().find(|alarm| alarm.name == name).unwrap();
        let slow = find("SendQueueSlow");
        assert_eq!((slow.threshold, slow.evaluation_periods, slow.period), (300.0, 5, 60));
        assert_eq!(slow.dimensions, Dimensions::from([("QueueName".into(), "SendQueue".into())]));
        let silent = find("InboundSweepSilent");
        assert_eq!(silent.dimensions["FunctionName"], "InboundSweepFunction");
        assert!(silent.missing_is_breaching && silent.comparison == Comparison::LessThan);
        assert_eq!(find("SendingPaused").dimensions["Stack"], "AWS::StackName");
    }
}
