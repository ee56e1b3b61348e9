//! The log group of the functions, which an operator's tool reads.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use shared_domain::time::Timestamp;

use crate::clients::{
    client::Aws,
    json_api::{CallError, JsonApi},
};

/// A search reads whole hours of logs for few lines, so pages can be empty. Each takes up to a second.
const MAX_PAGES: usize = 100;
/// Lines of one search.
const MAX_LINES: usize = 500;
/// The service answers five searches per second and account.
const THROTTLED_PAUSE: Duration = Duration::from_millis(500);
const MAX_ATTEMPTS: usize = 5;

/// Why the logs cannot be read.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what the variants are")]
pub enum LogError {
    #[error("CloudWatch Logs refused the request ({0})")]
    Refused(String),
    #[error("CloudWatch Logs did not answer")]
    Unavailable,
    #[error("there are too many lines; a smaller --hours helps")]
    TooLong,
}

impl LogError {
    /// Whether the credentials lack the permission `logs:FilterLogEvents`.
    pub fn is_forbidden(&self) -> bool {
        matches!(self, Self::Refused(code) if code.starts_with("AccessDenied"))
    }
}

/// A log line of a function.
#[derive(Debug, Clone, PartialEq)]
pub struct LogLine {
    /// The name of the function at Lambda.
    pub function: String,
    /// The line, as the functions write it.
    pub line: Value,
}

/// Reads the log group of a stack.
#[derive(Clone)]
pub struct LogReader {
    api: JsonApi,
    group: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    #[serde(default)]
    events: Vec<FoundLine>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FoundLine {
    #[serde(default)]
    log_stream_name: String,
    #[serde(default)]
    message: String,
}

impl LogReader {
    /// The logs of the functions of a stack with this name.
    pub fn of_stack(aws: &Aws, stack: &str) -> Self {
        Self { api: JsonApi::logs(aws), group: format!("/{stack}/functions") }
    }

    /// Returns the JSON lines between two times that contain a text, up to 500 and in any order. A text of
    /// letters, digits, `_` and `-` is found; other characters are left out. `now` signs the requests.
    pub async fn find(
        &self,
        text: &str,
        from: Timestamp,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<LogLine>, LogError> {
        let text: String =
            text.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_' || *c == '-').collect();
        let mut request = json!({
            "logGroupName": self.group,
            "filterPattern": format!("\"{text}\""),
            "startTime": from.millis(),
            "endTime": until.millis(),
        });
        let mut found = Vec::new();
        for _ in 0..MAX_PAGES {
            let page = self.page(&request, now).await?;
            found.extend(page.events.into_iter().filter_map(line));
            match page.next_token {
                Some(token) if found.len() < MAX_LINES => request["nextToken"] = token.into(),
                _ => {
                    found.truncate(MAX_LINES);
                    return Ok(found);
                }
            }
        }
        Err(LogError::TooLong)
    }

    async fn page(&self, request: &Value, now: Timestamp) -> Result<Page, LogError> {
        let mut attempts = 1;
        loop {
            match self.api.signed_call("FilterLogEvents", request, now).await {
                Ok(body) => return serde_json::from_slice(&body).map_err(|_| LogError::Unavailable),
                Err(CallError::Refused { code, .. })
                    if code == "ThrottlingException" && attempts < MAX_ATTEMPTS =>
                {
                    attempts += 1;
                    tokio::time::sleep(THROTTLED_PAUSE).await;
                }
                Err(CallError::Refused { code, .. }) => return Err(LogError::Refused(code)),
                Err(CallError::Unavailable(_) | CallError::Unexpected(_)) => {
                    return Err(LogError::Unavailable);
                }
            }
        }
    }
}

/// Lines of Lambda itself are not JSON objects and are skipped.
fn line(found: FoundLine) -> Option<LogLine> {
    let line: Value = serde_json::from_str(&found.message).ok().filter(Value::is_object)?;
    Some(LogLine { function: function_of(&found.log_stream_name).to_owned(), line })
}

/// Functions that share a log group have streams named
/// `<year>/<month>/<day>/<function>[<version>]<instance>`.
fn function_of(stream: &str) -> &str {
    let name = stream.rsplit('/').next().unwrap_or_default();
    name.split('[').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_stream_has_the_function() {
        assert_eq!(
            function_of("2026/11/29/stack-OutboundSendFunction-Ab1[$LATEST]0123"),
            "stack-OutboundSendFunction-Ab1"
        );
        assert_eq!(function_of("2026/11/29/[$LATEST]0123"), "");
        assert_eq!(function_of(""), "");
    }
}
