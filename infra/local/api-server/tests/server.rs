//! Requests to the server over HTTP.

#![allow(clippy::unwrap_used, reason = "test code")]

use std::fmt::Write;

use api_server::Server;
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use test_kit::snapshot::{redacted_path, snapshot};

struct Api {
    http: Client,
    server: Server,
}

impl Api {
    async fn start() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default(); // fails if it is already installed
        let http = Client::builder().no_proxy().build().unwrap();
        Self { http, server: Server::start(0).await.unwrap() }
    }

    fn request(&self, token: &str, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.server.url)).bearer_auth(token)
    }

    async fn call(&self, token: &str, method: Method, path: &str) -> (StatusCode, Value) {
        response(self.request(token, method, path)).await
    }

    /// Returns the path of a user's inbox of this kind.
    async fn inbox(&self, user: &str, kind: &str) -> String {
        let (_, me) = self.call(user, Method::GET, "/v1/me").await;
        let inbox = me["accounts"].as_array().unwrap().iter().find(|inbox| inbox["kind"] == kind);
        format!("/v1/inboxes/{}", inbox.unwrap()["inboxId"].as_str().unwrap())
    }

    /// Returns the path of a user's team.
    async fn team(&self, user: &str) -> String {
        let (_, me) = self.call(user, Method::GET, "/v1/me").await;
        format!("/v1/teams/{}", me["teams"][0]["teamId"].as_str().unwrap())
    }

    /// Returns the path of a conversation of the front desk with an unread message.
    async fn conversation(&self) -> String {
        let inbox = self.inbox("amelia", "shared").await;
        let path = format!("{inbox}/conversations?limit=1");
        let (_, page) = self.call("amelia", Method::GET, &path).await;
        format!("{inbox}/conversations/{}", page["items"][0]["conversationId"].as_str().unwrap())
    }
}

async fn response(request: RequestBuilder) -> (StatusCode, Value) {
    let response = request.send().await.unwrap();
    (response.status(), response.json().await.unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_reach_the_functions_with_the_claims_of_their_token() {
    let api = Api::start().await;
    let (status, me) = api.call("amelia", Method::GET, "/v1/me").await;
    assert_eq!((status, &me["user"]["name"]), (StatusCode::OK, &json!("Amelia Hart")), "{me}");

    let lock = format!("{}/lock", api.conversation().await);
    let (status, held) = api.call("amelia", Method::POST, &lock).await;
    assert_eq!((status, &held["holder"]["id"]), (StatusCode::OK, &json!("amelia")), "{held}");
    let (status, problem) = api.call("ben", Method::POST, &lock).await;
    assert_eq!((status, &problem["code"]), (StatusCode::LOCKED, &json!("locked")), "{problem}");
    let (status, problem) = api.call("zoe", Method::POST, &lock).await;
    assert_eq!((status, &problem["code"]), (StatusCode::NOT_FOUND, &json!("not_found")), "{problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_answers_as_the_gateway_until_it_is_stopped() {
    let api = Api::start().await;
    assert_eq!(api.call("unknown", Method::GET, "/v1/me").await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(api.call("unknown", Method::GET, "/healthz").await.0, StatusCode::OK);
    assert_eq!(api.call("amelia", Method::PUT, "/v1/me").await.0, StatusCode::NOT_FOUND);
    assert_eq!(api.call("amelia", Method::GET, "/v1/unknown").await.0, StatusCode::NOT_FOUND);
    let url = api.server.url.clone();
    api.server.stop().await;
    assert!(Client::builder().no_proxy().build().unwrap().get(url).send().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reference_and_the_address_of_a_problem_are_pages() {
    let api = Api::start().await;
    let (_, problem) = api.call("amelia", Method::GET, "/v1/inboxes/inb_unknown").await;
    let (path, code) = problem["type"].as_str().unwrap().split_once('#').unwrap();
    assert!(path.ends_with("/docs/errors"), "{path}");
    for (path, part) in [("/docs", "id=\"acquireLock\""), ("/docs/errors", &*format!("id=\"{code}\""))] {
        let page = api.http.get(format!("{}{path}", api.server.url)).send().await.unwrap();
        assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
        assert!(page.text().await.unwrap().contains(part), "{path}");
    }
}

/// The responses of one group of routes.
struct Responses<'a> {
    api: &'a Api,
    text: String,
}

impl<'a> Responses<'a> {
    fn of(api: &'a Api) -> Self {
        Self { api, text: String::new() }
    }

    async fn add(&mut self, token: &str, method: Method, path: &str, body: Value) -> Value {
        let mut request = self.api.request(token, method.clone(), path);
        match &body {
            Value::Null => {}
            Value::String(csv) => request = request.header("content-type", "text/csv").body(csv.clone()),
            body => request = request.json(body),
        }
        let (status, body) = response(request).await;
        let path = redacted_path(path);
        writeln!(self.text, "{token} {method} {path}\n{}\n", snapshot(status.as_u16(), &body)).unwrap();
        body
    }

    async fn get(&mut self, token: &str, path: &str) -> Value {
        self.add(token, Method::GET, path, Value::Null).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bodies_of_users_and_teams_have_exactly_these_fields() {
    let api = Api::start().await;
    let mut responses = Responses::of(&api);
    responses.get("ben", "/v1/me").await;
    let (status, mut config) = api.call("unknown", Method::GET, "/v1/config").await;
    config["commit"] = "[commit]".into();
    config["signIn"]["issuer"] = "[url]".into();
    writeln!(responses.text, "GET /v1/config\n{}\n", snapshot(status.as_u16(), &config)).unwrap();
    responses.get("nora", "/v1/teams").await;
    let team = api.team("adam").await;
    responses.add("olivia", Method::PATCH, &team, json!({ "name": "Reception" })).await;
    responses.get("olivia", &format!("{team}/members/adam")).await;
    let member = json!({ "role": "member", "name": "Gina Rossi", "email": "gina@brightside.example" });
    responses.add("olivia", Method::PUT, &format!("{team}/members/gina"), member).await;
    responses.get("olivia", &format!("{team}/notification-settings")).await;
    responses.get("olivia", &format!("{team}/audit?limit=2")).await;
    let (status, mut registration) = api.call("olivia", Method::GET, &format!("{team}/registration")).await;
    // The carrier's events are of the same time, so their order differs.
    registration["timeline"].as_array_mut().unwrap().retain(|step| step["source"] == "user");
    writeln!(responses.text, "olivia GET registration\n{}\n", snapshot(status.as_u16(), &registration))
        .unwrap();
    insta::assert_snapshot!("users_and_teams", responses.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bodies_of_inboxes_have_exactly_these_fields() {
    let api = Api::start().await;
    let mut responses = Responses::of(&api);
    let (front_desk, team) = (api.inbox("amelia", "shared").await, api.team("nora").await);
    responses.get("amelia", &front_desk).await;
    let list = responses.get("nora", &format!("{team}/inboxes")).await;
    let waiting = list["items"][0]["inboxId"].as_str().unwrap();
    responses.get("nora", &format!("/v1/inboxes/{waiting}/members")).await;
    responses.get("nora", "/v1/inbox-wizard?name=Billing").await;
    let inbox = json!({ "name": "Billing", "color": "#336699", "phoneNumber": "+12025550177" });
    responses.add("nora", Method::POST, &format!("{team}/inboxes?dryRun=true"), inbox).await;
    responses.get("amelia", &format!("{}/out-of-office", api.inbox("amelia", "personal").await)).await;
    insta::assert_snapshot!("inboxes", responses.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bodies_of_contacts_and_templates_have_exactly_these_fields() {
    let api = Api::start().await;
    let mut responses = Responses::of(&api);
    let team = api.team("ben").await;
    let contacts = format!("{team}/contacts");
    let grace = responses.get("ben", &format!("{contacts}?q=C-1001")).await["items"][0]["contactId"].clone();
    let contact = json!({ "firstName": "Rosa", "mobileNumber": "+12025550190", "custom": { "Room": "7" } });
    let contact = responses.add("ben", Method::POST, &contacts, contact).await;
    let id = contact["contactId"].as_str().unwrap();
    responses.add("ben", Method::PUT, &format!("{contacts}/{id}/opt-out"), Value::Null).await;
    responses.get("ben", &format!("{contacts}/{id}/opt-outs")).await;
    let csv = "ContactId,FirstName,LastName,MobileNumber\nC-1,Ada,Long,+12025550191\n";
    responses.add("adam", Method::POST, &format!("{team}/contact-imports"), csv.into()).await;
    let template = json!({ "name": "Greeting", "text": "Hi {{firstName}}" });
    let template = responses.add("adam", Method::POST, &format!("{team}/templates"), template).await;
    let path = format!("{team}/templates/{}/render", template["templateId"].as_str().unwrap());
    responses.add("ben", Method::POST, &path, json!({ "contactId": grace })).await;
    insta::assert_snapshot!("contacts_and_templates", responses.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bodies_of_conversations_and_messages_have_exactly_these_fields() {
    let api = Api::start().await;
    let mut responses = Responses::of(&api);
    let (conversation, inbox) = (api.conversation().await, api.inbox("amelia", "shared").await);
    responses.get("ben", &format!("{inbox}/conversations?limit=1&read=unread")).await;
    responses.get("ben", &format!("{conversation}/messages?limit=1")).await;
    responses.get("ben", &format!("{conversation}/can-send")).await;
    let lock = responses.add("ben", Method::POST, &format!("{conversation}/lock"), Value::Null).await;
    let renewal = json!({ "token": lock["token"], "active": true });
    responses.add("ben", Method::PUT, &format!("{conversation}/lock"), renewal).await;
    responses.get("carla", &conversation).await;
    responses.add("carla", Method::POST, &format!("{conversation}/lock"), Value::Null).await;
    let reply = json!({ "text": "See you on Thursday.", "lockToken": lock["token"] });
    let message = responses.add("ben", Method::POST, &format!("{conversation}/messages"), reply).await;
    responses.get("ben", &format!("/v1/messages/{}", message["messageId"].as_str().unwrap())).await;
    let upload = json!({ "contentType": "image/png", "size": 1000 });
    responses.add("ben", Method::POST, &format!("{inbox}/media"), upload).await;
    let message =
        json!({ "from": { "apiCode": "FRONTDESK" }, "to": { "phoneNumber": "+12025550199" }, "text": "Hi" });
    responses.add("machine", Method::POST, "/v1/messages", message).await;
    responses.add("ben", Method::POST, "/v1/messages", json!({ "from": {}, "to": {}, "text": 7 })).await;
    insta::assert_snapshot!("conversations_and_messages", responses.text);
}
