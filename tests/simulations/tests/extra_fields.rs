//! Whatever a body holds besides the fields of its route is as if it were not there.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use test_kit::gateway::Event;

use crate::{
    contract::{Ids, Route, routes},
    house::{House, ORGANIZATION, OWNER},
};

/// What somebody would like to set who may not.
const WISHES: [&str; 18] = [
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

/// The same with every wish that is no field of this body.
fn with_wishes(body: &Value, route: &Route) -> Value {
    let mut body = body.clone();
    let fields = body.as_object_mut().unwrap();
    for wish in WISHES {
        let value = match wish {
            "owner" | "optedOut" | "blocked" | "provisional" => json!(true),
            "fence" => json!(999),
            "role" => json!("admin"),
            "status" => json!("approved"),
            "state" => json!("delivered"),
            _ => json!("org_2"),
        };
        let mut tried = Value::Object(fields.clone());
        tried[wish] = json!([[]]); // nothing of ours is of this type, so a field of this name would be noticed
        if !fields.contains_key(wish) && route.schema.as_ref().is_some_and(|schema| schema.is_valid(&tried)) {
            fields.insert(wish.to_owned(), value);
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

/// The table after each route has done what it is for, and how many did.
async fn after_all(change: impl Fn(&Value, &Route) -> Value) -> (BTreeMap<String, String>, usize) {
    let house = House::open().await;
    let (ids, mut done_for) = (Ids::of(&house).await, 0);
    for route in routes() {
        let Some(body) = ids.body(route.key) else { continue };
        let pairs: Vec<_> = route.ids.iter().map(|name| (*name, ids.get(name))).collect();
        if route.key.contains("/lock") || route.key.ends_with("{conversationId}/messages") {
            let lock = Event::new("POST /v1/inboxes/{inboxId}/conversations/{conversationId}/lock", &pairs);
            assert_eq!(house.does(&lock.user(ORGANIZATION, OWNER)).await.status, 200);
        }
        let mut body = change(&body, &route);
        if let Some(token) =
            body.get_mut("lockToken").or(route.key.contains("/lock").then_some(&mut json!(1)))
        {
            *token = json!(2); // the second that was given
        }
        let event = Event::new(route.key, &pairs).user(ORGANIZATION, OWNER).json(&body);
        done_for += usize::from(house.does(&event).await.status < 300);
    }
    // The carrier's id of the number that it sold is another each time.
    let bare = |row: String| match row.find("PN") {
        Some(at) if row.len() > at + 34 => format!("{}{}", &row[..at], &row[at + 34..]),
        _ => row,
    };
    let rows = house.rows().await.into_iter().map(|(key, row)| (key, bare(row)));
    (rows.collect(), done_for)
}

/// Whatever else is in a body is as if it were not there: the table is the same, row by row.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fields_that_nobody_asked_for_change_nothing() {
    let (plain, done) = after_all(|body, _| body.clone()).await;
    let (wished, as_many) = after_all(with_wishes).await;
    assert_eq!(done, as_many);
    assert!(done >= 15, "{done}");
    let other: Vec<_> = wished.iter().filter(|(key, row)| plain.get(*key) != Some(row)).collect();
    assert_eq!(other, Vec::new());
    assert_eq!(plain.len(), wished.len());
    assert!(!wished.values().any(|row| row.contains("org_2")));
}

/// A field that is one would be noticed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_field_that_is_stored_is_noticed() {
    let (plain, _) = after_all(|body, _| body.clone()).await;
    let named = |body: &Value, _: &Route| {
        let mut body = body.clone();
        if let Some(name) = body.get_mut("firstName") {
            *name = json!("org_2");
        }
        body
    };
    let (other, _) = after_all(named).await;
    assert!(other.iter().any(|(key, row)| plain.get(key) != Some(row)));
}
