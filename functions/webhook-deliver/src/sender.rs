//! Sends one request to a receiver, which can be hostile: it may hang, answer without end, redirect, or
//! resolve to an address inside a network.
//!
//! The name is resolved once. Every address is checked, and the request connects to one of these addresses
//! and to no other. Redirects are not followed, proxies of the environment are ignored, and the body of the
//! response is not read. An attempt takes at most [`ATTEMPT_TIMEOUT`].

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use reqwest::{
    Client,
    dns::{Addrs, Name, Resolve, Resolving},
    header::RETRY_AFTER,
    redirect, retry,
};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use shared_app::webhook::Resolver;
use shared_domain::{
    time::Timestamp,
    webhook::{
        delivery::{ATTEMPT_TIMEOUT, Answer, AttemptError, Delivery, retry_after},
        endpoint::WebhookEndpoint,
        url::{AllowedAddresses, WebhookUrl},
    },
};

/// The time to connect, so that a second address can be tried.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const USER_AGENT: &str = "shared-inbox-webhooks/1";

/// The client could not be created.
#[derive(Debug, thiserror::Error)]
pub enum SenderError {
    /// TLS is not available.
    #[error("TLS is not available ({0})")]
    Tls(#[from] rustls::Error),
    /// `WEBHOOK_HOSTS_ALLOWED` has something else than IP addresses.
    #[error("WEBHOOK_HOSTS_ALLOWED has something else than IP addresses")]
    Allowed,
}

/// Sends requests to receivers.
#[derive(Debug, Clone)]
pub struct Sender {
    resolver: Resolver,
    allowed: AllowedAddresses,
    tls: ClientConfig,
}

impl Sender {
    /// Creates a sender that also reaches the allowed addresses, which are separated by commas.
    pub fn new(resolver: Resolver, allowed: &str) -> Result<Self, SenderError> {
        let allowed = AllowedAddresses::parse(allowed).ok_or(SenderError::Allowed)?;
        let roots: RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions()?;
        Ok(Self { resolver, allowed, tls: builder.with_root_certificates(roots).with_no_client_auth() })
    }

    /// Sends a delivery to an endpoint, signed at `now`.
    pub async fn send(&self, endpoint: &WebhookEndpoint, delivery: &Delivery, now: Timestamp) -> Answer {
        let answer = tokio::time::timeout(ATTEMPT_TIMEOUT, self.attempt(endpoint, delivery, now)).await;
        answer.unwrap_or_else(|_| Answer::error(AttemptError::TimedOut))
    }

    async fn attempt(&self, endpoint: &WebhookEndpoint, delivery: &Delivery, now: Timestamp) -> Answer {
        let Ok(url) = WebhookUrl::parse(&endpoint.url) else {
            return Answer::error(AttemptError::UrlNotAllowed);
        };
        let addresses = self.resolver.addresses(&url).await.unwrap_or_default();
        if addresses.is_empty() {
            return Answer::error(AttemptError::NotResolved);
        }
        if url.check(&addresses, &self.allowed).is_err() {
            return Answer::error(AttemptError::UrlNotAllowed);
        }
        let Ok(client) = self.client(&url, &addresses) else {
            return Answer::error(AttemptError::ConnectionFailed);
        };
        let request = client
            .post(url.as_str())
            .header("content-type", "application/json")
            .header("webhook-id", delivery.event.as_str())
            .header("webhook-timestamp", now.seconds())
            .header(
                "webhook-signature",
                endpoint.secrets.signatures(delivery.event.as_str(), now, &delivery.body),
            )
            .body(delivery.body.clone());
        match request.send().await {
            Ok(response) => {
                let header = response.headers().get(RETRY_AFTER).and_then(|header| header.to_str().ok());
                let retry_after = header.and_then(|header| retry_after(header, now));
                Answer { retry_after, ..Answer::status(response.status().as_u16()) }
            }
            Err(error) if error.is_timeout() => Answer::error(AttemptError::TimedOut),
            Err(_) => Answer::error(AttemptError::ConnectionFailed),
        }
    }

    /// Creates a client that connects to these addresses only. Without a pool, it keeps no connection.
    fn client(&self, url: &WebhookUrl, addresses: &[IpAddr]) -> Result<Client, reqwest::Error> {
        let addresses = addresses.iter().map(|address| SocketAddr::new(*address, url.port())).collect();
        Client::builder()
            .tls_backend_preconfigured(self.tls.clone())
            .no_proxy()
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .pool_max_idle_per_host(0)
            .dns_resolver(Arc::new(Checked(addresses)))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ATTEMPT_TIMEOUT)
            .user_agent(USER_AGENT)
            .build()
    }
}

/// Resolves every name to the addresses that were checked.
struct Checked(Vec<SocketAddr>);

impl Resolve for Checked {
    fn resolve(&self, _: Name) -> Resolving {
        let addresses = self.0.clone();
        Box::pin(async move { Ok(Box::new(addresses.into_iter()) as Addrs) })
    }
}
