//! Signed form posts to the customer, with Twilio's time limits and connection overrides.
//!
//! By default only a failed connection is tried again. A URL's fragment may say otherwise, as `#rc=3&rp=all` does; it is
//! neither sent nor signed. A 4xx is an answer and is never tried again here. Source:
//! twilio.com/docs/usage/webhooks/webhooks-connection-overrides.

use std::sync::Arc;
use std::time::Duration;

use reqwest::redirect::Policy;
use rustls::{ClientConfig, RootCertStore};
use shared_carriers::twilio::signature::sign;

use crate::sid;

/// Form fields in the order they are sent.
pub(crate) type Params = Vec<(String, String)>;

/// The pause before a second try; each further one is as much longer.
const PAUSE: Duration = Duration::from_millis(200);

/// What became of a post.
pub(crate) struct Answer {
    /// Of the last try; `None` when it got no answer.
    pub(crate) status: Option<u16>,
    /// Of the last try.
    pub(crate) body: String,
    /// Tries made, at least one.
    pub(crate) attempts: u32,
}

/// What is tried again, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Retries {
    count: u32,
    server_errors: bool,
}

impl Retries {
    /// One try.
    pub(crate) const NONE: Self = Self { count: 0, server_errors: false };
    /// Connections that fail.
    pub(crate) const CONNECT: Self = Self { count: 3, server_errors: false };
    /// Connections that fail, answers that do not come, and 5xx.
    pub(crate) const ALL: Self = Self { count: 3, server_errors: true };

    /// What a fragment of connection overrides makes of this default.
    fn overridden(self, fragment: &str) -> Self {
        let given = |name| {
            form_urlencoded::parse(fragment.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value)
        };
        let count =
            given("rc").and_then(|count| count.parse().ok()).map_or(self.count, |count: u32| count.min(5));
        let server_errors = given("rp")
            .map_or(self.server_errors, |policy| policy.split(',').any(|what| matches!(what, "5xx" | "all")));
        Self { count, server_errors }
    }

    fn again(self, outcome: &Result<(u16, String), reqwest::Error>) -> bool {
        match outcome {
            Ok((status, _)) => self.server_errors && *status >= 500,
            Err(error) => self.server_errors || error.is_connect(),
        }
    }
}

/// The client side of the simulator.
pub(crate) struct Webhooks {
    pub(crate) client: reqwest::Client,
    pub(crate) token: String,
}

impl Webhooks {
    /// Signs with the account's token. Goes straight to the address, past any proxy of the environment.
    pub(crate) fn new(token: &str) -> Self {
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls())
            .no_proxy()
            .redirect(Policy::none())
            .connect_timeout(Duration::from_secs(5))
            .timeout(Duration::from_secs(15))
            .user_agent("TwilioProxy/1.1")
            .build()
            .expect("the client is made of fixed settings");
        Self { client, token: token.to_owned() }
    }

    /// Posts a form until it is answered or the tries are used up. All tries carry one idempotency token.
    pub(crate) async fn post(&self, url: &str, params: &Params, retries: Retries) -> Answer {
        let (url, fragment) = url.split_once('#').unwrap_or((url, ""));
        let retries = retries.overridden(fragment);
        let token = sid::random_hex();
        let mut attempts = 0;
        loop {
            let outcome = self.post_once(url, params, &token).await;
            attempts += 1;
            if attempts > retries.count || !retries.again(&outcome) {
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

/// The answer of the last of some tries.
pub(crate) fn answer(outcome: Result<(u16, String), reqwest::Error>, attempts: u32) -> Answer {
    match outcome {
        Ok((status, body)) => Answer { status: Some(status), body, attempts },
        Err(error) => {
            tracing::warn!(attempts, error = %error.without_url(), "a webhook got no answer");
            Answer { status: None, body: String::new(), attempts }
        }
    }
}

fn tls() -> ClientConfig {
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has the default protocol versions")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fragment_overrides_count_and_policy() {
        assert_eq!(Retries::CONNECT.overridden(""), Retries::CONNECT);
        assert_eq!(Retries::CONNECT.overridden("rc=3&rp=all"), Retries::ALL);
        assert_eq!(Retries::CONNECT.overridden("rc=9&rp=ct,5xx"), Retries { count: 5, server_errors: true });
        assert_eq!(Retries::ALL.overridden("rc=0&rp=ct"), Retries::NONE);
    }
}
