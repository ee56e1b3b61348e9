//! The story of one message: what the table and the logs say about it, without its text and numbers.
//!
//! A message is found by its ID in the log lines of every function that it passes: the request or webhook,
//! the outbox relay, the sender, and the delivery report. Lines of one invocation share its ID, so the answer
//! to the request or webhook is found with them. The carrier's ID of a message is in its lines as well.

use std::collections::BTreeSet;
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use serde_json::Value;
use shared_aws::{
    clients::{LogError, LogLine, LogReader},
    messaging::Messages,
};
use shared_domain::{
    ids::MessageId,
    message::{Direction, Message},
    time::Timestamp,
};

use crate::{Error, Operator};

/// The first line can be older than the message: the clocks of hosts differ.
const MARGIN: Duration = Duration::from_secs(60);
/// Invocations whose other lines are read. Each is a search.
const MAX_INVOCATIONS: usize = 10;
const HOUR: Duration = Duration::from_secs(3600);

/// Fields of a log line that say how a step ended, in this order. None holds a text or a number of a person.
const OUTCOMES: [&str; 7] = ["state", "status", "code", "cause", "why", "reason", "error"];

/// The message to trace, and the logs to read.
#[derive(Debug, Clone, Args)]
pub struct TraceRequest {
    /// ID of the message (msg_…), or the carrier's (SM…, MM…)
    pub id: String,
    /// Hours of logs to read: from the message on, and back from now for the carrier's ID
    #[arg(long, default_value_t = 72, value_parser = clap::value_parser!(u32).range(1..=2160))]
    pub hours: u32,
}

/// The story of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Trace {
    pub message_id: String,
    /// Oldest first.
    pub steps: Vec<Step>,
}

/// One step of a message.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Step {
    /// RFC 3339, in UTC.
    pub at: String,
    /// The event of the log line, or `stored` for what the table says.
    pub step: String,
    /// The function, or `table`.
    pub function: String,
    /// How the step ended. Empty if the step says it.
    pub outcome: String,
}

/// Finds what the table and the logs say about a message.
pub async fn trace(operator: &Operator, logs: &LogReader, request: &TraceRequest) -> Result<Trace, Error> {
    let span = HOUR * request.hours;
    let now = operator.now;
    let (message, of_carrier) = match MessageId::parse(&request.id) {
        Ok(message) => (message, Vec::new()),
        Err(_) if is_carrier_id(&request.id) => {
            let lines = logs.find(&request.id, now - span, now, now).await?;
            (message_of(&lines).ok_or_else(|| unknown(&request.id))?, lines)
        }
        Err(error) => {
            return Err(Error::Invalid { argument: "id", expected: error.to_string() });
        }
    };
    let from = message.made_at().unwrap_or(now) - MARGIN;
    let until = (from + span).min(now + MARGIN);
    let mut lines = logs.find(message.as_str(), from, until, now).await?;
    let invocations: BTreeSet<String> = lines.iter().filter_map(|line| invocation(&line.line)).collect();
    for invocation in invocations.iter().take(MAX_INVOCATIONS) {
        let answers = logs.find(invocation, from, until, now).await?;
        lines.extend(answers.into_iter().filter(|line| event(&line.line) == "request_answered"));
    }
    let stored = find(operator, &message).await?;
    if stored.is_none() && lines.is_empty() {
        return Err(unknown(&request.id));
    }
    // Some lines have only the carrier's ID, such as that of a message whose webhook was lost.
    let mut steps: BTreeSet<Step> = lines.iter().chain(&of_carrier).map(step_of_line).collect();
    steps.extend(stored.iter().flat_map(steps_of_message));
    Ok(Trace { message_id: message.to_string(), steps: steps.into_iter().collect() })
}

/// Whether a text has the form of the carrier's IDs of messages.
fn is_carrier_id(id: &str) -> bool {
    let is_digest = |digits: &str| digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    ["SM", "MM"].iter().any(|kind| id.strip_prefix(kind).is_some_and(is_digest))
}

fn message_of(lines: &[LogLine]) -> Option<MessageId> {
    lines.iter().find_map(|line| MessageId::parse(line.line["fields"]["message_id"].as_str()?).ok())
}

/// The ID of a message does not have its organization.
async fn find(operator: &Operator, id: &MessageId) -> Result<Option<Message>, Error> {
    let messages = Messages::new(operator.table.clone());
    for organization in operator.organizations.list().await? {
        if let Some(message) = messages.get(&organization.id, id).await? {
            return Ok(Some(message));
        }
    }
    Ok(None)
}

fn event(line: &Value) -> &str {
    line["fields"]["event"].as_str().unwrap_or_default()
}

/// The ID of the invocation that wrote a line.
fn invocation(line: &Value) -> Option<String> {
    line["span"]["requestId"].as_str().map(str::to_owned)
}

fn step_of_line(LogLine { function, line }: &LogLine) -> Step {
    let outcome = OUTCOMES.iter().find_map(|name| match &line["fields"][name] {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    });
    Step {
        at: line["timestamp"].as_str().and_then(Timestamp::parse).unwrap_or_default().to_string(),
        step: event(line).to_owned(),
        function: package(function),
        outcome: outcome.unwrap_or_default(),
    }
}

fn steps_of_message(message: &Message) -> Vec<Step> {
    let step = |at: Timestamp, outcome: String| Step {
        at: at.to_string(),
        step: "stored".to_owned(),
        function: "table".to_owned(),
        outcome,
    };
    let first = match message.direction {
        Direction::Inbound => "received",
        Direction::Outbound => "accepted",
    };
    let reports = message.delivery.history().into_iter().map(|(state, report)| {
        let code = report.code.as_ref().map(|code| format!(" {code}")).unwrap_or_default();
        step(report.at, format!("{}{code}", state.as_str()))
    });
    std::iter::once(step(message.created_at, first.to_owned())).chain(reports).collect()
}

/// The package of a function, from its name at Lambda: `stack-OutboundSendFunction-Ab1` is `outbound-send`.
fn package(function: &str) -> String {
    let logical = function.split('-').find_map(|part| part.strip_suffix("Function"));
    let Some(logical) = logical else { return function.to_owned() };
    let mut package = String::new();
    for letter in logical.chars() {
        if letter.is_ascii_uppercase() && !package.is_empty() {
            package.push('-');
        }
        package.push(letter.to_ascii_lowercase());
    }
    package
}

fn unknown(id: &str) -> Error {
    Error::Conflict(format!(
        "Neither the table nor the logs have a message {id}. Logs are kept for the stack's LogRetentionDays; \
         --hours reads more of them."
    ))
}

impl From<LogError> for Error {
    fn from(error: LogError) -> Self {
        if error.is_forbidden() { Self::Forbidden("logs") } else { Self::Logs(error) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_named_as_its_package() {
        assert_eq!(package("shared-inbox-dev-OutboundSendFunction-Ab1cD"), "outbound-send");
        assert_eq!(package("InboundSmsFunction"), "inbound-sms");
        assert_eq!(package("other"), "other");
    }

    #[test]
    fn carrier_ids_have_the_form_of_twilio() {
        assert!(is_carrier_id(&format!("SM{}", "0a".repeat(16))));
        assert!(!is_carrier_id(&format!("CA{}", "0a".repeat(16))) && !is_carrier_id("SM1"));
    }
}
