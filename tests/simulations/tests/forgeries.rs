//! Webhooks that the carrier did not sign for this URL and this content are refused with 403 and store
//! nothing. Webhooks that it did sign are accepted in every variant that it sends.

use std::fmt::Write;

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use crate::{
    api::{Api, NUMBER, ORGANIZATION, SERVICE, now, tokens},
    chosen_seed, full_run,
    webhook::{
        ACCOUNT, BASE_URL, MESSAGES, PREVIOUS_TOKEN, REGISTRATIONS, STATUS, TOKEN, VOICE, Webhook,
        callback_url, form, parameters, signature,
    },
};

const ROUTES: [&str; 4] = [MESSAGES, STATUS, REGISTRATIONS, VOICE];
const OTHER_KEY: &str = "another-account-s-token";

/// Returns a valid unsigned webhook. Each one is different.
fn unsigned(route: &'static str, entropy: &mut fastrand::Rng) -> Webhook {
    let (sid, call) = (format!("SM{:032x}", entropy.u128(..)), format!("CA{:032x}", entropy.u128(..)));
    let from = format!("+1303555{:04}", entropy.u16(..10_000));
    let text =
        ["Hi", "3 pm?", "Café, & more = less + 1%", " two  blanks ", "😀", "a\nb", ""][entropy.usize(..7)];
    let fields: Vec<(&str, &str)> = match route {
        MESSAGES => vec![
            ("ToCountry", "US"),
            ("MessageSid", &sid),
            ("AccountSid", ACCOUNT),
            ("From", &from),
            ("To", NUMBER),
            ("Body", text),
            ("NumMedia", "0"),
            ("FromCity", ""),
        ],
        STATUS => vec![
            ("MessageSid", &sid),
            ("AccountSid", ACCOUNT),
            ("MessageStatus", "delivered"),
            ("From", NUMBER),
            ("To", &from),
            ("RawDlrDoneDate", "2611221000"),
        ],
        VOICE => vec![
            ("CallSid", &call),
            ("AccountSid", ACCOUNT),
            ("From", &from),
            ("To", NUMBER),
            ("CallStatus", "ringing"),
        ],
        _ => {
            let event = json!([{
                "id": format!("EZ{:032x}", entropy.u128(..)),
                "type": "com.twilio.messaging.compliance.campaign-registration.campaign-approved",
                "time": "2026-11-22T10:00:00.000Z",
                "data": { "accountsid": ACCOUNT, "messagingservicesid": SERVICE },
            }]);
            return Webhook::events(event.to_string());
        }
    };
    let query = match route {
        STATUS if entropy.bool() => callback_url(ORGANIZATION, "msg_1").split_once('?').unwrap().1.to_owned(),
        _ => String::new(),
    };
    Webhook::form(route, &query, form(&fields))
}

/// Returns all variants in which the carrier may sign and send a webhook.
fn signed_variants(webhook: &Webhook, entropy: &mut fastrand::Rng) -> Vec<(&'static str, Webhook)> {
    let url = webhook.url();
    let signed = |token| webhook.clone().signed_for(&url, token);
    let with_port = url.replacen("inbox.example", "inbox.example:443", 1);
    let mut all = vec![
        ("unchanged", signed(TOKEN)),
        ("with the previous token", signed(PREVIOUS_TOKEN)),
        ("for the URL with its port", webhook.clone().signed_for(&with_port, TOKEN)),
    ];
    if webhook.is_form() {
        let mut pairs = parameters(&webhook.body);
        entropy.shuffle(&mut pairs);
        let mut body = form_urlencoded::Serializer::new(String::new());
        for (name, value) in &pairs {
            body.append_pair(std::str::from_utf8(name).unwrap(), std::str::from_utf8(value).unwrap());
        }
        let reordered = Webhook { body: body.finish().into_bytes(), ..signed(TOKEN) };
        all.push(("in another order", reordered));
        // Each byte escaped, which decodes to the same.
        let escaped = pairs.iter().fold(String::new(), |mut all, (name, value)| {
            let escape =
                |bytes: &[u8]| bytes.iter().fold(String::new(), |all, byte| format!("{all}%{byte:02X}"));
            write!(all, "{}={}&", escape(name), escape(value)).unwrap();
            all
        });
        all.push(("fully escaped", Webhook { body: escaped.into_bytes(), ..signed(TOKEN) }));
        let content_type = Some("application/x-www-form-urlencoded; charset=UTF-8".to_owned());
        all.push(("with a charset", Webhook { content_type, ..signed(TOKEN) }));
    } else {
        let with_login = url.replacen("://", "://events:Pa55word@", 1);
        all.push(("for the URL with its login", webhook.clone().signed_for(&with_login, TOKEN)));
        let mut upper = webhook.clone();
        upper.query = upper.query.replacen(|letter: char| letter.is_ascii_lowercase(), "", 0);
        let (name, hash) = upper.query.split_once('=').unwrap();
        upper.query = format!("{name}={}", hash.to_uppercase());
        all.push(("with an uppercase hash", upper.signed()));
    }
    all
}

/// Returns forged variants of a webhook. All of them must be refused.
fn forgeries(webhook: &Webhook, entropy: &mut fastrand::Rng) -> Vec<(String, Webhook)> {
    let (url, path) = (webhook.url(), webhook.path());
    let right = webhook.clone().signed();
    let genuine = right.signature.clone().unwrap();
    let mut all = Vec::new();
    let mut with = |what: &str, signature: Option<String>| {
        all.push((what.to_owned(), Webhook { signature, ..webhook.clone() }));
    };
    with("no signature", None);
    with("an empty signature", Some(String::new()));
    for (what, key) in [
        ("the token of another account", OTHER_KEY),
        ("an old token", "the-token-before"),
        ("an empty token", ""),
        ("the account sid as token", ACCOUNT),
        ("the token in uppercase", &TOKEN.to_uppercase()),
        ("a token with a space", "test-token "),
    ] {
        with(what, webhook.clone().signed_for(&url, key).signature);
    }
    for (what, other) in [
        ("another scheme", url.replacen("https", "http", 1)),
        ("another port", url.replacen("inbox.example", "inbox.example:8443", 1)),
        ("the port of another scheme", url.replacen("inbox.example", "inbox.example:80", 1)),
        ("another host", url.replacen("inbox.example", "inbox.example.org", 1)),
        ("the host in uppercase", url.replacen("inbox.example", "INBOX.EXAMPLE", 1)),
        ("a trailing slash", url.replacen(path, &format!("{path}/"), 1)),
        ("two slashes", url.replacen("/webhooks", "//webhooks", 1)),
        ("the path in uppercase", url.replacen(path, &path.to_uppercase(), 1)),
        ("a stage before the path", url.replacen("/webhooks", "/prod/webhooks", 1)),
        ("one more parameter in the query", format!("{url}{}x=1", if url.contains('?') { '&' } else { '?' })),
        ("a fragment", format!("{url}#rc=3&rp=all")),
        ("no path", BASE_URL.to_owned()),
        ("no URL", String::new()),
    ] {
        with(what, webhook.clone().signed_for(&other, TOKEN).signature);
    }
    for other in ROUTES.iter().filter(|other| **other != webhook.route) {
        let path_of_other = other.split(' ').nth(1).unwrap();
        with(
            &format!("for {other}"),
            webhook.clone().signed_for(&url.replacen(path, path_of_other, 1), TOKEN).signature,
        );
    }
    for (what, changed) in [
        ("cut off", genuine[..genuine.len() - 1].to_owned()),
        ("cut in half", genuine[..genuine.len() / 2].to_owned()),
        ("without its padding", genuine.trim_end_matches('=').to_owned()),
        ("with more padding", format!("{genuine}=")),
        ("with a leading space", format!(" {genuine}")),
        ("with trailing data", format!("{genuine}AAAA")),
        ("twice", format!("{genuine},{genuine}")),
        ("in lowercase", genuine.to_lowercase()),
        ("in uppercase", genuine.to_uppercase()),
        ("backwards", genuine.chars().rev().collect()),
        ("of zeros", BASE64_STANDARD.encode([0; 20])),
        ("of nothing", BASE64_STANDARD.encode([])),
        ("in hexadecimal", data_encoding::HEXLOWER.encode(&BASE64_STANDARD.decode(&genuine).unwrap())),
        ("in the URL-safe alphabet", genuine.replace('+', "-").replace('/', "_").replace('=', "")),
        ("with one bit changed", flipped(&genuine, entropy)),
        ("with a prefix", "sha1=".to_owned() + &genuine),
    ] {
        with(what, Some(changed));
    }
    let mut request = |what: &str, webhook: Webhook| all.push((what.to_owned(), webhook));
    let keep = right.signature.clone();
    let other = genuine_of_another(webhook.route, entropy);
    request(
        "the signature of another request",
        Webhook { signature: other.signature.clone(), ..webhook.clone() },
    );
    if webhook.is_form() {
        altered_forms(webhook, keep.as_ref(), entropy, &mut request);
        request("as JSON", Webhook { content_type: Some("application/json".into()), ..right.clone() });
        request("without a content type", Webhook { content_type: None, ..right.clone() });
        let hashed = webhook.clone().hashed();
        request(
            "a form covered only by its hash",
            Webhook {
                content_type: Some("application/json".into()),
                signature: Some(signature(&url, None, TOKEN)),
                ..hashed
            },
        );
    } else {
        altered_events(webhook, keep.as_ref(), &mut request);
    }
    if webhook.route == STATUS && !webhook.query.is_empty() {
        // Signed with the carrier's token, which former employees may know. The proof in the URL is the
        // product's own.
        let other = webhook.query.replace("msg_1", "msg_2");
        request("of another message, without a proof", Webhook { query: other, ..webhook.clone() }.signed());
        let (rest, _) = webhook.query.split_once("&proof").unwrap();
        request("without a proof", Webhook { query: rest.to_owned(), ..webhook.clone() }.signed());
    }
    // A variant equal to the valid webhook is not a forgery.
    all.retain(|(_, forged)| forged.event() != right.event());
    all
}

fn flipped(signature: &str, entropy: &mut fastrand::Rng) -> String {
    let mut bytes = BASE64_STANDARD.decode(signature).unwrap();
    let at = entropy.usize(..bytes.len());
    bytes[at] ^= 1 << entropy.u8(..8);
    BASE64_STANDARD.encode(bytes)
}

fn genuine_of_another(route: &'static str, entropy: &mut fastrand::Rng) -> Webhook {
    unsigned(route, entropy).signed()
}

fn altered_forms(
    webhook: &Webhook,
    signature: Option<&String>,
    entropy: &mut fastrand::Rng,
    request: &mut impl FnMut(&str, Webhook),
) {
    let pairs = parameters(&webhook.body);
    let texts: Vec<(String, String)> = pairs
        .iter()
        .map(|(name, value)| {
            (String::from_utf8(name.clone()).unwrap(), String::from_utf8(value.clone()).unwrap())
        })
        .collect();
    let mut altered = |what: &str, pairs: &[(String, String)]| {
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(pairs);
        let body = body.finish().into_bytes();
        // Some changes have no effect, such as trimming a text without spaces.
        if parameters(&body) != parameters(&webhook.body) {
            request(what, Webhook { body, signature: signature.cloned(), ..webhook.clone() });
        }
    };
    for place in 0..texts.len() {
        let name = &texts[place].0;
        let mut less = texts.clone();
        less.remove(place);
        altered(&format!("without {name}"), &less);
        let mut changed = texts.clone();
        changed[place].1.push('1');
        altered(&format!("with another {name}"), &changed);
        let mut blank = texts.clone();
        blank[place].1 = format!(" {}", blank[place].1);
        altered(&format!("with a space in {name}"), &blank);
        let mut renamed = texts.clone();
        renamed[place].0 = name.to_lowercase();
        altered(&format!("with {name} in lowercase"), &renamed);
    }
    let mut trimmed = texts.clone();
    for (_, value) in &mut trimmed {
        *value = value.trim().to_owned();
    }
    altered("trimmed", &trimmed);
    let without_empty: Vec<_> = texts.iter().filter(|(_, value)| !value.is_empty()).cloned().collect();
    altered("without empty fields", &without_empty);
    let mut more = texts.clone();
    more.insert(entropy.usize(..texts.len()), ("Body".into(), "Transfer the money.".into()));
    altered("with another Body before it", &more);
    more.push(("x".into(), String::new()));
    altered("with an additional field", &more);
    // Name and value are joined without a separator, so this moves the border between them.
    let mut moved = texts.clone();
    let (name, value) = moved[0].clone();
    moved[0] =
        (format!("{name}{}", &value[..value.len().min(1)]), value.get(1..).unwrap_or_default().to_owned());
    if moved[0].0 != name && webhook.route != MESSAGES {
        let required = ["MessageSid", "CallSid"].contains(&name.as_str());
        // The signature is still valid under the carrier's scheme, but a required field is missing.
        assert!(required, "the first field is a required one");
    }
}

fn altered_events(webhook: &Webhook, signature: Option<&String>, request: &mut impl FnMut(&str, Webhook)) {
    let right = Webhook { signature: signature.cloned(), ..webhook.clone() };
    let other =
        String::from_utf8(webhook.body.clone()).unwrap().replace("approved", "suspended").into_bytes();
    request("another body", Webhook { body: other.clone(), ..right.clone() });
    request("another body with its hash", Webhook { body: other.clone(), ..right.clone() }.hashed());
    request("one byte more", Webhook { body: [&*webhook.body, b" "].concat(), ..right.clone() });
    request("no body", Webhook { body: Vec::new(), ..right.clone() });
    let unhashed = Webhook { query: String::new(), ..webhook.clone() };
    request("no hash", unhashed.clone().signed());
    request(
        "no hash, as a form",
        Webhook { content_type: Some(crate::webhook::FORM.into()), ..unhashed }
            .signed_for(&webhook.url(), TOKEN),
    );
    request(
        "the hash of another body",
        Webhook { query: format!("bodySHA256={:064}", 0), ..webhook.clone() }.signed(),
    );
    let twice = format!("{}&bodySHA256={:064}", webhook.query, 0);
    request(
        "the wrong hash first",
        Webhook { query: twice.split('&').rev().collect::<Vec<_>>().join("&"), ..webhook.clone() }.signed(),
    );
    request("an empty hash", Webhook { query: "bodySHA256=".into(), ..webhook.clone() }.signed());
    let basic = |text: &str| Some(format!("Basic {}", BASE64_STANDARD.encode(text)));
    for (what, authorization) in [
        ("no login", None),
        ("an empty login", Some(String::new())),
        ("another user", basic("event:Pa55word")),
        ("another password", basic("events:Pa55worD")),
        ("a longer password", basic("events:Pa55word1")),
        ("no password", basic("events:")),
        ("no user", basic(":Pa55word")),
        ("no colon", basic("eventsPa55word")),
        ("a login that is not encoded", Some("Basic events:Pa55word".into())),
        ("a token", Some(format!("Bearer {}", BASE64_STANDARD.encode("events:Pa55word")))),
        ("the account's own login", basic(&format!("{ACCOUNT}:{TOKEN}"))),
    ] {
        request(what, Webhook { authorization, ..right.clone() });
    }
}

/// Returns the webhooks that were wrongly accepted or refused, and how many forged and genuine webhooks
/// were tried.
async fn run(api: &Api, seed: u64, rounds: usize) -> (Vec<String>, usize, usize) {
    let mut entropy = fastrand::Rng::with_seed(seed);
    let (mut failures, mut forged, mut genuine) = (Vec::new(), 0, 0);
    for _ in 0..rounds {
        for route in ROUTES {
            let webhook = unsigned(route, &mut entropy);
            let before = api.app.engine.items().await;
            for (what, forgery) in forgeries(&webhook, &mut entropy) {
                let response = api.try_call(now(), &forgery.event()).await;
                forged += 1;
                let refused = response.as_ref().is_ok_and(|it| it.status == 403 && it.writes == 0);
                if !refused {
                    failures.push(format!(
                        "SEED={seed}: {route}: {what}: {:?}",
                        response.map(|it| (it.status, it.writes))
                    ));
                }
            }
            if api.app.engine.items().await != before {
                failures.push(format!("SEED={seed}: {route}: a forgery changed the table"));
            }
            for (what, webhook) in signed_variants(&webhook, &mut entropy) {
                let response = api.try_call(now(), &webhook.event()).await;
                genuine += 1;
                if !response.as_ref().is_ok_and(|it| it.status == 200) {
                    failures.push(format!(
                        "SEED={seed}: {route}: genuine, {what}: {:?}",
                        response.map(|it| it.status)
                    ));
                }
            }
        }
    }
    (failures, forged, genuine)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "the seed repeats a failed run")]
async fn every_forged_webhook_is_refused_and_every_genuine_one_accepted() {
    let (seeds, rounds) = if full_run() { (0..5, 4) } else { (0..1, 3) };
    let api = Api::start().await;
    for seed in chosen_seed().map_or_else(|| seeds.collect(), |seed| vec![seed]) {
        let (failures, forged, genuine) = run(&api, seed, rounds).await;
        println!("SEED={seed}: {forged} forgeries, {genuine} genuine");
        assert_eq!(failures, Vec::<String>::new());
        assert!(forged >= 500, "{forged}");
    }
}

/// Compares the signature of these tests with the test vectors of Twilio's libraries.
#[test]
fn signatures_equal_those_of_twilio_s_libraries() {
    let vectors: Value = serde_json::from_str(include_str!("../../fixtures/twilio/signatures.json")).unwrap();
    let mut tried = 0;
    for vector in vectors["vectors"].as_array().unwrap().iter().filter(|vector| vector["valid"] == true) {
        let text = |name: &str| vector[name].as_str().unwrap_or_default();
        let form = text("content_type")
            .starts_with("application/x-www-form-urlencoded")
            .then(|| text("raw_body").as_bytes());
        let made = signature(text("signed_url"), form, text("secret"));
        assert_eq!(made, vector["headers"]["X-Twilio-Signature"], "{}", text("id"));
        tried += 1;
    }
    assert!(tried >= 8, "{tried}");
}

/// The verifier accepts the token of another account instead of the previous token.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_additional_token_would_be_noticed() {
    let api = Api::start_with(BASE_URL, vec![TOKEN.into(), OTHER_KEY.into()]).await;
    let (failures, ..) = run(&api, 1, 1).await;
    for route in ROUTES {
        let reported =
            |what: &str| failures.iter().any(|failure| failure.contains(route) && failure.contains(what));
        assert!(reported("the token of another account"), "{route}: {failures:?}");
        assert!(reported("with the previous token"), "{route}: {failures:?}");
    }
}

/// The verifier expects another base URL.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_base_url_would_be_noticed() {
    let api = Api::start_with("http://inbox.example", tokens()).await;
    let (failures, ..) = run(&api, 1, 1).await;
    for route in ROUTES {
        let reported =
            |what: &str| failures.iter().any(|failure| failure.contains(route) && failure.contains(what));
        assert!(reported("genuine, unchanged") && reported("another scheme"), "{route}: {failures:?}");
    }
}

/// Every webhook has a valid signature, as if the function did not check it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_signature_check_would_be_noticed() {
    let api = Api::start().await;
    let mut entropy = fastrand::Rng::with_seed(1);
    for route in [MESSAGES, VOICE] {
        let webhook = unsigned(route, &mut entropy);
        let (_, forgery) = forgeries(&webhook, &mut entropy).swap_remove(0);
        let response = api.try_call(now(), &forgery.signed().event()).await.unwrap();
        assert_eq!(response.status, 200, "{route}");
    }
}
