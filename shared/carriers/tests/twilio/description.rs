//! Every call against Twilio's OpenAPI description: no unknown parameters and no missing required ones.

use std::collections::BTreeSet;

use axum::http::Method;
use serde_json::Value;

use crate::calls::{every_call, managing};
use crate::support::{Request, Server, answer, fixture};

fn described() -> Vec<(String, Value)> {
    let paths = ["twilio_api_v2010", "twilio_messaging_v1"].map(|name| {
        let description: Value = serde_json::from_slice(&fixture(&format!("openapi/{name}.json"))).unwrap();
        description["paths"].as_object().unwrap().clone()
    });
    paths.into_iter().flatten().collect()
}

/// Whether a path matches a template, in which a name in braces matches any part.
fn is_at(path: &str, template: &str) -> bool {
    let parts: Vec<_> = path.split('/').collect();
    let names: Vec<_> = template.split('/').collect();
    let same = |(part, name): (&&str, &&str)| part == name || name.starts_with('{');
    parts.len() == names.len() && parts.iter().zip(&names).all(same)
}

fn names(list: &Value) -> BTreeSet<String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn field_names(encoded: &str) -> BTreeSet<String> {
    form_urlencoded::parse(encoded.as_bytes()).map(|(name, _)| name.into_owned()).collect()
}

fn check(request: &Request, operation: &Value) {
    let path = request.uri.path();
    let queryable: BTreeSet<String> = operation["parameters"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|parameter| parameter["in"] == "query")
        .filter_map(|parameter| parameter["name"].as_str().map(str::to_owned))
        .collect();
    let query = field_names(request.uri.query().unwrap_or_default());
    assert!(query.is_subset(&queryable), "{path}: {query:?}");
    let schema = &operation["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"];
    let known =
        schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect();
    let form = field_names(&request.body);
    assert!(form.is_subset(&known), "{path}: {form:?}");
    assert!(names(&schema["required"]).is_subset(&form), "{path}: {form:?}");
}

#[tokio::test]
async fn every_call_conforms_to_the_description() {
    let server = Server::start([answer(503, "")]).await;
    every_call(&managing(&server.base_url)).await;
    let described = described();
    for request in server.requests() {
        let path = request.uri.path();
        let mut found = described.iter().filter(|(template, _)| is_at(path, template));
        let (_, item) = found.next().unwrap_or_else(|| panic!("{path} is not described"));
        let method = match request.method {
            Method::GET => "get",
            Method::POST => "post",
            Method::DELETE => "delete",
            ref other => panic!("{other}"),
        };
        assert!(item[method].is_object(), "{method} {path}");
        check(&request, &item[method]);
    }
}
