//! A running simulator, and a product that records what it receives.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Response, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use carrier_simulator::Settings;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha1::Sha1;
use tokio::net::TcpListener;

pub(crate) const ACCOUNT: &str = "ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
pub(crate) const TOKEN: &str = "a token of thirty-two characters";
pub(crate) const PRODUCT: &str = "+12025550100";
pub(crate) const PHONE: &str = "+12025550143";
pub(crate) const TWIML: &str = "<Response/>";

/// The delay of the fault `timeout-after` in tests.
pub(crate) const HOLD: Duration = Duration::from_millis(600);

/// A simulator with a product, each on a free port.
pub(crate) struct TestSimulator {
    pub(crate) base: String,
    pub(crate) product: FakeProduct,
    client: reqwest::Client,
}

impl TestSimulator {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    async fn start_with(change: impl FnOnce(&mut Settings)) -> Self {
        let product = FakeProduct::start().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let base = format!("http://{}", listener.local_addr().expect("a bound port"));
        let mut settings = Settings::new(ACCOUNT, TOKEN, &product.base);
        (settings.step, settings.hold) = (Duration::from_millis(10), HOLD);
        change(&mut settings);
        tokio::spawn(carrier_simulator::serve(listener, settings));
        Self { base, product, client: client() }
    }

    /// A simulator whose account has the product's number.
    pub(crate) async fn with_number() -> Self {
        let simulator = Self::start().await;
        simulator.buy_for_product(PRODUCT, "").await;
        simulator
    }

    /// A simulator whose campaigns allow a rate and whose account has the product's number.
    pub(crate) async fn with_rate(segments_per_second: u32) -> Self {
        let simulator = Self::start_with(|settings| settings.segments_per_second = segments_per_second).await;
        simulator.buy_for_product(PRODUCT, "").await;
        simulator
    }

    /// Buys a number whose webhooks go to the product, with a fragment of connection overrides.
    pub(crate) async fn buy_for_product(&self, number: &str, overrides: &str) -> Value {
        let url = |path| format!("{}/webhooks/twilio/{path}{overrides}", self.product.base);
        let fields = [("PhoneNumber", number), ("SmsUrl", &url("messages")), ("VoiceUrl", &url("voice"))];
        self.create(&Self::account("IncomingPhoneNumbers.json"), &fields).await
    }

    /// Creates a messaging service with all numbers of the account. `settings` are further fields of the
    /// service.
    pub(crate) async fn service_with_numbers(&self, settings: &[(&str, &str)]) -> String {
        let fields = [&[("FriendlyName", "desk")], settings].concat();
        let service = self.create("/v1/Services", &fields).await["sid"].as_str().unwrap().to_owned();
        let (_, list) = self.get(&Self::account("IncomingPhoneNumbers.json")).await;
        for number in list["incoming_phone_numbers"].as_array().unwrap() {
            let added = [("PhoneNumberSid", number["sid"].as_str().unwrap())];
            self.create(&format!("/v1/Services/{service}/PhoneNumbers"), &added).await;
        }
        service
    }

    pub(crate) fn messages(&self) -> String {
        format!("{}/2010-04-01/Accounts/{ACCOUNT}/Messages.json", self.base)
    }

    /// Sends a message with the account's credentials.
    pub(crate) async fn send(&self, fields: &[(&str, &str)]) -> (u16, Value) {
        self.post(&self.messages(), fields).await
    }

    /// Sends a valid message with status callbacks to the product.
    pub(crate) async fn send_text(&self, text: &str) -> Value {
        let callback = self.product.status_callback();
        let (status, message) = self
            .send(&[("To", PHONE), ("From", PRODUCT), ("Body", text), ("StatusCallback", &callback)])
            .await;
        assert_eq!(status, 201, "{message}");
        message
    }

    pub(crate) async fn control(&self, route: &str, fields: &[(&str, &str)]) -> (u16, Value) {
        self.post(&format!("{}/_twilio/simulate/{route}", self.base), fields).await
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        let request = self.client.get(format!("{}{path}", self.base)).basic_auth(ACCOUNT, Some(TOKEN));
        read(request).await.expect("the simulator answers")
    }

    pub(crate) async fn list(&self, query: &[(&str, &str)]) -> Value {
        let request = self.client.get(self.messages()).query(query).basic_auth(ACCOUNT, Some(TOKEN));
        let (status, list) = read(request).await.expect("the simulator answers");
        assert_eq!(status, 200, "{list}");
        list
    }

    /// Gets a full URL that the simulator returned.
    pub(crate) async fn get_url(&self, url: &str) -> (u16, Value) {
        self.get(url.strip_prefix(&self.base).expect("a URL of the simulator")).await
    }

    /// A path below the account.
    pub(crate) fn account(path: &str) -> String {
        format!("/2010-04-01/Accounts/{ACCOUNT}/{path}")
    }

    /// Posts a form to a path.
    pub(crate) async fn post_to(&self, path: &str, fields: &[(&str, &str)]) -> (u16, Value) {
        self.post(&format!("{}{path}", self.base), fields).await
    }

    /// Creates a resource from a form.
    pub(crate) async fn create(&self, path: &str, fields: &[(&str, &str)]) -> Value {
        let (status, made) = self.post_to(path, fields).await;
        assert_eq!(status, 201, "{made}");
        made
    }

    /// Deletes a resource. Returns the status and the error code, if any.
    pub(crate) async fn delete(&self, path: &str) -> (u16, Value) {
        let request = self.client.delete(format!("{}{path}", self.base)).basic_auth(ACCOUNT, Some(TOKEN));
        let response = request.send().await.expect("the simulator answers");
        let status = response.status().as_u16();
        let text = response.text().await.expect("a text");
        let failure: Value = if text.is_empty() { Value::Null } else { text.parse().expect("JSON") };
        (status, failure["code"].clone())
    }

    async fn post(&self, url: &str, fields: &[(&str, &str)]) -> (u16, Value) {
        let request = self.client.post(url).form(fields).basic_auth(ACCOUNT, Some(TOKEN));
        read(request).await.expect("the simulator answers")
    }

    /// Waits until a message has a status.
    pub(crate) async fn await_status(&self, sid: &str, status: &str) -> Value {
        let path = format!("/2010-04-01/Accounts/{ACCOUNT}/Messages/{sid}.json");
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let (_, message) = self.get(&path).await;
            if message["status"] == status {
                return message;
            }
            assert!(Instant::now() < deadline, "never {status}: {message}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Sends a request. Returns the status and the JSON body.
pub(crate) async fn read(request: reqwest::RequestBuilder) -> reqwest::Result<(u16, Value)> {
    let response = request.send().await?;
    Ok((response.status().as_u16(), response.json().await?))
}

/// A client without the TLS roots and proxies of this machine. It follows no redirects.
pub(crate) fn client() -> reqwest::Client {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has the default protocol versions")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let builder = reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy();
    builder.redirect(reqwest::redirect::Policy::none()).build().expect("fixed settings")
}

/// A request that the product received.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Received {
    pub(crate) fn field(&self, name: &str) -> &str {
        self.fields.iter().find(|(given, _)| given == name).map_or("", |(_, value)| value)
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("a header of ASCII"))
    }

    /// The events in the body.
    pub(crate) fn events(&self) -> Vec<Value> {
        serde_json::from_slice(&self.body).expect("an array of events")
    }

    /// Whether the signature is right for the URL that the product knows.
    pub(crate) fn is_signed(&self, base: &str) -> bool {
        let mut sorted = self.fields.clone();
        sorted.sort();
        let text: String = sorted.into_iter().flat_map(|(name, value)| [name, value]).collect();
        let mut mac = Hmac::<Sha1>::new_from_slice(TOKEN.as_bytes()).expect("any length");
        mac.update(format!("{base}{}{text}", self.path).as_bytes());
        self.header("x-twilio-signature") == STANDARD.encode(mac.finalize().into_bytes())
    }
}

#[derive(Default)]
struct Exchange {
    received: Vec<Received>,
    answers: VecDeque<StatusCode>,
}

/// A product that records webhooks.
pub(crate) struct FakeProduct {
    pub(crate) base: String,
    exchange: Arc<Mutex<Exchange>>,
}

impl FakeProduct {
    async fn start() -> Self {
        let exchange = Arc::new(Mutex::new(Exchange::default()));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let base = format!("http://{}", listener.local_addr().expect("a bound port"));
        let router = Router::new().fallback(receive).with_state(Arc::clone(&exchange));
        tokio::spawn(async { axum::serve(listener, router).await });
        Self { base, exchange }
    }

    pub(crate) fn status_callback(&self) -> String {
        format!("{}/webhooks/twilio/status?m=msg_1&sig=a%2Fb", self.base)
    }

    /// Sets the status of the next responses. All later ones have 200.
    pub(crate) fn answer_next_with(&self, answers: &[u16]) {
        let answers = answers.iter().map(|status| StatusCode::from_u16(*status).expect("a status"));
        self.exchange.lock().expect("no test panicked here").answers.extend(answers);
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.exchange.lock().expect("no test panicked here").received.clone()
    }

    /// Waits until the product has received a number of requests.
    pub(crate) async fn await_requests(&self, count: usize) -> Vec<Received> {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let received = self.received();
            if received.len() >= count {
                return received;
            }
            assert!(Instant::now() < deadline, "{} of {count} requests came", received.len());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn receive(State(exchange): State<Arc<Mutex<Exchange>>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.expect("a small body");
    let received = Received {
        path: parts.uri.to_string(),
        headers: parts.headers,
        fields: form_urlencoded::parse(&body).into_owned().collect(),
        body: body.to_vec(),
    };
    let mut exchange = exchange.lock().expect("no test panicked here");
    exchange.received.push(received);
    let status = exchange.answers.pop_front().unwrap_or(StatusCode::OK);
    Response::builder()
        .status(status)
        .header("content-type", "text/xml")
        .body(Body::from(TWIML))
        .expect("valid")
}

/// A recorded form, as names and values.
pub(crate) fn form_fixture(name: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(fixture(name).trim_end().as_bytes()).into_owned().collect()
}

/// A recorded body of JSON.
pub(crate) fn json_fixture(name: &str) -> Value {
    serde_json::from_str(&fixture(name)).expect("JSON")
}

fn fixture(name: &str) -> String {
    let path = format!("{}/../../../tests/fixtures/twilio/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}
