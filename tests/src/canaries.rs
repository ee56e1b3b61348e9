//! Records personal data and credentials that the product must not log: numbers, texts, names, addresses,
//! tokens, signatures, cursors, keys. The helpers write those of each request and response to a file next to
//! `stack.json`. After the journeys, `tests/canaries` searches the log for all of them.

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

/// The file with the recorded canaries, next to `stack.json`.
pub const FILE: &str = "canaries.jsonl";
/// Shorter values occur by chance in unrelated words.
const MIN_LENGTH: usize = 8;
/// The name of the local stack, and of the product in the OpenAPI document.
const STACK_NAME: &str = "shared-inbox";

/// A value that the log must not contain.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Canary {
    /// The name of the field, header or parameter.
    pub kind: String,
    /// The value as it would appear in the log.
    pub value: String,
}

/// Names of fields, parameters and headers that contain personal data or credentials.
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
    let file = state_dir()?.join(FILE);
    Some(Mutex::new((File::create(file).ok()?, HashSet::new())))
});

/// Returns the folder of `stack.json`. `None` if `STACK_FILE` is not set.
fn state_dir() -> Option<PathBuf> {
    let stack = std::env::var_os("STACK_FILE")?;
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(stack);
    Some(file.parent()?.to_owned())
}

/// Records a value and, if it is a phone number, its other notations.
pub fn record(kind: &str, value: &str) {
    let value = value.trim();
    if !is_distinctive(value) {
        return;
    }
    let Some(out) = &*OUT else { return };
    let (file, known) = &mut *out.lock().expect("the lock is not poisoned");
    let mut write = |value: String| {
        let canary = Canary { kind: kind.to_owned(), value };
        if known.insert(canary.clone()) {
            let line = serde_json::to_string(&canary).expect("a canary serializes to JSON");
            writeln!(file, "{line}").expect("the file is writable");
        }
    };
    notations(value).into_iter().for_each(&mut write);
    write(value.to_owned());
}

/// Returns the other notations of a phone number. Empty if the value is not a North American number.
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

/// Records the sensitive values of a request.
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
        // The first 20 rows are enough: all rows of a file are alike.
        "text/csv" | "application/octet-stream" => {
            text.lines().skip(1).take(20).flat_map(|row| row.split(',')).for_each(|cell| record("csv", cell));
        }
        _ => record_json(&text),
    }
}

/// Records the sensitive values of a response.
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
            // All custom fields of a contact are sensitive, whatever their names.
            let custom = name == "custom";
            fields.iter().for_each(|(name, value)| record_value(name, value, custom || is_sensitive(name)));
        }
        _ => {}
    }
}

/// Whether a value is unlikely to occur in the log by chance. Short values and single words such as
/// `registration` are likely to, and each metric contains the name of the stack.
fn is_distinctive(value: &str) -> bool {
    value.len() >= MIN_LENGTH
        && value != STACK_NAME
        && !value.bytes().all(|byte| byte.is_ascii_alphabetic())
        && !is_id(value)
}

/// Whether a value at this position is not part of a longer ID. Only digits can be.
fn is_separate(line: &[u8], from: usize, value: &str) -> bool {
    let beside = [from.checked_sub(1), Some(from + value.len())];
    let within = |at: &usize| line.get(*at).is_some_and(u8::is_ascii_alphanumeric);
    !value.bytes().all(|byte| byte.is_ascii_digit()) || !beside.iter().flatten().any(within)
}

/// Whether a text is an ID of the product or of the carrier. Logs may contain IDs.
fn is_id(text: &str) -> bool {
    let prefixes = ["org_", "team_", "inb_", "cnv_", "msg_", "con_", "imp_", "tpl_", "med_", "rev_", "usr_"];
    let is_carrier_id =
        text.len() == 34 && text.is_ascii() && text[2..].bytes().all(|byte| byte.is_ascii_hexdigit());
    is_carrier_id || prefixes.iter().any(|prefix| text.starts_with(prefix)) && !text.contains(' ')
}

/// Returns the canaries that a text contains, each with its line. Scans the text once for all canaries.
pub fn find<'text>(canaries: &BTreeSet<Canary>, text: &'text str) -> Vec<(Canary, &'text str)> {
    let mut by_prefix: HashMap<&[u8], Vec<&Canary>> = HashMap::new();
    for canary in canaries.iter().filter(|canary| is_distinctive(&canary.value)) {
        by_prefix.entry(&canary.value.as_bytes()[..MIN_LENGTH]).or_default().push(canary);
    }
    let mut found = Vec::new();
    for line in text.lines() {
        for at in 0..line.len().saturating_sub(MIN_LENGTH - 1) {
            let rest = &line.as_bytes()[at..];
            let here = by_prefix.get(&rest[..MIN_LENGTH]).into_iter().flatten();
            let whole = here.filter(|canary| {
                rest.starts_with(canary.value.as_bytes()) && is_separate(line.as_bytes(), at, &canary.value)
            });
            found.extend(whole.map(|canary| ((*canary).clone(), line)));
        }
    }
    found
}
