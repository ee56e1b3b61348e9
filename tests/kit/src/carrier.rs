//! The carrier simulator in the test process, and clients for it.

use std::time::Duration;

use carrier_simulator::Settings;
use serde_json::Value;
use shared_carriers::twilio::{Client, Credentials};
use shared_domain::phone::PhoneNumber;

/// The one account of the simulator.
pub const ACCOUNT: &str = "ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
/// Its password, and the key of its signatures.
pub const TOKEN: &str = "test-token";
/// The number that tests send from.
const OURS: &str = "+12025550100";

/// The simulator. Its callbacks go nowhere: a test reports what it wants reported.
#[derive(Debug)]
pub struct Carrier {
    /// Where it answers: `http://127.0.0.1:…`.
    pub url: String,
}

impl Carrier {
    /// Starts on a free port; ends with the runtime.
    pub async fn open() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut settings = Settings::new(ACCOUNT, TOKEN, "http://127.0.0.1:9");
        settings.step = Duration::from_millis(1);
        settings.hold = Duration::from_secs(5);
        tokio::spawn(carrier_simulator::serve(listener, settings));
        Self { url }
    }

    /// A client that waits so long for an answer.
    pub fn client(&self, timeout: Duration) -> Client {
        client_of(&self.url, timeout)
    }

    /// So many of the next sends go wrong in this way, by the simulator's own words.
    pub async fn fault(&self, kind: &str, count: &str) {
        let answer = self.control("fault", &[("Kind", kind), ("Count", count)]).await;
        assert!(answer.status().is_success(), "{}", answer.status());
    }

    /// The addresses of files that a text was sent with.
    pub async fn media_of(&self, sid: &str) -> Vec<String> {
        let answer: Value = self.control("message-media", &[("MessageSid", sid)]).await.json().await.unwrap();
        serde_json::from_value(answer["mediaUrls"].clone()).unwrap()
    }

    /// Texts that the carrier took for this number.
    pub async fn taken(&self, to: &PhoneNumber) -> usize {
        let client = self.client(Duration::from_secs(5));
        client.find_messages(to.as_str(), OURS, jiff::Timestamp::UNIX_EPOCH).await.unwrap().len()
    }

    async fn control(&self, what: &str, form: &[(&str, &str)]) -> reqwest::Response {
        let _ = rustls::crypto::ring::default_provider().install_default(); // once is enough
        let url = format!("{}/_twilio/simulate/{what}", self.url);
        let request = reqwest::Client::new().post(url).basic_auth(ACCOUNT, Some(TOKEN));
        request.form(form).send().await.unwrap()
    }
}

/// A client of the simulator's account at this address, where perhaps nobody answers.
pub fn client_of(url: &str, timeout: Duration) -> Client {
    let credentials =
        Credentials { account_sid: ACCOUNT.into(), username: ACCOUNT.into(), password: TOKEN.into() };
    Client::new(url, credentials, timeout).unwrap()
}
