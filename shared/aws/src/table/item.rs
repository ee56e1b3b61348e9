//! Items and their attributes.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Serialize, de::DeserializeOwned};

use crate::table::error::StoreError;

pub(crate) type Item = HashMap<String, AttributeValue>;

/// A primary key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The partition key.
    pub pk: String,
    /// The sort key.
    pub sk: String,
}

impl Key {
    pub(crate) fn new(pk: impl Into<String>, sk: impl Into<String>) -> Self {
        Self { pk: pk.into(), sk: sk.into() }
    }

    pub(crate) fn into_item(self) -> Item {
        Item::from([("pk".into(), text(self.pk)), ("sk".into(), text(self.sk))])
    }
}

/// Returns an item with a key and attributes.
pub(crate) fn item<T: Serialize>(key: Key, row: &T) -> Result<Item, StoreError> {
    let mut item: Item = serde_dynamo::to_item(row)?;
    item.extend(key.into_item());
    Ok(item)
}

pub(crate) fn from_item<T: DeserializeOwned>(item: Item) -> Result<T, StoreError> {
    Ok(serde_dynamo::from_item(item)?)
}

/// Returns items by their keys. Omits items without one.
pub(crate) fn by_key(items: Vec<Item>) -> HashMap<Key, Item> {
    let key = |item: &Item| Some(Key::new(string_attribute(item, "pk")?, string_attribute(item, "sk")?));
    items.into_iter().filter_map(|item| Some((key(&item)?, item))).collect()
}

/// Returns a string attribute, such as `sk`.
pub(crate) fn string_attribute<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

/// Returns a value for an expression.
pub(crate) fn attribute<T: Serialize>(value: &T) -> Result<AttributeValue, StoreError> {
    Ok(serde_dynamo::to_attribute_value(value)?)
}

pub(crate) fn text(value: impl ToString) -> AttributeValue {
    AttributeValue::S(value.to_string())
}

pub(crate) fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}
