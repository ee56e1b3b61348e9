//! The routes of the OpenAPI document, an entity for each of their path parameters, and a valid body for
//! each route.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};
use test_kit::gateway::Event;

use crate::{
    api::{Api, INBOX, NUMBER, ORGANIZATION, OWNER, TEAM, now},
    webhook::{ACCOUNT, MESSAGES, Webhook, form},
};

/// A route as the OpenAPI document describes it.
pub(crate) struct Route {
    /// Method and path, for example `POST /v1/teams`.
    pub(crate) key: &'static str,
    pub(crate) statuses: Vec<u16>,
    /// Codes of the errors.
    pub(crate) codes: Vec<String>,
    /// The schema of the JSON body.
    pub(crate) schema: Option<jsonschema::Validator>,
    /// Names of the path parameters.
    pub(crate) ids: Vec<&'static str>,
    /// Names of the query parameters.
    pub(crate) query: Vec<String>,
}

/// Returns all routes of the document.
pub(crate) fn routes() -> Vec<Route> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../functions/openapi/openapi.json");
    let document: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut routes = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let key: &'static str = format!("{} {path}", method.to_uppercase()).leak();
            let names = |place: &str| {
                let all = operation["parameters"].as_array().into_iter().flatten();
                let here = all.filter(|parameter| parameter["in"] == place);
                here.map(|parameter| parameter["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
            };
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            let schema = (!schema.is_null() && !key.contains("/webhooks/")).then(|| {
                let schema = json!({ "components": document["components"], "allOf": [schema] });
                jsonschema::validator_for(&schema).unwrap()
            });
            let responses = operation["responses"].as_object().unwrap();
            let statuses = responses.keys();
            routes.push(Route {
                key,
                statuses: statuses.map(|status| status.parse().unwrap()).collect(),
                codes: responses.values().flat_map(|response| codes(&document, response)).collect(),
                schema,
                ids: names("path").into_iter().map(|name| &*name.leak()).collect(),
                query: names("query"),
            });
        }
    }
    routes
}

/// Returns the codes of a response, which is written out or a reference.
fn codes(document: &Value, response: &Value) -> Vec<String> {
    let resolve = |value: &Value| match value["$ref"].as_str() {
        Some(reference) => document.pointer(&reference[1..]).unwrap().clone(),
        None => value.clone(),
    };
    let response = resolve(response);
    let Some(problem) = response["content"].get("application/problem+json") else { return Vec::new() };
    let schema = &problem["schema"];
    let all = schema["oneOf"].as_array().cloned().unwrap_or_else(|| vec![schema.clone()]);
    let code = |one: &Value| resolve(one)["properties"]["code"]["const"].as_str().unwrap().to_owned();
    all.iter().map(code).collect()
}

/// Ids of existing entities by parameter name.
pub(crate) struct Ids(BTreeMap<&'static str, String>);

impl Ids {
    /// Creates one entity of each kind.
    pub(crate) async fn create(api: &Api) -> Self {
        let fields = text_fields("SM00000000000000000000000000000001", "please stop texting me");
        let webhook = Webhook::form(MESSAGES, "", form(&fields)).signed();
        assert_eq!(api.try_call(now(), &webhook.event()).await.unwrap().status, 200);
        let signed_in =
            |route: &'static str, ids: &[(&str, &str)]| Event::new(route, ids).user(ORGANIZATION, OWNER);
        let inbox: &[(&str, &str)] = &[("inboxId", INBOX)];
        let created = async |event: Event, pointer: &str| {
            let body = api.call(&event).await.json();
            body.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("{body}")).to_owned()
        };
        let list = signed_in("GET /v1/inboxes/{inboxId}/conversations", inbox).query("folder=inbox");
        let team: &[(&str, &str)] = &[("teamId", TEAM)];
        let template = json!({ "name": "Hours", "text": "From nine to five, {{firstName|there}}." });
        let imports = signed_in("POST /v1/teams/{teamId}/contact-imports", team);
        let mut ids = BTreeMap::from([
            ("inboxId", INBOX.to_owned()),
            ("teamId", TEAM.to_owned()),
            ("userId", OWNER.to_owned()),
            ("conversationId", created(list.clone(), "/items/0/conversationId").await),
            ("messageId", created(list.clone(), "/items/0/lastMessage/messageId").await),
            ("contactId", created(list, "/items/0/contact/contactId").await),
        ]);
        let reviews = signed_in("GET /v1/inboxes/{inboxId}/opt-out-reviews", inbox);
        ids.insert("reviewId", created(reviews, "/items/0/reviewId").await);
        let templates = signed_in("POST /v1/teams/{teamId}/templates", team).json(&template);
        ids.insert("templateId", created(templates, "/templateId").await);
        let reply = json!({ "keywords": ["hours"], "text": "From nine to five." });
        let replies = signed_in("POST /v1/inboxes/{inboxId}/keyword-replies", inbox).json(&reply);
        ids.insert("keywordReplyId", created(replies, "/keywordReplyId").await);
        let segment = json!({ "name": "Parents", "kind": "static" });
        let segments = signed_in("POST /v1/teams/{teamId}/segments", team).json(&segment);
        ids.insert("segmentId", created(segments, "/segmentId").await);
        let broadcasts = signed_in("POST /v1/broadcasts", &[]).json(&broadcast());
        ids.insert("broadcastId", created(broadcasts, "/broadcastId").await);
        ids.insert("importId", created(imports.json(&json!({})), "/importId").await);
        let clients = signed_in("POST /v1/machine-clients", &[]).json(&machine_client());
        ids.insert("clientId", created(clients, "/clientId").await);
        let endpoints = signed_in("POST /v1/webhook-endpoints", &[]).json(&webhook_endpoint());
        let endpoint = created(endpoints, "/endpointId").await;
        let test = [("endpointId", endpoint.as_str())];
        let test = signed_in("POST /v1/webhook-endpoints/{endpointId}/test", &test);
        ids.insert("deliveryId", created(test, "/deliveryId").await);
        ids.insert("endpointId", endpoint);
        Self(ids)
    }

    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.get(name).unwrap_or_else(|| panic!("no id for {name}"))
    }

    /// Returns a valid body for a route. `None` if it has no body.
    pub(crate) fn body(&self, route: &str) -> Option<Value> {
        let (contact, conversation) = (self.get("contactId"), self.get("conversationId"));
        Some(match route {
            "POST /v1/broadcasts" => broadcast(),
            "PATCH /v1/broadcasts/{broadcastId}" => json!({
                "name": "Snow day", "audience": { "segmentIds": [self.get("segmentId")] }, "scheduledAt": null,
                "hours": { "mode": "always" }, "replyWindowHours": 24, "question": null, "recurrence": null,
            }),
            "POST /v1/broadcasts/{broadcastId}/answers" => {
                json!({ "phoneNumber": "+12025550143", "answer": "yes" })
            }
            "POST /v1/broadcasts/{broadcastId}/confirm" => json!({ "estimateId": "est_1" }),
            "PATCH /v1/inboxes/{inboxId}" => {
                json!({ "name": "Desk", "color": "#112233", "voiceForwardingNumber": null })
            }
            "PATCH /v1/inboxes/{inboxId}/conversations" => {
                json!({ "conversationIds": [conversation], "folder": "archived", "read": true })
            }
            "PATCH /v1/inboxes/{inboxId}/conversations/{conversationId}" => {
                json!({ "folder": "inbox", "read": false })
            }
            "PUT /v1/inboxes/{inboxId}/conversations/{conversationId}/lock" => {
                json!({ "token": 1, "active": true })
            }
            "POST /v1/inboxes/{inboxId}/conversations/{conversationId}/messages" => json!({
                "text": "Yes.", "lockToken": 1, "lastSeenMessageId": self.get("messageId"), "acceptUnseen": false,
                "media": ["https://files.example/map.png"],
            }),
            "POST /v1/inboxes/{inboxId}/keyword-replies" => {
                json!({ "keywords": ["menu", "Lunch menu"], "text": "Soup.", "tag": "hungry" })
            }
            "PATCH /v1/inboxes/{inboxId}/keyword-replies/{keywordReplyId}" => json!({ "text": "From ten." }),
            "POST /v1/inboxes/{inboxId}/messages/retry" => json!({
                "codes": ["30003"], "since": "2026-11-22T10:00:00Z", "until": "2026-11-22T11:00:00Z",
            }),
            "POST /v1/inboxes/{inboxId}/media" => json!({ "contentType": "image/png", "size": 1000 }),
            "PUT /v1/inboxes/{inboxId}/opt-out-reviews/{reviewId}" => json!({ "decision": "dismissed" }),
            "PUT /v1/inboxes/{inboxId}/out-of-office" => json!({
                "mode": "auto", "message": "Closed.", "timeZone": "America/New_York",
                "hours": { "mon": [["09:00", "12:00"]] }, "holidays": ["2026-12-25"],
            }),
            "POST /v1/machine-clients" => machine_client(),
            "POST /v1/messages" => json!({
                "from": { "inboxId": INBOX }, "to": { "contactId": contact }, "text": "Hi.",
                "media": [{ "url": "https://files.example/map.png" }],
            }),
            "POST /v1/teams" => json!({ "name": "Night desk" }),
            "PATCH /v1/teams/{teamId}" => {
                json!({ "name": "Night desk", "hold": false, "retentionDays": 365 })
            }
            "POST /v1/teams/{teamId}/contact-imports" => json!({ "clearMissingAssignments": true }),
            "POST /v1/teams/{teamId}/contacts" => json!({
                "externalId": "S-1", "firstName": "Ada", "lastName": "King", "mobileNumber": "(907) 334-0001",
                "assignedUserId": OWNER, "custom": { "Course": "Maths" }, "tags": ["parent"],
            }),
            "PATCH /v1/teams/{teamId}/contacts/{contactId}" => {
                json!({ "firstName": "Ada", "assignedUserId": null, "custom": {}, "tags": [] })
            }
            "POST /v1/teams/{teamId}/inboxes" => json!({
                "kind": "shared", "adopt": false, "name": "Second desk", "apiCode": "SECOND", "color": "#336699", "phoneNumber": "+14155550123",
                "voiceForwardingNumber": "+12025550188", "memberIds": [OWNER],
            }),
            "PUT /v1/teams/{teamId}/members/{userId}" => {
                json!({ "role": "admin", "name": "Olga", "email": "olga@clinic.example" })
            }
            "PUT /v1/teams/{teamId}/notification-settings" => {
                let mailing = json!({ "enabled": true, "recipients": ["desk@clinic.example"] });
                json!({ "optOutChanged": mailing, "unknownContact": mailing, "contactAdded": mailing })
            }
            "POST /v1/teams/{teamId}/registration" => json!({
                "useCase": "LOW_VOLUME",
                "description": "Answers of our desk to people who wrote to us or asked for an appointment.",
                "messageFlow": "People give their mobile number on the form and tick the box for texts.",
                "messageSamples": ["Your visit is on Friday at 3pm. Reply STOP to opt out.", "We got your question today."],
                "hasEmbeddedLinks": false, "hasEmbeddedPhone": false,
            }),
            "POST /v1/teams/{teamId}/segments" => {
                json!({ "name": "Parents", "kind": "filter", "filter": tag_filter() })
            }
            "POST /v1/teams/{teamId}/segments/preview" => json!({ "filter": tag_filter() }),
            "PATCH /v1/teams/{teamId}/segments/{segmentId}" => json!({ "name": "Guardians" }),
            "POST /v1/teams/{teamId}/segments/{segmentId}/contacts"
            | "DELETE /v1/teams/{teamId}/segments/{segmentId}/contacts" => json!({
                "contactIds": [contact], "externalIds": ["S-1"], "phoneNumbers": ["+12025550143"],
            }),
            "POST /v1/teams/{teamId}/templates" => {
                json!({ "name": "Welcome", "text": "Hello {{firstName|there}}" })
            }
            "PATCH /v1/teams/{teamId}/templates/{templateId}" => json!({ "text": "Bye {{lastName|there}}" }),
            "POST /v1/teams/{teamId}/templates/{templateId}/render" => json!({ "contactId": contact }),
            "POST /v1/webhook-endpoints" => webhook_endpoint(),
            "PATCH /v1/webhook-endpoints/{endpointId}" => {
                json!({ "types": ["*"], "inboxIds": [INBOX], "description": "CRM", "status": "enabled" })
            }
            "POST /v1/webhook-endpoints/{endpointId}/recover" => {
                json!({ "since": "2026-11-22T10:00:00Z", "until": "2026-11-22T11:00:00Z" })
            }
            _ => return None,
        })
    }
}

fn broadcast() -> Value {
    json!({
        "name": "Snow day", "from": { "inboxId": INBOX }, "audience": { "phoneNumbers": ["+12025550143"] },
        "text": "No school today, {{firstName|dear parents}}.", "hours": { "mode": "recipient" },
        "replyWindowHours": 72, "question": { "kind": "choice", "choices": ["Bus", "Car"], "followUps": { "a": "OK" } },
        "scheduledAt": in_a_week(), "recurrence": { "frequency": "weekly", "days": ["mon"], "count": 3 },
    })
}

fn in_a_week() -> String {
    (now() + Duration::from_hours(24 * 7)).to_string()
}

fn tag_filter() -> Value {
    json!({ "field": "tag", "op": "eq", "value": "parent" })
}

fn webhook_endpoint() -> Value {
    json!({
        "url": "https://receiver.example/hook", "types": ["message.*"], "inboxIds": [INBOX], "description": "CRM",
    })
}

/// A client of the issuer of the simulated users.
fn machine_client() -> Value {
    json!({ "name": "Booking", "clientId": "booking" })
}

fn text_fields(sid: &'static str, text: &'static str) -> Vec<(&'static str, &'static str)> {
    vec![
        ("MessageSid", sid),
        ("AccountSid", ACCOUNT),
        ("From", "+12025550143"),
        ("To", NUMBER),
        ("Body", text),
        ("NumMedia", "1"),
        ("MediaUrl0", "https://api.twilio.com/media/ME1"),
        ("MediaContentType0", "image/png"),
    ]
}
