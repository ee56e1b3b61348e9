//! A body with a field that the route does not define is refused and changes nothing.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use test_kit::gateway::Event;

use crate::{
    api::{Api, ORGANIZATION, OWNER, now},
    contract::{Ids, Route, routes},
};

/// Fields that an attacker would like to set.
const EXTRA_FIELDS: [&str; 18] = [
    "teamId",
    "organizationId",
    "organization",
    "inboxId",
    "userId",
    "contactId",
    "messageId",
    "role",
    "owner",
    "fence",
    "status",
    "state",
    "stage",
    "kind",
    "optedOut",
    "blocked",
    "provisional",
    "createdAt",
];

/// Characters of a number's sid at Twilio.
const SID_LENGTH: usize = 34;
/// Characters of the secret of a webhook endpoint: the prefix, and 32 bytes in base64.
const SECRET_LENGTH: usize = 50;

/// Adds every extra field that the route does not define.
fn with_extra_fields(body: &Value, route: &Route) -> Value {
    let mut body = body.clone();
    let fields = body.as_object_mut().unwrap();
    for field in EXTRA_FIELDS {
        let value = match field {
            "owner" | "optedOut" | "blocked" | "provisional" => json!(true),
            "fence" => json!(999),
            "role" => json!("admin"),
            "status" => json!("approved"),
            "state" => json!("delivered"),
            _ => json!("org_2"),
        };
        let mut tried = Value::Object(fields.clone());
        tried[field] = json!([[]]); // no field of the API has this type, so the schema rejects defined fields
        if !fields.contains_key(field) && route.schema.as_ref().is_some_and(|schema| schema.is_valid(&tried))
        {
            fields.insert(field.to_owned(), value);
        }
    }
    for name in ["from", "to", "optOutChanged"] {
        if let Some(inner) = body.get_mut(name).and_then(Value::as_object_mut) {
            inner.insert("organizationId".into(), json!("org_2"));
            inner.insert("role".into(), json!("admin"));
        }
    }
    body
}

/// Calls every route with a valid body changed by `change`, unless that returns `None`. Returns the items of
/// the table and how many calls succeeded.
async fn call_all(change: impl Fn(&Value, &Route) -> Option<Value>) -> (BTreeMap<String, String>, usize) {
    let api = Api::start().await;
    let (ids, mut succeeded) = (Ids::create(&api).await, 0);
    for route in routes() {
        let Some(body) = ids.body(route.key) else { continue };
        let pairs: Vec<_> = route.ids.iter().map(|name| (*name, ids.get(name))).collect();
        if route.key.contains("/lock") || route.key.ends_with("{conversationId}/messages") {
            let lock = Event::new("POST /v1/inboxes/{inboxId}/conversations/{conversationId}/lock", &pairs);
            assert_eq!(api.call(&lock.user(ORGANIZATION, OWNER)).await.status, 200);
        }
        let Some(mut body) = change(&body, &route) else { continue };
        if let Some(token) =
            body.get_mut("lockToken").or(route.key.contains("/lock").then_some(&mut json!(1)))
        {
            *token = json!(2); // the second token that was issued
        }
        let event = Event::new(route.key, &pairs).user(ORGANIZATION, OWNER).json(&body);
        succeeded += usize::from(api.call(&event).await.status < 300);
    }
    // The sid of the purchased number and the secret of the webhook endpoint are random.
    let without = |item: String, start: &str, length: usize| match item.find(start) {
        Some(at) if item.len() > at + length => format!("{}{}", &item[..at], &item[at + length..]),
        _ => item,
    };
    let items = api.app.engine.items().await.into_iter();
    let items = items.map(|(key, item)| {
        let item = without(without(item, "PN", SID_LENGTH), "whsec_", SECRET_LENGTH);
        (key, without_entropy(&item))
    });
    (items.collect(), succeeded)
}

/// Removes the random bits of attempts to acquire a lock.
fn without_entropy(item: &str) -> String {
    let time = format!("{}-", now().millis());
    let mut parts = item.split(&time);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |item, part| item + &time + part.trim_start_matches(|c: char| c.is_ascii_hexdigit()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn extra_fields_are_refused_and_change_nothing() {
    let (_, accepted) = call_all(|body, _| Some(body.clone())).await;
    assert!(accepted >= 15, "{accepted}");
    let (unchanged, _) = call_all(|_, _| None).await;
    let (with_extra, accepted) = call_all(|body, route| Some(with_extra_fields(body, route))).await;
    assert_eq!(accepted, 0);
    let other: Vec<_> = with_extra.iter().filter(|(key, item)| unchanged.get(*key) != Some(item)).collect();
    assert_eq!(other, Vec::new());
    assert_eq!(unchanged.len(), with_extra.len());
}

/// The first name is a field of the route.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stored_field_would_be_noticed() {
    let (plain, _) = call_all(|body, _| Some(body.clone())).await;
    let named = |body: &Value, _: &Route| {
        let mut body = body.clone();
        if let Some(name) = body.get_mut("firstName") {
            *name = json!("org_2");
        }
        Some(body)
    };
    let (other, _) = call_all(named).await;
    assert!(other.iter().any(|(key, item)| plain.get(key) != Some(item)));
}
