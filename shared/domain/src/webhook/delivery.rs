//! Deliveries: the attempts to send an event to an endpoint, and when the next one is made.
//!
//! Only a status of the class 2xx is a success. After a failure the delivery is tried again, ten times within
//! about 3.6 days. A receiver can ask for more time with `Retry-After`.
//!
//! ```
//! use std::time::Duration;
//! use shared_domain::webhook::delivery::{Answer, delay_after};
//!
//! let busy = Answer::status(503);
//! assert_eq!(delay_after(1, &busy, 200), Some(Duration::from_secs(5)));
//! assert_eq!(delay_after(11, &busy, 200), None);
//! ```

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    ids::{EventId, OrganizationId, WebhookDeliveryId, WebhookEndpointId},
    time::Timestamp,
};

/// The time of one attempt: to resolve the name, to connect, and to get the status.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(15);
/// The maximum size of a request, in bytes, as Standard Webhooks recommends.
pub const MAX_BODY_BYTES: usize = 20_000;
/// How long deliveries are kept.
pub const DELIVERY_RETENTION: Duration = Duration::from_hours(14 * 24);
/// The number of attempts that a delivery shows.
pub const MAX_SHOWN_ATTEMPTS: usize = 20;
/// The longest delay of a message in an SQS queue. Later attempts wait in the table.
pub const MAX_QUEUE_DELAY: Duration = Duration::from_mins(15);

/// The delay after each failed attempt. The last attempt has none.
const DELAYS: [Duration; 10] = [
    Duration::from_secs(5),
    Duration::from_secs(25),
    Duration::from_mins(5),
    Duration::from_mins(30),
    Duration::from_hours(2),
    Duration::from_hours(5),
    Duration::from_hours(10),
    Duration::from_hours(14),
    Duration::from_hours(20),
    Duration::from_hours(24),
];
/// How much a delay varies, in thousandths, so that deliveries that failed together are not retried together.
const JITTER: u64 = 200;
/// The least delay after an answer that asks for fewer requests, and after a timeout.
const SLOW_DELAY: Duration = Duration::from_mins(1);
/// Statuses of receivers that are overloaded.
const SLOW_STATUSES: [u16; 3] = [429, 502, 504];
/// The longest `Retry-After` that is honored, unless twice the planned delay is longer.
const MAX_RETRY_AFTER: Duration = Duration::from_hours(1);
/// The receiver wants no more events.
const GONE: u16 = 410;

/// Why a receiver gave no answer, or one that is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptError {
    /// No status within [`ATTEMPT_TIMEOUT`].
    TimedOut,
    /// The name of the host has no address.
    NotResolved,
    /// The URL or an address of its host is not allowed.
    UrlNotAllowed,
    /// The connection was refused or closed, or TLS failed.
    ConnectionFailed,
    /// The receiver answered with a redirect, which is not followed.
    Redirected,
    /// The endpoint was disabled before the attempt, which was not made.
    EndpointDisabled,
}

impl AttemptError {
    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TimedOut => "timed_out",
            Self::NotResolved => "not_resolved",
            Self::UrlNotAllowed => "url_not_allowed",
            Self::ConnectionFailed => "connection_failed",
            Self::Redirected => "redirected",
            Self::EndpointDisabled => "endpoint_disabled",
        }
    }
}

/// What an attempt got.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status. `None` if there was none.
    pub status: Option<u16>,
    /// `None` if there was a status other than a redirect.
    pub error: Option<AttemptError>,
    /// The time that the receiver asked for.
    pub retry_after: Option<Duration>,
}

impl Answer {
    /// An answer with a status.
    pub fn status(status: u16) -> Self {
        let error = (300..400).contains(&status).then_some(AttemptError::Redirected);
        Self { status: Some(status), error, retry_after: None }
    }

    /// No answer.
    pub fn error(error: AttemptError) -> Self {
        Self { error: Some(error), ..Self::default() }
    }

    /// Whether the receiver accepted the event.
    pub fn is_success(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }

    /// Whether the receiver wants no more events.
    pub fn is_gone(&self) -> bool {
        self.status == Some(GONE)
    }

    fn is_slow(&self) -> bool {
        self.error == Some(AttemptError::TimedOut)
            || self.status.is_some_and(|status| SLOW_STATUSES.contains(&status))
    }
}

/// Returns the delay after this many failed attempts. `None` if no further attempt is made.
pub fn delay_after(attempts: u32, answer: &Answer, entropy: u64) -> Option<Duration> {
    let index = usize::try_from(attempts).ok()?.checked_sub(1)?;
    let thousandths = 1_000 - JITTER + entropy % (2 * JITTER + 1);
    let millis = DELAYS.get(index)?.as_millis() * u128::from(thousandths) / 1_000;
    let planned = Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX));
    let planned = if answer.is_slow() { planned.max(SLOW_DELAY) } else { planned };
    let longest = (2 * planned).max(MAX_RETRY_AFTER);
    Some(answer.retry_after.map_or(planned, |asked| asked.clamp(planned, longest)))
}

/// Parses the header `Retry-After`: seconds, or a date. Returns `None` for anything else.
pub fn retry_after(header: &str, now: Timestamp) -> Option<Duration> {
    let header = header.trim();
    if !header.is_empty() && header.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(header.parse().unwrap_or(u64::MAX)));
    }
    let at = jiff::fmt::rfc2822::parse(header).ok()?.timestamp().as_millisecond();
    Some(now.duration_until(Timestamp::from_millis(at)))
}

/// The state of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// An attempt will be made.
    Pending,
    /// The receiver accepted the event.
    Succeeded,
    /// No further attempt will be made, unless a user replays the delivery.
    Failed,
}

impl DeliveryState {
    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }
}

/// An attempt that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// When it began.
    pub at: Timestamp,
    /// The HTTP status, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// How long it took, in milliseconds.
    pub ms: u64,
    /// Why there was no answer, or a refused one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<AttemptError>,
}

/// An event on its way to an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the other names say it all")]
pub struct Delivery {
    pub id: WebhookDeliveryId,
    pub organization: OrganizationId,
    pub endpoint: WebhookEndpointId,
    /// The id of the event: `webhook-id` of every attempt, also of replays.
    pub event: EventId,
    /// The name of the event's type, or `test`.
    pub kind: String,
    /// The body of the requests.
    pub body: String,
    pub state: DeliveryState,
    /// The latest attempts, in their order.
    pub attempts: Vec<Attempt>,
    /// The number of attempts since the delivery was created or replayed.
    pub tries: u32,
    /// Grows with each change, so that a queue message for an earlier attempt is recognized.
    pub version: u32,
    /// When the next attempt is planned. `None` unless it is pending.
    pub next_attempt_at: Option<Timestamp>,
    pub created_at: Timestamp,
}

impl Delivery {
    /// A new delivery, whose first attempt is made at once.
    pub fn new(
        endpoint: &WebhookEndpointId,
        organization: &OrganizationId,
        event: EventId,
        kind: &str,
        body: String,
        at: Timestamp,
    ) -> Self {
        Self {
            id: WebhookDeliveryId::of(endpoint, &event, at),
            organization: organization.clone(),
            endpoint: endpoint.clone(),
            event,
            kind: kind.to_owned(),
            body,
            state: DeliveryState::Pending,
            attempts: Vec::new(),
            tries: 0,
            version: 0,
            next_attempt_at: Some(at),
            created_at: at,
        }
    }

    /// Whether this is a test, which is sent once.
    pub fn is_test(&self) -> bool {
        self.kind == super::endpoint::TEST_TYPE
    }

    /// Returns the delivery after an attempt that began at `at`.
    #[must_use]
    pub fn after(&self, answer: &Answer, at: Timestamp, took: Duration, entropy: u64) -> Self {
        let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let mut attempts = self.attempts.clone();
        attempts.push(Attempt { at, status: answer.status, ms, error: answer.error });
        attempts.drain(..attempts.len().saturating_sub(MAX_SHOWN_ATTEMPTS));
        let tries = self.tries + 1;
        let ends = self.is_test() || answer.is_gone() || answer.error == Some(AttemptError::EndpointDisabled);
        let delay = if ends { None } else { delay_after(tries, answer, entropy) };
        let state = match delay {
            _ if answer.is_success() => DeliveryState::Succeeded,
            Some(_) => DeliveryState::Pending,
            None => DeliveryState::Failed,
        };
        let pending = state == DeliveryState::Pending;
        let next_attempt_at = delay.filter(|_| pending).map(|delay| at + took + delay);
        Self { attempts, tries, version: self.version + 1, state, next_attempt_at, ..self.clone() }
    }

    /// Returns the delivery with a new series of attempts, the first of them at once.
    #[must_use]
    pub fn replayed(&self, now: Timestamp) -> Self {
        Self {
            state: DeliveryState::Pending,
            tries: 0,
            version: self.version + 1,
            next_attempt_at: Some(now),
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
    /// Entropy without jitter.
    const EVEN: u64 = JITTER;

    fn delivery(kind: &str) -> Delivery {
        let endpoint = WebhookEndpointId::parse("wep_1").unwrap();
        let organization = OrganizationId::parse("org_1").unwrap();
        Delivery::new(&endpoint, &organization, EventId::of_record("e", 0), kind, "{}".into(), NOW)
    }

    fn fail(delivery: &Delivery, answer: Answer) -> Delivery {
        let at = delivery.next_attempt_at.unwrap();
        delivery.after(&answer, at, Duration::from_millis(20), EVEN)
    }

    #[test]
    fn eleven_attempts_are_made_within_four_days() {
        let mut current = delivery("message.created");
        let mut attempts = 0;
        while current.state == DeliveryState::Pending {
            current = fail(&current, Answer::status(500));
            attempts += 1;
        }
        assert_eq!((attempts, current.state, current.next_attempt_at), (11, DeliveryState::Failed, None));
        let total = NOW.duration_until(current.attempts.last().unwrap().at);
        assert!(total > Duration::from_hours(3 * 24) && total < Duration::from_hours(4 * 24), "{total:?}");
        assert_eq!(current.version, 11);
    }

    #[test]
    fn success_ends_the_attempts_and_so_does_410() {
        let succeeded = fail(&delivery("message.created"), Answer::status(204));
        assert_eq!((succeeded.state, succeeded.next_attempt_at), (DeliveryState::Succeeded, None));
        assert_eq!(fail(&delivery("message.created"), Answer::status(410)).state, DeliveryState::Failed);
        for status in [100, 199, 301, 304, 400, 404, 500] {
            assert_eq!(
                fail(&delivery("a"), Answer::status(status)).state,
                DeliveryState::Pending,
                "{status}"
            );
        }
    }

    #[test]
    fn a_test_is_sent_once() {
        assert_eq!(fail(&delivery("test"), Answer::status(500)).state, DeliveryState::Failed);
        assert_eq!(fail(&delivery("test"), Answer::status(200)).state, DeliveryState::Succeeded);
    }

    #[test]
    fn a_replay_keeps_the_webhook_id_and_starts_again() {
        let failed = fail(&delivery("message.created"), Answer::status(410));
        let replayed = failed.replayed(NOW);
        assert_eq!((replayed.state, replayed.tries, replayed.version), (DeliveryState::Pending, 0, 2));
        assert_eq!((&replayed.event, &replayed.id), (&failed.event, &failed.id));
        assert_eq!(replayed.attempts.len(), 1, "earlier attempts are still shown");
        assert_eq!(delay_after(replayed.tries + 1, &Answer::status(500), EVEN), Some(DELAYS[0]));
    }

    #[test]
    fn only_the_latest_attempts_are_shown() {
        let mut current = delivery("message.created");
        for _ in 0..30 {
            current = fail(&current.replayed(NOW), Answer::status(500));
        }
        assert_eq!(current.attempts.len(), MAX_SHOWN_ATTEMPTS);
    }

    #[test]
    fn an_overloaded_receiver_and_a_timeout_wait_for_a_minute_at_least() {
        for answer in [
            Answer::status(429),
            Answer::status(502),
            Answer::status(504),
            Answer::error(AttemptError::TimedOut),
        ] {
            assert_eq!(delay_after(1, &answer, EVEN), Some(SLOW_DELAY), "{answer:?}");
            assert_eq!(delay_after(3, &answer, EVEN), Some(DELAYS[2]), "{answer:?}");
        }
        assert_eq!(delay_after(1, &Answer::error(AttemptError::ConnectionFailed), EVEN), Some(DELAYS[0]));
    }

    #[test]
    fn retry_after_is_honored_within_limits() {
        let asked =
            |seconds| Answer { retry_after: Some(Duration::from_secs(seconds)), ..Answer::status(503) };
        assert_eq!(delay_after(1, &asked(1), EVEN), Some(DELAYS[0]), "not earlier than planned");
        assert_eq!(delay_after(1, &asked(90), EVEN), Some(Duration::from_secs(90)));
        assert_eq!(delay_after(1, &asked(u64::MAX), EVEN), Some(MAX_RETRY_AFTER));
        assert_eq!(delay_after(5, &asked(u64::MAX), EVEN), Some(2 * DELAYS[4]));
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = Timestamp::parse("2015-10-21T07:27:00Z").unwrap();
        let seconds = |text| retry_after(text, now).map(|asked| asked.as_secs());
        assert_eq!(seconds("120"), Some(120));
        assert_eq!(seconds(" 0 "), Some(0));
        assert_eq!(seconds("Wed, 21 Oct 2015 07:28:00 GMT"), Some(60));
        assert_eq!(seconds("Wed, 21 Oct 2015 07:26:00 GMT"), Some(0), "a date in the past");
        assert_eq!(seconds("99999999999999999999999"), Some(u64::MAX));
        for other in ["", "-1", "1.5", "soon", "2015-10-21"] {
            assert_eq!(seconds(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn a_delay_is_at_most_a_fifth_off_its_plan(attempts in 1_u32..=10, entropy: u64) {
            let planned = DELAYS[attempts as usize - 1];
            let delay = delay_after(attempts, &Answer::status(500), entropy).unwrap();
            prop_assert!(delay >= planned * 4 / 5 && delay <= planned * 6 / 5, "{delay:?}");
        }

        #[test]
        fn no_answer_makes_an_attempt_at_once_or_later_than_two_days(
            attempts in 1_u32..=10, status in 100_u16..600, asked: Option<u64>, entropy: u64,
        ) {
            let answer = Answer { retry_after: asked.map(Duration::from_secs), ..Answer::status(status) };
            let delay = delay_after(attempts, &answer, entropy).unwrap();
            prop_assert!(delay >= Duration::from_secs(4) && delay <= Duration::from_hours(60), "{delay:?}");
        }

        #[test]
        fn any_header_is_read_without_a_panic(header in ".{0,40}") {
            let _ = retry_after(&header, NOW);
        }
    }
}
