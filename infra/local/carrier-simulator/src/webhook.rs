//! Signed form posts to the product, with Twilio's time limits and connection overrides.
//!
//! Without overrides, Twilio retries a webhook once, and only if the connection failed. All attempts together
//! take at most 15 seconds. The fragment of the URL can change that (`#rc=3&rp=all`); it is neither sent nor
//! signed. If the webhook still fails and there is a fallback URL, Twilio calls that one, with `ErrorCode`
//! and `ErrorUrl`. Source: twilio.com/docs/usage/webhooks/webhooks-connection-overrides and
//! twilio.com/docs/usage/security/availability-reliability.

use std::sync::Arc;
use std::time::Duration;

use reqwest::redirect::Policy;
use rustls::{ClientConfig, RootCertStore};
use shared_carriers::twilio::signature::sign;
use tokio::time::Instant;

use crate::attribute::Attributes;
use crate::auth_tokens::AuthTokens;
use crate::sid;

/// Form fields in the order they are sent.
pub(crate) type Params = Vec<(String, String)>;

/// The pause before the first retry. Each further pause is longer by the same amount.
const PAUSE: Duration = Duration::from_millis(200);

/// Twilio's limit for the response, and for all attempts together.
const MAX_WAIT: Duration = Duration::from_secs(15);

/// HTTP retrieval failure.
const RETRIEVAL_FAILURE: &str = "11200";

/// Where a webhook goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) url: String,
    /// Called when `url` fails.
    pub(crate) fallback: Option<String>,
}

impl Endpoint {
    /// The endpoint in two attributes of a resource. `None` if the first is not set.
    pub(crate) fn of(attributes: &Attributes, url: &str, fallback: &str) -> Option<Self> {
        let text = |name| attributes.get(name).and_then(serde_json::Value::as_str).map(str::to_owned);
        Some(Self { url: text(url)?, fallback: text(fallback) })
    }
}

/// The result of a post.
pub(crate) struct Answer {
    /// Status of the last attempt. `None` if there was no response.
    pub(crate) status: Option<u16>,
    /// Body of the last attempt.
    pub(crate) body: String,
    /// Number of attempts.
    pub(crate) attempts: u32,
}

impl Answer {
    /// The result if nothing was posted.
    pub(crate) const NONE: Self = Self { status: None, body: String::new(), attempts: 0 };

    /// Turns the last attempt into an answer.
    pub(crate) fn of(outcome: Result<(u16, String), PostError>, attempts: u32) -> Self {
        match outcome {
            Ok((status, body)) => Self { status: Some(status), body, attempts },
            Err(error) => {
                tracing::warn!(attempts, ?error, "webhook not answered");
                Self { status: None, body: String::new(), attempts }
            }
        }
    }

    pub(crate) fn is_success(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }
}

/// A set of the failures that are retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Policies(u8);

impl Policies {
    const CONNECT: Self = Self(1);
    /// No response in time, or a lost connection.
    const READ: Self = Self(2);
    const CLIENT_ERRORS: Self = Self(4);
    const SERVER_ERRORS: Self = Self(8);

    fn parse(name: &str) -> Self {
        match name {
            "ct" => Self::CONNECT,
            "rt" => Self::READ,
            "4xx" => Self::CLIENT_ERRORS,
            "5xx" => Self::SERVER_ERRORS,
            "all" => Self(15),
            _ => Self(0),
        }
    }

    fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Which failures are retried, how often, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Retries {
    count: u32,
    policies: Policies,
    read_timeout: Duration,
    total_timeout: Duration,
}

impl Retries {
    /// Twilio's rules without overrides.
    const DEFAULT: Self =
        Self { count: 1, policies: Policies::CONNECT, read_timeout: MAX_WAIT, total_timeout: MAX_WAIT };

    /// Reads the connection overrides in a fragment. Values out of range count as absent.
    fn from_fragment(fragment: &str) -> Self {
        let given = |name| {
            form_urlencoded::parse(fragment.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value)
        };
        let number =
            |name, max| given(name).and_then(|text| text.parse().ok()).filter(|number| *number <= max);
        let millis = |name| number(name, 15_000).filter(|millis| *millis >= 100).map(Duration::from_millis);
        let mut retries = Self::DEFAULT;
        if let Some(count) = number("rc", 5) {
            retries.count = u32::try_from(count).unwrap_or_default();
        }
        if let Some(policy) = given("rp") {
            retries.policies = policy.split(',').map(Policies::parse).fold(Policies(0), Policies::or);
        }
        retries.read_timeout = millis("rt").unwrap_or(MAX_WAIT);
        retries.total_timeout = millis("tt").unwrap_or(MAX_WAIT);
        retries
    }

    fn should_retry(self, outcome: &Result<(u16, String), PostError>) -> bool {
        let failure = match outcome {
            Ok((400..=499, _)) => Policies::CLIENT_ERRORS,
            Ok((500.., _)) => Policies::SERVER_ERRORS,
            Ok(_) => return false,
            Err(PostError::Connect) => Policies::CONNECT,
            Err(PostError::Read) => Policies::READ,
        };
        self.policies.0 & failure.0 != 0
    }
}

/// Why there is no response.
#[derive(Debug, Clone, Copy)]
pub(crate) enum PostError {
    Connect,
    /// No response in time, or a lost connection.
    Read,
}

impl From<reqwest::Error> for PostError {
    fn from(error: reqwest::Error) -> Self {
        if error.is_connect() { Self::Connect } else { Self::Read }
    }
}

/// The client that posts webhooks.
pub(crate) struct Webhooks {
    pub(crate) client: reqwest::Client,
    pub(crate) tokens: Arc<AuthTokens>,
}

impl Webhooks {
    /// Creates a client that signs with the account's primary token and uses no proxy.
    pub(crate) fn new(tokens: Arc<AuthTokens>) -> Self {
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls())
            .no_proxy()
            .redirect(Policy::none())
            .connect_timeout(Duration::from_secs(5))
            .timeout(MAX_WAIT)
            .user_agent("TwilioProxy/1.1")
            .build()
            .expect("the settings are fixed");
        Self { client, tokens }
    }

    /// Posts a form to an endpoint and, if it fails, to its fallback.
    pub(crate) async fn post_to(&self, endpoint: &Endpoint, params: &Params) -> Answer {
        let first = self.post(&endpoint.url, params).await;
        let Some(fallback) = endpoint.fallback.as_deref().filter(|_| !first.is_success()) else {
            return first;
        };
        let failed_url = endpoint.url.split('#').next().unwrap_or_default();
        let error = [("ErrorCode", RETRIEVAL_FAILURE), ("ErrorUrl", failed_url)];
        let error = error.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let second = self.post(fallback, &[params.as_slice(), error.as_slice()].concat()).await;
        Answer { attempts: first.attempts + second.attempts, ..second }
    }

    /// Posts a form, with the retries that the URL asks for. All attempts have the same idempotency token.
    pub(crate) async fn post(&self, url: &str, params: &Params) -> Answer {
        let (url, fragment) = url.split_once('#').unwrap_or((url, ""));
        let retries = Retries::from_fragment(fragment);
        let deadline = Instant::now() + retries.total_timeout;
        let token = sid::random_hex();
        let mut attempts = 0;
        loop {
            let wait = retries.read_timeout.min(deadline.saturating_duration_since(Instant::now()));
            let attempt = tokio::time::timeout(wait, self.post_once(url, params, &token));
            let outcome = attempt.await.unwrap_or(Err(PostError::Read));
            attempts += 1;
            let pause = PAUSE * attempts;
            let is_last = attempts > retries.count || Instant::now() + pause >= deadline;
            if is_last || !retries.should_retry(&outcome) {
                return Answer::of(outcome, attempts);
            }
            tokio::time::sleep(pause).await;
        }
    }

    async fn post_once(&self, url: &str, params: &Params, token: &str) -> Result<(u16, String), PostError> {
        let pairs: Vec<_> = params.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let response = self
            .client
            .post(url)
            .header("X-Twilio-Signature", sign(url, &pairs, &self.tokens.primary()))
            .header("I-Twilio-Idempotency-Token", token)
            .form(&pairs)
            .send()
            .await?;
        Ok((response.status().as_u16(), response.text().await?))
    }
}

fn tls() -> ClientConfig {
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring supports the default protocol versions")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_fragment_only_a_failed_connection_is_retried_once() {
        let retries = Retries::from_fragment("");
        assert_eq!(retries, Retries::DEFAULT);
        assert!(retries.should_retry(&Err(PostError::Connect)));
        for outcome in [Err(PostError::Read), Ok((503, String::new())), Ok((404, String::new()))] {
            assert!(!retries.should_retry(&outcome), "{outcome:?}");
        }
    }

    #[test]
    fn a_fragment_overrides_the_count_the_policy_and_the_times() {
        let all = Retries::from_fragment("rc=3&rp=all");
        assert_eq!((all.count, all.policies), (3, Policies(15)));
        let some = Retries::from_fragment("rc=5&rp=ct,5xx&rt=1500&tt=9000");
        assert_eq!((some.count, some.policies), (5, Policies::CONNECT.or(Policies::SERVER_ERRORS)));
        assert_eq!((some.read_timeout.as_millis(), some.total_timeout.as_millis()), (1500, 9000));
        assert_eq!(Retries::from_fragment("rp=5xx").policies, Policies::SERVER_ERRORS);
    }

    #[test]
    fn values_out_of_range_are_ignored() {
        assert_eq!(Retries::from_fragment("rc=9&rt=20&tt=60000"), Retries::DEFAULT);
    }
}
