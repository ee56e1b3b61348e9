//! `keyword-replies`: settings of an inbox.

use keyword_replies::{App, router};
use serde_json::{Value, json};
use shared_domain::inbox::{Inbox, InboxKind};
use shared_http::{caller::Claims, cursor::Cursors, serve::answer};
use shared_lambda::clock::{self, now};
use test_kit::{
    TestApp, build,
    gateway::{Event, json as body_of},
};
use tokio::task::JoinSet;

const LIST: &str = "GET /v1/inboxes/{inboxId}/keyword-replies";
const CREATE: &str = "POST /v1/inboxes/{inboxId}/keyword-replies";
const CHANGE: &str = "PATCH /v1/inboxes/{inboxId}/keyword-replies/{keywordReplyId}";
const REMOVE: &str = "DELETE /v1/inboxes/{inboxId}/keyword-replies/{keywordReplyId}";

/// An inbox of `team_1` with the member `bob`. `olga` owns the organization, `ada` is an admin of the team,
/// `dan` of another team, and `zoe` is in another organization.
struct Replies {
    app: App,
    test: TestApp,
}

impl Replies {
    async fn start() -> Self {
        let test = TestApp::with_two_teams().await;
        test.add_inbox(&test.inbox).await;
        test.add_member(&test.inbox, &build::user_ref("bob", "Bob")).await;
        Self { app: App::new(&test.table(), Claims::standard(), Cursors::fixed("secret")), test }
    }

    async fn call(&self, event: &Event) -> (u16, Value) {
        let response = answer(&router(self.app.clone()), now(), clock::entropy(), event.request()).await;
        (response.status().as_u16(), body_of(&response))
    }

    async fn create(&self, keywords: &[&str]) -> (u16, Value) {
        self.call(&on_inbox(CREATE, "ada").json(&json!({ "keywords": keywords, "text": "Hi." }))).await
    }

    async fn change(&self, id: &str, body: &Value) -> (u16, Value) {
        self.call(&on_reply(CHANGE, "ada", id).json(body)).await
    }

    async fn list(&self) -> Value {
        let (status, mut page) = self.call(&on_inbox(LIST, "ada").query("limit=100")).await;
        assert_eq!(status, 200, "{page}");
        page["items"].take()
    }
}

fn on_inbox(route: &'static str, user: &str) -> Event {
    let organization = if user == "zoe" { "org_2" } else { "org_1" };
    Event::new(route, &[("inboxId", "inb_1")]).user(organization, user)
}

fn on_reply(route: &'static str, user: &str, id: &str) -> Event {
    let organization = if user == "zoe" { "org_2" } else { "org_1" };
    Event::new(route, &[("inboxId", "inb_1"), ("keywordReplyId", id)]).user(organization, user)
}

fn id_of(reply: &Value) -> &str {
    reply["keywordReplyId"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn admins_write_the_keyword_replies_that_members_read() {
    let replies = Replies::start().await;
    let body = json!({ "keywords": ["Hours", "opening  hours?"], "text": " 9 to 5. ", "tag": "Curious" });
    let (status, created) = replies.call(&on_inbox(CREATE, "ada").json(&body)).await;
    assert_eq!(status, 201, "{created}");
    let id = id_of(&created);
    let expected = json!({
        "keywordReplyId": id, "keywords": ["Hours", "opening hours?"], "text": "9 to 5.", "tag": "Curious",
    });
    assert_eq!(created, expected);
    for reader in ["bob", "ada", "olga"] {
        let (status, page) = replies.call(&on_inbox(LIST, reader)).await;
        assert_eq!((status, &page["items"], &page["nextCursor"]), (200, &json!([created]), &Value::Null));
    }
    for (caller, status) in [("bob", 403), ("dan", 404), ("zoe", 404)] {
        for event in [
            on_inbox(CREATE, caller).json(&body),
            on_reply(CHANGE, caller, id).json(&json!({ "text": "Mine" })),
            on_reply(REMOVE, caller, id),
        ] {
            assert_eq!(replies.call(&event).await.0, status, "{caller}");
        }
    }
    assert_eq!(replies.call(&on_inbox(LIST, "dan")).await.0, 404);

    let (status, changed) = replies.change(id, &json!({ "text": "10 to 4.", "tag": null })).await;
    assert_eq!((status, &changed["text"], &changed["tag"]), (200, &json!("10 to 4."), &Value::Null));
    assert_eq!(changed["keywords"], created["keywords"]);
    assert_eq!(replies.list().await, json!([changed]));
    assert_eq!(replies.call(&on_reply(REMOVE, "olga", id)).await.0, 204);
    assert_eq!(replies.list().await, json!([]));
    assert_eq!(replies.call(&on_reply(REMOVE, "olga", id)).await.0, 404);
    assert_eq!(replies.change("kwr_none", &json!({})).await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_user_of_a_personal_inbox_writes_its_keyword_replies() {
    let replies = Replies::start().await;
    replies.test.add_inbox(&Inbox { kind: InboxKind::Personal, ..build::inbox() }).await;
    let body = json!({ "keywords": ["hours"], "text": "Hi." });
    assert_eq!(replies.call(&on_inbox(CREATE, "bob").json(&body)).await.0, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keyword_belongs_to_one_reply_and_is_free_again_when_the_reply_gives_it_up() {
    let replies = Replies::start().await;
    let (_, hours) = replies.create(&["hours", "times"]).await;
    let (_, menu) = replies.create(&["menu"]).await;
    let (status, problem) = replies.create(&["lunch", "HOURS!"]).await;
    assert_eq!((status, &problem["code"]), (409, &json!("keyword_taken")));
    assert_eq!(problem["errors"][0]["pointer"], "/keywords/1");
    let (status, problem) = replies.change(id_of(&menu), &json!({ "keywords": ["Times"] })).await;
    assert_eq!((status, &problem["code"]), (409, &json!("keyword_taken")));
    assert_eq!(problem["errors"][0]["pointer"], "/keywords/0");
    assert_eq!(replies.list().await, json!([hours, menu]), "nothing changed");

    let (status, _) = replies.change(id_of(&hours), &json!({ "keywords": ["Hours", "open"] })).await;
    assert_eq!(status, 200, "a reply keeps its keywords");
    let (status, _) = replies.change(id_of(&menu), &json!({ "keywords": ["times", "menu"] })).await;
    assert_eq!(status, 200);
    assert_eq!(replies.call(&on_reply(REMOVE, "ada", id_of(&hours))).await.0, 204);
    assert_eq!(replies.create(&["open", "hours"]).await.0, 201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_requests_for_a_keyword_at_once_one_succeeds() {
    let replies = Replies::start().await;
    let mut requests = JoinSet::new();
    for index in 0..8 {
        let app = replies.app.clone();
        requests.spawn(async move {
            let keywords = [format!("own {index}"), "hours".to_owned()];
            let event = on_inbox(CREATE, "ada").json(&json!({ "keywords": keywords, "text": "Hi." }));
            answer(&router(app), now(), clock::entropy(), event.request()).await.status().as_u16()
        });
    }
    let mut statuses = requests.join_all().await;
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409, 409, 409, 409, 409]);
    assert_eq!(replies.list().await.as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_creates_one_reply() {
    let replies = Replies::start().await;
    let create = on_inbox(CREATE, "ada").json(&json!({ "keywords": ["hours"], "text": "Hi." }));
    let create = create.header("idempotency-key", "k-1");
    let (_, first) = replies.call(&create).await;
    let (status, second) = replies.call(&create).await;
    assert_eq!((status, &second), (201, &first));
    assert_eq!(replies.list().await, json!([first]));
}

#[tokio::test(flavor = "multi_thread")]
async fn opt_out_words_and_other_invalid_fields_are_refused_with_their_pointers() {
    let replies = Replies::start().await;
    let valid = json!({ "keywords": ["ok"], "text": "Hi.", "tag": "vip" });
    let with = |field: &str, value: Value| {
        let mut body = valid.clone();
        body[field] = value;
        body
    };
    let many: Vec<_> = (0..21).map(|index| index.to_string()).collect();
    for (body, pointer) in [
        (with("keywords", json!(["ok", "Stop."])), "/keywords/1"),
        (with("keywords", json!(["HELP"])), "/keywords/0"),
        (with("keywords", json!(["please stop texting me"])), "/keywords/0"),
        (with("keywords", json!(["?"])), "/keywords/0"),
        (with("keywords", json!([])), "/keywords"),
        (with("keywords", json!(many)), "/keywords"),
        (with("text", json!(" ")), "/text"),
        (with("text", json!("x".repeat(481))), "/text"),
        (with("tag", json!("a,b")), "/tag"),
    ] {
        let (status, problem) = replies.call(&on_inbox(CREATE, "ada").json(&body)).await;
        assert_eq!(
            (status, problem["errors"][0]["pointer"].as_str()),
            (422, Some(pointer)),
            "{body}: {problem}"
        );
    }
    let (_, created) = replies.call(&on_inbox(CREATE, "ada").json(&valid)).await;
    let (status, problem) = replies.change(id_of(&created), &json!({ "keywords": ["end"] })).await;
    assert_eq!((status, &problem["errors"][0]["pointer"]), (422, &json!("/keywords/0")));
    assert_eq!(replies.list().await, json!([created]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inbox_has_at_most_100_keyword_replies_on_pages() {
    let replies = Replies::start().await;
    for index in 0..100 {
        assert_eq!(replies.create(&[&format!("word {index}")]).await.0, 201);
    }
    let (status, problem) = replies.create(&["one more"]).await;
    assert_eq!((status, &problem["code"]), (409, &json!("too_many_keyword_replies")));
    let (_, page) = replies.call(&on_inbox(LIST, "bob")).await;
    assert_eq!(page["items"].as_array().unwrap().len(), 25);
    let cursor = format!("cursor={}", page["nextCursor"].as_str().unwrap());
    let (_, next) = replies.call(&on_inbox(LIST, "bob").query(&cursor)).await;
    assert_ne!(next["items"][0], page["items"][0]);
    assert_eq!(replies.call(&on_reply(REMOVE, "ada", id_of(&page["items"][0]))).await.0, 204);
    assert_eq!(replies.create(&["one more"]).await.0, 201);
}
