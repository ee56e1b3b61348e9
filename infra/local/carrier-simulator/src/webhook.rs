//! Signed form posts to the product, with Twilio's time limits and connection overrides.
//!
//! By default, only failed connections are retried. The fragment of the URL can change that (`#rc=3&rp=all`).
//! It is neither sent nor signed. A 4xx response is never retried. Source:
//! twilio.com/docs/usage/webhooks/webhooks-connection-overrides.

use std::sync::Arc;
use std::time::Duration;

use reqwest::redirect::Policy;
use rustls::{ClientConfig, RootCertStore};
use shared_carriers::twilio::signature::sign;

use crate::sid;

/// Form fields in the order they are sent.
pub(crate) type Params = Vec<(String, String)>;

/// The pause before the first retry. Each further pause is longer by the same amount.
const PAUSE: Duration = Duration::from_millis(200);

/// The result of a post.
pub(crate) struct Answer {
    /// Status of the last attempt. `None` if there was no response.
    pub(crate) status: Option<u16>,
    /// Body of the last attempt.
    pub(crate) body: String,
    /// Number of attempts.
    pub(crate) attempts: u32,
}

/// Which failures are retried, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Retries {
    count: u32,
    server_errors: bool,
}

impl Retries {
    /// No retries.
    pub(crate) const NONE: Self = Self { count: 0, server_errors: false };
    /// Failed connections.
    pub(crate) const CONNECT: Self = Self { count: 3, server_errors: false };
    /// Failed connections, missing responses, and 5xx responses.
    pub(crate) const ALL: Self = Self { count: 3, server_errors: true };

    /// Applies the connection overrides in a fragment.
    fn with_overrides(self, fragment: &str) -> Self {
        let given = |name| {
            form_urlencoded::parse(fragment.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value)
        };
        let count =
            given("rc").and_then(|count| count.parse().ok()).map_or(self.count, |count: u32| count.min(5));
        let server_errors = given("rp")
            .map_or(self.server_errors, |policy| policy.split(',').any(|what| matches!(what, "5xx" | "all")));
        Self { count, server_errors }
    }

    fn should_retry(self, outcome: &Result<(u16, String), reqwest::Error>) -> bool {
        match outcome {
            Ok((status, _)) => self.server_errors && *status >= 500,
            Err(error) => self.server_errors || error.is_connect(),
        }
    }
}

/// The client that posts webhooks.
pub(crate) struct Webhooks {
    pub(crate) client: reqwest::Client,
    pub(crate) token: String,
}

impl Webhooks {
    /// Creates a client that signs with the account's token and uses no proxy.
    pub(crate) fn new(token: &str) -> Self {
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls())
            .no_proxy()
            .redirect(Policy::none())
            .connect_timeout(Duration::from_secs(5))
            .timeout(Duration::from_secs(15))
            .user_agent("TwilioProxy/1.1")
            .build()
            .expect("the settings are fixed");
        Self { client, token: token.to_owned() }
    }

    /// Posts a form, with retries. All attempts have the same idempotency token.
    pub(crate) async fn post(&self, url: &str, params: &Params, retries: Retries) -> Answer {
        let (url, fragment) = url.split_once('#').unwrap_or((url, ""));
        let retries = retries.with_overrides(fragment);
        let token = sid::random_hex();
        let mut attempts = 0;
        loop {
            let outcome = self.post_once(url, params, &token).await;
            attempts += 1;
            if attempts > retries.count || !retries.should_retry(&outcome) {
                return answer(outcome, attempts);
            }
            tokio::time::sleep(PAUSE * attempts).await;
        }
    }

    async fn post_once(
        &self,
        url: &str,
        params: &Params,
        token: &str,
    ) -> Result<(u16, String), reqwest::Error> {
        let pairs: Vec<_> = params.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let response = self
            .client
            .post(url)
            .header("X-Twilio-Signature", sign(url, &pairs, &self.token))
            .header("I-Twilio-Idempotency-Token", token)
            .form(&pairs)
            .send()
            .await?;
        Ok((response.status().as_u16(), response.text().await?))
    }
}

/// Turns the last attempt into an answer.
pub(crate) fn answer(outcome: Result<(u16, String), reqwest::Error>, attempts: u32) -> Answer {
    match outcome {
        Ok((status, body)) => Answer { status: Some(status), body, attempts },
        Err(error) => {
            tracing::warn!(attempts, error = %error.without_url(), "webhook not answered");
            Answer { status: None, body: String::new(), attempts }
        }
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
    fn a_fragment_overrides_the_count_and_the_policy() {
        assert_eq!(Retries::CONNECT.with_overrides(""), Retries::CONNECT);
        assert_eq!(Retries::CONNECT.with_overrides("rc=3&rp=all"), Retries::ALL);
        assert_eq!(
            Retries::CONNECT.with_overrides("rc=9&rp=ct,5xx"),
            Retries { count: 5, server_errors: true }
        );
        assert_eq!(Retries::ALL.with_overrides("rc=0&rp=ct"), Retries::NONE);
    }
}
