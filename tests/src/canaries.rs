//! What went through the product while journeys ran and must stand in no log: numbers, texts, names,
//! addresses, tokens, signatures, cursors, keys. Each request and answer leaves what it holds of them in a
//! file beside `stack.json`, and after the journeys all of it is looked for in the log (`tests/canaries`).

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    sync::{LazyLock, Mutex},
};

use reqwest::RequestBuilder;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What was noted, beside `stack.json`.
pub const FILE: &str = "canaries.jsonl";
/// What is shorter stands in many a word by accident.
const MIN_LENGTH: usize = 8;

/// Something that must stand in no log.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Canary {
    /// What it is: the name of a field, a header or a parameter.
    pub kind: String,
    /// As it would stand there.
    pub value: String,
}

/// Fields, parameters and headers that are people's, or that open something.
const SENSITIVE_NAMES: [&str; 51] = [
    "text",
    "body",
    "q",
    "name",
    "firstName",
    "lastName",
    "email",
    "recipients",
    "phoneNumber",
    "mobileNumber",
    "voiceForwardingNumber",
    "number",
    "from",
    "to",
    "caller",
    "called",
    "message",
    "externalId",
    "contact",
    "custom",
    "description",
    "messageFlow",
    "messageSamples",
    "privacyPolicyUrl",
    "termsUrl",
    "notice",
    "media",
    "mediaUrl",
    "mediaUrl0",
    "mediaUrl1",
    "url",
    "token",
    "cursor",
    "nextCursor",
    "proof",
    "bodySHA256",
    "idempotency-key",
    "authorization",
    "x-twilio-signature",
    "subject",
    "html",
    "bodyText",
    "bodyHtml",
    "friendlyName",
    "friendly_name",
    "locality",
    "sender",
    "holder",
    "user",
    "apiKey",
    "csv",
];

type Out = Mutex<(File, HashSet<Canary>)>;

static OUT: LazyLock<Option<Out>> = LazyLock::new(|| {
    let file = state()?.join(FILE);
    Some(Mutex::new((File::create(file).ok()?, HashSet::new())))
});

/// The folder of `stack.json`.
fn state() -> Option<PathBuf> {
    let stack = std::env::var_os("STACK_FILE")?;
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(stack);
    Some(file.parent()?.to_owned())
}

/// Notes something.
pub fn record(kind: &str, value: &str) {
    let value = value.trim();
    if !is_distinctive(value) {
        return;
    }
    let Some(out) = &*OUT else { return };
    let (file, known) = &mut *out.lock().expect("nobody panics while noting");
    let mut keep = |value: String| {
        let canary = Canary { kind: kind.to_owned(), value };
        if known.insert(canary.clone()) {
            let line = serde_json::to_string(&canary).expect("two texts are JSON");
            writeln!(file, "{line}").expect("the state folder takes a line");
        }
    };
    notations(value).into_iter().for_each(&mut keep);
    keep(value.to_owned());
}

/// A number in the other ways in which it is written.
pub fn notations(value: &str) -> Vec<String> {
    let digits: String = value.chars().filter(char::is_ascii_digit).collect();
    let is_number = value.chars().all(|c| c.is_ascii_digit() || "+-.() ".contains(c));
    let Some(national) = digits.strip_prefix('1').or(Some(&digits)).filter(|d| is_number && d.len() == 10)
    else {
        return Vec::new();
    };
    let (area, exchange, line) = (&national[..3], &national[3..6], &national[6..]);
    vec![
        format!("+1{national}"),
        format!("1{national}"),
        national.to_owned(),
        format!("%2B1{national}"),
        format!("({area}) {exchange}-{line}"),
        format!("{area}-{exchange}-{line}"),
        format!("{area}.{exchange}.{line}"),
        format!("{area} {exchange} {line}"),
    ]
}

fn is_sensitive(name: &str) -> bool {
    SENSITIVE_NAMES.iter().any(|secret| secret.eq_ignore_ascii_case(name))
}

/// Notes what a request holds.
pub(crate) fn record_request(request: &RequestBuilder) {
    let Some(request) = request.try_clone().and_then(|request| request.build().ok()) else { return };
    for (name, value) in request.headers() {
        let value = value.to_str().unwrap_or_default();
        if is_sensitive(name.as_str()) {
            record(name.as_str(), value.rsplit(' ').next().unwrap_or_default());
        }
    }
    for (name, value) in request.url().query_pairs() {
        if is_sensitive(&name) {
            record(&name, &value);
        }
    }
    let body = request.body().and_then(|body| body.as_bytes()).unwrap_or_default();
    let text = String::from_utf8_lossy(body);
    let content_type = request.headers().get("content-type").and_then(|value| value.to_str().ok());
    match content_type.unwrap_or_default().split(';').next().unwrap_or_default() {
        "application/x-www-form-urlencoded" => {
            let url = format!("http://form/?{text}").parse::<reqwest::Url>();
            for (name, value) in url.iter().flat_map(reqwest::Url::query_pairs) {
                if is_sensitive(&name) {
                    record(&name, &value);
                }
            }
        }
        // Rows of thousands are alike; the first of each file stand for all.
        "text/csv" | "application/octet-stream" => {
            text.lines().skip(1).take(20).flat_map(|row| row.split(',')).for_each(|cell| record("csv", cell));
        }
        _ => record_json(&text),
    }
}

/// Notes what an answer holds.
pub(crate) fn record_response(body: &str) {
    if body.len() < 1_000_000 {
        record_json(body);
    }
}

fn record_json(text: &str) {
    if let Ok(value) = serde_json::from_str::<Value>(text) {
        record_value("", &value, false);
    }
}

fn record_value(name: &str, value: &Value, secret: bool) {
    match value {
        Value::String(text) if secret && !is_id(text) => record(name, text),
        Value::Array(items) => items.iter().for_each(|item| record_value(name, item, secret)),
        Value::Object(fields) => {
            // What stands in somebody's own fields is theirs, whatever it is called; ids are ours.
            let own = name == "custom";
            fields.iter().for_each(|(name, value)| record_value(name, value, own || is_sensitive(name)));
        }
        _ => {}
    }
}

/// What is short, or one word of letters alone, stands in a line by accident (`messages`, `registration`).
fn is_distinctive(value: &str) -> bool {
    value.len() >= MIN_LENGTH && !value.bytes().all(|byte| byte.is_ascii_alphabetic()) && !is_id(value)
}

/// Digits within a longer run are part of an id.
fn is_separate(line: &[u8], from: usize, value: &str) -> bool {
    let beside = [from.checked_sub(1), Some(from + value.len())];
    let within = |at: &usize| line.get(*at).is_some_and(u8::is_ascii_alphanumeric);
    !value.bytes().all(|byte| byte.is_ascii_digit()) || !beside.iter().flatten().any(within)
}

/// Whether a text is an id of the product or of the carrier. Logs may contain ids.
fn is_id(text: &str) -> bool {
    let ours = ["org_", "team_", "inb_", "cnv_", "msg_", "con_", "imp_", "tpl_", "med_", "rev_", "usr_"];
    let carriers =
        text.len() == 34 && text.is_ascii() && text[2..].bytes().all(|byte| byte.is_ascii_hexdigit());
    carriers || ours.iter().any(|prefix| text.starts_with(prefix)) && !text.contains(' ')
}

/// Those that stand in a text, each with the line that holds it: one pass, however many there are.
pub fn found<'text>(canaries: &BTreeSet<Canary>, text: &'text str) -> Vec<(Canary, &'text str)> {
    let mut by_beginning: HashMap<&[u8], Vec<&Canary>> = HashMap::new();
    for canary in canaries.iter().filter(|canary| is_distinctive(&canary.value)) {
        by_beginning.entry(&canary.value.as_bytes()[..MIN_LENGTH]).or_default().push(canary);
    }
    let mut found = Vec::new();
    for line in text.lines() {
        for at in 0..line.len().saturating_sub(MIN_LENGTH - 1) {
            let rest = &line.as_bytes()[at..];
            let here = by_beginning.get(&rest[..MIN_LENGTH]).into_iter().flatten();
            let whole = here.filter(|canary| {
                rest.starts_with(canary.value.as_bytes()) && is_separate(line.as_bytes(), at, &canary.value)
            });
            found.extend(whole.map(|canary| ((*canary).clone(), line)));
        }
    }
    found
}
