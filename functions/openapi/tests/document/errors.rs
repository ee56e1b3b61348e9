//! The error responses of the operations. An operation lists the codes of its own rules in `x-errors`; the
//! others follow from what it accepts.

use std::{collections::BTreeMap, fmt::Write, fs};

use serde_json::{Map, Value, json};

use crate::problems::{self, Code};

/// Lists all codes with their status and details. A test compares it with the code.
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/problems.md");

/// Codes with fields of their own, and the schema of these fields.
const FIELDS: [(&str, &str); 13] = [
    ("already_decided", "AlreadyDecided"),
    ("broadcast_status", "BroadcastNotAllowed"),
    ("cursor_expired", "CursorExpired"),
    ("estimate_stop", "EstimateStop"),
    ("invalid_fields", "InvalidFields"),
    ("lock_lost", "LockLost"),
    ("locked", "Locked"),
    ("number_unavailable", "NumberUnavailable"),
    ("registration_incomplete", "RegistrationIncomplete"),
    ("registration_submitted", "RegistrationIncomplete"),
    ("template_incomplete", "TemplateIncomplete"),
    ("text_too_long", "TextTooLong"),
    ("too_many_locks", "TooManyLocks"),
];
/// As above. Spelled apart, because the reply adds the message to it.
const UNSEEN: (&str, &str) = ("unseen_message", "UnseenMessage");

/// Returns all codes.
pub(crate) fn codes() -> Vec<Code> {
    problems::parse(&fs::read_to_string(PAGE).unwrap()).unwrap()
}

/// Adds the responses of each operation, and a schema for each code in them.
pub(crate) fn add(document: &mut Value) {
    let codes = codes();
    let known: BTreeMap<&str, &Code> = codes.iter().map(|code| (code.name.as_str(), code)).collect();
    for (path, item) in document["paths"].as_object_mut().unwrap() {
        for (method, operation) in item.as_object_mut().unwrap() {
            add_responses(path, operation, &known);
            if method == "get" {
                add_tag(operation);
            }
        }
    }
    document["components"]["responses"] = json!({
        "Unauthorized": { "description": "The token is missing, invalid or expired. Sign in again.",
            "headers": { "www-authenticate": header("The reason, as in RFC 6750") }, "content": from_gateway() },
        "TooManyRequests": { "description": "Too many requests. Try again after a second.", "content": from_gateway() },
        "InternalError": { "description": "Something went wrong on our side.", "content": problem(&["internal"], &known) },
        "Unavailable": {
            "description": "The database is busy, or another request made a change at the same time. Try again.",
            "headers": { "retry-after": header("Seconds until a retry can succeed") },
            "content": problem(&["unavailable"], &known) },
    });
    let responses = format!("{}{}", document["paths"], document["components"]["responses"]);
    let is_used = |code: &&Code| responses.contains(&format!("/schemas/{}\"", code.schema()));
    let used: Vec<&Code> = codes.iter().filter(is_used).collect();
    add_schemas(document["components"]["schemas"].as_object_mut().unwrap(), &used);
}

fn add_schemas(schemas: &mut Map<String, Value>, codes: &[&Code]) {
    let problem = schemas.remove("Problem").unwrap();
    let field_error = json!({ "type": "array", "items": { "$ref": "#/components/schemas/FieldError" },
        "description": "The invalid fields." });
    for code in codes {
        let mut schema = problem.clone();
        schema["description"] = format!("{}.", code.title).into();
        schema["properties"]["code"] = json!({ "type": "string", "const": code.name });
        schema["properties"]["status"] =
            json!({ "type": "integer", "const": code.status.parse::<u16>().unwrap() });
        if ["400", "422"].contains(&code.status.as_str()) || code.name == "api_code_taken" {
            schema["properties"]["errors"] = field_error.clone();
        }
        let all = FIELDS.iter().chain([&UNSEEN]);
        for (_, fields) in all.filter(|(name, _)| *name == code.name) {
            let fields = &schemas[*fields];
            let properties = fields["properties"].as_object().unwrap().clone();
            schema["properties"].as_object_mut().unwrap().extend(properties);
            let required = fields["required"].as_array().cloned().unwrap_or_default();
            schema["required"].as_array_mut().unwrap().extend(required);
        }
        schemas.insert(code.schema(), schema);
    }
    for (_, fields) in FIELDS.iter().chain([&UNSEEN]) {
        schemas.remove(*fields);
    }
    schemas.insert(
        "GatewayError".into(),
        json!({ "type": "object", "description": "An error of API Gateway.", "required": ["message"],
            "properties": { "message": { "type": "string", "description": "The error." } } }),
    );
}

fn add_responses(path: &str, operation: &mut Value, known: &BTreeMap<&str, &Code>) {
    let own = operation.as_object_mut().unwrap().remove("x-errors").unwrap_or_default();
    let own = own.as_array().into_iter().flatten().map(|code| code.as_str().unwrap().to_owned());
    let mut codes: Vec<String> = own.chain(general(path, operation).map(str::to_owned)).collect();
    codes.sort();
    let mut by_status = BTreeMap::<&str, Vec<&str>>::new();
    for code in &codes {
        let code = known.get(code.as_str()).unwrap_or_else(|| panic!("{code} is not on the page of errors"));
        by_status.entry(&code.status).or_default().push(&code.name);
    }
    let is_signed_in = is_signed_in(path, operation);
    let responses = operation["responses"].as_object_mut().unwrap();
    for (status, response) in responses.iter_mut() {
        if response["description"].as_str().is_none_or(str::is_empty) {
            response["description"] = success(status).into();
        }
    }
    for (status, codes) in by_status {
        let response = match (status, &codes[..]) {
            ("500", ["internal"]) => json!({ "$ref": "#/components/responses/InternalError" }),
            ("503", ["unavailable"]) => json!({ "$ref": "#/components/responses/Unavailable" }),
            _ => response(status, &codes, known),
        };
        responses.insert(status.to_owned(), response);
    }
    if is_signed_in {
        responses.insert("401".into(), json!({ "$ref": "#/components/responses/Unauthorized" }));
    }
    let limited = json!({ "$ref": "#/components/responses/TooManyRequests" });
    responses.entry("429").or_insert(limited);
}

/// Adds the entity tag to the response, and the response to a request with the same tag.
fn add_tag(operation: &mut Value) {
    let tag = header("Tag of the response. Send it as `If-None-Match`");
    operation["responses"]["200"]["headers"]["etag"] = tag.clone();
    operation["responses"]["304"] = json!({ "description": "The response is the one that the request names in `If-None-Match`", "headers": { "etag": tag } });
}

/// Whether the operation requires a token.
fn is_signed_in(path: &str, operation: &Value) -> bool {
    path.starts_with("/v1/") && operation.get("security").is_none()
}

/// The codes of all operations that accept the same.
fn general(path: &str, operation: &Value) -> impl Iterator<Item = &'static str> {
    let parameters = operation["parameters"].as_array();
    let has = |test: &dyn Fn(&Value) -> bool| parameters.into_iter().flatten().any(test);
    let is_named = |name: &'static str| move |parameter: &Value| parameter["name"] == name;
    let (signed_in, webhook) = (is_signed_in(path, operation), path.starts_with("/webhooks/"));
    let body = operation.get("requestBody").is_some();
    [
        ("malformed", body || !webhook), // an unknown query parameter
        ("bad_cursor", has(&is_named("cursor"))),
        ("user_required", signed_in),
        ("signature", webhook),
        ("not_found", has(&|parameter| parameter["in"] == "path")),
        ("too_large", body),
        ("idempotency_key_reused", has(&is_named("Idempotency-Key"))),
        ("edit_conflict", has(&is_named("If-Match"))),
        ("internal", signed_in || webhook),
        ("unavailable", signed_in || webhook),
    ]
    .into_iter()
    .filter_map(|(code, applies)| applies.then_some(code))
}

fn response(status: &str, codes: &[&str], known: &BTreeMap<&str, &Code>) -> Value {
    let mut description = String::from(failure(status, codes));
    for (place, code) in codes.iter().enumerate() {
        write!(description, "{} `{code}`", if place == 0 { ":" } else { "," }).unwrap();
    }
    let mut response = json!({ "description": description });
    response["content"] = problem(codes, known);
    if ["429", "503"].contains(&status) {
        response["headers"] = json!({ "retry-after": header("Seconds until a retry can succeed") });
    }
    response
}

fn problem(codes: &[&str], known: &BTreeMap<&str, &Code>) -> Value {
    let reference = |code: &&str| format!("#/components/schemas/{}", known[code].schema());
    let schema = match codes {
        [code] => json!({ "$ref": reference(code) }),
        codes => {
            let all: Vec<_> = codes.iter().map(|code| json!({ "$ref": reference(code) })).collect();
            let mapping: Map<_, _> =
                codes.iter().map(|code| ((*code).to_owned(), reference(code).into())).collect();
            json!({ "oneOf": all, "discriminator": { "propertyName": "code", "mapping": mapping } })
        }
    };
    json!({ "application/problem+json": { "schema": schema } })
}

fn from_gateway() -> Value {
    json!({ "application/json": { "schema": { "$ref": "#/components/schemas/GatewayError" } } })
}

fn header(description: &str) -> Value {
    let schema = if description.starts_with("Seconds") { "integer" } else { "string" };
    json!({ "description": description, "schema": { "type": schema } })
}

fn success(status: &str) -> &'static str {
    match status {
        "200" => "Success",
        "201" => "Created",
        "202" => "Accepted",
        "204" => "Done",
        other => panic!("describe {other}"),
    }
}

fn failure(status: &str, codes: &[&str]) -> &'static str {
    match status {
        "400" => "A field or parameter is missing, unknown, or has the wrong type",
        "403" => "You do not have permission",
        "404" => "It does not exist, or you do not have access to it",
        "409" => "The current state does not allow it",
        "410" => "It is no longer available",
        "412" if codes.contains(&"edit_conflict") => "It was changed after you read it",
        "412" => "You do not hold the lock",
        "413" => "The body is too large",
        "415" => "The content type is not supported",
        "422" => "A field has an invalid value",
        "423" => "Another user is responding",
        "429" => "Too many requests or locks",
        "503" => "Try again",
        other => panic!("describe {other}"),
    }
}
