//! `template.yaml` with its loops expanded, and its table, so that keys, indexes and projections are defined
//! once.

use aws_sdk_dynamodb::{
    Client,
    types::{
        AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
        ProjectionType, ScalarAttributeType, TimeToLiveSpecification,
    },
};
use serde::Deserialize;
use serde_norway::{Mapping, Value, value::TaggedValue};

const TEMPLATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../template.yaml");

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TableProperties {
    attribute_definitions: Vec<Attribute>,
    key_schema: Vec<KeyPart>,
    global_secondary_indexes: Vec<Index>,
    time_to_live_specification: TimeToLive,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attribute {
    attribute_name: String,
    attribute_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct KeyPart {
    attribute_name: String,
    key_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Index {
    #[serde(rename = "IndexName")]
    name: String,
    key_schema: Vec<KeyPart>,
    projection: Projected,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Projected {
    projection_type: String,
    non_key_attributes: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TimeToLive {
    attribute_name: String,
    enabled: bool,
}

/// Returns the template after `Fn::ForEach` is expanded, as the transform `AWS::LanguageExtensions` does it.
/// Tags such as `!Ref` are kept.
pub fn read() -> Value {
    parse(&std::fs::read_to_string(TEMPLATE).expect("the workspace has a template.yaml"))
}

/// [`read`] for another version of the template.
pub fn parse(text: &str) -> Value {
    expand_loops(serde_norway::from_str(text).expect("template.yaml is YAML"))
}

fn expand_loops(value: Value) -> Value {
    let Value::Mapping(entries) = value else { return value };
    let mut expanded = Mapping::new();
    for (key, value) in entries {
        let is_loop = key.as_str().is_some_and(|key| key.starts_with("Fn::ForEach::"));
        if !is_loop {
            expanded.insert(key, expand_loops(value));
            continue;
        }
        let identifier = value[0].as_str().expect("a loop has an identifier");
        for item in value[1].as_sequence().expect("a loop has a collection") {
            let item = item.as_str().expect("collections hold strings");
            let Value::Mapping(body) = replace(identifier, item, &value[2]) else {
                panic!("the body of a loop is a mapping")
            };
            expanded.extend(body);
        }
    }
    Value::Mapping(expanded)
}

/// Replaces the identifier of a loop. A `!Sub` without other variables becomes a plain string.
fn replace(identifier: &str, item: &str, value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace(&format!("${{{identifier}}}"), item)),
        Value::Sequence(values) => values.iter().map(|value| replace(identifier, item, value)).collect(),
        Value::Mapping(entries) => {
            let replace = |value| replace(identifier, item, value);
            Value::Mapping(entries.iter().map(|(key, value)| (replace(key), replace(value))).collect())
        }
        Value::Tagged(tagged) if tagged.tag == "Ref" && tagged.value == identifier => item.into(),
        Value::Tagged(tagged) => {
            let value = replace(identifier, item, &tagged.value);
            if tagged.tag == "Sub" && value.as_str().is_some_and(|text| !text.contains("${")) {
                return value;
            }
            Value::Tagged(Box::new(TaggedValue { tag: tagged.tag.clone(), value }))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

/// The properties of the template's only table.
fn table() -> TableProperties {
    let template = read();
    let resources =
        template.get("Resources").and_then(Value::as_mapping).expect("the template has resources");
    let is_table =
        |resource: &&Value| resource.get("Type").and_then(Value::as_str) == Some("AWS::DynamoDB::Table");
    let tables: Vec<&Value> = resources.values().filter(is_table).collect();
    let [table] = tables[..] else { panic!("the template has {} tables instead of one", tables.len()) };
    let properties = table.get("Properties").expect("the table has properties").clone();
    serde_norway::from_value(properties).expect("the table has keys, indexes and a time to live")
}

fn key_schema(parts: &[KeyPart]) -> Vec<KeySchemaElement> {
    let part = |part: &KeyPart| {
        KeySchemaElement::builder()
            .attribute_name(&part.attribute_name)
            .key_type(KeyType::from(part.key_type.as_str()))
            .build()
            .unwrap()
    };
    parts.iter().map(part).collect()
}

fn attribute(attribute: &Attribute) -> AttributeDefinition {
    AttributeDefinition::builder()
        .attribute_name(&attribute.attribute_name)
        .attribute_type(ScalarAttributeType::from(attribute.attribute_type.as_str()))
        .build()
        .unwrap()
}

fn index(index: &Index) -> GlobalSecondaryIndex {
    let projection = Projection::builder()
        .projection_type(ProjectionType::from(index.projection.projection_type.as_str()))
        .set_non_key_attributes(index.projection.non_key_attributes.clone())
        .build();
    GlobalSecondaryIndex::builder()
        .index_name(&index.name)
        .set_key_schema(Some(key_schema(&index.key_schema)))
        .projection(projection)
        .build()
        .unwrap()
}

/// Creates the table without its stream: no test reads it, and it would slow down every write.
pub(crate) async fn create_table(client: &Client, name: &str) {
    let table = table();
    client
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .set_attribute_definitions(Some(table.attribute_definitions.iter().map(attribute).collect()))
        .set_key_schema(Some(key_schema(&table.key_schema)))
        .set_global_secondary_indexes(Some(table.global_secondary_indexes.iter().map(index).collect()))
        .send()
        .await
        .expect("the engine makes the template's table");
    let ttl = TimeToLiveSpecification::builder()
        .attribute_name(table.time_to_live_specification.attribute_name)
        .enabled(table.time_to_live_specification.enabled)
        .build()
        .unwrap();
    client
        .update_time_to_live()
        .table_name(name)
        .time_to_live_specification(ttl)
        .send()
        .await
        .expect("the engine sets the time to live");
}
