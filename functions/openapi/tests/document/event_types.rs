//! The events of the feed, as the section `webhooks` of the document.

use serde_json::{Map, Value, json};
use shared_domain::event::EventType;
use shared_http::wire::{
    broadcast::BroadcastData,
    contact::OptOutEntryView,
    conversation::ConversationView,
    event::{
        ContactData, ImportData, InboxData, LockData, MembershipData, OutOfOfficeData, RegistrationData,
    },
    message::MessageView,
};
use utoipa::OpenApi;

/// The schemas of the data of events.
#[derive(OpenApi)]
#[openapi(components(schemas(
    BroadcastData,
    ContactData,
    ConversationView,
    ImportData,
    InboxData,
    LockData,
    MembershipData,
    MessageView,
    OptOutEntryView,
    OutOfOfficeData,
    RegistrationData
)))]
pub(crate) struct Schemas;

/// Returns when an event of this type occurs, and the schemas that its data can have.
fn described(kind: EventType) -> (&'static str, &'static [&'static str]) {
    match kind {
        EventType::ConversationUpdated => ("A conversation changed, except for its lock", &["Conversation"]),
        EventType::MessageCreated => ("A message was received or accepted", &["Message"]),
        EventType::MessageUpdated => ("A delivery state or a file of a message changed", &["Message"]),
        EventType::LockAcquired => ("A user acquired the lock of a conversation", &["LockData"]),
        EventType::LockReleased => ("The holder released the lock of a conversation", &["LockData"]),
        EventType::LockBroken => ("An admin broke the lock of a conversation", &["LockData"]),
        EventType::InboxChanged => {
            ("The settings or Out of Office of an inbox changed", &["InboxData", "OutOfOfficeData"])
        }
        EventType::MembershipChanged => {
            ("A member of an inbox or a team was added, changed or removed", &["MembershipData"])
        }
        EventType::ContactUpdated => ("A contact was added, changed or removed", &["ContactData"]),
        EventType::OptOutChanged => ("A contact opted out or in", &["OptOutEntry"]),
        EventType::RegistrationChanged => ("The registration of a team changed", &["RegistrationData"]),
        EventType::ImportChanged => {
            ("A contact import made progress. For admins of the team and the owner", &["ImportData"])
        }
        EventType::BroadcastChanged => ("A broadcast changed or made progress", &["BroadcastData"]),
    }
}

/// Adds the section.
pub(crate) fn add(document: &mut Value) {
    let events: Map<_, _> = EventType::ALL
        .into_iter()
        .map(|kind| {
            let (summary, schemas) = described(kind);
            let reference = |schema: &&str| json!({ "$ref": format!("#/components/schemas/{schema}") });
            let data = match schemas {
                [schema] => reference(schema),
                all => json!({ "anyOf": all.iter().map(reference).collect::<Vec<_>>() }),
            };
            let this = json!({ "type": "object", "required": ["type", "data"],
                "properties": { "type": { "type": "string", "const": kind.as_str() }, "data": data } });
            let schema = json!({ "allOf": [{ "$ref": "#/components/schemas/Event" }, this] });
            let operation = json!({
                "tags": ["events"], "summary": summary, "operationId": operation_id(kind),
                "description": "An item of `GET /v1/events`.", "security": [{}],
                "requestBody": { "content": { "application/json": { "schema": schema } } },
                "responses": { "200": { "description": "Success" } },
            });
            (kind.as_str().to_owned(), json!({ "post": operation }))
        })
        .collect();
    document["webhooks"] = events.into();
}

/// `opt_out.changed` is `onOptOutChanged`.
fn operation_id(kind: EventType) -> String {
    let words = kind.as_str().split(['.', '_']).map(|word| word[..1].to_uppercase() + &word[1..]);
    format!("on{}", words.collect::<String>())
}
