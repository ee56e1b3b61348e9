//! Conventions of all routes: problem details, idempotency keys, limits, and a response to every request.

use futures_util::future::join_all;
use product_tests::{Phone, Stack, client};
use reqwest::Method;
use serde_json::{Value, json};

const HTML: &str = "text/html; charset=utf-8";

#[tokio::test]
async fn the_same_key_and_body_is_one_message_and_one_answer() {
    let stack = Stack::open();
    let (carrier, amelia, phone) = (stack.carrier(), stack.user("amelia"), Phone::new());
    let text = json!({ "from": { "inboxId": stack.front_desk_inbox().inbox_id }, "to": { "phoneNumber": phone.number() }, "text": "Once" });
    let key = phone.number();
    let first = amelia.send_once("/v1/messages", key, &text).await;
    let id = first.expect(202)["messageId"].as_str().expect("an id").to_owned();
    amelia.wait_for_message(&id, "delivered").await;
    let again = amelia.send_once("/v1/messages", key, &text).await;
    assert_eq!(
        (again.status, &again.body),
        (202, &first.body),
        "the same body, although the message is delivered"
    );

    let other = json!({ "from": text["from"], "to": text["to"], "text": "Another" });
    amelia.send_once("/v1/messages", key, &other).await.problem(422, "idempotency_key_reused");
    let colleague = stack.user("ben").send_once("/v1/messages", key, &text).await.expect(202);
    assert_ne!(colleague["messageId"], *id, "a key belongs to its caller");
    assert_eq!(carrier.texts_to(&phone).await, ["Once", "Once"]);
}

#[tokio::test]
async fn concurrent_requests_with_one_key_create_one_message() {
    let stack = Stack::open();
    let (carrier, amelia, phone) = (stack.carrier(), stack.user("amelia"), Phone::new());
    let text = json!({ "from": { "inboxId": stack.front_desk_inbox().inbox_id }, "to": { "phoneNumber": phone.number() }, "text": "Once" });
    let no_pause = stack.carrier().no_pause().await;
    let answers = join_all((0..6).map(|_| amelia.post_once("/v1/messages", phone.number(), &text))).await;
    for response in &answers {
        assert_eq!((response.status, &response.body), (202, &answers[0].body));
    }
    amelia.wait_until_sent(&answers[0]).await;
    drop(no_pause);
    assert_eq!(carrier.texts_to(&phone).await, ["Once"]);
}

#[tokio::test]
async fn a_reply_repeated_with_its_key_is_answered_even_after_the_lock_is_released() {
    let stack = Stack::open();
    let (carrier, amelia, ben) = (stack.carrier(), stack.user("amelia"), stack.user("ben"));
    let conversation = stack.new_conversation("Hello").await;
    let other = stack.new_conversation("Hello").await;
    let no_pause = stack.carrier().no_pause().await;
    ben.post_once(&conversation.messages(), "refused first", &json!({ "text": "Hi" }))
        .await
        .problem(412, "lock_required");
    let token = conversation.acquire_lock(&amelia).await;
    let reply = json!({ "text": "Hi", "lockToken": token });
    let first = amelia.post_once(&conversation.messages(), "reply", &reply).await;
    first.expect(202);
    conversation.release_lock(&amelia, token).await;
    let next = conversation.acquire_lock(&ben).await;
    let again = amelia.post_once(&conversation.messages(), "reply", &reply).await;
    assert_eq!((again.status, &again.body), (202, &first.body));
    let late = json!({ "text": "Hi", "lockToken": token, "acceptUnseen": true });
    amelia.post_once(&conversation.messages(), "reply", &late).await.problem(422, "idempotency_key_reused");
    conversation.renew_lock(&ben, next).await;
    amelia.post_once(&other.messages(), "reply", &reply).await.problem(412, "lock_lost");
    // Refusals are not stored under the key, so the corrected request can reuse it.
    let complete = json!({ "text": "Hello", "lockToken": next });
    let accepted = ben.post_once(&conversation.messages(), "refused first", &complete).await;
    accepted.expect(202);
    ben.wait_until_sent(&accepted).await;
    drop(no_pause);
    assert_eq!(carrier.texts_to(&conversation.phone).await, ["Hi", "Hello"]);
}

#[tokio::test]
async fn a_reply_that_has_not_seen_the_newest_message_is_refused_with_it() {
    let stack = Stack::open();
    let (carrier, amelia) = (stack.carrier(), stack.user("amelia"));
    let conversation = stack.new_conversation("Three o'clock is fine").await;
    let seen = conversation.history(&amelia).await[0]["messageId"].clone();
    stack.conversation_from(&conversation.phone, "No, make it four").await;
    let no_pause = stack.carrier().no_pause().await;
    let token = conversation.acquire_lock(&amelia).await;
    let reply = |seen: &Value, accept: bool| json!({ "text": "See you", "lockToken": token, "lastSeenMessageId": seen, "acceptUnseen": accept });
    let unseen =
        amelia.post(&conversation.messages(), reply(&seen, false)).await.problem(409, "unseen_message");
    assert_eq!(unseen["unseenMessage"]["text"], "No, make it four");
    assert_eq!(unseen["unseenMessageId"], unseen["unseenMessage"]["messageId"]);
    assert_eq!(conversation.texts(&amelia).await.len(), 2, "nothing was sent");
    conversation.renew_lock(&amelia, token).await;

    amelia
        .post(&conversation.messages(), reply(&json!("msg_nobody"), false))
        .await
        .problem(422, "unknown_message");
    conversation.renew_lock(&amelia, token).await;
    amelia.post(&conversation.messages(), reply(&seen, true)).await.expect(202);
    let newest = amelia.post(&conversation.messages(), reply(&unseen["unseenMessageId"], false)).await;
    newest.expect(202);
    amelia.wait_until_sent(&newest).await;
    drop(no_pause);
    assert_eq!(carrier.texts_to(&conversation.phone).await, ["See you", "See you"]);
}

#[tokio::test]
async fn the_type_of_a_problem_is_a_page_about_its_code_and_the_reference_has_every_operation() {
    let stack = Stack::open();
    let (amelia, anonymous) = (stack.user("amelia"), stack.bearer(None));
    let refused = amelia.get("/v1/inboxes/inb_unknown").await.problem(404, "not_found");
    let address = refused["type"].as_str().expect("an address");
    let page = amelia.request_to(Method::GET, address).send().await.expect("a response");
    assert_eq!(page.status(), 200, "{address}");
    assert_eq!(page.headers()["content-type"], HTML);
    assert!(page.text().await.expect("a text").contains("id=\"not_found\""), "{address}");

    let document = anonymous.get("/openapi.json").await.expect(200);
    let reference = anonymous.request(Method::GET, "/docs").send().await.expect("a response");
    assert_eq!(reference.status(), 200);
    assert_eq!(reference.headers()["content-type"], HTML);
    let policy = reference.headers()["content-security-policy"].to_str().expect("a text").to_owned();
    assert!(policy.starts_with("default-src 'none'; style-src 'self';"), "{policy}");
    let reference = reference.text().await.expect("a text");
    for (path, item) in document["paths"].as_object().expect("paths") {
        for operation in item.as_object().expect("operations").values() {
            let id = operation["operationId"].as_str().expect("an ID");
            assert!(reference.contains(&format!("id=\"{id}\"")), "{path}: {id}");
        }
    }
    let request = anonymous.request(Method::GET, "/docs").header("accept-encoding", "br");
    let compressed = request.send().await.expect("a response");
    assert_eq!(compressed.headers()["content-encoding"], "br");
    let bytes = compressed.bytes().await.expect("a body").len();
    assert!(bytes < reference.len() / 5, "{bytes} bytes");
}

#[tokio::test]
async fn invalid_limits_folders_and_bodies_are_refused_with_their_errors() {
    let stack = Stack::open();
    let amelia = stack.user("amelia");
    let conversation = stack.new_conversation("Hello").await;
    let list = format!("/v1/inboxes/{}/conversations", conversation.inbox);
    for path in [&list, &conversation.messages()] {
        for limit in ["0", "101", "x", "-1", "1.5", "", "%20", "99999999999999999999"] {
            amelia.get(&format!("{path}?limit={limit}")).await.expect_field_error("?limit");
        }
        amelia.get(&format!("{path}?limit=1")).await.expect(200);
        amelia.get(&format!("{path}?limit=100")).await.expect(200);
    }
    for folder in ["trash", "", "INBOX", "inbox%20", "%F0%9F%98%80"] {
        amelia.get(&format!("{list}?folder={folder}")).await.expect_field_error("?folder");
    }

    let raw = async |body: String| {
        let request =
            amelia.request(Method::POST, &conversation.messages()).header("content-type", "application/json");
        client::read("POST a raw body".into(), request.body(body)).await
    };
    for broken in
        ["", "{", "nonsense", "[]", "null", "\"text\"", "{\"text\":\"Hi\",}", "{\"text\":\"Hi\"} trailing"]
    {
        let refused = raw(broken.into()).await.problem(400, "malformed");
        if !broken.ends_with("trailing") {
            assert!(refused["errors"][0]["pointer"].is_string(), "{broken}: {refused}");
        }
    }
    raw(format!("{{\"text\":\"{}\"}}", "a".repeat(70 * 1024))).await.problem(413, "too_large");
    for key in ["", &"k".repeat(256)] {
        amelia
            .post_once(&conversation.messages(), key, &json!({ "text": "Hi" }))
            .await
            .problem(400, "malformed");
    }
    amelia
        .post(&conversation.messages(), json!({ "text": "Hi", "lockToken": "1" }))
        .await
        .expect_field_error("/lockToken");
    amelia
        .post(&conversation.messages(), json!({ "text": "Hi", "lockToken": -1 }))
        .await
        .expect_field_error("/lockToken");
    amelia
        .post(&conversation.messages(), json!({ "text": "Hi", "media": [{}] }))
        .await
        .expect_field_error("/media/0");
    assert_eq!(conversation.texts(&amelia).await, ["Hello"]);
}

#[tokio::test]
async fn any_path_or_query_is_answered() {
    let stack = Stack::open();
    let (amelia, anonymous) = (stack.user("amelia"), stack.bearer(None));
    let long = "a".repeat(3000);
    let odd = [
        "inb_%20",
        "%20",
        "inb_%C3%A9",
        "%F0%9F%98%80",
        "inb_%22%27",
        "'",
        "%22",
        "%25",
        "%2525",
        "%zz",
        "%23",
        "inb_front%23desk",
        "%3Cscript%3E",
        "%7B%7D",
        "inb_frontdesk%00",
        "%0A",
        "%FF",
        "+",
        "null",
        &long,
    ];
    let conversations = format!("/v1/inboxes/{}/conversations", stack.front_desk_inbox().inbox_id);
    for id in odd {
        for path in [
            format!("/v1/inboxes/{id}/conversations"),
            format!("{conversations}/{id}"),
            format!("{conversations}/{id}/messages"),
            format!("/v1/messages/{id}"),
        ] {
            let response = amelia.get(&path).await;
            assert_eq!(response.status, 404, "{response}");
            assert_eq!(anonymous.get(&path).await.status, 401, "{path}");
        }
        let response = amelia.get(&format!("{conversations}?q={id}&limit=1")).await;
        let wanted = if id == long { 422 } else { 200 }; // the length of `q` is limited
        assert_eq!(response.status, wanted, "{response}");
        let response = amelia.get(&format!("/v1/me?{id}={id}&{id}")).await;
        assert_eq!(response.status, 400, "{response}");
    }
    for path in [
        "/",
        "/v1",
        "/v1/",
        "/v1/nothing",
        "/v1/inboxes//conversations",
        "/V1/me",
        "/webhooks/twilio/nothing",
    ] {
        let response = amelia.get(path).await;
        assert!((400..500).contains(&response.status), "{response}");
    }
    assert_eq!(amelia.delete("/v1/me").await.status, 404);
}

#[tokio::test]
async fn a_browser_from_a_listed_origin_may_call_and_another_may_not() {
    let stack = Stack::open();
    let (anonymous, amelia) = (stack.bearer(None), stack.user("amelia"));
    let preflight = async |origin: &str| {
        let request = anonymous.request(Method::OPTIONS, "/v1/me").header("origin", origin);
        let request = request.header("access-control-request-method", "PUT");
        let request =
            request.header("access-control-request-headers", "authorization,content-type,idempotency-key");
        client::read("a preflight".into(), request).await
    };
    for origin in ["http://localhost:5173", "http://localhost:65535", "http://127.0.0.1:8080"] {
        let response = preflight(origin).await;
        assert_eq!((response.status, response.header("access-control-allow-origin")), (204, origin));
    }
    let listed = "http://localhost:3000";
    let response = preflight(listed).await;
    assert_eq!((response.status, response.header("access-control-allow-origin")), (204, listed));
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
        assert!(response.header("access-control-allow-methods").contains(method), "{method}");
    }
    for header in ["authorization", "content-type", "idempotency-key"] {
        assert!(response.header("access-control-allow-headers").contains(header), "{header}");
    }
    for origin in ["https://elsewhere.example", "http://localhost.elsewhere.example:3000"] {
        assert_eq!(preflight(origin).await.header("access-control-allow-origin"), "", "{origin}");
    }
    let request = amelia.request(Method::GET, "/v1/me").header("origin", listed);
    let response = client::read("GET /v1/me".into(), request).await;
    assert_eq!((response.status, response.header("access-control-allow-origin")), (200, listed));
    for header in ["x-request-id", "x-next-cursor", "etag"] {
        assert!(response.header("access-control-expose-headers").contains(header), "{header}");
    }
    // A page has to read that its token has expired.
    let request = anonymous.request(Method::GET, "/v1/me").header("origin", listed);
    let refused = client::read("GET /v1/me without a token".into(), request).await;
    assert_eq!((refused.status, refused.header("access-control-allow-origin")), (401, listed));
}

#[tokio::test]
async fn the_health_check_and_the_api_description_need_no_token() {
    let stack = Stack::open();
    let anonymous = stack.bearer(None);
    assert_eq!(anonymous.get("/healthz").await.expect(200)["status"], "ok");
    let config = anonymous.get("/v1/config").await.expect(200);
    assert_eq!(config["signIn"]["kind"], "pool", "{config}");
    assert!(config["commit"].as_str().is_some_and(|commit| commit.len() == 40), "{config}");
    let conversation = stack.new_conversation("Hello").await;
    let amelia = stack.user("amelia");
    let lock = amelia.post(&conversation.lock(), Value::Null).await.expect(200);
    for name in ["renewAfterSeconds", "idlePromptAfterSeconds"] {
        assert_eq!(config["lock"][name], lock[name], "{name}");
    }
    let document = anonymous.get("/openapi.json").await.expect(200);
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")));
    let conversation = "/v1/inboxes/{inboxId}/conversations/{conversationId}";
    for (method, path) in [
        ("get", "/v1/me"),
        ("get", "/v1/inboxes/{inboxId}/conversations"),
        ("get", conversation),
        ("patch", conversation),
        ("get", &format!("{conversation}/messages")),
        ("post", &format!("{conversation}/messages")),
        ("post", &format!("{conversation}/lock")),
        ("put", &format!("{conversation}/lock")),
        ("delete", &format!("{conversation}/lock")),
        ("get", &format!("{conversation}/can-send")),
        ("post", "/v1/messages"),
        ("get", "/v1/messages/{messageId}"),
        ("post", "/webhooks/twilio/messages"),
        ("post", "/webhooks/twilio/status"),
        ("get", "/healthz"),
        ("get", "/v1/config"),
        ("get", "/openapi.json"),
    ] {
        assert!(document["paths"][path][method].is_object(), "{method} {path}");
    }
}
