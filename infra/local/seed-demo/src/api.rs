//! Requests to the product's API and to the carrier simulator.

use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use crate::Failure;

/// Longer than the integration timeout of API Gateway.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Where the product and its carrier are.
#[derive(Debug, Clone)]
pub struct Site {
    /// Base URL of the API.
    pub api_url: String,
    /// Base URL of the carrier simulator.
    pub carrier_url: String,
    /// The account at the simulator, and its token.
    pub account: (String, String),
}

/// A client of both.
#[derive(Debug)]
pub(crate) struct Http {
    client: reqwest::Client,
    site: Site,
}

impl Http {
    pub(crate) fn new(site: Site) -> Result<Self, Failure> {
        let _ = rustls::crypto::ring::default_provider().install_default(); // fails if it is already installed
        Ok(Self { client: reqwest::Client::builder().no_proxy().timeout(TIMEOUT).build()?, site })
    }

    /// Calls the API with a token. Returns the body of a response with a status of success.
    pub(crate) async fn api(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: Value,
    ) -> Result<Value, Failure> {
        let request = self.client.request(method.clone(), format!("{}{path}", self.site.api_url));
        let request = request.bearer_auth(token);
        let request = if body.is_null() { request } else { request.json(&body) };
        read(&format!("{method} {path}"), request).await
    }

    /// Calls a control route of the simulator.
    pub(crate) async fn simulate(&self, route: &str, fields: &[(&str, &str)]) -> Result<Value, Failure> {
        self.carrier(&format!("/_twilio/simulate/{route}"), fields).await
    }

    /// Buys a number at the carrier without the product.
    pub(crate) async fn buy_number(&self, number: &str) -> Result<(), Failure> {
        let path = format!("/2010-04-01/Accounts/{}/IncomingPhoneNumbers.json", self.site.account.0);
        self.carrier(&path, &[("PhoneNumber", number), ("FriendlyName", "Night desk")]).await?;
        Ok(())
    }

    async fn carrier(&self, path: &str, fields: &[(&str, &str)]) -> Result<Value, Failure> {
        let (account, token) = &self.site.account;
        let request = self.client.post(format!("{}{path}", self.site.carrier_url));
        read(path, request.basic_auth(account, Some(token)).form(fields)).await
    }
}

async fn read(what: &str, request: RequestBuilder) -> Result<Value, Failure> {
    let response = request.send().await.map_err(|error| format!("{what} failed: {error}"))?;
    let (status, text) = (response.status(), response.text().await?);
    if !status.is_success() {
        return Err(format!("{what} was answered with {status}: {text}").into());
    }
    Ok(serde_json::from_str(&text).unwrap_or_default())
}
