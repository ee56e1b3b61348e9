//! Logs contain no text of users, no phone numbers and no credentials, even at level `trace` and whether a
//! request succeeds or fails. The subscriber is the one of the deployed functions, which limits libraries
//! to `info` at any level.

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use serde_json::json;
use shared_lambda::telemetry;
use test_kit::gateway::Event;
use tracing::instrument::WithSubscriber;
use tracing_subscriber::{filter::LevelFilter, fmt::MakeWriter};

use crate::{
    api::{Api, INBOX, NUMBER, ORGANIZATION, OWNER, SERVICE, TEAM, now},
    webhook::{ACCOUNT, MESSAGES, REGISTRATIONS, STATUS, TOKEN, VOICE, Webhook, callback_url, form},
};

/// The log of the functions.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'writer> MakeWriter<'writer> for Lines {
    type Writer = Self;

    fn make_writer(&'writer self) -> Self {
        self.clone()
    }
}

const PHONE: &str = "+13035550187";

/// Returns requests that contain canaries, each also in an invalid variant, and the canaries.
#[expect(clippy::too_many_lines, reason = "a list of requests")]
fn requests() -> (Vec<serde_json::Value>, Vec<String>) {
    let mut canaries = vec![
        PHONE.to_owned(),
        PHONE[1..].to_owned(),
        PHONE[2..].to_owned(),
        "(303) 555-0187".to_owned(),
        "303-555-0187".to_owned(),
        "%2B13035550187".to_owned(),
        NUMBER[1..].to_owned(),
        TOKEN.to_owned(),
        "Pa55word".to_owned(),
        "signing-secret".to_owned(),
        "cursor-secret".to_owned(),
    ];
    let mut canary = |kind: &str| {
        let word = format!("canary-{kind}-4711");
        canaries.push(word.clone());
        word
    };
    let mut events = Vec::new();
    let email = format!("{}@clinic.example", canary("email"));
    let names = ["first", "last", "team", "inbox", "template", "custom-name", "custom-value", "external"]
        .map(&mut canary);
    let texts = ["reply", "compose", "body", "away", "template-text", "question", "refused"].map(&mut canary);
    let campaign = ["description", "flow", "sample", "policy", "terms"].map(&mut canary);
    let others = ["key", "cursor", "media", "file", "csv", "sid-like", "proof", "signature", "login", "city"]
        .map(&mut canary);
    let [first, last, team, inbox, template, custom, value, external] = &names;
    let [reply, compose, body, away, template_text, question, refused] = &texts;
    let [key, cursor, media, file, csv, sid, proof, signature, login, city] = &others;
    let link = format!("https://files.example/{media}");
    let user = |route: &'static str, ids: &[(&str, &str)]| Event::new(route, ids).user(ORGANIZATION, OWNER);
    let in_team = [("teamId", TEAM)];
    let in_inbox = [("inboxId", INBOX)];
    let mailing = json!({ "enabled": true, "recipients": [email] });
    let list = format!("ContactId,FirstName,LastName,MobileNumber\n{csv},{first},{last},{PHONE}\n");
    for event in [
        user("POST /v1/teams/{teamId}/contacts", &in_team).header("idempotency-key", key).json(&json!({
            "firstName": first, "lastName": last, "mobileNumber": "(303) 555-0187", "externalId": external,
            "custom": { custom: value } })),
        user("GET /v1/teams/{teamId}/contacts", &in_team).query(&format!("q={question}&cursor={cursor}")),
        user("GET /v1/teams/{teamId}/contacts", &in_team).query("q=303-555-0187"),
        user("POST /v1/teams", &[]).json(&json!({ "name": team })),
        user("PATCH /v1/inboxes/{inboxId}", &in_inbox).json(&json!({ "name": inbox, "voiceForwardingNumber": PHONE })),
        user("PUT /v1/inboxes/{inboxId}/out-of-office", &in_inbox).json(&json!({
            "mode": "on", "message": away, "timeZone": refused })),
        user("PUT /v1/inboxes/{inboxId}/out-of-office", &in_inbox).json(&json!({
            "mode": "on", "message": away, "timeZone": "America/New_York" })),
        user("POST /v1/teams/{teamId}/templates", &in_team).json(&json!({ "name": template, "text": template_text })),
        user("PUT /v1/teams/{teamId}/notification-settings", &in_team).json(&json!({
            "optOutChanged": mailing, "unknownContact": mailing, "contactAdded": mailing })),
        user("PUT /v1/teams/{teamId}/members/{userId}", &[("teamId", TEAM), ("userId", "new")])
            .json(&json!({ "role": "member", "name": first, "email": email })),
        user("POST /v1/teams/{teamId}/registration", &in_team).json(&json!({
            "useCase": "LOW_VOLUME", "description": campaign[0], "messageFlow": campaign[1], "messageSamples": [campaign[2]],
            "hasEmbeddedLinks": true, "hasEmbeddedPhone": false,
            "privacyPolicyUrl": format!("https://x.example/{}", campaign[3]), "termsUrl": campaign[4] })),
        user("POST /v1/messages", &[]).header("idempotency-key", key).json(&json!({
            "from": { "inboxId": INBOX }, "to": { "phoneNumber": PHONE }, "text": compose, "media": [link, file] })),
        user("POST /v1/messages", &[]).json(&json!({
            "from": { "inboxId": INBOX }, "to": { "phoneNumber": "303-555-0187" }, "text": reply, "media": [link] })),
        user("POST /v1/messages", &[]).json(&json!({
            "from": { "apiCode": refused }, "to": { "phoneNumber": refused }, "text": [refused] })),
        user("GET /v1/messages/{messageId}", &[("messageId", refused)]),
        user("GET /v1/inboxes/{inboxId}/conversations", &in_inbox).query(&format!("q={question}&assignedTo={refused}")),
        user("GET /v1/numbers/available", &[]).query(&format!("areaCode={refused}")),
        user("GET /v1/inbox-wizard", &[]).query(&format!("name={inbox}")),
        user("POST /v1/teams/{teamId}/contact-imports", &in_team).header("content-type", "text/csv").raw(list.as_str()),
        user("POST /v1/teams/{teamId}/contact-imports", &in_team).header("content-type", "text/csv").raw(csv.as_str()),
        user("POST /v1/inboxes/{inboxId}/media", &in_inbox).json(&json!({ "contentType": file, "size": 1 })),
        Event::new("GET /v1/me", &[]).claims(json!({ "sub": login, "email": email })),
    ] {
        events.push(event.event());
        let mut broken = event.event();
        broken["body"] = json!(format!("{{\"text\": \"{refused}\", \"to\": \"{PHONE}\""));
        broken["isBase64Encoded"] = json!(false);
        events.push(broken);
    }
    let message = [
        ("MessageSid", "SM00000000000000000000000000000042"),
        ("AccountSid", ACCOUNT),
        ("From", PHONE),
        ("To", NUMBER),
        ("Body", body),
        ("FromCity", city),
        ("MediaUrl0", &link),
    ];
    let stop = [
        ("MessageSid", "SM00000000000000000000000000000043"),
        ("AccountSid", ACCOUNT),
        ("From", PHONE),
        ("To", NUMBER),
        ("Body", "STOP"),
    ];
    let report = [
        ("MessageSid", "SM00000000000000000000000000000042"),
        ("AccountSid", ACCOUNT),
        ("From", NUMBER),
        ("To", PHONE),
        ("MessageStatus", refused),
    ];
    let call = [
        ("CallSid", "CA00000000000000000000000000000042"),
        ("AccountSid", ACCOUNT),
        ("From", PHONE),
        ("To", NUMBER),
    ];
    let ours = callback_url(ORGANIZATION, "msg_1");
    let event = json!([{ "id": "EZ1", "type": "com.twilio.messaging.compliance.campaign-registration.campaign-failure",
        "data": { "messagingservicesid": SERVICE, "failureReason": refused, "accountsid": ACCOUNT } }]);
    for webhook in [
        Webhook::form(MESSAGES, "", form(&message)),
        Webhook::form(MESSAGES, "", form(&stop)),
        Webhook::form(MESSAGES, "", form(&[("MessageSid", sid), ("Body", body), ("From", PHONE)])),
        Webhook::form(STATUS, ours.split_once('?').unwrap().1, form(&report)),
        Webhook::form(STATUS, &format!("organization=org_1&message=msg_1&proof={proof}"), form(&report)),
        Webhook::form(VOICE, "", form(&call)),
        Webhook::events(event.to_string()),
        Webhook::events(refused.as_bytes()),
        Webhook::form(REGISTRATIONS, "", refused.as_bytes()),
    ] {
        let signed = webhook.clone().signed();
        events.push(signed.event());
        events.push(signed.event());
        events.push(Webhook { signature: Some(signature.clone()), ..webhook.clone() }.event());
        events.push(Webhook { authorization: Some(format!("Basic {login}")), ..signed }.event());
    }
    (events, canaries)
}

async fn log(level: LevelFilter, also: impl Fn()) -> (String, Vec<String>, usize) {
    let api = Api::start().await;
    let (events, canaries) = requests();
    let lines = Lines::default();
    let (mut succeeded, count) = (0, events.len());
    async {
        for event in &events {
            succeeded += usize::from(api.try_call(now(), event).await.unwrap().status < 300);
        }
        also();
    }
    .with_subscriber(telemetry::subscriber(level, "simulation".to_owned(), lines.clone()))
    .await;
    assert!(succeeded >= 15 && succeeded < count, "{succeeded} of {count} succeeded");
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    (text, canaries, count)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_at_trace_level_contain_no_personal_data() {
    let (text, canaries, requests) = log(LevelFilter::TRACE, || ()).await;
    assert!(canaries.len() >= 40, "{}", canaries.len());
    assert!(text.lines().count() >= requests, "each request is logged");
    for canary in &canaries {
        let line = text.lines().find(|line| line.contains(canary.as_str()));
        assert_eq!(line, None, "{canary}");
    }
}

/// A phone number is logged, at level `info` because the logger treats this file like a library.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logged_canary_is_found() {
    let planted = || tracing::info!(to = PHONE, "composing");
    let (text, canaries, _) = log(LevelFilter::TRACE, planted).await;
    assert!(canaries.iter().any(|canary| text.contains(canary.as_str())));
}
