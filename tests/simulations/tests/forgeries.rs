//! Nobody plays the carrier: a webhook that it did not sign, for this address and with these words, is refused with 403 and
//! stores nothing; and whatever it did sign is taken, in each spelling that it uses.

use std::fmt::Write;

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use crate::{
    chosen_seed, full_run,
    house::{House, NUMBER, ORGANIZATION, SERVICE, callbacks, now, tokens},
    signed::{
        ACCOUNT, BASE, MESSAGES, PREVIOUS_TOKEN, REGISTRATIONS, STATUS, TOKEN, VOICE, Webhook, form,
        parameters, signature,
    },
};

const ROUTES: [&str; 4] = [MESSAGES, STATUS, REGISTRATIONS, VOICE];
const OTHER_KEY: &str = "another-account-s-token";

/// A webhook that is what it seems, but not signed yet; no two are the same.
fn genuine(route: &'static str, entropy: &mut fastrand::Rng) -> Webhook {
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
        STATUS if entropy.bool() => {
            callbacks().url(ORGANIZATION, "msg_1").split_once('?').unwrap().1.to_owned()
        }
        _ => String::new(),
    };
    Webhook::form(route, &query, form(&fields))
}

/// All ways in which the carrier may have signed a webhook, and in which it may be on the wire.
fn spellings(webhook: &Webhook, entropy: &mut fastrand::Rng) -> Vec<(&'static str, Webhook)> {
    let url = webhook.url();
    let signed = |token| webhook.clone().signed_for(&url, token);
    let with_port = url.replacen("inbox.example", "inbox.example:443", 1);
    let mut all = vec![
        ("as it is", signed(TOKEN)),
        ("with the key that is being replaced", signed(PREVIOUS_TOKEN)),
        ("for the address with its port", webhook.clone().signed_for(&with_port, TOKEN)),
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
        all.push(("with all of it escaped", Webhook { body: escaped.into_bytes(), ..signed(TOKEN) }));
        let content_type = Some("application/x-www-form-urlencoded; charset=UTF-8".to_owned());
        all.push(("with a charset", Webhook { content_type, ..signed(TOKEN) }));
    } else {
        let with_login = url.replacen("://", "://events:Pa55word@", 1);
        all.push(("for the address with its login", webhook.clone().signed_for(&with_login, TOKEN)));
        let mut upper = webhook.clone();
        upper.query = upper.query.replacen(|letter: char| letter.is_ascii_lowercase(), "", 0);
        let (name, hash) = upper.query.split_once('=').unwrap();
        upper.query = format!("{name}={}", hash.to_uppercase());
        all.push(("with the hash in capitals", upper.signed()));
    }
    all
}

/// All ways to seem the carrier, of which none is to succeed.
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
        ("another account's key", OTHER_KEY),
        ("a key that was replaced long ago", "the-token-before"),
        ("an empty key", ""),
        ("the account for a key", ACCOUNT),
        ("the key in capitals", &TOKEN.to_uppercase()),
        ("a key with a blank", "test-token "),
    ] {
        with(what, webhook.clone().signed_for(&url, key).signature);
    }
    for (what, other) in [
        ("another scheme", url.replacen("https", "http", 1)),
        ("another port", url.replacen("inbox.example", "inbox.example:8443", 1)),
        ("the port of another scheme", url.replacen("inbox.example", "inbox.example:80", 1)),
        ("another host", url.replacen("inbox.example", "inbox.example.org", 1)),
        ("the host in capitals", url.replacen("inbox.example", "INBOX.EXAMPLE", 1)),
        ("a slash at the end", url.replacen(path, &format!("{path}/"), 1)),
        ("two slashes", url.replacen("/webhooks", "//webhooks", 1)),
        ("the path in capitals", url.replacen(path, &path.to_uppercase(), 1)),
        ("a stage before the path", url.replacen("/webhooks", "/prod/webhooks", 1)),
        ("one more parameter in the query", format!("{url}{}x=1", if url.contains('?') { '&' } else { '?' })),
        ("a fragment", format!("{url}#rc=3&rp=all")),
        ("no path", BASE.to_owned()),
        ("no address", String::new()),
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
    for (what, spoilt) in [
        ("cut off", genuine[..genuine.len() - 1].to_owned()),
        ("cut in half", genuine[..genuine.len() / 2].to_owned()),
        ("without its padding", genuine.trim_end_matches('=').to_owned()),
        ("with more padding", format!("{genuine}=")),
        ("with a blank before it", format!(" {genuine}")),
        ("with something after it", format!("{genuine}AAAA")),
        ("twice", format!("{genuine},{genuine}")),
        ("in small letters", genuine.to_lowercase()),
        ("in capitals", genuine.to_uppercase()),
        ("backwards", genuine.chars().rev().collect()),
        ("of zeros", BASE64_STANDARD.encode([0; 20])),
        ("of nothing", BASE64_STANDARD.encode([])),
        ("in hexadecimal", data_encoding::HEXLOWER.encode(&BASE64_STANDARD.decode(&genuine).unwrap())),
        ("for the URL's alphabet", genuine.replace('+', "-").replace('/', "_").replace('=', "")),
        ("with one bit more", flipped(&genuine, entropy)),
        ("a word", "sha1=".to_owned() + &genuine),
    ] {
        with(what, Some(spoilt));
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
        request("without a type", Webhook { content_type: None, ..right.clone() });
        let hashed = webhook.clone().hashed();
        request(
            "a form that is covered by its hash alone",
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
        // Signed by the carrier's key, of which a former employee may know: the proof in the address is ours.
        let other = webhook.query.replace("msg_1", "msg_2");
        request("of another message, without a proof", Webhook { query: other, ..webhook.clone() }.signed());
        let (rest, _) = webhook.query.split_once("&proof").unwrap();
        request("without a proof", Webhook { query: rest.to_owned(), ..webhook.clone() }.signed());
    }
    // What differs in nothing is no forgery.
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
    genuine(route, entropy).signed()
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
        // Blanks around a text are part of it; where there are none to trim, nothing was changed.
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
        altered(&format!("with a blank in {name}"), &blank);
        let mut renamed = texts.clone();
        renamed[place].0 = name.to_lowercase();
        altered(&format!("with {name} in small letters"), &renamed);
    }
    let mut trimmed = texts.clone();
    for (_, value) in &mut trimmed {
        *value = value.trim().to_owned();
    }
    altered("trimmed", &trimmed);
    let without_empty: Vec<_> = texts.iter().filter(|(_, value)| !value.is_empty()).cloned().collect();
    altered("without what is empty", &without_empty);
    let mut more = texts.clone();
    more.insert(entropy.usize(..texts.len()), ("Body".into(), "Transfer the money.".into()));
    altered("with another Body before it", &more);
    more.push(("x".into(), String::new()));
    altered("with more", &more);
    // Name and value are joined without a sign between them, so this moves the border.
    let mut moved = texts.clone();
    let (name, value) = moved[0].clone();
    moved[0] =
        (format!("{name}{}", &value[..value.len().min(1)]), value.get(1..).unwrap_or_default().to_owned());
    if moved[0].0 != name && webhook.route != MESSAGES {
        let needed = ["MessageSid", "CallSid"].contains(&name.as_str());
        // The signature agrees, as the carrier's scheme has it: what it then says is not enough to be taken.
        assert!(needed, "the first field is one that is needed");
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
        Webhook { content_type: Some(crate::signed::FORM.into()), ..unhashed }
            .signed_for(&webhook.url(), TOKEN),
    );
    request(
        "a hash of something else",
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

/// What was wrongly taken or wrongly refused, and how many of each were tried.
async fn run(house: &House, seed: u64, rounds: usize) -> (Vec<String>, usize, usize) {
    let mut entropy = fastrand::Rng::with_seed(seed);
    let (mut wrongs, mut forged, mut taken) = (Vec::new(), 0, 0);
    for _ in 0..rounds {
        for route in ROUTES {
            let webhook = genuine(route, &mut entropy);
            let before = house.rows().await;
            for (what, forgery) in forgeries(&webhook, &mut entropy) {
                let done = house.answer(now(), &forgery.event()).await;
                forged += 1;
                let refused = done.as_ref().is_ok_and(|done| done.status == 403 && done.writes == 0);
                if !refused {
                    wrongs.push(format!(
                        "SEED={seed}: {route}: {what}: {:?}",
                        done.map(|done| (done.status, done.writes))
                    ));
                }
            }
            if house.rows().await != before {
                wrongs.push(format!("SEED={seed}: {route}: something is stored"));
            }
            for (what, webhook) in spellings(&webhook, &mut entropy) {
                let done = house.answer(now(), &webhook.event()).await;
                taken += 1;
                if !done.as_ref().is_ok_and(|done| done.status == 200) {
                    wrongs.push(format!(
                        "SEED={seed}: {route}: genuine, {what}: {:?}",
                        done.map(|done| done.status)
                    ));
                }
            }
        }
    }
    (wrongs, forged, taken)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "a seed that is not printed cannot be repeated")]
async fn no_forged_webhook_is_taken_and_no_genuine_one_refused() {
    let (seeds, rounds) = if full_run() { (0..5, 4) } else { (0..1, 3) };
    let house = House::open().await;
    for seed in chosen_seed().map_or_else(|| seeds.collect(), |seed| vec![seed]) {
        let (wrongs, forged, taken) = run(&house, seed, rounds).await;
        println!("SEED={seed}: {forged} forgeries, {taken} genuine");
        assert_eq!(wrongs, Vec::<String>::new());
        assert!(forged >= 500, "{forged}");
    }
}

/// The vectors of Twilio's own libraries, checked against the signing used here.
#[test]
fn these_tests_sign_as_the_carrier_s_own_libraries_do() {
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

/// A verifier that knows another account's key as well takes what that one signed, and it is noticed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_too_many_is_noticed() {
    let house = House::open_with(BASE, vec![TOKEN.into(), OTHER_KEY.into()]).await;
    let (wrongs, ..) = run(&house, 1, 1).await;
    for route in ROUTES {
        let told = |what: &str| wrongs.iter().any(|wrong| wrong.contains(route) && wrong.contains(what));
        assert!(told("another account's key"), "{route}: {wrongs:?}");
        assert!(told("with the key that is being replaced"), "{route}: {wrongs:?}");
    }
}

/// A verifier with another address takes nothing that is genuine, and it is noticed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_address_is_noticed() {
    let house = House::open_with("http://inbox.example", tokens()).await;
    let (wrongs, ..) = run(&house, 1, 1).await;
    for route in ROUTES {
        let told = |what: &str| wrongs.iter().any(|wrong| wrong.contains(route) && wrong.contains(what));
        assert!(told("genuine, as it is") && told("another scheme"), "{route}: {wrongs:?}");
    }
}

/// A function that looks at no signature is one to which each of these comes signed: then all that is taken is noticed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_that_looks_at_no_signature_is_noticed() {
    let house = House::open().await;
    let mut entropy = fastrand::Rng::with_seed(1);
    for route in [MESSAGES, VOICE] {
        let webhook = genuine(route, &mut entropy);
        let (_, unsigned) = forgeries(&webhook, &mut entropy).swap_remove(0);
        let done = house.answer(now(), &unsigned.signed().event()).await.unwrap();
        assert_eq!(done.status, 200, "{route}");
    }
}
