//! The running stack, as `stack.json` describes it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, RwLock},
    time::Duration,
};

use serde::Deserialize;
use serde_json::Value;

use crate::{Carrier, Client, ConversationRef, Phone, Session, canaries, conversation};

const USAGE: &str = "journeys need a local cloud: run `make journeys`, or set STACK_FILE to the path of \
     the stack.json of a running one";
/// Longer than the integration timeout of API Gateway.
const HTTP_TIMEOUT: Duration = Duration::from_secs(60);

/// A running stack. Each journey opens its own, because connections belong to the journey's runtime.
#[derive(Debug)]
pub struct Stack {
    document: StackFile,
    /// The carrier's token after a rotation.
    rotated_token: RwLock<Option<String>>,
    http: reqwest::Client,
}

/// An inbox of the demo data.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Inbox {
    pub inbox_id: String,
    pub api_code: String,
    pub phone_number: String,
    pub team_id: String,
    /// Whether the team's registration is approved.
    pub registered: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StackFile {
    api_url: String,
    webhook_base_url: String,
    carrier_url: String,
    twilio: Account,
    users: Vec<User>,
    machines: Vec<Machine>,
    inboxes: Vec<Inbox>,
    inspect: InspectUrls,
    log: PathBuf,
    aws: AwsSettings,
}

/// Settings for direct access with the AWS SDK.
#[derive(Debug, Deserialize)]
struct AwsSettings {
    environment: BTreeMap<String, String>,
    outputs: BTreeMap<String, String>,
    #[serde(rename = "eventsTopicArn")]
    events_topic_arn: String,
    functions: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
struct InspectUrls {
    emails: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Account {
    account_sid: String,
    auth_token: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct User {
    id: String,
    organization_id: String,
    name: String,
    email: String,
    password: String,
    token: String,
}

#[derive(Debug, Deserialize)]
struct Machine {
    token: String,
}

impl Stack {
    /// Opens the stack that `STACK_FILE` describes.
    pub fn open() -> Self {
        let file = std::env::var_os("STACK_FILE").unwrap_or_else(|| panic!("{USAGE}"));
        let file = checkout().join(file);
        let text = std::fs::read_to_string(&file)
            .unwrap_or_else(|error| panic!("{}: {error}; {USAGE}", file.display()));
        let document =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let stack = Self { document, rotated_token: RwLock::default(), http: http() };
        stack.record_secrets();
        stack
    }

    /// Records the credentials and the personal data of the stack as canaries.
    fn record_secrets(&self) {
        let document: &StackFile = &self.document;
        canaries::record("carrier's auth token", &document.twilio.auth_token);
        for user in &document.users {
            canaries::record("user's token", &user.token);
            canaries::record("user's name", &user.name);
            canaries::record("user's e-mail", &user.email);
            canaries::record("user's password", &user.password);
        }
        document.machines.iter().for_each(|machine| canaries::record("machine's token", &machine.token));
        document.inboxes.iter().for_each(|inbox| canaries::record("inbox's number", &inbox.phone_number));
    }

    /// Returns a client with the token of a demo user.
    pub fn user(&self, id: &str) -> Client {
        let user = self.find_user(id);
        Client { id: user.id.clone(), name: user.name.clone(), ..self.bearer(Some(user.token.clone())) }
    }

    /// Signs a user in to the console.
    pub async fn sign_in(&self, id: &str) -> Session {
        let user = self.find_user(id);
        Session::sign_in(self, &user.email, &user.password).await
    }

    pub(crate) fn console_session(&self) -> (reqwest::Client, String) {
        (self.http.clone(), format!("{}/console/session", self.document.api_url))
    }

    /// Gets an access token with a secret of a machine client. `None` if the secret is not valid.
    pub async fn token_of_machine(&self, client: &str, secret: &str) -> Option<String> {
        canaries::record("machine's secret", secret);
        let request = self.http.post(format!("{}/oauth2/token", self.endpoint()));
        let request = request.basic_auth(client, Some(secret)).body("grant_type=client_credentials");
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let response = request.send().await.expect("an answer of the token endpoint");
        if !response.status().is_success() {
            return None;
        }
        let answer: Value = response.json().await.expect("JSON");
        let token = answer["access_token"].as_str().expect("a token").to_owned();
        canaries::record("machine's token", &token);
        Some(token)
    }

    /// Returns the token of a demo user.
    pub fn token_of(&self, id: &str) -> &str {
        &self.find_user(id).token
    }

    /// The ID of the demo organization that most journeys use.
    pub fn organization(&self) -> &str {
        &self.find_user("olivia").organization_id
    }

    /// Returns an output of the template.
    pub fn output(&self, name: &str) -> &str {
        self.document.aws.outputs.get(name).unwrap_or_else(|| panic!("no output {name}"))
    }

    /// Returns the ARN of the topic of events.
    pub fn events_topic_arn(&self) -> &str {
        &self.document.aws.events_topic_arn
    }

    pub(crate) fn endpoint(&self) -> &str {
        &self.document.aws.environment["AWS_ENDPOINT_URL"]
    }

    /// Returns the physical name of a function.
    pub(crate) fn function(&self, name: &str) -> &str {
        self.document.aws.functions.get(name).unwrap_or_else(|| panic!("no function {name}"))
    }

    /// Returns the physical names of all functions.
    pub(crate) fn functions(&self) -> impl Iterator<Item = &str> {
        self.document.aws.functions.values().map(String::as_str)
    }

    /// Uses another token of the carrier's account from now on.
    pub fn use_carrier_token(&self, token: String) {
        canaries::record("carrier's auth token", &token);
        *self.rotated_token.write().expect("no panic") = Some(token);
    }

    /// The auth token with which the stack started.
    pub fn carrier_token(&self) -> &str {
        &self.document.twilio.auth_token
    }

    fn find_user(&self, id: &str) -> &User {
        self.document.users.iter().find(|user| user.id == id).unwrap_or_else(|| panic!("no user {id}"))
    }

    /// Returns a client with the machine credentials of the first organization.
    pub fn machine(&self) -> Client {
        self.bearer(Some(self.document.machines[0].token.clone()))
    }

    /// Returns a client with this token, or without one.
    pub fn bearer(&self, token: Option<String>) -> Client {
        let (id, name) = (String::new(), String::new());
        Client { id, name, http: self.http.clone(), base: self.document.api_url.clone(), token }
    }

    /// Returns an inbox of the demo data by its API code.
    pub fn inbox(&self, code: &str) -> &Inbox {
        let found = self.document.inboxes.iter().find(|inbox| inbox.api_code == code);
        found.unwrap_or_else(|| panic!("no inbox {code}"))
    }

    /// The shared inbox that most journeys use.
    pub fn front_desk_inbox(&self) -> &Inbox {
        self.inbox("FRONTDESK")
    }

    pub fn carrier(&self) -> Carrier {
        Carrier {
            http: self.http.clone(),
            url: self.document.carrier_url.clone(),
            account: self.document.twilio.account_sid.clone(),
            token: self
                .rotated_token
                .read()
                .expect("no panic")
                .clone()
                .unwrap_or_else(|| self.carrier_token().into()),
            webhooks: self.document.webhook_base_url.clone(),
        }
    }

    /// Sends a message from a new phone to the front desk and returns the conversation.
    pub async fn new_conversation(&self, text: &str) -> ConversationRef {
        self.conversation_from(&Phone::new(), text).await
    }

    /// Sends a message from a phone to the front desk and returns the conversation.
    pub async fn conversation_from(&self, phone: &Phone, text: &str) -> ConversationRef {
        self.carrier().send_inbound(phone, &self.front_desk_inbox().phone_number, text).await;
        self.find_conversation(&self.user("farid"), &self.front_desk_inbox().inbox_id, "inbox", phone).await
    }

    /// Returns the conversation of an inbox with a phone. Panics if it is not in this folder.
    pub async fn find_conversation(
        &self,
        member: &Client,
        inbox: &str,
        folder: &str,
        phone: &Phone,
    ) -> ConversationRef {
        let with_phone = |found: &serde_json::Value| found["contact"]["phoneNumber"] == phone.number();
        let found = conversation::find(member, inbox, folder, with_phone).await;
        let found = found.unwrap_or_else(|| panic!("no conversation with this phone in {folder} of {inbox}"));
        let id = found["conversationId"].as_str().expect("an id").to_owned();
        ConversationRef { inbox: inbox.to_owned(), id, phone: phone.clone() }
    }

    pub(crate) fn emails_url(&self) -> &str {
        &self.document.inspect.emails
    }

    pub(crate) fn plain_http(&self) -> &reqwest::Client {
        &self.http
    }

    /// Returns the log of all functions.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(checkout().join(&self.document.log)).expect("a log file");
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// The repository's root. Relative paths in the environment and in `stack.json` start here.
fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Returns an HTTP client without proxies. The stack uses plain HTTP on loopback, so no TLS roots are needed.
fn http() -> reqwest::Client {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has the default protocol versions")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let builder = reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().timeout(HTTP_TIMEOUT);
    builder.build().expect("valid settings")
}
