//! The doctor against a table, a user pool, a secret and a carrier in this process. Each test plants faults.

#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

use std::collections::BTreeMap;

use inboxctl::{
    Operator,
    doctor::{self, Level, Report},
    operator::Pool,
    organization::{self, NewOrganization},
    secret::{self, NewSecret},
};
use serde_json::{Value, json};
use shared_aws::{
    clients::Stack,
    team::{AuditEvent, Machine},
};
use shared_carriers::twilio::{NumberWebhooks, OwnedNumber};
use shared_domain::{inbox::Inbox, time::Timestamp};
use test_kit::{
    TestApp, build,
    carrier::{ACCOUNT, FakeCarrier, TOKEN},
    secrets::FakeSecrets,
    user_directory::{FakeUserDirectory, MACHINE_CLIENT},
};

const SIGNING_SECRET: &str = "arn:aws:secretsmanager:us-east-1:000000000000:secret:SigningSecret";
const WEBHOOKS: &str = "https://sms.example.org";

struct Clinic {
    test: TestApp,
    secrets: FakeSecrets,
    directory: FakeUserDirectory,
}

fn now() -> Timestamp {
    Timestamp::parse("2026-11-28T09:00:00Z").unwrap()
}

fn content() -> Value {
    json!({ "accountSid": ACCOUNT, "authTokens": [TOKEN], "eventStreams": { "user": "u1", "password": "p1" } })
}

impl Clinic {
    /// An organization whose inbox has a number without webhooks.
    async fn start() -> Self {
        let clinic = Self {
            test: TestApp::start().await,
            secrets: FakeSecrets::start(content().to_string()).await,
            directory: FakeUserDirectory::start().await,
        };
        clinic.secrets.set(SIGNING_SECRET, "generated");
        let new = NewOrganization {
            name: "Clinic".into(),
            owner_name: "Olivia Owens".into(),
            owner_email: "olivia@clinic.example".into(),
            owner_id: Some("olivia".into()),
            id: Some(clinic.test.organization().to_string()),
            no_invitation: false,
        };
        organization::create(&clinic.operator(), &new).await.unwrap();
        clinic
    }

    /// An organization without faults.
    async fn healthy() -> Self {
        let clinic = Self::start().await;
        clinic.examine(true).await;
        assert_eq!(errors(&clinic.examine(false).await), [""; 0]);
        clinic
    }

    fn carrier(&self) -> &FakeCarrier {
        &self.test.carrier
    }

    fn operator(&self) -> Operator {
        let pool = Pool {
            users: self.directory.client(),
            web_client: "web-client".into(),
            machine_client: MACHINE_CLIENT.into(),
            more_machine_clients: Vec::new(),
            is_local: false,
        };
        Operator::new(self.test.table(), Some(pool), now(), 7)
    }

    fn stack(&self) -> Stack {
        let parameters = [
            ("CarrierSecretName", "shared-inbox/carrier"),
            ("CarrierBaseUrl", self.carrier().url.as_str()),
            ("PublicBaseUrl", WEBHOOKS),
            ("MailFrom", "no-reply@example.org"),
        ];
        let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let outputs = BTreeMap::from([("SigningSecretArn".to_owned(), SIGNING_SECRET.to_owned())]);
        Stack::new("shared-inbox", outputs, parameters.into())
    }

    async fn examine(&self, mend: bool) -> Report {
        doctor::examine(&self.secrets.aws(), &self.stack(), &self.operator(), mend).await.unwrap()
    }

    async fn number(&self) -> OwnedNumber {
        let numbers = self.carrier().client().owned_numbers().await.unwrap();
        numbers.into_iter().find(|number| number.phone_number == build::INBOX_NUMBER).unwrap()
    }

    /// Changes attributes of the inbox's number at the carrier.
    async fn set_at_carrier(&self, form: &[(&str, &str)]) {
        let sid = self.number().await.sid;
        let path = format!("2010-04-01/Accounts/{ACCOUNT}/IncomingPhoneNumbers/{sid}.json");
        self.carrier().post(&path, form).await;
    }
}

/// The codes of all errors. SES is not part of these tests.
fn errors(report: &Report) -> Vec<&'static str> {
    let errors = report.findings.iter().filter(|finding| finding.level == Level::Error);
    errors.map(|finding| finding.code).filter(|code| *code != "sender").collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_without_webhooks_and_a_missing_event_sink_are_found_and_mended() {
    let clinic = Clinic::start().await;
    let found = ["number_messages", "number_calls", "number_fallback", "event_sink"];
    assert_eq!(errors(&clinic.examine(false).await), found);
    assert_eq!(errors(&clinic.examine(false).await), found, "only --mend changes something");
    assert_eq!(errors(&clinic.examine(true).await), [""; 0]);
    assert_eq!(clinic.number().await.webhooks, NumberWebhooks::of_product(WEBHOOKS));
    clinic.examine(true).await;
    let sinks = clinic.carrier().list("v1/Sinks", "sinks").await;
    assert_eq!(sinks.len(), 1, "a second run changes nothing");
    let destination = &sinks[0]["sink_configuration"]["destination"];
    assert_eq!(destination, "https://u1:p1@sms.example.org/webhooks/twilio/registrations");
}

#[tokio::test(flavor = "multi_thread")]
async fn machine_clients_that_the_api_refuses_or_that_nobody_has_are_named() {
    let clinic = Clinic::healthy().await;
    let findings = async |operator: &Operator| {
        let report = doctor::examine(&clinic.secrets.aws(), &clinic.stack(), operator, false).await.unwrap();
        let found = report.findings.into_iter().filter(|finding| finding.code == "machine_client");
        found.map(|finding| (finding.level, finding.detail)).collect::<Vec<_>>()
    };
    let ok = (Level::Ok, "The API accepts all machine clients.".to_owned());
    assert_eq!(findings(&clinic.operator()).await, std::slice::from_ref(&ok));
    let organization = clinic.test.organization().to_string();
    let (members, actor) = (clinic.operator().members, build::user_id("olivia"));
    for client in [MACHINE_CLIENT, "client-2"] {
        let machine = Machine { client: client.into(), name: "Booking".into(), created_at: now() };
        let event =
            AuditEvent { actor: &actor, action: "machine.create", target: client, at: now(), entropy: 1 };
        members.add_machine(&machine, clinic.test.organization(), &event, None).await.unwrap();
    }
    let refused = format!(
        "The API refuses the tokens of the machine client client-2 of the organization {organization}. Add its ID \
         to MachineClientIds in the settings and deploy."
    );
    assert_eq!(findings(&clinic.operator()).await, [(Level::Warn, refused)]);
    let with_more = |more: &[&str]| {
        let mut operator = clinic.operator();
        let pool = operator.pool.as_mut().unwrap();
        pool.more_machine_clients = more.iter().map(|&client| client.to_owned()).collect();
        operator
    };
    assert_eq!(findings(&with_more(&["client-2"])).await, [ok]);
    let unknown = "The machine client gone belongs to no organization. Remove its ID from MachineClientIds in the \
                   settings.";
    assert_eq!(findings(&with_more(&["client-2", "gone"])).await, [(Level::Warn, unknown.into())]);
    let mut foreign = clinic.operator();
    foreign.pool = None;
    assert_eq!(findings(&foreign).await, [], "the audience of a foreign issuer decides");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_of_a_number_is_named_and_mended() {
    let clinic = Clinic::healthy().await;
    let right = "https://sms.example.org/webhooks/twilio/messages";
    let other = "https://old.example.org/webhooks/twilio";
    for (form, code) in [
        ([("SmsUrl", &*format!("{other}/messages"))], "number_messages"),
        ([("VoiceUrl", &*format!("{other}/voice"))], "number_calls"),
        ([("SmsUrl", right)], "number_retries"),
        ([("SmsUrl", &*format!("{right}#rc=1"))], "number_retries"),
        ([("SmsFallbackUrl", "")], "number_fallback"),
        ([("VoiceFallbackUrl", &*format!("{other}/voice"))], "number_fallback"),
        ([("SmsMethod", "GET")], "number_messages"),
    ] {
        clinic.set_at_carrier(&form).await;
        let report = clinic.examine(false).await;
        assert_eq!(errors(&report), [code], "{form:?}");
        assert!(!report.ok);
        clinic.examine(true).await;
        assert_eq!(errors(&clinic.examine(false).await), [""; 0], "{form:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_that_only_the_operator_can_mend_are_named() {
    let clinic = Clinic::healthy().await;
    for (secret, code) in [
        ("{}".to_owned(), "carrier_secret"),
        (json!({ "accountSid": ACCOUNT, "authTokens": ["wrong"] }).to_string(), "carrier_login"),
        (json!({ "accountSid": ACCOUNT, "authTokens": [TOKEN] }).to_string(), "event_login"),
    ] {
        clinic.secrets.rotate(secret);
        assert_eq!(errors(&clinic.examine(true).await), [code]);
    }
    clinic.secrets.rotate(content().to_string());
    clinic.directory.client().remove("olivia@clinic.example", clinic.operator().now).await.unwrap();
    assert_eq!(errors(&clinic.examine(true).await), ["owner"]);
    let sid = clinic.number().await.sid;
    clinic.carrier().client().release_number(&sid).await.unwrap();
    assert_eq!(errors(&clinic.examine(true).await), ["owner", "number_missing"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_without_an_organization_is_an_error() {
    let clinic = Clinic { test: TestApp::empty().await, ..Clinic::start().await };
    assert!(errors(&clinic.examine(true).await).contains(&"organization"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_number_of_a_retired_inbox_is_not_examined() {
    let clinic = Clinic::healthy().await;
    let retired = Inbox { stage: shared_domain::inbox::Stage::Retired, ..build::inbox() };
    clinic.test.add_inbox(&retired).await;
    clinic.set_at_carrier(&[("SmsUrl", "https://other.example.org")]).await;
    assert_eq!(errors(&clinic.examine(false).await), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn findings_contain_no_phone_number_and_no_secret() {
    let clinic = Clinic::start().await;
    for mend in [false, true] {
        let printed = serde_json::to_string(&clinic.examine(mend).await).unwrap();
        for text in [build::INBOX_NUMBER, TOKEN, "p1", "olivia@clinic.example"] {
            assert!(!printed.contains(text), "{text}: {printed}");
        }
    }
}

/// The arguments of a command that names no API key.
fn new_secret(token: &str) -> NewSecret {
    NewSecret {
        account_sid: ACCOUNT.into(),
        auth_token: token.into(),
        api_key_sid: None,
        api_key_secret: None,
        remove_api_key: false,
        forget_previous: false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_token_keeps_the_api_key_until_it_is_replaced_or_removed() {
    let clinic = Clinic::start().await;
    let store = async |new: &NewSecret| {
        secret::create(&clinic.secrets.aws(), &clinic.stack(), new, || 7).await.unwrap();
        clinic.secrets.client().carrier("shared-inbox/carrier").await.unwrap()
    };
    let with_key = |sid: &str, secret: &str| NewSecret {
        api_key_sid: Some(sid.into()),
        api_key_secret: Some(secret.into()),
        ..new_secret(TOKEN)
    };
    assert_eq!(store(&new_secret(TOKEN)).await.api_key(), None);
    assert_eq!(store(&with_key("SK1", "one")).await.api_key(), Some(("SK1", "one")));
    let rotated = store(&new_secret("new")).await;
    assert_eq!(rotated.api_key(), Some(("SK1", "one")));
    assert_eq!(rotated.auth_tokens, ["new", TOKEN]);
    // The variable of the environment without the argument.
    let alone = NewSecret { api_key_secret: Some("two".into()), ..new_secret("new") };
    assert_eq!(store(&alone).await.api_key(), Some(("SK1", "one")));
    assert_eq!(store(&with_key("SK2", "two")).await.api_key(), Some(("SK2", "two")));
    let other = NewSecret { account_sid: format!("AC{}", "9".repeat(32)), ..new_secret("new") };
    assert_eq!(store(&other).await.api_key(), None, "a key belongs to an account");
    store(&with_key("SK2", "two")).await;
    let removed = store(&NewSecret { remove_api_key: true, ..new_secret("new") }).await;
    assert_eq!((removed.api_key(), removed.api_login()), (None, (ACCOUNT.to_owned(), "new".to_owned())));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_before_is_kept_until_it_is_forgotten() {
    let clinic = Clinic::start().await;
    let store = async |new: &NewSecret| {
        secret::create(&clinic.secrets.aws(), &clinic.stack(), new, || 7).await.unwrap();
        clinic.secrets.client().carrier("shared-inbox/carrier").await.unwrap().auth_tokens
    };
    store(&new_secret(TOKEN)).await;
    store(&new_secret("new")).await;
    assert_eq!(store(&new_secret("new")).await, ["new", TOKEN], "a repeated command forgets nothing");
    let forgetful = NewSecret { forget_previous: true, ..new_secret("new") };
    assert_eq!(store(&forgetful).await, ["new"]);
    assert_eq!(store(&new_secret("new")).await, ["new"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_no_account_is_refused_before_anything_is_stored() {
    let clinic = Clinic::start().await;
    let new = NewSecret { account_sid: "AC1".into(), ..new_secret("token") };
    let refused = secret::create(&clinic.secrets.aws(), &clinic.stack(), &new, || 7).await;
    assert!(refused.unwrap_err().to_string().starts_with("--account-sid must be AC and 32"));
    assert_eq!(clinic.secrets.reads(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ages_of_the_signing_keys_are_reported() {
    let clinic = Clinic::healthy().await;
    let finding = async || {
        let report = clinic.examine(false).await;
        report.findings.into_iter().find(|finding| finding.code == "signing_secret").unwrap()
    };
    let key = |key: &str, day: &str| json!({ "key": key, "createdAt": format!("{day}T09:00:00Z") });
    let first = finding().await;
    assert_eq!(first.level, Level::Ok);
    assert!(first.detail.starts_with("The current signing key is as old as the stack. There is no other."));

    let content = json!({ "current": key("b", "2026-11-27"), "previous": key("a", "2026-11-01") });
    clinic.secrets.set(SIGNING_SECRET, &content.to_string());
    let rotated = finding().await;
    assert_eq!(
        (rotated.level, rotated.detail.as_str()),
        (
            Level::Ok,
            "The current signing key is 1 day old. The previous one is 27 days old and is accepted until \
             2026-12-04T09:15:00.000Z."
        )
    );

    let content = json!({ "current": key("b", "2025-11-27"), "previous": key("a", "2025-11-01") });
    clinic.secrets.set(SIGNING_SECRET, &content.to_string());
    assert_eq!(finding().await.level, Level::Warn, "the key is older than a year");

    clinic.secrets.set(SIGNING_SECRET, "{}");
    assert_eq!(errors(&clinic.examine(false).await), ["signing_secret"]);
}
