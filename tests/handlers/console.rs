//! The console: its files and its sign-in.

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use console::{App, Issuer, IssuerSettings, Provider, SignOuts, handle};
use lambda_http::{Body, Response};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use shared_aws::clients::{Aws, Bucket, RealtimeQueue, SignOut};
use shared_domain::time::Timestamp;
use shared_http::caller::Claims;
use test_kit::{
    gateway::{Event, status_and_json},
    issuer::FakeIssuer,
    queue::FakeQueue,
    user_pool::{FakeUser, FakeUserPool},
};

/// `{"sub":"2f1c","custom:organization_id":"org_1","custom:user_id":"bob"}` between two parts that nobody
/// reads.
const TOKEN_OF_BOB: &str =
    "e30.eyJzdWIiOiIyZjFjIiwiY3VzdG9tOm9yZ2FuaXphdGlvbl9pZCI6Im9yZ18xIiwiY3VzdG9tOnVzZXJfaWQiOiJib2IifQ.e30";
const PUBLIC_URL: &str = "https://api.example.com/texts";

fn bucket() -> Bucket {
    Bucket::new(&Aws::loopback("http://127.0.0.1:9"), "files")
}

async fn app() -> App {
    app_with(None).await
}

async fn app_with(sign_outs: Option<SignOuts>) -> App {
    let user = |password: &str, is_invited| FakeUser {
        password: Some(password.to_owned()),
        is_invited,
        token: "token-of-ada".into(),
    };
    let users = BTreeMap::from([
        ("ada@example.com".to_owned(), user("right", false)),
        ("new@example.com".to_owned(), user("invited", true)),
        ("bob@example.com".to_owned(), FakeUser { token: TOKEN_OF_BOB.into(), ..user("right", false) }),
    ]);
    App::new(
        Some(Provider::Pool(FakeUserPool::start(users).await.client())),
        sign_outs,
        &bucket(),
        PUBLIC_URL,
        "wss://realtime.example/live",
    )
}

async fn get(below: &str, headers: &[(&str, &str)]) -> Response<Body> {
    let event = match below {
        "" => Event::new("GET /console", &[]),
        "/" => Event::new("GET /console/", &[]),
        path => Event::new("GET /console/{proxy+}", &[("proxy", path.trim_start_matches('/'))]),
    };
    let event = headers.iter().fold(event, |event, (name, value)| event.header(name, value));
    handle(
        &App::new(None, None, &bucket(), PUBLIC_URL, "wss://realtime.example/live"),
        Timestamp::from_millis(0),
        0,
        event.request(),
    )
    .await
}

async fn post(app: &App, action: &str, body: &Value, cookie: Option<&str>) -> Response<Body> {
    let event = Event::new("POST /console/session/{action}", &[("action", action)]).json(body);
    let event = match cookie {
        Some(cookie) => event.header("cookie", cookie),
        None => event,
    };
    handle(app, Timestamp::from_millis(0), 0, event.request()).await
}

fn header<'a>(response: &'a Response<Body>, name: &str) -> &'a str {
    response.headers().get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
}

fn text(response: &Response<Body>) -> String {
    let body: &[u8] = response.body();
    String::from_utf8(body.to_vec()).unwrap()
}

/// The path below `/console` of a URL on the page.
fn below(url: &str) -> &str {
    url.strip_prefix("/texts/console").unwrap_or_else(|| panic!("{url} is elsewhere"))
}

/// The path of the style sheet below `/console`.
fn style_sheet(page: &Response<Body>) -> String {
    let text = text(page);
    let (_, rest) = text.split_once(r#"<link rel="stylesheet" href=""#).unwrap();
    below(rest.split('"').next().unwrap()).to_owned()
}

#[tokio::test]
async fn the_page_is_checked_at_each_load_and_its_files_are_kept() {
    let page = get("/", &[]).await;
    assert_eq!((page.status().as_u16(), header(&page, "cache-control")), (200, "no-cache"));
    let url = style_sheet(&page);
    let file = get(&url, &[]).await;
    assert_eq!((file.status().as_u16(), header(&file, "content-type")), (200, "text/css; charset=utf-8"));
    assert_eq!(header(&file, "cache-control"), "public, max-age=31536000, immutable");
    assert!(text(&file).contains("color-scheme"));

    let again = get("/", &[("if-none-match", header(&page, "etag"))]).await;
    assert_eq!((again.status().as_u16(), text(&again).as_str()), (304, ""));
    let other_version = url.replace("assets/", "assets/0");
    assert_eq!(get(&other_version, &[]).await.status().as_u16(), 404);
}

#[tokio::test]
async fn every_path_that_is_no_file_answers_with_the_page() {
    let root = text(&get("/", &[]).await);
    for path in ["", "/inboxes/inb_1/inbox/cnv_1", "/favicon.ico"] {
        let page = get(path, &[]).await;
        assert_eq!((page.status().as_u16(), text(&page)), (200, root.clone()), "{path}");
    }
}

#[tokio::test]
async fn a_file_is_compressed_for_browsers_that_accept_it() {
    let url = style_sheet(&get("/", &[]).await);
    let compressed = get(&url, &[("accept-encoding", "gzip, deflate, br;q=0.9")]).await;
    let plain = get(&url, &[("accept-encoding", "gzip")]).await;
    assert_eq!((header(&compressed, "content-encoding"), header(&plain, "content-encoding")), ("br", ""));
    let size = |response: &Response<Body>| {
        let body: &[u8] = response.body();
        body.len()
    };
    assert!(size(&compressed) * 2 < size(&plain));
    assert_eq!(header(&compressed, "vary"), "accept-encoding");
}

#[tokio::test]
async fn the_page_runs_only_its_own_scripts_and_cannot_be_framed() {
    let page = get("/", &[]).await;
    let policy = header(&page, "content-security-policy");
    for directive in [
        "default-src 'none'",
        "script-src 'self';",
        "style-src 'self';",
        "img-src 'self' blob: http://127.0.0.1:9;",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    ] {
        assert!(policy.contains(directive), "{directive}: {policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(header(&page, "x-content-type-options"), "nosniff");
    let html = text(&page);
    assert!(!html.contains("<style") && !html.contains("style=") && !html.contains("{{"), "{html}");
}

#[tokio::test]
async fn the_first_load_is_at_most_100_kilobytes() {
    let page = get("/", &[]).await;
    let html = text(&page);
    let mut bytes = html.len();
    for url in html.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
        let file = get(below(url), &[("accept-encoding", "br")]).await;
        assert_eq!(file.status().as_u16(), 200, "{url}");
        let body: &[u8] = file.body();
        bytes += body.len();
    }
    assert!((10_000..100_000).contains(&bytes), "{bytes}");
}

#[tokio::test]
async fn a_user_signs_in_renews_the_token_and_signs_out() {
    let app = app().await;
    let signed_in =
        post(&app, "sign-in", &json!({ "email": "ada@example.com", "password": "right" }), None).await;
    let token = json!({ "token": "token-of-ada", "expiresInSeconds": 3600 });
    assert_eq!(status_and_json(&signed_in), (200, token.clone()));
    assert_eq!(header(&signed_in, "cache-control"), "no-store");
    let cookie = header(&signed_in, "set-cookie");
    assert!(cookie.starts_with("refresh=refresh-token-of-ada; "), "{cookie}");
    for attribute in ["HttpOnly", "Secure", "SameSite=Strict"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }

    let cookie = Some("other=1; refresh=refresh-token-of-ada");
    let renewed = post(&app, "refresh", &json!({}), cookie).await;
    assert_eq!(status_and_json(&renewed), (200, token));

    let signed_out = post(&app, "sign-out", &json!({}), cookie).await;
    assert_eq!(signed_out.status().as_u16(), 204);
    assert!(header(&signed_out, "set-cookie").starts_with("refresh=; Max-Age=0;"));
    let refused = post(&app, "refresh", &json!({}), cookie).await;
    assert_eq!(refused.status().as_u16(), 204, "a revoked refresh token is no session");
}

#[tokio::test]
async fn a_sign_out_ends_the_connections_of_the_user_of_the_session() {
    let queue = FakeQueue::start().await;
    let client = RealtimeQueue::new(&Aws::loopback(queue.url.as_str()), format!("{}/realtime", queue.url));
    let app = app_with(Some(SignOuts { queue: client, claims: Claims::standard() })).await;
    let sign_out = async |cookie: &str| {
        let signed_out = post(&app, "sign-out", &json!({}), Some(cookie)).await;
        assert_eq!(signed_out.status().as_u16(), 204);
        assert!(header(&signed_out, "set-cookie").starts_with("refresh=; Max-Age=0;"));
        queue.drain().iter().map(|body| SignOut::parse(body).unwrap()).collect::<Vec<_>>()
    };
    let cookie = format!("refresh=refresh-{TOKEN_OF_BOB}");
    let sent = sign_out(&cookie).await;
    let [SignOut { organization, signed_out_user, at }] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!((organization.as_str(), signed_out_user.as_str()), ("org_1", "bob"));
    assert_eq!(*at, Timestamp::from_millis(0));
    assert_eq!(sign_out(&cookie).await, [], "the session has ended");
    assert_eq!(sign_out("other=1").await, [], "there is no session");
    assert_eq!(sign_out("refresh=refresh-token-of-ada").await, [], "the token names no user");
}

#[tokio::test]
async fn a_sign_out_everywhere_ends_the_sessions_of_all_devices_and_their_connections() {
    let queue = FakeQueue::start().await;
    let client = RealtimeQueue::new(&Aws::loopback(queue.url.as_str()), format!("{}/realtime", queue.url));
    let app = app_with(Some(SignOuts { queue: client, claims: Claims::standard() })).await;
    let cookie = format!("refresh=refresh-{TOKEN_OF_BOB}");
    let signed_out = post(&app, "sign-out-everywhere", &json!({}), Some(&cookie)).await;
    assert_eq!(signed_out.status().as_u16(), 204);
    assert!(header(&signed_out, "set-cookie").starts_with("refresh=; Max-Age=0;"));
    let sent: Vec<_> = queue.drain().iter().map(|body| SignOut::parse(body).unwrap()).collect();
    assert_eq!(sent.iter().map(|sent| sent.signed_out_user.as_str()).collect::<Vec<_>>(), ["bob"]);
    // The same user at another device.
    assert_eq!(post(&app, "refresh", &json!({}), Some(&cookie)).await.status().as_u16(), 204);
    let of_ada = post(&app, "refresh", &json!({}), Some("refresh=refresh-token-of-ada")).await;
    assert_eq!(of_ada.status().as_u16(), 200, "another user stays signed in");
    let again = post(&app, "sign-out-everywhere", &json!({}), Some(&cookie)).await;
    let (status, problem) = status_and_json(&again);
    assert_eq!((status, &problem["code"], queue.drain().len()), (401, &json!("sign_in_required"), 0));
    let without = post(&app, "sign-out-everywhere", &json!({}), None).await;
    assert_eq!(without.status().as_u16(), 401, "it is not known who asks");
}

#[tokio::test]
async fn a_form_of_another_site_signs_nobody_in_or_out() {
    let app = app().await;
    // A form sends its field as name=value, which is JSON if the name ends in the middle of a text.
    for content_type in ["text/plain", "application/x-www-form-urlencoded"] {
        let event = Event::new("POST /console/session/{action}", &[("action", "sign-in")]);
        let event = event.header("content-type", content_type);
        let event = event.raw(r#"{"email":"ada@example.com","password":"right"}"#);
        let answer = handle(&app, Timestamp::from_millis(0), 0, event.request()).await;
        assert_eq!((answer.status().as_u16(), header(&answer, "set-cookie")), (415, ""), "{content_type}");
    }
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_user_have_the_same_answer() {
    let app = app().await;
    let mut answers = Vec::new();
    for email in ["ada@example.com", "nobody@example.com"] {
        let answer = post(&app, "sign-in", &json!({ "email": email, "password": "wrong" }), None).await;
        assert_eq!(header(&answer, "set-cookie"), "");
        answers.push(status_and_json(&answer));
    }
    assert_eq!(answers[0], answers[1]);
    let (status, problem) = &answers[0];
    assert_eq!((*status, &problem["code"]), (401, &json!("sign_in_refused")));
}

#[tokio::test]
async fn an_invited_user_chooses_a_password() {
    let app = app().await;
    let body = json!({ "email": "new@example.com", "password": "invited" });
    let challenged = post(&app, "sign-in", &body, None).await;
    assert_eq!(
        status_and_json(&challenged),
        (200, json!({ "challenge": "new_password", "session": "session-1" }))
    );
    assert_eq!(header(&challenged, "set-cookie"), "");
    let body = json!({ "email": "new@example.com", "password": "Chosen-1234567", "session": "session-1" });
    let signed_in = post(&app, "new-password", &body, None).await;
    assert_eq!(status_and_json(&signed_in).1["token"], "token-of-ada");
}

#[tokio::test]
async fn a_session_without_a_cookie_is_none_and_an_unknown_action_does_not_exist() {
    let app = app().await;
    assert_eq!(post(&app, "refresh", &json!({}), None).await.status().as_u16(), 204);
    assert_eq!(post(&app, "unknown", &json!({}), None).await.status().as_u16(), 404);
    let elsewhere = App::new(None, None, &bucket(), PUBLIC_URL, "wss://realtime.example/live");
    let body = json!({ "email": "a@example.com", "password": "x" });
    let (status, problem) = status_and_json(&post(&elsewhere, "sign-in", &body, None).await);
    assert_eq!((status, &problem["code"]), (409, &json!("other_identity_provider")));
}

/// 32 bytes as text, like those that the page makes.
const NONCE: &str = "nonce-nonce-nonce-nonce-nonce-nonce-nonce-n";
const VERIFIER: &str = "verifier-verifier-verifier-verifier-verifie";
const STATE: &str = "state-state-state-state-state-state-state-s";

fn challenge() -> String {
    BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER))
}

fn app_of(url: &str, sign_outs: Option<SignOuts>) -> App {
    let settings = IssuerSettings {
        issuer: url.to_owned(),
        client_id: "console".into(),
        scopes: "openid offline_access".into(),
        authorize_url: None,
        token_url: None,
    };
    let issuer = Issuer::new(settings, &format!("{PUBLIC_URL}/console/")).unwrap();
    App::new(Some(Provider::Issuer(issuer)), sign_outs, &bucket(), PUBLIC_URL, "wss://realtime.example/live")
}

async fn redeem(app: &App, code: &str, nonce: &str, verifier: &str) -> Response<Body> {
    post(app, "redeem", &json!({ "code": code, "nonce": nonce, "verifier": verifier }), None).await
}

#[tokio::test]
async fn another_identity_provider_gets_the_challenge_and_the_page_to_come_back_to() {
    let issuer = FakeIssuer::start().await;
    let app = app_of(&issuer.url, None);
    let body = json!({ "state": STATE, "nonce": NONCE, "challenge": challenge() });
    let (status, answer) = status_and_json(&post(&app, "authorize", &body, None).await);
    assert_eq!(status, 200);
    let url = url::Url::parse(answer["url"].as_str().unwrap()).unwrap();
    assert_eq!(
        format!("{}{}", url.origin().ascii_serialization(), url.path()),
        format!("{}/authorize", issuer.url)
    );
    let query: BTreeMap<_, _> = url.query_pairs().into_owned().collect();
    for (name, value) in [
        ("tenant", "clinic"), // the query of the endpoint is kept
        ("response_type", "code"),
        ("client_id", "console"),
        ("redirect_uri", "https://api.example.com/texts/console/callback"),
        ("scope", "openid offline_access"),
        ("state", STATE),
        ("nonce", NONCE),
        ("code_challenge", &challenge()),
        ("code_challenge_method", "S256"),
    ] {
        assert_eq!(query.get(name).map(String::as_str), Some(value), "{name}");
    }
    let short = json!({ "state": "1", "nonce": NONCE, "challenge": challenge() });
    assert_eq!(post(&app, "authorize", &short, None).await.status().as_u16(), 400);
    let page = handle(&app, Timestamp::from_millis(0), 0, Event::new("GET /console/", &[]).request()).await;
    assert!(text(&page).contains(r#"<meta name="sign-in" content="issuer">"#));
}

#[tokio::test]
async fn a_code_is_exchanged_once_by_the_tab_that_asked_for_it() {
    let issuer = FakeIssuer::start().await;
    let app = app_of(&issuer.url, None);
    issuer.approve("code-1", &challenge(), NONCE);
    let signed_in = redeem(&app, "code-1", NONCE, VERIFIER).await;
    let (status, view) = status_and_json(&signed_in);
    assert_eq!((status, &view["expiresInSeconds"]), (200, &json!(600)));
    assert!(view["token"].as_str().unwrap().starts_with("e30."));
    assert!(view.get("refreshToken").is_none() && !text(&signed_in).contains("00000000"), "{view}");
    assert!(header(&signed_in, "set-cookie").starts_with("refresh=00000000; "));
    assert!(header(&signed_in, "set-cookie").contains("HttpOnly; Secure; SameSite=Strict"));

    let refused = |response: &Response<Body>| {
        assert_eq!(header(response, "set-cookie"), "");
        let (status, problem) = status_and_json(response);
        (status, problem["code"].clone())
    };
    assert_eq!(
        refused(&redeem(&app, "code-1", NONCE, VERIFIER).await),
        (401, json!("sign_in_refused")),
        "replayed"
    );
    issuer.approve("code-2", &challenge(), NONCE);
    let other = VERIFIER.replace('v', "w");
    assert_eq!(refused(&redeem(&app, "code-2", NONCE, &other).await).0, 401, "another verifier");
    issuer.approve("code-3", &challenge(), STATE);
    assert_eq!(refused(&redeem(&app, "code-3", NONCE, VERIFIER).await).0, 401, "another nonce");
    for claims in [json!({ "aud": "another-client" }), json!({ "iss": "https://another.example" })] {
        issuer.set_claims(claims.clone());
        issuer.approve("code-4", &challenge(), NONCE);
        assert_eq!(refused(&redeem(&app, "code-4", NONCE, VERIFIER).await).0, 500, "{claims}");
    }
}

#[tokio::test]
async fn a_refresh_token_is_replaced_in_the_cookie_and_revoked_at_the_end() {
    let queue = FakeQueue::start().await;
    let client = RealtimeQueue::new(&Aws::loopback(queue.url.as_str()), format!("{}/realtime", queue.url));
    let issuer = FakeIssuer::start().await;
    let app = app_of(&issuer.url, Some(SignOuts { queue: client, claims: Claims::standard() }));
    issuer.approve("code", &challenge(), NONCE);
    redeem(&app, "code", NONCE, VERIFIER).await;
    let renewed = post(&app, "refresh", &json!({}), Some("refresh=00000000")).await;
    assert_eq!(renewed.status().as_u16(), 200);
    assert!(header(&renewed, "set-cookie").starts_with("refresh=00000001; "));
    let stale = post(&app, "refresh", &json!({}), Some("refresh=00000000")).await;
    assert_eq!(stale.status().as_u16(), 204);
    assert!(header(&stale, "set-cookie").starts_with("refresh=; Max-Age=0;"));

    let signed_out = post(&app, "sign-out", &json!({}), Some("refresh=00000001")).await;
    assert_eq!(signed_out.status().as_u16(), 204);
    assert_eq!(issuer.revoked(), ["00000002"], "the token that the sign-out itself received");
    let sent: Vec<_> = queue.drain().iter().map(|body| SignOut::parse(body).unwrap()).collect();
    assert_eq!(sent.iter().map(|sent| sent.signed_out_user.as_str()).collect::<Vec<_>>(), ["bob"]);
}

#[tokio::test]
async fn a_refresh_token_that_no_cookie_can_have_is_not_kept() {
    let issuer = FakeIssuer::start().await;
    let app = app_of(&issuer.url, None);
    for (length, kept) in [(0, false), (3_900, true), (3_901, false)] {
        issuer.set_refresh_token_length(length);
        issuer.approve("code", &challenge(), NONCE);
        let signed_in = redeem(&app, "code", NONCE, VERIFIER).await;
        assert_eq!(signed_in.status().as_u16(), 200);
        assert_eq!(!header(&signed_in, "set-cookie").is_empty(), kept, "{length}");
    }
}

#[tokio::test]
async fn an_identity_provider_that_is_down_can_be_tried_again_and_has_no_passwords_here() {
    let app = app_of("http://127.0.0.1:9", None);
    let body = json!({ "state": STATE, "nonce": NONCE, "challenge": challenge() });
    let (status, problem) = status_and_json(&post(&app, "authorize", &body, None).await);
    assert_eq!((status, &problem["code"]), (503, &json!("unavailable")));
    assert_eq!(redeem(&app, "code", NONCE, VERIFIER).await.status().as_u16(), 503);
    let body = json!({ "email": "a@example.com", "password": "x" });
    let (status, problem) = status_and_json(&post(&app, "sign-in", &body, None).await);
    assert_eq!((status, &problem["code"]), (409, &json!("other_identity_provider")));
    assert_eq!(post(&app, "sign-out-everywhere", &json!({}), None).await.status().as_u16(), 409);
}
