//! The carrier simulator in the test process, and clients for it.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
};
use carrier_simulator::Settings;
use serde_json::Value;
use shared_carriers::twilio::{Client, Credentials, MessageStatus};
use shared_domain::phone::PhoneNumber;
use tokio::sync::Notify;

use crate::{
    app::NO_SERVICE,
    build::INBOX_NUMBER,
    clock::{PATIENCE, within},
};

/// The only account of the simulator.
pub const ACCOUNT: &str = "ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
/// The password of the account and the key of its signatures.
pub const TOKEN: &str = "test-token";

/// Longer than any call of a test takes.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(10);

/// The carrier simulator, whose account owns [`INBOX_NUMBER`]. It sends no webhooks: a test delivers those it
/// needs.
#[derive(Debug, Clone)]
pub struct FakeCarrier {
    /// The endpoint: `http://127.0.0.1:…`.
    pub url: String,
    http: reqwest::Client,
}

impl FakeCarrier {
    /// Starts on a free port. It ends with the runtime.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut settings = Settings::new(ACCOUNT, TOKEN, NO_SERVICE);
        settings.step = Duration::from_millis(1);
        settings.hold = Duration::from_mins(1); // longer than any client waits, also after a pause
        tokio::spawn(carrier_simulator::serve(listener, settings));
        let carrier = Self { url, http: http_client() };
        carrier.buy(INBOX_NUMBER).await;
        carrier
    }

    /// Buys a number without webhooks. Returns its sid.
    pub async fn buy(&self, number: &str) -> String {
        let url = format!("{}/2010-04-01/Accounts/{ACCOUNT}/IncomingPhoneNumbers.json", self.url);
        let request = self.http.post(url).basic_auth(ACCOUNT, Some(TOKEN)).form(&[("PhoneNumber", number)]);
        let bought: Value = request.send().await.unwrap().json().await.unwrap();
        bought["sid"].as_str().unwrap_or_else(|| panic!("{bought}")).to_owned()
    }

    /// Returns a client that waits up to 10 seconds for an answer.
    pub fn client(&self) -> Client {
        client_at(&self.url, CLIENT_TIMEOUT)
    }

    /// Returns a client that waits up to `timeout` for an answer.
    pub fn client_with_timeout(&self, timeout: Duration) -> Client {
        client_at(&self.url, timeout)
    }

    /// Makes the next `count` sends fail with the simulator's fault `kind`.
    pub async fn fault(&self, kind: &str, count: &str) {
        self.control("fault", &[("Kind", kind), ("Count", count)]).await;
    }

    /// Makes the next call of the group `on` (`purchases`, `numbers`, `services`) fail with the fault `kind`.
    pub async fn fault_on(&self, on: &str, kind: &str) {
        self.control("fault", &[("Kind", kind), ("Count", "1"), ("On", on)]).await;
    }

    /// Calls a control route of the simulator.
    pub async fn control(&self, route: &str, form: &[(&str, &str)]) -> Value {
        let url = format!("{}/_twilio/simulate/{route}", self.url);
        let request = self.http.post(url).basic_auth(ACCOUNT, Some(TOKEN));
        let response = request.form(form).send().await.unwrap();
        let status = response.status();
        let body = response.text().await.unwrap();
        assert!(status.is_success(), "{status}: {body}");
        serde_json::from_str(&body).unwrap_or_default()
    }

    /// Posts a form to a REST path.
    pub async fn post(&self, path: &str, form: &[(&str, &str)]) {
        let request = self.http.post(format!("{}/{path}", self.url)).basic_auth(ACCOUNT, Some(TOKEN));
        let response = request.form(form).send().await.unwrap();
        assert!(response.status().is_success(), "{}", response.status());
    }

    /// Returns the media URLs that a message was sent with.
    pub async fn media_urls(&self, sid: &str) -> Vec<String> {
        let answer = self.control("message-media", &[("MessageSid", sid)]).await;
        serde_json::from_value(answer["mediaUrls"].clone()).unwrap()
    }

    /// Returns how many messages from [`INBOX_NUMBER`] to this number were accepted.
    pub async fn accepted_messages(&self, to: &PhoneNumber) -> usize {
        self.accepted_texts(to).await.len()
    }

    /// Returns the texts from [`INBOX_NUMBER`] to this number that were accepted, oldest first.
    pub async fn accepted_texts(&self, to: &PhoneNumber) -> Vec<String> {
        let found = self.client().find_messages(to.as_str(), INBOX_NUMBER, jiff::Timestamp::UNIX_EPOCH).await;
        found.unwrap().into_iter().rev().map(|message| message.body).collect()
    }

    /// Returns whether all messages from [`INBOX_NUMBER`] to this number are delivered.
    pub async fn has_delivered_all(&self, to: &PhoneNumber) -> bool {
        let found = self.client().find_messages(to.as_str(), INBOX_NUMBER, jiff::Timestamp::UNIX_EPOCH).await;
        found.unwrap().iter().all(|message| message.status == MessageStatus::Delivered)
    }

    /// Returns the list `name` of a REST path.
    pub async fn list(&self, path: &str, name: &str) -> Vec<Value> {
        let url = format!("{}/{path}", self.url);
        let response = self.http.get(url).basic_auth(ACCOUNT, Some(TOKEN)).send().await.unwrap();
        let answer: Value = response.json().await.unwrap();
        answer[name].as_array().unwrap().clone()
    }

    /// Returns the numbers that the account owns, without [`INBOX_NUMBER`].
    pub async fn owned_numbers(&self) -> Vec<Value> {
        let path = format!("2010-04-01/Accounts/{ACCOUNT}/IncomingPhoneNumbers.json");
        let mut numbers = self.list(&path, "incoming_phone_numbers").await;
        numbers.retain(|number| number["phone_number"] != INBOX_NUMBER);
        numbers
    }

    /// Returns the sorted sids of the numbers in a messaging service.
    pub async fn service_numbers(&self, service: &str) -> Vec<String> {
        let numbers = self.list(&format!("v1/Services/{service}/PhoneNumbers"), "phone_numbers").await;
        let mut sids: Vec<_> =
            numbers.iter().map(|number| number["sid"].as_str().unwrap().to_owned()).collect();
        sids.sort();
        sids
    }
}

/// Returns a client of the simulator's account at this URL, whether or not a service listens there.
pub fn client_at(url: &str, timeout: Duration) -> Client {
    let credentials =
        Credentials { account_sid: ACCOUNT.into(), username: ACCOUNT.into(), password: TOKEN.into() };
    Client::new(url, credentials, timeout).unwrap().with_messaging_url(url).unwrap()
}

/// Returns a client of a carrier that does not answer.
pub fn unreachable_client() -> Client {
    client_at(NO_SERVICE, Duration::from_secs(1))
}

/// Returns a client that connects to loopback directly, whatever proxy the environment names.
pub(crate) fn http_client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default(); // fails if it is already installed
    reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap()
}

/// A proxy in front of the carrier that can refuse or delay one chosen call.
#[derive(Debug, Clone)]
pub struct CarrierProxy {
    url: String,
    target: String,
    http: reqwest::Client,
    interception: Arc<Mutex<Option<Interception>>>,
}

#[derive(Debug)]
struct Interception {
    method: &'static str,
    path_suffix: &'static str,
    action: Action,
}

#[derive(Debug)]
enum Action {
    Refuse(u16, Value),
    Delay { reached: Arc<Notify>, proceed: Arc<Notify> },
}

/// A call that waits at a proxy until the test lets it through.
#[derive(Debug)]
pub struct DelayedCall {
    reached: Arc<Notify>,
    proceed: Arc<Notify>,
}

impl DelayedCall {
    /// Waits until the call is at the proxy. Panics if it does not come, as after a handler that failed
    /// before.
    pub async fn arrived(&self) {
        within("the delayed call arrives", self.reached.notified()).await;
    }

    pub fn let_through(&self) {
        self.proceed.notify_one();
    }
}

impl CarrierProxy {
    /// Starts on a free port. It ends with the runtime.
    pub async fn start(carrier: &FakeCarrier) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (target, http) = (carrier.url.clone(), carrier.http.clone());
        let proxy = Self { url, target, http, interception: Arc::default() };
        let router = Router::new().fallback(Self::forward).with_state(proxy.clone());
        tokio::spawn(async { axum::serve(listener, router).await });
        proxy
    }

    /// Returns a client that calls the carrier through this proxy.
    pub fn client(&self) -> Client {
        client_at(&self.url, CLIENT_TIMEOUT)
    }

    /// Answers the next call of `method` whose path ends with `path_suffix` without forwarding it.
    pub fn refuse(&self, method: &'static str, path_suffix: &'static str, status: u16, body: Value) {
        self.intercept(method, path_suffix, Action::Refuse(status, body));
    }

    /// Delays the next call of `method` whose path ends with `path_suffix`.
    pub fn delay(&self, method: &'static str, path_suffix: &'static str) -> DelayedCall {
        let (reached, proceed) = (Arc::<Notify>::default(), Arc::<Notify>::default());
        let action = Action::Delay { reached: Arc::clone(&reached), proceed: Arc::clone(&proceed) };
        self.intercept(method, path_suffix, action);
        DelayedCall { reached, proceed }
    }

    fn intercept(&self, method: &'static str, path_suffix: &'static str, action: Action) {
        *self.interception.lock().unwrap() = Some(Interception { method, path_suffix, action });
    }

    /// Returns whether the chosen call came.
    pub fn has_intercepted(&self) -> bool {
        self.interception.lock().unwrap().is_none()
    }

    async fn forward(
        State(proxy): State<Self>,
        method: Method,
        uri: Uri,
        headers: HeaderMap,
        body: Bytes,
    ) -> (StatusCode, Vec<u8>) {
        let matches = |chosen: &mut Interception| {
            method.as_str() == chosen.method && uri.path().ends_with(chosen.path_suffix)
        };
        let interception = proxy.interception.lock().unwrap().take_if(matches);
        match interception.map(|chosen| chosen.action) {
            Some(Action::Refuse(status, body)) => {
                return (StatusCode::from_u16(status).unwrap(), body.to_string().into_bytes());
            }
            Some(Action::Delay { reached, proceed }) => {
                reached.notify_one();
                proceed.notified().await;
            }
            None => {}
        }
        let url = format!("{}{uri}", proxy.target);
        let mut request = proxy.http.request(method, url).body(body);
        for name in ["authorization", "content-type", "x-twilio-api-version", "host"] {
            if let Some(value) = headers.get(name) {
                request = request.header(name, value);
            }
        }
        let response = request.send().await.unwrap();
        (response.status(), response.bytes().await.unwrap().to_vec())
    }
}
