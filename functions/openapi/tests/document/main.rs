//! Makes the OpenAPI document from the functions. It is current, has the same routes as the template, and
//! follows the rules of `rules.rs`.

#![allow(clippy::unwrap_used, reason = "test code")]

use std::collections::BTreeSet;

use serde_json::Value;
use shared_http::{
    parameters::QUERY_PARAMETERS,
    wire::{
        problem::{
            AlreadyDecided, BroadcastNotAllowed, CursorExpired, EstimateStop, FieldErrorView, InvalidFields,
            LockLost, Locked, NumberUnavailable, Problem, RegistrationIncomplete, TemplateIncomplete,
            TextTooLong, TooManyLocks, UnseenMessage,
        },
        values::{Country, ReadState},
    },
};
use utoipa::{
    Modify, OpenApi,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
};

mod errors;
mod event_types;
mod examples;
mod parameters;
#[path = "../../build/problems.rs"]
mod problems;
mod rules;
mod schemas;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "shared-inbox",
        description = "Text messaging for teams. Several people share a phone number, and a lock makes sure that only one of them replies in a conversation at a time.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
        contact(name = "shared-inbox")
    ),
    servers((url = ".", description = "The stack that serves this document")),
    components(schemas(
        AlreadyDecided, BroadcastNotAllowed, CursorExpired, EstimateStop, FieldErrorView, InvalidFields, LockLost, Locked, NumberUnavailable, Problem,
        RegistrationIncomplete, TemplateIncomplete, TextTooLong, TooManyLocks, UnseenMessage, ReadState, Country
    )),
    tags(
        (name = "users", description = "The signed-in user"),
        (name = "organization", description = "Pausing and resuming all sending"),
        (name = "teams", description = "Teams, members, notification settings and the audit trail"),
        (name = "inboxes", description = "Inboxes, their settings and members, and numbers that can be bought"),
        (name = "registration", description = "A team's A2P 10DLC registration"),
        (name = "contacts", description = "Contacts, imports, opt-outs and opt-out reviews"),
        (name = "broadcasts", description = "One text to many contacts"),
        (name = "segments", description = "Groups of contacts for broadcasts"),
        (name = "templates", description = "Templates for messages"),
        (name = "conversations", description = "Conversations, their folders and messages"),
        (name = "lock", description = "Locks on conversations"),
        (name = "messages", description = "Sending messages"),
        (name = "events", description = "What changed, for front ends and integrations"),
        (name = "webhooks", description = "Endpoints that get events as signed requests (Standard Webhooks)"),
        (name = "carriers", description = "Webhooks of the carrier, each verified by its signature"),
        (name = "service", description = "The configuration of the stack, the OpenAPI document and the health check. No token is required"),
    )
)]
struct Whole;

struct BearerToken;

impl Modify for BearerToken {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        document
            .components
            .get_or_insert_default()
            .add_security_scheme("token", SecurityScheme::Http(scheme));
        document.security = Some(vec![SecurityRequirement::new("token", Vec::<String>::new())]);
    }
}

/// Returns the document. Keys are in alphabetical order, except at the top.
fn document() -> Value {
    let mut parts = Whole::openapi();
    for part in vec![
        teams::Api::openapi(),
        inboxes::Api::openapi(),
        registrations::Api::openapi(),
        contacts::Api::openapi(),
        contact_imports::Api::openapi(),
        keyword_replies::Api::openapi(),
        out_of_office::Api::openapi(),
        broadcasts::Api::openapi(),
        segments::Api::openapi(),
        templates::Api::openapi(),
        conversations::Api::openapi(),
        conversation_lock::Api::openapi(),
        messages::Api::openapi(),
        events::Api::openapi(),
        webhook_endpoints::Api::openapi(),
        inbound_sms::Api::openapi(),
        delivery_status::Api::openapi(),
        registration_status::Api::openapi(),
        inbound_voice::Api::openapi(),
        openapi::Api::openapi(),
        event_types::Schemas::openapi(),
    ] {
        parts.merge(part);
    }
    BearerToken.modify(&mut parts);
    let mut document = schemas::adjust(serde_json::to_value(parts).unwrap());
    event_types::add(&mut document);
    parameters::describe(&mut document);
    errors::add(&mut document);
    examples::add(&mut document);
    examples::add_to_errors(&mut document, &errors::codes());
    document
}

/// Returns the text of the document, with its parts in the usual order.
fn text(document: &Value) -> String {
    let parts = ["openapi", "info", "servers", "security", "tags", "paths", "webhooks", "components"];
    assert_eq!(document.as_object().unwrap().len(), parts.len());
    let parts = parts.map(|name| {
        let part = serde_json::to_string_pretty(&document[name]).unwrap();
        format!("  \"{name}\": {}", part.replace('\n', "\n  "))
    });
    format!("{{\n{}\n}}\n", parts.join(",\n"))
}

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");

#[test]
fn the_document_is_current() {
    let generated = text(&document());
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(FILE, &generated).unwrap();
    }
    let kept = std::fs::read_to_string(FILE).unwrap();
    assert!(kept == generated, "openapi.json is outdated: run `make openapi` and commit the file");
}

/// `METHOD /path`, and whether it requires no token.
type Route = (String, bool);

#[test]
fn the_document_has_the_routes_of_the_template() {
    assert_eq!(routes_of_the_document(), routes_of_the_template());
}

fn routes_of_the_document() -> BTreeSet<Route> {
    let document = document();
    let mut routes = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let open = operation["security"] == serde_json::json!([{}]);
            routes.insert((format!("{} {path}", method.to_uppercase()), open));
        }
    }
    routes
}

#[test]
fn the_functions_know_the_query_parameters_of_the_document() {
    let document = document();
    let mut found = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let all = operation["parameters"].as_array().into_iter().flatten();
            let in_query = all.filter(|parameter| parameter["in"] == "query");
            let names: Vec<_> = in_query.map(|one| one["name"].as_str().unwrap().to_owned()).collect();
            if !names.is_empty() && !path.starts_with("/webhooks/") {
                found.push((format!("{} {path}", method.to_uppercase()), names));
            }
        }
    }
    let known = QUERY_PARAMETERS.iter().map(|(route, names)| {
        ((*route).to_owned(), names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
    });
    assert_eq!(known.collect::<Vec<_>>(), found);
}

/// Without the console and the reference, which are pages and no part of the API.
fn routes_of_the_template() -> BTreeSet<Route> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../template.yaml")).unwrap();
    let template: serde_norway::Value = serde_norway::from_str(&text).unwrap();
    let mut routes = BTreeSet::new();
    for (_, resource) in template["Resources"].as_mapping().unwrap() {
        let Some(events) = resource["Properties"]["Events"].as_mapping() else { continue };
        for event in events.values().filter(|event| event["Type"] == "HttpApi") {
            let of = &event["Properties"];
            if ["/console", "/docs"].iter().any(|page| of["Path"].as_str().unwrap().starts_with(page)) {
                continue;
            }
            let route =
                format!("{} {}", of["Method"].as_str().unwrap().to_uppercase(), of["Path"].as_str().unwrap());
            routes.insert((route, of["Auth"]["Authorizer"] == "NONE"));
        }
    }
    assert!(routes.len() >= 15, "the template was read");
    routes
}
