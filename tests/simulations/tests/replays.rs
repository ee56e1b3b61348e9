//! Genuine webhooks are sent again, from a second to eight days later, to the same URL or to another. The
//! table stays as it was, and nothing is sent a second time.

use std::{collections::BTreeMap, time::Duration};

use serde_json::json;
use shared_domain::time::Timestamp;
use test_kit::gateway::Event;

use crate::{
    api::{Api, INBOX, NUMBER, ORGANIZATION, OTHER_NUMBER, OWNER, SERVICE, TEAM, now},
    chosen_seed, full_run,
    webhook::{ACCOUNT, MESSAGES, STATUS, VOICE, Webhook, callback_url, form, parameters},
};

/// Delays of the replays in seconds: one second, six minutes, 25 hours, eight days.
const DELAYS: [u64; 4] = [1, 6 * 60, 25 * 3_600, 8 * 86_400];

/// Texts that cause different effects.
const TEXTS: [&str; 9] = [
    "Is it still free?",
    "STOP",
    "START",
    "HELP",
    "YES",
    "please stop texting me",
    "two photos",
    "unsubscribe",
    "Thanks!",
];

/// A webhook and the time of its first delivery.
struct Post {
    webhook: Webhook,
    at: Timestamp,
    what: String,
}

/// Turns on out-of-office messages and notifications, which a replay must not send again.
async fn enable_automatic_messages(api: &Api) {
    let hours = json!({ "mode": "auto", "message": "We are closed.", "timeZone": "America/New_York",
        "hours": { "mon": [["09:00", "10:00"]], "thu": [["09:00", "10:00"]] }, "holidays": [] });
    let event = Event::new("PUT /v1/inboxes/{inboxId}/out-of-office", &[("inboxId", INBOX)])
        .user(ORGANIZATION, OWNER)
        .json(&hours);
    assert_eq!(api.call(&event).await.status, 200);
    let mailing = json!({ "enabled": true, "recipients": ["desk@clinic.example"] });
    let settings = json!({ "optOutChanged": mailing, "unknownContact": mailing, "contactAdded": mailing });
    let event = Event::new("PUT /v1/teams/{teamId}/notification-settings", &[("teamId", TEAM)])
        .user(ORGANIZATION, OWNER)
        .json(&settings);
    assert_eq!(api.call(&event).await.status, 200);
}

fn text(entropy: &mut fastrand::Rng, number: usize, at: Timestamp) -> Post {
    let words = TEXTS[number % TEXTS.len()];
    let sid = format!("SM{:032x}", entropy.u128(..));
    let from = format!("+1303555{:04}", entropy.u16(..12));
    let to = if entropy.u8(..4) == 0 { OTHER_NUMBER } else { NUMBER };
    let mut fields =
        vec![("MessageSid", &*sid), ("AccountSid", ACCOUNT), ("From", &from), ("To", to), ("Body", words)];
    if words == "two photos" {
        fields.push(("MediaUrl0", "https://api.twilio.com/media/ME1"));
        fields.push(("MediaUrl1", "https://api.twilio.com/media/ME2"));
    }
    Post { webhook: Webhook::form(MESSAGES, "", form(&fields)).signed(), at, what: format!("{words:?}") }
}

/// Sends a message and returns the delivery reports about it.
async fn reports(api: &Api, entropy: &mut fastrand::Rng, at: Timestamp) -> Vec<Post> {
    let to = format!("+1406555{:04}", entropy.u16(..10_000));
    let compose = json!({ "from": { "inboxId": INBOX }, "to": { "phoneNumber": to }, "text": "Your turn." });
    let event = Event::new("POST /v1/messages", &[]).user(ORGANIZATION, OWNER).json(&compose).event();
    let response = api.try_call(at, &event).await.unwrap();
    assert_eq!(response.status, 202, "{}", response.json());
    let (sent, sid) = (response.json(), format!("SM{:032x}", entropy.u128(..)));
    let url = callback_url(ORGANIZATION, sent["messageId"].as_str().unwrap());
    let query = url.split_once('?').unwrap().1;
    let mut statuses = vec!["sent", "delivered"];
    if entropy.bool() {
        statuses = vec!["queued", "undelivered"];
    }
    let reports = statuses.into_iter().map(|status| {
        let code = if status == "undelivered" { "30003" } else { "" };
        let fields = [
            ("MessageSid", &*sid),
            ("AccountSid", ACCOUNT),
            ("MessageStatus", status),
            ("From", NUMBER),
            ("To", &to),
            ("ErrorCode", code),
        ];
        Post {
            webhook: Webhook::form(STATUS, query, form(&fields)).signed(),
            at,
            what: format!("a report of {status}"),
        }
    });
    reports.collect()
}

fn call(entropy: &mut fastrand::Rng, at: Timestamp) -> Post {
    let sid = format!("CA{:032x}", entropy.u128(..));
    let fields = [("CallSid", &*sid), ("AccountSid", ACCOUNT), ("From", "+13035550123"), ("To", NUMBER)];
    Post { webhook: Webhook::form(VOICE, "", form(&fields)).signed(), at, what: "a call".into() }
}

fn event(entropy: &mut fastrand::Rng, at: Timestamp) -> Post {
    let id = format!("EZ{:032x}", entropy.u128(..));
    let body = json!([{ "id": id, "type": "com.twilio.messaging.compliance.campaign-registration.campaign-approved",
        "time": "2026-11-22T10:00:00.000Z", "data": { "accountsid": ACCOUNT, "messagingservicesid": SERVICE } }]);
    Post { webhook: Webhook::events(body.to_string()).signed(), at, what: "an event".into() }
}

/// Returns the webhook for another URL or inbox, with the signature of the original.
fn redirected(webhook: &Webhook, entropy: &mut fastrand::Rng) -> Webhook {
    let others = [MESSAGES, STATUS, VOICE];
    let route = others[entropy.usize(..others.len())];
    if route != webhook.route && webhook.is_form() {
        return Webhook { route, ..webhook.clone() };
    }
    // Forms go to the other inbox, and events to another messaging service.
    let swapped = |body: &str| {
        let other = SERVICE.replace('a', "b");
        body.replace("%2B12025550100", "%2B12025550109")
            .replace("%2B12025550101", "%2B12025550100")
            .replace(SERVICE, &other)
    };
    let body = swapped(std::str::from_utf8(&webhook.body).unwrap()).into_bytes();
    Webhook { body, ..webhook.clone() }
}

/// Returns the webhook with another carrier id and a valid signature.
fn with_new_id(webhook: &Webhook, number: usize) -> Webhook {
    let mut body = form_urlencoded::Serializer::new(String::new());
    for (name, value) in parameters(&webhook.body) {
        let (name, value) = (String::from_utf8(name).unwrap(), String::from_utf8(value).unwrap());
        let other = format!("SM{number:032x}");
        body.append_pair(&name, if name == "MessageSid" { &other } else { &value });
    }
    Webhook { body: body.finish().into_bytes(), ..webhook.clone() }.signed()
}

/// Removes the media outbox. A replay may add an entry again; the worker behind it copies each file once.
fn without_media_outbox(items: BTreeMap<String, String>) -> BTreeMap<String, String> {
    items.into_iter().filter(|(key, _)| !key.starts_with("OUTBOX#MEDIA")).collect()
}

/// Delivers all webhooks, then `replays` of them again, unchanged or with new ids. Returns the failures and
/// the number of replays.
async fn run(seed: u64, replays: usize, unchanged: bool) -> (Vec<String>, usize) {
    let api = Api::start().await;
    enable_automatic_messages(&api).await;
    let mut entropy = fastrand::Rng::with_seed(seed);
    let mut posts = Vec::new();
    for number in 0..36 {
        let at = now() + Duration::from_secs(entropy.u64(0..3_600));
        posts.push(text(&mut entropy, number, at));
        if number % 6 == 0 {
            posts.extend(reports(&api, &mut entropy, at).await);
            posts.push(call(&mut entropy, at));
            posts.push(event(&mut entropy, at));
        }
    }
    // In the order of time: a replayed START is older than a later STOP.
    posts.sort_by_key(|post| post.at);
    let mut first_bodies = Vec::new();
    for post in &posts {
        let response = api.try_call(post.at, &post.webhook.event()).await.unwrap();
        assert_eq!(response.status, 200, "{}: {}", post.what, response.json());
        first_bodies.push(response.body);
    }
    let (mut failures, mut before) = (Vec::new(), without_media_outbox(api.app.engine.items().await));
    let jobs: Vec<_> = api.app.queue.bodies();
    for number in 0..replays {
        let place = entropy.usize(..posts.len());
        let (post, later) = (&posts[place], DELAYS[number % DELAYS.len()]);
        let at = post.at + Duration::from_secs(later);
        let to_other_url = number % 5 == 4;
        let mut webhook =
            if to_other_url { redirected(&post.webhook, &mut entropy) } else { post.webhook.clone() };
        if !unchanged && webhook.is_form() {
            webhook = with_new_id(&webhook, number);
        }
        let response = api.try_call(at, &webhook.event()).await.unwrap();
        let expected =
            if to_other_url && unchanged && webhook.event() != post.webhook.event() { 403 } else { 200 };
        if response.status != expected
            || (expected == 200 && unchanged && response.body != first_bodies[place])
        {
            failures.push(format!(
                "SEED={seed}: {} after {later} s: {} instead of {expected}",
                post.what, response.status
            ));
        }
        let items = without_media_outbox(api.app.engine.items().await);
        if items != before {
            let changed: Vec<_> = items
                .iter()
                .filter(|(key, item)| before.get(*key) != Some(item))
                .map(|(key, _)| key)
                .collect();
            failures.push(format!("SEED={seed}: {} after {later} s changed {changed:?}", post.what));
            before = items;
        }
    }
    // A replayed event is queued again unchanged. Its consumer recognizes the id.
    let new_jobs: Vec<_> = api.app.queue.bodies().into_iter().filter(|job| !jobs.contains(job)).collect();
    if !new_jobs.is_empty() {
        failures.push(format!("SEED={seed}: new jobs were queued: {new_jobs:?}"));
    }
    (failures, replays)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "the seed repeats a failed run")]
async fn a_replayed_webhook_has_no_second_effect() {
    let (seeds, replays) = if full_run() { (0..5, 400) } else { (0..1, 200) };
    for seed in chosen_seed().map_or_else(|| seeds.collect(), |seed| vec![seed]) {
        let (failures, tried) = run(seed, replays, true).await;
        println!("SEED={seed}: {tried} replays");
        assert_eq!(failures, Vec::<String>::new());
    }
}

/// The carrier repeats messages with new ids.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_effect_would_be_noticed() {
    let (failures, _) = run(1, 12, false).await;
    assert!(failures.iter().any(|failure| failure.contains("changed")), "{failures:?}");
}
