//! Bodies of responses for snapshots.

use serde_json::Value;

/// Prefixes of the product's ids.
const ID_PREFIXES: [&str; 10] =
    ["org_", "team_", "inb_", "cnv_", "msg_", "con_", "imp_", "tpl_", "med_", "rev_"];

/// Returns status and body as text, with generated ids, times and URLs replaced by placeholders. Ids that a
/// test chooses, such as `team_1`, are kept.
pub fn snapshot(status: u16, body: &Value) -> String {
    format!("{status}\n{}", serde_json::to_string_pretty(&redacted(body)).unwrap())
}

fn redacted(value: &Value) -> Value {
    match value {
        Value::String(text) => redacted_text(text).into(),
        Value::Array(values) => values.iter().map(redacted).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| {
                let is_cursor = name == "nextCursor" && value.is_string();
                (name.clone(), if is_cursor { "[cursor]".into() } else { redacted(value) })
            })
            .collect(),
        other => other.clone(),
    }
}

fn redacted_text(text: &str) -> String {
    if let Some((address, _)) = text.split_once("?X-Amz-") {
        let path = address.split('/').skip(3).collect::<Vec<_>>().join("/");
        format!("[host]/{}?[signature]", redacted_path(&path))
    } else if text.parse::<jiff::Timestamp>().is_ok() {
        "[time]".into()
    } else if text.len() == 34 && text[2..].bytes().all(|byte| byte.is_ascii_hexdigit()) {
        format!("[{}…]", &text[..2])
    } else {
        redacted_id(text)
    }
}

/// Returns a path with generated ids replaced by placeholders.
pub fn redacted_path(path: &str) -> String {
    path.split('/').map(redacted_id).collect::<Vec<_>>().join("/")
}

fn redacted_id(text: &str) -> String {
    let is_generated = |prefix: &&&str| text.starts_with(**prefix) && text.len() >= prefix.len() + 16;
    let prefix = ID_PREFIXES.iter().find(is_generated);
    prefix.map_or_else(|| text.to_owned(), |prefix| format!("[{prefix}…]"))
}
