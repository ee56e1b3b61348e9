//! Items as lines of JSON, in the format of exports of DynamoDB: `{"Item":{"pk":{"S":"…"}}}`.

use std::collections::HashMap;

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use data_encoding::BASE64;
use serde_json::{Map, Value, json};

use crate::table::{error::StoreError, item::Item};

/// Returns the line of an item, without a line break.
pub(super) fn line(item: &Item) -> Result<String, StoreError> {
    Ok(json!({ "Item": attributes(item)? }).to_string())
}

/// Parses the line of an item. The error does not contain the line.
pub(super) fn parse(line: &str) -> Result<Item, StoreError> {
    let mut line: Value = serde_json::from_str(line).map_err(|_| unreadable())?;
    match line.get_mut("Item").map(Value::take) {
        Some(Value::Object(attributes)) => item(attributes),
        _ => Err(unreadable()),
    }
}

fn attributes(item: &HashMap<String, AttributeValue>) -> Result<Map<String, Value>, StoreError> {
    item.iter().map(|(name, value)| Ok((name.clone(), json_of(value)?))).collect()
}

fn json_of(value: &AttributeValue) -> Result<Value, StoreError> {
    let binary = |blob: &Blob| BASE64.encode(blob.as_ref());
    Ok(match value {
        AttributeValue::S(text) => json!({ "S": text }),
        AttributeValue::N(number) => json!({ "N": number }),
        AttributeValue::Bool(flag) => json!({ "BOOL": flag }),
        AttributeValue::Null(_) => json!({ "NULL": true }),
        AttributeValue::B(blob) => json!({ "B": binary(blob) }),
        AttributeValue::Ss(texts) => json!({ "SS": texts }),
        AttributeValue::Ns(numbers) => json!({ "NS": numbers }),
        AttributeValue::Bs(blobs) => json!({ "BS": blobs.iter().map(binary).collect::<Vec<_>>() }),
        AttributeValue::L(list) => {
            json!({ "L": list.iter().map(json_of).collect::<Result<Vec<_>, _>>()? })
        }
        AttributeValue::M(map) => json!({ "M": attributes(map)? }),
        _ => return Err(StoreError::Corrupt("an attribute of an unknown type".into())),
    })
}

fn item(attributes: Map<String, Value>) -> Result<Item, StoreError> {
    attributes.into_iter().map(|(name, value)| Ok((name, value_of(value)?))).collect()
}

fn value_of(value: Value) -> Result<AttributeValue, StoreError> {
    let Value::Object(value) = value else { return Err(unreadable()) };
    let Some((kind, value)) = value.into_iter().next() else { return Err(unreadable()) };
    let text = |value: Value| match value {
        Value::String(text) => Ok(text),
        _ => Err(unreadable()),
    };
    let binary = |value: Value| match BASE64.decode(text(value)?.as_bytes()) {
        Ok(bytes) => Ok(Blob::new(bytes)),
        Err(_) => Err(unreadable()),
    };
    Ok(match (kind.as_str(), value) {
        ("S", value) => AttributeValue::S(text(value)?),
        ("N", value) => AttributeValue::N(text(value)?),
        ("BOOL", Value::Bool(flag)) => AttributeValue::Bool(flag),
        ("NULL", _) => AttributeValue::Null(true),
        ("B", value) => AttributeValue::B(binary(value)?),
        ("SS", Value::Array(list)) => {
            AttributeValue::Ss(list.into_iter().map(text).collect::<Result<_, _>>()?)
        }
        ("NS", Value::Array(list)) => {
            AttributeValue::Ns(list.into_iter().map(text).collect::<Result<_, _>>()?)
        }
        ("BS", Value::Array(list)) => {
            AttributeValue::Bs(list.into_iter().map(binary).collect::<Result<_, _>>()?)
        }
        ("L", Value::Array(list)) => {
            AttributeValue::L(list.into_iter().map(value_of).collect::<Result<_, _>>()?)
        }
        ("M", Value::Object(map)) => AttributeValue::M(item(map)?),
        _ => return Err(unreadable()),
    })
}

fn unreadable() -> StoreError {
    StoreError::Corrupt("a line of a backup is not an item".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_with_every_type_is_read_from_its_own_line() {
        let text = |text: &str| AttributeValue::S(text.into());
        let blob = || Blob::new([0, 255, 7]);
        let item = Item::from([
            ("pk".into(), text("a \"quoted\" 🌈\n")),
            ("n".into(), AttributeValue::N("12345678901234567890.5".into())),
            ("flag".into(), AttributeValue::Bool(false)),
            ("null".into(), AttributeValue::Null(true)),
            ("b".into(), AttributeValue::B(blob())),
            ("ss".into(), AttributeValue::Ss(vec!["x".into(), "y".into()])),
            ("ns".into(), AttributeValue::Ns(vec!["1".into()])),
            ("bs".into(), AttributeValue::Bs(vec![blob()])),
            ("l".into(), AttributeValue::L(vec![text(""), AttributeValue::L(vec![])])),
            ("m".into(), AttributeValue::M([("k".to_owned(), text("v"))].into())),
        ]);
        let line = line(&item).unwrap();
        assert!(!line.contains('\n'));
        assert_eq!(parse(&line).unwrap(), item);
    }

    #[test]
    fn a_line_that_is_no_item_is_an_error_without_its_content() {
        for line in ["", "{}", "secret", r#"{"Item":{"pk":"secret"}}"#, r#"{"Item":{"pk":{"X":"secret"}}}"#] {
            let error = parse(line).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
