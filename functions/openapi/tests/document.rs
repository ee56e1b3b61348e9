//! The document is current and has the same routes as the template.

#![allow(clippy::unwrap_used, reason = "test code")]

use std::collections::BTreeSet;

use serde_json::Value;
use utoipa::{
    Modify, OpenApi,
    openapi::{
        Content, Ref, RefOr, ResponseBuilder,
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "shared-inbox",
        description = "Text messaging for teams. Several people share a phone number, and a lock makes sure that only one of them replies in a conversation at a time.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
        contact(name = "shared-inbox")
    ),
    modifiers(&BearerToken),
    tags(
        (name = "users", description = "The signed-in user"),
        (name = "organization", description = "Pausing and resuming all sending"),
        (name = "teams", description = "Teams, members, notification settings and the audit trail"),
        (name = "inboxes", description = "Inboxes, their settings and members, and numbers that can be bought"),
        (name = "registration", description = "A team's A2P 10DLC registration"),
        (name = "contacts", description = "Contacts, imports, opt-outs and opt-out reviews"),
        (name = "templates", description = "Templates for messages"),
        (name = "conversations", description = "Conversations, their folders and messages"),
        (name = "lock", description = "Locks on conversations"),
        (name = "messages", description = "Sending messages"),
        (name = "carriers", description = "Webhooks of the carrier, each verified by its signature"),
        (name = "service", description = "The OpenAPI document and the health check. No token is required"),
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

/// Adds the error responses that all routes of a kind have.
struct Conventions;

impl Modify for Conventions {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        for (path, item) in &mut document.paths.paths {
            let operations =
                [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
            for operation in operations.into_iter().flatten() {
                for (status, response) in &mut operation.responses.responses {
                    if let RefOr::T(response) = response
                        && response.description.is_empty()
                    {
                        description(status).clone_into(&mut response.description);
                    }
                }
                let signed_in = path.starts_with("/v1/");
                let takes_a_body = operation.request_body.is_some();
                let parameters = operation.parameters.iter().flatten();
                let names = parameters.map(|parameter| match parameter {
                    RefOr::T(parameter) => parameter.name.as_str(),
                    RefOr::Ref(_) => "",
                });
                let is_bounded =
                    names.into_iter().any(|name| ["limit", "cursor", "Idempotency-Key"].contains(&name));
                for (status, applies, description) in [
                    ("400", is_bounded || takes_a_body, "A field is missing or has the wrong type"),
                    (
                        "403",
                        signed_in,
                        "The token does not identify a user of an organization, or you do not have permission",
                    ),
                    ("413", takes_a_body, "The body is too large"),
                    (
                        "503",
                        signed_in,
                        "The database is busy, or another request made a change at the same time. Try again.",
                    ),
                ] {
                    if applies && !operation.responses.responses.contains_key(status) {
                        let problem = Content::new(Some(Ref::from_schema_name("Problem")));
                        let response = ResponseBuilder::new()
                            .description(description)
                            .content("application/json", problem)
                            .build();
                        operation.responses.responses.insert(status.to_owned(), response.into());
                    }
                }
            }
        }
    }
}

/// Returns the description of a response that has none of its own.
fn description(status: &str) -> &'static str {
    match status {
        "200" => "Success",
        "201" => "Created",
        "202" => "Accepted",
        "204" => "Done",
        "400" => "A field is missing or has the wrong type",
        "403" => "You do not have permission",
        "404" => "It does not exist, or you do not have access to it",
        "409" => "The current state does not allow it",
        "413" => "The body is too large",
        "415" => "The content type is not supported",
        "422" => "A field has an invalid value",
        "503" => "The database is busy, or another request made a change at the same time. Try again.",
        other => panic!("describe {other}"),
    }
}

fn document() -> utoipa::openapi::OpenApi {
    let mut document = Whole::openapi();
    for part in vec![
        teams::Api::openapi(),
        inboxes::Api::openapi(),
        registrations::Api::openapi(),
        contacts::Api::openapi(),
        contact_imports::Api::openapi(),
        out_of_office::Api::openapi(),
        templates::Api::openapi(),
        conversations::Api::openapi(),
        conversation_lock::Api::openapi(),
        messages::Api::openapi(),
        inbound_sms::Api::openapi(),
        delivery_status::Api::openapi(),
        registration_status::Api::openapi(),
        inbound_voice::Api::openapi(),
        openapi::Api::openapi(),
    ] {
        document.merge(part);
    }
    BearerToken.modify(&mut document);
    Conventions.modify(&mut document);
    document
}

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");

#[test]
fn the_document_is_current() {
    let generated = document().to_pretty_json().unwrap() + "\n";
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
    let document: Value = serde_json::from_str(&document().to_json().unwrap()).unwrap();
    let mut routes = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let open = operation["security"] == serde_json::json!([{}]);
            routes.insert((format!("{} {path}", method.to_uppercase()), open));
        }
    }
    routes
}

/// Without the console, which is a page and no part of the API.
fn routes_of_the_template() -> BTreeSet<Route> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../template.yaml")).unwrap();
    let template: serde_norway::Value = serde_norway::from_str(&text).unwrap();
    let mut routes = BTreeSet::new();
    for (_, resource) in template["Resources"].as_mapping().unwrap() {
        let Some(events) = resource["Properties"]["Events"].as_mapping() else { continue };
        for event in events.values().filter(|event| event["Type"] == "HttpApi") {
            let of = &event["Properties"];
            if of["Path"].as_str().unwrap().starts_with("/console") {
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
