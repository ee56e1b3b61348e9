//! The feed of events: what a screen that polls gets of the changes of others.

use product_tests::{
    Client, ConversationRef, EVENT_TIMEOUT, Phone, SharedInbox, Stack, TestTeam, client, eventually,
};
use reqwest::Method;
use serde_json::{Value, json};

/// A feed that has more pages is read again later.
const MAX_PAGES: usize = 50;

/// A screen that polls the feed of a user.
struct Screen {
    user: Client,
    cursor: String,
}

impl Screen {
    async fn open(user: &Client) -> Self {
        let feed = user.get("/v1/events").await.expect(200);
        assert_eq!(feed["items"], json!([]), "the first request only returns the position");
        Self { user: user.clone(), cursor: next(&feed) }
    }

    /// Reads one page, and returns its events.
    async fn read_page(&mut self, limit: usize) -> Vec<Value> {
        let path = format!("/v1/events?limit={limit}&cursor={}", self.cursor);
        let feed = self.user.get(&path).await.expect(200);
        self.cursor = next(&feed);
        feed["items"].as_array().expect("items").clone()
    }

    /// Polls until `wanted` finds something in all events since the last call. The feed has events of other
    /// journeys as well, and may have no end while they run. The first pages are small, so that there are
    /// several; then it catches up with what others do.
    async fn poll<T>(&mut self, what: &str, wanted: impl Fn(&[Value]) -> Option<T>) -> T {
        let (mut seen, mut limit) = (Vec::new(), 5);
        eventually(what, EVENT_TIMEOUT, async || {
            for _ in 0..MAX_PAGES {
                let page = self.read_page(limit).await;
                let is_full = page.len() >= limit;
                limit = (2 * limit).min(100);
                seen.extend(page);
                let found = wanted(&seen);
                if found.is_some() || !is_full {
                    return found;
                }
            }
            None
        })
        .await
    }

    /// Polls until all of these events of an inbox or team have come. Returns them in this order.
    async fn wait_for(&mut self, id: &str, types: &[&str]) -> Vec<Value> {
        let belongs = |event: &&Value| event.get("inboxId").unwrap_or(&event["teamId"]) == id;
        self.poll(&types.join(", "), |seen| {
            let find =
                |kind: &&str| seen.iter().filter(belongs).find(|event| event["type"] == **kind).cloned();
            types.iter().map(find).collect::<Option<Vec<_>>>()
        })
        .await
    }

    /// Polls until this event of an inbox or team has come with data for which `is` holds. Events of what was
    /// done before the screen was open may come first.
    async fn wait_for_data(&mut self, id: &str, kind: &str, is: impl Fn(&Value) -> bool) -> Value {
        let is_wanted = |event: &&Value| {
            let belongs = event.get("inboxId").unwrap_or(&event["teamId"]) == id;
            belongs && event["type"] == *kind && is(&event["data"])
        };
        self.poll(kind, |seen| seen.iter().find(is_wanted).cloned()).await
    }
}

fn next(feed: &Value) -> String {
    feed["nextCursor"].as_str().expect("a cursor").to_owned()
}

/// A registered team with an inbox. `amelia` is its admin and `ben` a member of the inbox.
async fn team_with_inbox(stack: &Stack, name: &str) -> (TestTeam, SharedInbox) {
    let team = TestTeam::create(stack, name, "amelia").await;
    team.add_member("ben").await;
    let inbox = team.create_inbox(name).await;
    team.register(&stack.carrier()).await;
    team.admin.put(&inbox.member("ben"), json!({})).await.expect(200);
    (team, inbox)
}

/// Sends a message from a new phone to the inbox and returns the conversation.
async fn conversation(stack: &Stack, team: &TestTeam, inbox: &SharedInbox, text: &str) -> ConversationRef {
    let phone = Phone::new();
    stack.carrier().send_inbound(&phone, &inbox.number, text).await;
    stack.find_conversation(&team.admin, &inbox.id, "inbox", &phone).await
}

#[tokio::test]
async fn a_screen_that_polls_gets_messages_locks_replies_and_their_delivery() {
    let stack = Stack::open();
    let (team, inbox) = team_with_inbox(&stack, "Events of messages").await;
    let mut screen = Screen::open(&stack.user("ben")).await;

    let conversation = conversation(&stack, &team, &inbox, "Is the office open?").await;
    let events = screen.wait_for(&inbox.id, &["message.created", "conversation.updated"]).await;
    assert_eq!(events[0]["data"]["text"], "Is the office open?");
    assert_eq!(events[0]["conversationId"], conversation.id.as_str());
    assert_eq!((&events[1]["data"]["read"], &events[1]["teamId"]), (&json!(false), &json!(team.id)));

    let token = conversation.acquire_lock(&team.admin).await;
    let acquired = screen.wait_for(&inbox.id, &["lock.acquired"]).await.remove(0);
    assert_eq!(acquired["data"]["holder"]["id"], "amelia");
    conversation.release_lock(&team.admin, token).await;
    screen.wait_for(&inbox.id, &["lock.released"]).await;

    team.admin.lock_and_reply(&conversation, "Until five.").await.expect(202);
    let events = screen.wait_for(&inbox.id, &["message.created", "message.updated"]).await;
    assert_eq!(events[0]["data"]["sender"]["userId"], "amelia");

    conversation.acquire_lock(&team.admin).await;
    team.admin.delete(&format!("{}?force=true", conversation.lock())).await.expect(204);
    let broken = screen.wait_for(&inbox.id, &["lock.broken"]).await.remove(0);
    assert_eq!(broken["data"]["brokenBy"]["id"], "amelia");
}

#[tokio::test]
async fn a_screen_that_polls_gets_changes_of_the_inbox_and_the_team() {
    let stack = Stack::open();
    let (team, inbox) = team_with_inbox(&stack, "Events of a team").await;
    let mut screen = Screen::open(&team.admin).await;

    team.admin.patch(&inbox.path(), json!({ "name": "Admissions" })).await.expect(200);
    screen.wait_for_data(&inbox.id, "inbox.changed", |data| data["name"] == "Admissions").await;

    let contact = json!({ "firstName": "Jonas", "mobileNumber": Phone::new().number() });
    let contact = team.admin.send(&format!("{}/contacts", team.path()), contact).await.expect(201);
    let path = format!("{}/contacts/{}", team.path(), contact["contactId"].as_str().expect("an id"));
    let added = screen.wait_for(&team.id, &["contact.updated"]).await.remove(0);
    assert_eq!((&added["data"]["firstName"], &added["data"]["removed"]), (&json!("Jonas"), &json!(false)));
    assert!(added.get("inboxId").is_none());

    team.admin.put(&format!("{path}/opt-out"), json!({})).await.expect(200);
    let opt_out = screen.wait_for(&team.id, &["opt_out.changed"]).await.remove(0);
    assert_eq!(opt_out["data"]["status"], "opted_out");
    team.admin.delete(&path).await.expect(204);
    screen.wait_for_data(&team.id, "contact.updated", |data| data["removed"] == true).await;

    let file =
        format!("ContactId,FirstName,LastName,MobileNumber\nE-1,Mia,Keller,{}\n", Phone::new().number());
    let import = team.admin.request(Method::POST, &format!("{}/contact-imports", team.path()));
    client::read("an import".into(), import.header("content-type", "text/csv").body(file)).await.expect(202);
    let import = screen.wait_for(&team.id, &["import.changed"]).await.remove(0);
    assert!(import["data"]["importId"].is_string());
}

#[tokio::test]
async fn a_member_gets_events_from_joining_to_leaving_the_inbox() {
    let stack = Stack::open();
    let (team, inbox) = team_with_inbox(&stack, "Events of a member").await;
    let (mut screen, mut of_admin) =
        (Screen::open(&stack.user("ben")).await, Screen::open(&team.admin).await);
    team.admin.delete(&inbox.member("ben")).await.expect(204);
    let has_left = |data: &Value| data["removed"] == true;
    let left = of_admin.wait_for_data(&inbox.id, "membership.changed", has_left).await;
    assert_eq!(left["data"], json!({ "userId": "ben", "name": left["data"]["name"], "removed": true }));

    let conversation = conversation(&stack, &team, &inbox, "Hello?").await;
    of_admin.wait_for(&inbox.id, &["message.created"]).await;
    let elsewhere = stack.new_conversation("In an inbox that Ben has not left").await;
    let of_inbox = screen.poll("a later event of another inbox", |seen| {
        let is_here = seen.iter().any(|event| event["conversationId"] == *elsewhere.id);
        is_here.then(|| seen.iter().filter(|event| event["inboxId"] == *inbox.id).count())
    });
    assert_eq!(of_inbox.await, 0, "nothing after the response to the removal");

    team.admin.put(&inbox.member("ben"), json!({})).await.expect(200);
    let feed = screen.user.get(&format!("/v1/events?cursor={}", screen.cursor)).await.expect(200);
    assert!(feed["joined"].as_array().expect("joined").contains(&json!(inbox.id)), "{feed}");
    screen.cursor = next(&feed);
    team.admin.patch(&conversation.path(), json!({ "folder": "archived" })).await.expect(200);
    let is_archived = |data: &Value| data["folder"] == "archived";
    screen.wait_for_data(&inbox.id, "conversation.updated", is_archived).await;
    let stranger = stack.user("olivia").get(&format!("/v1/events?cursor={}", screen.cursor)).await;
    stranger.problem(400, "bad_cursor");
}
