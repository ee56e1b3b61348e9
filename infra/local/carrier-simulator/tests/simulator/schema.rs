//! Checks responses against Twilio's OpenAPI description, with every property required and no others allowed.

use jsonschema::Validator;
use serde_json::{Map, Value, json};

use crate::support::json_fixture;

/// Twilio's hosts. Each has its own description.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Api {
    Account,
    Messaging,
    Events,
}

/// Checks one message.
pub(crate) fn assert_message(message: &Value) {
    assert_valid(Api::Account, &json!({ "$ref": "#/components/schemas/api.v2010.account.message" }), message);
}

/// Checks a page of the list.
pub(crate) fn assert_list(list: &Value) {
    assert_answer(Api::Account, "GET /2010-04-01/Accounts/{AccountSid}/Messages.json", 200, list);
}

/// Checks the response of an operation, named as in the description: `POST /v1/Services`.
pub(crate) fn assert_answer(api: Api, operation: &str, status: u16, answer: &Value) {
    let (method, path) = operation.split_once(' ').expect("a method and a path");
    let description = api.description();
    let responses = &description["paths"][path][method.to_ascii_lowercase()]["responses"];
    let schema = &responses[status.to_string()]["content"]["application/json"]["schema"];
    assert!(schema.is_object(), "{operation} is not described with {status}");
    assert_valid(api, &strict(schema.clone()), answer);
}

/// Checks one number of a search. The enclosing list is not checked, because Twilio's own examples differ
/// from the schema: they have no pages, and their coordinates are strings instead of numbers.
pub(crate) fn assert_available_number(number: &Value) {
    let name = "api.v2010.account.available_phone_number_country.available_phone_number_local";
    let mut schema = strict(Api::Account.description()["components"]["schemas"][name].clone());
    for place in ["latitude", "longitude"] {
        schema["properties"][place] = json!({ "type": ["string", "null"] });
    }
    assert_valid(Api::Account, &schema, number);
}

impl Api {
    fn description(self) -> Value {
        json_fixture(match self {
            Self::Account => "openapi/twilio_api_v2010.json",
            Self::Messaging => "openapi/twilio_messaging_v1.json",
            Self::Events => "openapi/twilio_events_v1.json",
        })
    }
}

fn assert_valid(api: Api, schema: &Value, value: &Value) {
    let validator = validator(api, schema);
    let faults: Vec<String> =
        validator.iter_errors(value).map(|fault| format!("{}: {fault}", fault.instance_path)).collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

fn validator(api: Api, schema: &Value) -> Validator {
    let Value::Object(schemas) = api.description()["components"]["schemas"].clone() else {
        panic!("no schemas")
    };
    let schemas: Map<String, Value> =
        schemas.into_iter().map(|(name, schema)| (name, strict(schema))).collect();
    let mut root = schema.clone();
    root["components"] = json!({ "schemas": schemas });
    jsonschema::draft202012::new(&root).expect("a schema")
}

/// Makes a schema strict. `nullable` becomes a choice. An object must have all of its properties and no
/// others, unless it is marked to omit properties that are null.
fn strict(schema: Value) -> Value {
    match schema {
        Value::Array(schemas) => schemas.into_iter().map(strict).collect(),
        Value::Object(schema) => {
            let mut schema: Map<String, Value> =
                schema.into_iter().map(|(name, value)| (name, strict(value))).collect();
            if let Some(Value::Object(properties)) = schema.get("properties") {
                let names: Vec<&String> = properties.keys().filter(|_| !leaves_out_null(&schema)).collect();
                let names = json!(names);
                schema.insert("required".to_owned(), names);
                schema.insert("additionalProperties".to_owned(), Value::Bool(false));
            }
            if schema.get("nullable") == Some(&Value::Bool(true)) {
                json!({ "anyOf": [schema, { "type": "null" }] })
            } else {
                Value::Object(schema)
            }
        }
        other => other,
    }
}

fn leaves_out_null(schema: &Map<String, Value>) -> bool {
    let mark = schema.get("x-class-extra-annotation").and_then(Value::as_str);
    mark.is_some_and(|mark| mark.contains("NON_NULL"))
}

#[test]
fn the_recorded_response_is_valid_and_a_wrong_one_is_not() {
    let recorded = json_fixture("send_response_201_queued.json");
    assert_message(&recorded);
    let schema = json!({ "$ref": "#/components/schemas/api.v2010.account.message" });
    for (field, wrong) in
        [("status", json!("gone")), ("sid", json!("SM1")), ("num_media", json!(0)), ("extra", json!(1))]
    {
        let mut message = recorded.clone();
        message[field] = wrong;
        assert!(!validator(Api::Account, &schema).is_valid(&message), "{field}");
    }
    let mut message = recorded;
    message.as_object_mut().unwrap().remove("uri");
    assert!(!validator(Api::Account, &schema).is_valid(&message));
}
