//! The metrics of the product. Each is counted from log lines: a line whose event has a metric carries the
//! [embedded metric format], which `CloudWatch` turns into metrics without a call.
//! `docs/operations/metrics.md` is written from this list.
//!
//! Dimension values are words from the code, never IDs, numbers or names, so that the number of metrics does
//! not grow with the number of customers.
//!
//! [embedded metric format]: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html

use std::fmt;

use serde_json::{Map, Value, json};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::{self, Format, Writer},
    },
    registry::LookupSpan,
};

/// The namespace of all metrics.
pub const NAMESPACE: &str = "SharedInbox";

/// The dimension that separates the stacks of an account.
const STACK: &str = "Stack";

/// A metric, counted from the log lines of one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Its name in `CloudWatch`.
    pub name: &'static str,
    /// The `event` of its log lines.
    pub event: &'static str,
    /// What a line adds.
    pub value: Amount,
    /// A dimension besides the stack: its name, and the field of the line that has its value. The metric is
    /// counted with and without it, so one alarm can watch all values.
    pub dimension: Option<(&'static str, &'static str)>,
    /// What it measures, for the documentation.
    pub meaning: &'static str,
}

/// What a log line adds to a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// 1.
    One,
    /// A count in a field.
    Count(&'static str),
    /// Seconds in a field. Lines without the field add nothing.
    Seconds(&'static str),
    /// Milliseconds in a field. Lines without the field add nothing.
    Millis(&'static str),
}

impl Amount {
    /// The unit in `CloudWatch`.
    pub fn unit(self) -> &'static str {
        match self {
            Self::One | Self::Count(_) => "Count",
            Self::Seconds(_) => "Seconds",
            Self::Millis(_) => "Milliseconds",
        }
    }
}

const fn count(name: &'static str, event: &'static str, meaning: &'static str) -> Metric {
    Metric { name, event, value: Amount::One, dimension: None, meaning }
}

impl Metric {
    const fn by(self, name: &'static str, field: &'static str) -> Self {
        Self { dimension: Some((name, field)), ..self }
    }

    const fn of(self, value: Amount) -> Self {
        Self { value, ..self }
    }
}

/// Every metric.
pub const METRICS: &[Metric] = &[
    count(
        "MessagesReceived",
        "message_received",
        "Inbound messages from webhooks and the sweep, repeats included.",
    ),
    count(
        "MessagesRecovered",
        "lost_message_found",
        "Inbound messages whose webhook was lost. The sweep found them at the carrier.",
    ),
    count(
        "InboundLag",
        "lost_message_found",
        "Time from the carrier's date of an inbound message whose webhook was lost until it was stored. Webhooks \
         have no date.",
    )
    .of(Amount::Seconds("seconds")),
    count(
        "MessagesNotRecovered",
        "lost_message_failed",
        "Inbound messages that the sweep found and could not store. It tries again.",
    ),
    count("MessagesMalformed", "message_malformed", "Inbound webhooks that could not be stored."),
    count("UnknownNumbers", "unknown_number", "Messages and calls to a number without an inbox."),
    count("WebhooksRefused", "webhook_refused", "Webhooks with a missing or wrong signature or login."),
    count(
        "WebhooksRestored",
        "webhooks_restored",
        "Numbers whose webhooks were changed at the carrier and set again.",
    ),
    count("MessagesAccepted", "message_accepted", "Outbound messages that users and machine clients wrote."),
    count(
        "FirstResponse",
        "conversation_answered",
        "Time from the first unanswered inbound message until a user replied or composed a message. A reply to a \
         broadcast begins such a wait too.",
    )
    .of(Amount::Seconds("seconds")),
    count("MessagesSent", "message_sent", "Messages that the carrier accepted."),
    count("SendDelay", "message_sent", "Time from the acceptance of an outbound message until the carrier had it.")
        .of(Amount::Millis("millis")),
    count("MessagesFailed", "message_failed", "Messages that failed."),
    count(
        "SendsUnknown",
        "send_unknown",
        "Sends without an answer. The carrier is asked whether it has the message.",
    ),
    count(
        "CarrierAccountFaults",
        "carrier_account_fault",
        "Messages that the carrier account may not send: the country or the number is not enabled for it.",
    ),
    count(
        "SendingPaused",
        "sending_paused",
        "Organizations whose sending is paused, because the carrier refuses the account or is down: one when the \
         pause begins, and one in each minute while it lasts.",
    )
    .by("Cause", "cause"),
    count("Deliveries", "delivery_reported", "Delivery states from callbacks of the carrier.")
        .by("State", "state"),
    count(
        "DeliveryTime",
        "delivery_reported",
        "Time from the acceptance of an outbound message until the report that it was delivered.",
    )
    .of(Amount::Seconds("seconds")),
    count("DeliveriesRecovered", "delivery_found", "Delivery states whose callback was lost."),
    count("LocksAcquired", "lock_acquired", "Locks that users acquired."),
    count(
        "LocksRefused",
        "lock_refused",
        "Attempts to open a conversation that somebody else holds, or one more than the limit.",
    )
    .by("Reason", "reason"),
    count(
        "LocksLost",
        "lock_lost",
        "Renewals of a lock that ended: idle, expired, broken or acquired by somebody else.",
    )
    .by("Reason", "reason"),
    count("OptOuts", "opt_out_changed", "Opt-outs and opt-ins by keyword."),
    count(
        "CarrierOptOuts",
        "opt_out_at_carrier",
        "Opt-outs that the carrier reported by refusing a message.",
    ),
    count("KeywordReplies", "keyword_reply", "Keyword replies."),
    count("OutOfOfficeReplies", "out_of_office_reply", "Out-of-office messages."),
    count("BroadcastsStarted", "broadcast_started", "Broadcasts and repetitions that began to send."),
    count("BroadcastTexts", "broadcast_texts_released", "Texts of broadcasts that were accepted.")
        .of(Amount::Count("texts")),
    count("BroadcastReplies", "broadcast_reply", "Replies to broadcasts."),
    count("BroadcastsPaused", "broadcast_paused", "Broadcasts that paused themselves, because texts failed."),
    count("BroadcastsCompleted", "broadcast_completed", "Broadcasts without open recipients."),
    count("BroadcastsFailed", "broadcast_failed", "Broadcasts that could not be prepared."),
    count("BroadcastTextsNotReleased", "broadcast_text_not_released", "Texts of broadcasts that are tried again."),
    count("BroadcastsMissed", "broadcast_missed", "Scheduled broadcasts that were not sent at their time."),
    count(
        "WebhookAttempts",
        "webhook_attempted",
        "Attempts to deliver an event to an outgoing webhook, by the state of the delivery after it.",
    )
    .by("State", "state"),
    count(
        "WebhookEndpointsDisabled",
        "webhook_endpoint_disabled",
        "Outgoing webhooks that were disabled because their receiver failed.",
    )
    .by("Reason", "reason"),
    count("RowsImported", "import_completed", "Rows of completed contact imports.").of(Amount::Count("rows")),
    count("RowsRefused", "import_completed", "Rows that completed contact imports refused.")
        .of(Amount::Count("refused")),
    count("RegistrationEventsUnknown", "registration_event_unknown", "Registration events without a team."),
    count("CampaignsDeleted", "campaign_deleted", "Campaigns that were deleted at the carrier."),
    count("MailRefused", "mail_refused", "E-mails that SES refused permanently."),
    count("MailUnknown", "mail_unknown", "E-mails that may not have been sent."),
    count("RequestsFailed", "request_failed", "API requests and carrier webhooks answered with a 5xx status.")
        .by("Kind", "kind"),
    count(
        "DeadMessages",
        "queue_message_dead",
        "Queue messages that a function moved to a dead-letter queue.",
    ),
    count("Panics", "panic", "Panics of functions."),
];

/// Formats log lines as JSON, and adds the metrics of their event.
pub(crate) struct MetricFormat {
    json: Format<format::Json>,
    stack: String,
}

impl MetricFormat {
    /// Adds metrics for this stack to the lines that `json` formats.
    pub(crate) fn new(json: Format<format::Json>, stack: String) -> Self {
        Self { json, stack }
    }

    fn metrics(&self, line: &Line) -> Option<Map<String, Value>> {
        let recorded: Vec<_> = METRICS
            .iter()
            .filter(|metric| line.event.as_deref() == Some(metric.event))
            .filter_map(|metric| Some((metric, line.amount(metric.value)?)))
            .collect();
        if recorded.is_empty() {
            return None;
        }
        let mut members = Map::from_iter([(STACK.to_owned(), json!(self.stack))]);
        let mut directives = Vec::new();
        for (metric, amount) in recorded {
            let mut dimensions = vec![vec![STACK]];
            if let Some((name, field)) = metric.dimension {
                dimensions.push(vec![STACK, name]);
                members.insert(name.to_owned(), json!(line.text(field).unwrap_or("none")));
            }
            members.insert(metric.name.to_owned(), json!(amount));
            directives.push(json!({
                "Namespace": NAMESPACE,
                "Dimensions": dimensions,
                "Metrics": [{ "Name": metric.name, "Unit": metric.value.unit() }],
            }));
        }
        members
            .insert("_aws".to_owned(), json!({ "Timestamp": line.millis, "CloudWatchMetrics": directives }));
        Some(members)
    }
}

impl<S, N> FormatEvent<S, N> for MetricFormat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = Line::default();
        event.record(&mut line);
        line.millis = unix_millis();
        let Some(metrics) = self.metrics(&line) else {
            return self.json.format_event(context, writer, event);
        };
        let mut text = String::new();
        self.json.format_event(context, Writer::new(&mut text), event)?;
        let object = text.trim_end().strip_suffix('}').ok_or(fmt::Error)?;
        let members = serde_json::to_string(&metrics).map_err(|_| fmt::Error)?;
        writeln!(writer, "{object},{}", members.trim_start_matches('{'))
    }
}

fn unix_millis() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or_default()
}

/// The fields of a log line that metrics use.
#[derive(Default)]
struct Line {
    event: Option<String>,
    texts: Vec<(&'static str, String)>,
    numbers: Vec<(&'static str, u64)>,
    millis: u64,
}

impl Line {
    fn amount(&self, amount: Amount) -> Option<u64> {
        match amount {
            Amount::One => Some(1),
            Amount::Count(field) | Amount::Seconds(field) | Amount::Millis(field) => {
                self.numbers.iter().find(|(name, _)| *name == field).map(|(_, number)| *number)
            }
        }
    }

    fn text(&self, field: &str) -> Option<&str> {
        self.texts.iter().find(|(name, _)| *name == field).map(|(_, text)| text.as_str())
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "event" {
            self.event = Some(value.to_owned());
        } else {
            self.texts.push((field.name(), value.to_owned()));
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.numbers.push((field.name(), value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.numbers.push((field.name(), value.try_into().unwrap_or_default()));
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing::subscriber::with_default;
    use tracing_subscriber::filter::LevelFilter;

    use super::*;
    use crate::telemetry::subscriber;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// The JSON lines that `log` writes.
    fn lines(log: impl FnOnce()) -> Vec<Value> {
        let written = Lines::default();
        let writer = written.clone();
        with_default(subscriber(LevelFilter::INFO, "shared-inbox-dev".into(), move || writer.clone()), log);
        let bytes = written.0.lock().unwrap().clone();
        let text = String::from_utf8(bytes).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_line_with_a_counted_event_carries_its_metric() {
        let lines = lines(|| tracing::info!(event = "message_sent", message_id = "msg_1", "message sent"));
        let [line] = &lines[..] else { panic!("{lines:?}") };
        assert_eq!(line["fields"]["message_id"], "msg_1", "the line is still a log line");
        assert_eq!((&line["MessagesSent"], &line["Stack"]), (&json!(1), &json!("shared-inbox-dev")));
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(directive["Namespace"], "SharedInbox");
        assert_eq!(directive["Dimensions"], json!([["Stack"]]));
        assert_eq!(directive["Metrics"], json!([{ "Name": "MessagesSent", "Unit": "Count" }]));
        assert!(line["_aws"]["Timestamp"].as_u64().is_some_and(|millis| millis > 1_700_000_000_000));
    }

    #[test]
    fn a_metric_with_a_dimension_is_counted_with_and_without_it() {
        let lines =
            lines(|| tracing::error!(event = "sending_paused", cause = "carrier_down", "sending paused"));
        assert_eq!(lines[0]["Cause"], "carrier_down");
        assert_eq!(
            lines[0]["_aws"]["CloudWatchMetrics"][0]["Dimensions"],
            json!([["Stack"], ["Stack", "Cause"]])
        );
    }

    #[test]
    fn one_line_can_carry_several_amounts() {
        let lines = lines(|| {
            let (rows, refused) = (1_000_u64, 7_u64);
            tracing::info!(event = "import_completed", rows, refused, "import completed");
        });
        assert_eq!((&lines[0]["RowsImported"], &lines[0]["RowsRefused"]), (&json!(1000), &json!(7)));
    }

    #[test]
    fn an_event_without_a_metric_is_a_plain_line() {
        let lines = lines(|| tracing::info!(event = "outbox_relayed", count = 1, "outbox items relayed"));
        assert_eq!(lines[0]["fields"]["event"], "outbox_relayed");
        assert_eq!(lines[0]["_aws"], Value::Null);
    }

    #[test]
    fn dimensions_are_never_ids() {
        for metric in METRICS {
            let (name, field) = metric.dimension.unwrap_or(("", ""));
            for word in ["id", "inbox", "team", "organization", "user", "number", "name"] {
                assert!(name.to_lowercase() != word && field != word, "{}", metric.name);
            }
        }
    }
}
