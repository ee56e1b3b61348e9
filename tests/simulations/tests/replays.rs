//! What was genuine once and is posted again, a second or a week later, to the same address or to another: nothing in the
//! table is another than after the first time, and nothing goes out again.

use std::{collections::BTreeMap, time::Duration};

use serde_json::json;
use shared_domain::time::Timestamp;
use test_kit::gateway::Event;

use crate::{
    chosen_seed, full_run,
    house::{House, INBOX, NUMBER, ORGANIZATION, OTHER_NUMBER, OWNER, SERVICE, TEAM, callbacks, now},
    signed::{ACCOUNT, MESSAGES, STATUS, VOICE, Webhook, form, parameters},
};

/// When somebody posts it again: at once, after six minutes, after a day and an hour, after eight days.
const LATER: [u64; 4] = [1, 6 * 60, 25 * 3_600, 8 * 86_400];

/// What people write, and what each makes the product do.
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

/// A webhook and when it came first.
struct Post {
    webhook: Webhook,
    at: Timestamp,
    what: String,
}

/// An office that is closed all day answers by itself, which a replay must not make it do again.
async fn away(house: &House) {
    let hours = json!({ "mode": "auto", "message": "We are closed.", "timeZone": "America/New_York",
        "hours": { "mon": [["09:00", "10:00"]], "thu": [["09:00", "10:00"]] }, "holidays": [] });
    let event = Event::new("PUT /v1/inboxes/{inboxId}/out-of-office", &[("inboxId", INBOX)])
        .user(ORGANIZATION, OWNER)
        .json(&hours);
    assert_eq!(house.does(&event).await.status, 200);
    let mailing = json!({ "enabled": true, "recipients": ["desk@clinic.example"] });
    let settings = json!({ "optOutChanged": mailing, "unknownContact": mailing, "contactAdded": mailing });
    let event = Event::new("PUT /v1/teams/{teamId}/notification-settings", &[("teamId", TEAM)])
        .user(ORGANIZATION, OWNER)
        .json(&settings);
    assert_eq!(house.does(&event).await.status, 200);
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

/// A text of ours goes out, and what is told of it comes in.
async fn reports(house: &House, entropy: &mut fastrand::Rng, at: Timestamp) -> Vec<Post> {
    let to = format!("+1406555{:04}", entropy.u16(..10_000));
    let compose = json!({ "from": { "inboxId": INBOX }, "to": { "phoneNumber": to }, "text": "Your turn." });
    let event = Event::new("POST /v1/messages", &[]).user(ORGANIZATION, OWNER).json(&compose).event();
    let sent = house.answer(at, &event).await.unwrap();
    assert_eq!(sent.status, 202, "{}", sent.json());
    let (sent, sid) = (sent.json(), format!("SM{:032x}", entropy.u128(..)));
    let address = callbacks().url(ORGANIZATION, sent["messageId"].as_str().unwrap());
    let query = address.split_once('?').unwrap().1;
    let mut words = vec!["sent", "delivered"];
    if entropy.bool() {
        words = vec!["queued", "undelivered"];
    }
    let told = words.into_iter().map(|word| {
        let code = if word == "undelivered" { "30003" } else { "" };
        let fields = [
            ("MessageSid", &*sid),
            ("AccountSid", ACCOUNT),
            ("MessageStatus", word),
            ("From", NUMBER),
            ("To", &to),
            ("ErrorCode", code),
        ];
        Post {
            webhook: Webhook::form(STATUS, query, form(&fields)).signed(),
            at,
            what: format!("a report of {word}"),
        }
    });
    told.collect()
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

/// The same to another address, whose signature it does not have.
fn elsewhere(webhook: &Webhook, entropy: &mut fastrand::Rng) -> Webhook {
    let others = [MESSAGES, STATUS, VOICE];
    let route = others[entropy.usize(..others.len())];
    if route != webhook.route && webhook.is_form() {
        return Webhook { route, ..webhook.clone() };
    }
    // To the other inbox, whose number is in the form; events to another account's service are in their body.
    let swapped = |body: &str| {
        let other = SERVICE.replace('a', "b");
        body.replace("%2B12025550100", "%2B12025550109")
            .replace("%2B12025550101", "%2B12025550100")
            .replace(SERVICE, &other)
    };
    let body = swapped(std::str::from_utf8(&webhook.body).unwrap()).into_bytes();
    Webhook { body, ..webhook.clone() }
}

/// The same under another id of the carrier's.
fn renamed(webhook: &Webhook, number: usize) -> Webhook {
    let mut body = form_urlencoded::Serializer::new(String::new());
    for (name, value) in parameters(&webhook.body) {
        let (name, value) = (String::from_utf8(name).unwrap(), String::from_utf8(value).unwrap());
        let other = format!("SM{number:032x}");
        body.append_pair(&name, if name == "MessageSid" { &other } else { &value });
    }
    Webhook { body: body.finish().into_bytes(), ..webhook.clone() }.signed()
}

/// What may be another afterwards: files are left for the relay again, which may have been missed; behind it each is copied
/// once.
fn lasting(rows: BTreeMap<String, String>) -> BTreeMap<String, String> {
    rows.into_iter().filter(|(key, _)| !key.starts_with("OUTBOX#MEDIA")).collect()
}

/// Posts all, then so many again; `alike` is that what comes again is the same. What had an effect, and how many came again.
async fn run(seed: u64, replays: usize, alike: bool) -> (Vec<String>, usize) {
    let house = House::open().await;
    away(&house).await;
    let mut entropy = fastrand::Rng::with_seed(seed);
    let mut posts = Vec::new();
    for number in 0..36 {
        let at = now() + Duration::from_secs(entropy.u64(0..3_600));
        posts.push(text(&mut entropy, number, at));
        if number % 6 == 0 {
            posts.extend(reports(&house, &mut entropy, at).await);
            posts.push(call(&mut entropy, at));
            posts.push(event(&mut entropy, at));
        }
    }
    // In the order of their times: who texts START and then STOP has stopped, and a repetition of the first is older.
    posts.sort_by_key(|post| post.at);
    let mut firsts = Vec::new();
    for post in &posts {
        let done = house.answer(post.at, &post.webhook.event()).await.unwrap();
        assert_eq!(done.status, 200, "{}: {}", post.what, done.json());
        firsts.push(done.body);
    }
    let (mut wrongs, mut before) = (Vec::new(), lasting(house.rows().await));
    let jobs: Vec<_> = house.queued();
    for number in 0..replays {
        let place = entropy.usize(..posts.len());
        let (post, later) = (&posts[place], LATER[number % LATER.len()]);
        let at = post.at + Duration::from_secs(later);
        let moved = number % 5 == 4;
        let mut webhook = if moved { elsewhere(&post.webhook, &mut entropy) } else { post.webhook.clone() };
        if !alike && webhook.is_form() {
            webhook = renamed(&webhook, number);
        }
        let done = house.answer(at, &webhook.event()).await.unwrap();
        let expected = if moved && alike && webhook.event() != post.webhook.event() { 403 } else { 200 };
        if done.status != expected || (expected == 200 && alike && done.body != firsts[place]) {
            wrongs.push(format!(
                "SEED={seed}: {} after {later} s: {} instead of {expected}",
                post.what, done.status
            ));
        }
        let rows = lasting(house.rows().await);
        if rows != before {
            let changed: Vec<_> =
                rows.iter().filter(|(key, row)| before.get(*key) != Some(row)).map(|(key, _)| key).collect();
            wrongs.push(format!("SEED={seed}: {} after {later} s changed {changed:?}", post.what));
            before = rows;
        }
    }
    // An event that comes again is queued again, as the same: behind the queue it is known by its id.
    let again: Vec<_> = house.queued().into_iter().filter(|job| !jobs.contains(job)).collect();
    if !again.is_empty() {
        wrongs.push(format!("SEED={seed}: other jobs were queued: {again:?}"));
    }
    (wrongs, replays)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "a seed that is not printed cannot be repeated")]
async fn what_comes_again_has_no_second_effect() {
    let (seeds, replays) = if full_run() { (0..5, 400) } else { (0..1, 200) };
    for seed in chosen_seed().map_or_else(|| seeds.collect(), |seed| vec![seed]) {
        let (wrongs, tried) = run(seed, replays, true).await;
        println!("SEED={seed}: {tried} replays");
        assert_eq!(wrongs, Vec::<String>::new());
    }
}

/// A carrier that gives a text another id when it comes again would have two texts of one, and it is noticed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_effect_is_noticed() {
    let (wrongs, _) = run(1, 12, false).await;
    assert!(wrongs.iter().any(|wrong| wrong.contains("changed")), "{wrongs:?}");
}
