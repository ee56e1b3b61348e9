//! Bodies of responses for snapshots.

use serde_json::Value;

/// Prefixes of the product's ids.
const ID_PREFIXES: [&str; 10] =
    ["org_", "team_", "inb_", "cnv_", "msg_", "con_", "imp_", "tpl_", "med_", "rev_"];

/// Returns status and body as text, with generated ids, times and URLs replaced by placeholders. Ids that a test chooses,
/// such as `team_1`, are kept.
pub fn snapshot(status: u16, body: &Value) -> String {
    format!("{status}\n{}", serde_json::to_string_pretty(&redacted(body)).unwrap())
}

fn redacted(value: &Value) -> Value {
    match value {
        Value::String(text) => redacted_text(text).into(),
        Value::Array(values) => values.iter().map(redacted).collect(),
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), redacted(value))).collect(),
        other => other.clone(),
    }
}

fn redacted_text(text: &str) -> String {
    let is_generated = |prefix: &&&str| text.starts_with(**prefix) && text.len() > prefix.len() + 16;
    if let Some(prefix) = ID_PREFIXES.iter().find(is_generated) {
        format!("[{prefix}…]")
    } else if text.parse::<jiff::Timestamp>().is_ok() {
        "[time]".into()
    } else if text.len() == 34 && text[2..].bytes().all(|byte| byte.is_ascii_hexdigit()) {
        format!("[{}…]", &text[..2])
    } else if let Some((address, _)) = text.split_once("?X-Amz-") {
        format!("{address}?[signature]")
    } else {
        text.to_owned()
    }
}
