//! The page of all operations and schemas.

use askama::Template;
use serde_json::Value;

use crate::schema::{Document, Field, Fields, entries, kind, limits, list, pretty, prose, referenced, text};

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

#[derive(Template)]
#[template(path = "docs.html")]
pub(crate) struct Page<'a> {
    /// The URL of the API, relative to the page.
    root: &'static str,
    description: &'a str,
    sections: Vec<Section<'a>>,
    schemas: Vec<Schema<'a>>,
}

/// The operations of a tag.
struct Section<'a> {
    name: &'a str,
    description: &'a str,
    operations: Vec<Operation<'a>>,
}

struct Operation<'a> {
    id: &'a str,
    method: &'static str,
    path: &'a str,
    summary: &'a str,
    /// HTML.
    description: String,
    is_open: bool,
    parameters: Vec<Field>,
    bodies: Vec<Content>,
    /// The successful responses.
    responses: Vec<Response<'a>>,
    failures: Vec<Failure<'a>>,
    /// `None` for webhooks, which need a signature.
    command: Option<String>,
}

struct Response<'a> {
    status: &'a str,
    description: &'a str,
    contents: Vec<Content>,
}

/// A body with one content type.
struct Content {
    media_type: String,
    /// HTML.
    kind: String,
    /// The fields of a body of a request.
    sets: Vec<Fields>,
    example: Option<String>,
}

/// The errors with one status.
struct Failure<'a> {
    status: &'a str,
    /// Without the codes.
    description: &'a str,
    codes: Vec<&'a str>,
}

struct Schema<'a> {
    name: &'a str,
    /// HTML.
    description: String,
    /// HTML. Empty if the schema has fields.
    kind: String,
    sets: Vec<Fields>,
}

/// Returns the page of a document.
pub(crate) fn page(document: &Value) -> Page<'_> {
    let sections = list(&document["tags"]).map(|tag| {
        let name = text(&tag["name"]);
        let operations = entries(&document["paths"]).flat_map(|(path, item)| {
            METHODS.iter().filter_map(move |method| Some((path, *method, item.get(method)?)))
        });
        let operations =
            operations.filter(|(_, _, operation)| list(&operation["tags"]).any(|tag| tag == name));
        Section {
            name,
            description: text(&tag["description"]),
            operations: operations
                .map(|(path, method, operation)| operation_of(Document(document), path, method, operation))
                .collect(),
        }
    });
    let schemas = entries(&document["components"]["schemas"]);
    let schemas = schemas.filter(|(name, _)| !name.ends_with("Problem") && *name != "GatewayError");
    Page {
        root: "",
        description: text(&document["info"]["description"]),
        sections: sections.collect(),
        schemas: schemas.map(|(name, schema)| schema_of(Document(document), name, schema)).collect(),
    }
}

fn operation_of<'a>(
    document: Document<'a>,
    path: &'a str,
    method: &'static str,
    operation: &'a Value,
) -> Operation<'a> {
    let responses =
        || entries(&operation["responses"]).map(|(status, response)| (status, document.resolve(response)));
    let successes = responses().filter(|(status, _)| status.starts_with('2'));
    let failures = responses().filter(|(status, _)| status.starts_with(['4', '5']));
    Operation {
        id: text(&operation["operationId"]),
        method,
        path,
        summary: text(&operation["summary"]),
        description: prose(text(&operation["description"])),
        is_open: operation["security"].is_array(),
        parameters: list(&operation["parameters"]).map(parameter_of).collect(),
        bodies: entries(&operation["requestBody"]["content"])
            .map(|(name, content)| Content {
                sets: document.titled_fields(&content["schema"]),
                ..content_of(name, content)
            })
            .collect(),
        responses: successes
            .map(|(status, response)| Response {
                status,
                description: text(&response["description"]),
                contents: entries(&response["content"])
                    .map(|(name, content)| content_of(name, content))
                    .collect(),
            })
            .collect(),
        failures: failures
            .map(|(status, response)| {
                let description = text(&response["description"]);
                Failure {
                    status,
                    description: description.split_once(": `").map_or(description, |(words, _)| words),
                    codes: codes_of(document, response),
                }
            })
            .collect(),
        command: (!path.starts_with("/webhooks/")).then(|| command(method, path, operation)),
    }
}

fn parameter_of(parameter: &Value) -> Field {
    Field {
        name: text(&parameter["name"]).to_owned(),
        kind: kind(&parameter["schema"]),
        place: text(&parameter["in"]).to_owned(),
        is_required: parameter["required"] == true,
        description: prose(text(&parameter["description"])),
        limits: limits(&parameter["schema"]),
    }
}

fn content_of(media_type: &str, content: &Value) -> Content {
    Content {
        media_type: media_type.to_owned(),
        kind: kind(&content["schema"]),
        sets: Vec::new(),
        example: content.get("example").map(pretty),
    }
}

/// Returns the codes of the problems that a response can have.
fn codes_of<'a>(document: Document<'a>, response: &'a Value) -> Vec<&'a str> {
    let schema = &response["content"]["application/problem+json"]["schema"];
    let schemas = list(&schema["oneOf"]).chain([schema]).filter(|schema| referenced(schema).is_some());
    schemas.filter_map(|schema| document.resolve(schema)["properties"]["code"]["const"].as_str()).collect()
}

/// Returns a command that calls the operation. Path parameters are variables of the shell.
fn command(method: &str, path: &str, operation: &Value) -> String {
    let segments = path.split('/').map(|segment| {
        let name = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        name.map_or_else(|| segment.to_owned(), |name| format!("${}", variable(name)))
    });
    let url = format!("\"$API_URL{}\"", segments.collect::<Vec<_>>().join("/"));
    let mut lines = vec![match method {
        "get" => format!("curl {url}"),
        method => format!("curl -X {} {url}", method.to_uppercase()),
    }];
    if operation.get("security").is_none() {
        lines.push("-H \"Authorization: Bearer $TOKEN\"".into());
    }
    let content = &operation["requestBody"]["content"];
    if let Some(example) = content["application/json"].get("example") {
        lines.push("-H \"Content-Type: application/json\"".into());
        lines.push(format!("-d '{}'", pretty(example).replace('\'', "'\\''")));
    }
    lines.join(" \\\n  ")
}

/// `inboxId` is `INBOX_ID`.
fn variable(parameter: &str) -> String {
    let letters = parameter.chars().map(|letter| {
        let word = if letter.is_uppercase() { "_" } else { "" };
        format!("{word}{}", letter.to_uppercase())
    });
    letters.collect()
}

fn schema_of<'a>(document: Document<'a>, name: &'a str, schema: &'a Value) -> Schema<'a> {
    let sets = document.titled_fields(schema);
    let kind = if sets.is_empty() { kind(schema) } else { String::new() };
    Schema { name, description: prose(text(&schema["description"])), kind, sets }
}
