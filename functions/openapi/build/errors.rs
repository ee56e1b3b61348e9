//! The page of all error codes.

use askama::Template;
use serde_json::Value;

use crate::{
    problems::Code,
    schema::{Document, Field, entries, pretty, text},
};

/// Fields that every problem has.
const COMMON: [&str; 6] = ["code", "detail", "requestId", "status", "title", "type"];

#[derive(Template)]
#[template(path = "errors.html")]
pub(crate) struct Page<'a> {
    /// The URL of the API, relative to the page.
    root: &'static str,
    problems: Vec<Problem<'a>>,
}

struct Problem<'a> {
    code: &'a Code,
    /// The texts of `detail`, with an ellipsis in place of each value.
    details: Vec<String>,
    /// The fields of this error.
    fields: Vec<Field>,
    example: Option<String>,
    /// ID and summary of the operations that return it.
    operations: Vec<(&'a str, &'a str)>,
}

/// Returns the page of these codes.
pub(crate) fn page<'a>(document: &'a Value, codes: &'a [Code]) -> Page<'a> {
    let problems = codes.iter().map(|code| {
        let schema = &document["components"]["schemas"][code.schema()];
        let fields = Document(document).fields(schema).into_iter().flat_map(|set| set.fields);
        let fields = fields.filter(|field| !COMMON.contains(&field.name.as_str()));
        Problem {
            code,
            details: code.details.iter().map(|detail| without_values(detail)).collect(),
            fields: fields.map(with_links_to_the_reference).collect(),
            example: schema["examples"].get(0).map(pretty),
            operations: operations(document, &code.schema()),
        }
    });
    Page { root: "../", problems: problems.collect() }
}

/// The schemas are on the other page.
fn with_links_to_the_reference(field: Field) -> Field {
    Field { kind: field.kind.replace("href=\"#", "href=\"../docs#"), ..field }
}

/// Replaces the parts in braces by an ellipsis.
fn without_values(detail: &str) -> String {
    let mut parts = detail.split('{');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + "…" + part.split_once('}').map_or("", |(_, rest)| rest))
}

/// Returns the operations that have an error with this schema.
fn operations<'a>(document: &'a Value, schema: &str) -> Vec<(&'a str, &'a str)> {
    let operations = entries(&document["paths"]).flat_map(|(_, item)| entries(item));
    let has_error = |operation: &Value| {
        entries(&operation["responses"]).any(|(_, response)| {
            let problem = &Document(document).resolve(response)["content"]["application/problem+json"];
            problem.to_string().contains(&format!("/schemas/{schema}\""))
        })
    };
    let operations = operations.filter(|(_, operation)| has_error(operation));
    operations.map(|(_, operation)| (text(&operation["operationId"]), text(&operation["summary"]))).collect()
}
