//! The pages of the API reference, as the function serves them.

#![allow(clippy::unwrap_used, reason = "test code")]

use std::{collections::BTreeSet, io::Read};

use lambda_http::{Body, Response};
use openapi::{App, Config, ConfigSignIn, SignInKind};
use serde_json::Value;
use shared_domain::{lock::LockPolicy, time::Timestamp};
use shared_http::{problem::Problem, serve};
use test_kit::gateway::Event;

#[path = "../build/problems.rs"]
mod problems;

const DOCUMENT: &str = include_str!("../openapi.json");
const PROBLEMS: &str = include_str!("../../../docs/problems.md");
/// A phone with a slow connection loads a page of this size in less than a second.
const MAX_PAGE_BYTES: usize = 100_000;

fn event(path: &str) -> Event {
    match path.strip_prefix("/docs/") {
        Some(file) => Event::new("GET /docs/{file}", &[("file", file)]),
        None => Event::new(&format!("GET {path}"), &[]),
    }
}

async fn answer(event: Event) -> Response<Body> {
    let sign_in = ConfigSignIn {
        issuer: "https://issuer.example".into(),
        client_id: None,
        kind: SignInKind::Oidc,
        authorize_url: None,
        token_url: None,
    };
    let app = App::new(Config::new(&LockPolicy::default(), 1500, 306, sign_in, None));
    serve::answer(&openapi::router(app), Timestamp::from_millis(0), 0, event.request()).await
}

async fn page(path: &str) -> String {
    let response = answer(event(path)).await;
    assert_eq!(response.status(), 200, "{path}");
    assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8", "{path}");
    String::from_utf8(response.body().to_vec()).unwrap()
}

fn attributes(page: &str, name: &str) -> Vec<String> {
    let start = format!(" {name}=\"");
    page.split(&start).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_reference_has_each_operation_and_schema_once() {
    let page = page("/docs").await;
    let ids = attributes(&page, "id");
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "an anchor is there once");
    let document: Value = serde_json::from_str(DOCUMENT).unwrap();
    for (path, item) in document["paths"].as_object().unwrap() {
        for operation in item.as_object().unwrap().values() {
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.iter().any(|known| known == id), "{path}: {id}");
        }
        assert!(page.contains(&format!("<code>{path}</code>")), "{path}");
    }
    for name in document["components"]["schemas"].as_object().unwrap().keys() {
        let is_error = name.ends_with("Problem") || name == "GatewayError";
        assert_eq!(ids.contains(name), !is_error, "{name}");
    }
    assert!(
        page.contains("curl -X POST &quot;$API_URL/v1/teams&quot;")
            || page.contains("curl -X POST &#34;$API_URL/v1/teams&#34;"),
        "a command"
    );
}

#[tokio::test]
async fn the_type_of_each_problem_is_the_address_of_its_code_on_the_page_of_errors() {
    let codes = problems::parse(PROBLEMS).unwrap();
    assert!(codes.len() > 40, "{} codes", codes.len());
    for code in &codes {
        let problem = Problem::new(400, code.name.clone().leak(), "");
        let kind = problem.body("request-1", "https://api.example")["type"].as_str().unwrap().to_owned();
        let (path, anchor) = kind.strip_prefix("https://api.example").unwrap().split_once('#').unwrap();
        assert_eq!(anchor, code.name);
        let page = page(path).await;
        assert!(page.contains(&format!("id=\"{anchor}\"")), "{kind}");
        assert!(page.contains(&format!("{}</span> {}</p>", code.status, code.title)), "{kind}");
        let has_schema = DOCUMENT.contains(&format!("\"{}\": {{", code.schema()));
        assert_eq!(page.contains(&format!("\"Example of {anchor}\"")), has_schema, "{kind}");
        let details = code.details.iter().filter(|detail| !detail.contains(['{', '"', '\'', '&', '<', '>']));
        for detail in details {
            assert!(page.contains(detail), "{detail}");
        }
    }
}

#[tokio::test]
async fn links_of_the_pages_lead_to_anchors_and_files_of_this_stack() {
    let mut targets = BTreeSet::new();
    for (from, root) in [("/docs", ""), ("/docs/errors", "../")] {
        let page = page(from).await;
        let links = attributes(&page, "href").into_iter().chain(attributes(&page, "src"));
        for link in links {
            let target = match link.split_once('#') {
                Some(("", anchor)) => format!("{from}#{anchor}"),
                _ => format!("/{}", link.strip_prefix(root).unwrap()),
            };
            targets.insert(target);
        }
    }
    assert!(targets.len() > 200, "{}", targets.len());
    let (reference, errors) = (page("/docs").await, page("/docs/errors").await);
    for target in targets {
        let (path, anchor) = target.split_once('#').unwrap_or((&target, ""));
        let response = answer(event(path)).await;
        assert_eq!(response.status(), 200, "{target}");
        let page = if path == "/docs" { &reference } else { &errors };
        assert!(anchor.is_empty() || page.contains(&format!("id=\"{anchor}\"")), "{target}");
    }
}

#[tokio::test]
async fn the_pages_contain_no_scripts_and_no_inline_styles_and_their_policy_allows_none() {
    for path in ["/docs", "/docs/errors"] {
        let response = answer(event(path)).await;
        let policy = response.headers()["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'self';"), "{policy}");
        assert!(!policy.contains("unsafe") && !policy.contains("script-src"), "{policy}");
        let page = page(path).await;
        for part in ["<script", "<style", " style=", " onclick=", "<form", "<iframe"] {
            assert!(!page.contains(part), "{path}: {part}");
        }
    }
}

#[tokio::test]
async fn a_page_is_compressed_for_clients_that_accept_it_and_304_for_those_that_have_it() {
    for path in ["/docs", "/docs/errors", "/docs/style.css", "/docs/icon.svg", "/openapi.json"] {
        let plain = answer(event(path)).await;
        assert!(!plain.headers().contains_key("content-encoding"), "{path}");
        let compressed = answer(event(path).header("accept-encoding", "gzip, br;q=0.9")).await;
        assert_eq!(compressed.headers()["content-encoding"], "br", "{path}");
        assert_eq!(compressed.headers()["vary"], "accept-encoding", "{path}");
        assert!(compressed.body().len() < MAX_PAGE_BYTES, "{path}: {} bytes", compressed.body().len());
        let mut text = Vec::new();
        brotli::Decompressor::new(&compressed.body()[..], 4096).read_to_end(&mut text).unwrap();
        assert!(text == plain.body().to_vec(), "{path}");

        let tag = compressed.headers()["etag"].to_str().unwrap().to_owned();
        let again = event(path).header("accept-encoding", "br").header("if-none-match", &tag);
        let again = answer(again).await;
        assert_eq!((again.status().as_u16(), again.body().len()), (304, 0), "{path}");
    }
}

#[tokio::test]
async fn another_file_below_the_reference_is_404() {
    for path in ["/docs/unknown", "/docs/docs.html", "/docs/.."] {
        assert_eq!(answer(event(path)).await.status(), 404, "{path}");
    }
}
