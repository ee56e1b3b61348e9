//! Ids, keys and cursors of others, in every place that takes one: they are answered as nobody's, and
//! nothing of theirs is touched.

use product_tests::{Client, Phone, Stack};
use reqwest::Method;
use serde_json::{Value, json};

use crate::access_fixture::{AccessFixture, unknown_id, without_request_id};

/// Where an id goes: what it is called, the request, given the id, and those of others.
type Place<'a> = (&'static str, Method, Box<dyn Fn(&str) -> (String, Option<Value>) + 'a>, Vec<String>);

/// Every id that a body, a query or a second place in a path holds: somebody else's is answered as
/// nobody's, and nothing of theirs is touched.
#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a list of places, one after the other")]
async fn somebody_else_s_id_is_as_good_as_none() {
    let stack = Stack::open();
    let fixture = AccessFixture::set(&stack).await;
    let theirs = Theirs::find(&stack).await;
    let admin = &fixture.team.admin;
    let id = |name: &str| fixture.ids.iter().find(|(of, _)| *of == name).map(|(_, id)| id.clone()).unwrap();
    let (inbox, team, contact) = (id("inboxId"), fixture.team.path(), id("contactId"));
    let conversation = format!("/v1/inboxes/{inbox}/conversations/{}", id("conversationId"));
    let token = admin.post(&format!("{conversation}/lock"), Value::Null).await.expect(200)["token"].clone();
    let phone = Phone::new();
    let inbox_request = fixture.team.inbox_request("Not to be").await;
    let with = |mut body: Value, name: &str, value: Value| {
        body[name] = value;
        body
    };
    let text = |to: Value| json!({ "from": { "inboxId": inbox }, "to": to, "text": "Hi" });
    let reply = json!({ "text": "Hi", "lockToken": token });
    let contacts = format!("{team}/contacts");
    let places: Vec<Place<'_>> = vec![
        (
            "to.contactId",
            Method::POST,
            Box::new(|id| ("/v1/messages".into(), Some(text(json!({ "contactId": id }))))),
            theirs.contacts(),
        ),
        (
            "from.inboxId",
            Method::POST,
            Box::new(|id| {
                (
                    "/v1/messages".into(),
                    Some(
                        json!({ "from": { "inboxId": id }, "to": { "phoneNumber": phone.number() }, "text": "Hi" }),
                    ),
                )
            }),
            theirs.inboxes(),
        ),
        (
            "from.apiCode",
            Method::POST,
            Box::new(|id| {
                (
                    "/v1/messages".into(),
                    Some(
                        json!({ "from": { "apiCode": id }, "to": { "phoneNumber": phone.number() }, "text": "Hi" }),
                    ),
                )
            }),
            theirs.codes(),
        ),
        (
            "templateId of a text",
            Method::POST,
            Box::new(|id| {
                (
                    "/v1/messages".into(),
                    Some(
                        json!({ "from": { "inboxId": inbox }, "to": { "contactId": contact }, "templateId": id }),
                    ),
                )
            }),
            theirs.templates(),
        ),
        (
            "media of a text",
            Method::POST,
            Box::new(|id| {
                (
                    "/v1/messages".into(),
                    Some(with(text(json!({ "contactId": contact })), "media", json!([id]))),
                )
            }),
            theirs.media(),
        ),
        (
            "lastSeenMessageId",
            Method::POST,
            Box::new(|id| {
                (
                    format!("{conversation}/messages"),
                    Some(with(reply.clone(), "lastSeenMessageId", json!(id))),
                )
            }),
            theirs.messages(),
        ),
        (
            "media of a reply",
            Method::POST,
            Box::new(|id| {
                (format!("{conversation}/messages"), Some(with(reply.clone(), "media", json!([id]))))
            }),
            theirs.media(),
        ),
        (
            "conversationIds",
            Method::PATCH,
            Box::new(|id| {
                (
                    format!("/v1/inboxes/{inbox}/conversations"),
                    Some(json!({ "conversationIds": [id], "read": true })),
                )
            }),
            theirs.conversations(),
        ),
        (
            "memberIds",
            Method::POST,
            Box::new(|id| {
                (format!("{team}/inboxes"), Some(with(inbox_request.clone(), "memberIds", json!([id]))))
            }),
            theirs.users(),
        ),
        (
            "assignedUserId",
            Method::PATCH,
            Box::new(|id| (format!("{contacts}/{contact}"), Some(json!({ "assignedUserId": id })))),
            theirs.users(),
        ),
        (
            "assignedTo",
            Method::GET,
            Box::new(|id| (format!("/v1/inboxes/{inbox}/conversations?assignedTo={id}"), None)),
            theirs.users(),
        ),
        (
            "contactId to render for",
            Method::POST,
            Box::new(|of| {
                (format!("{team}/templates/{}/render", id("templateId")), Some(json!({ "contactId": of })))
            }),
            theirs.contacts(),
        ),
        (
            "a member's id",
            Method::PUT,
            Box::new(|id| (format!("/v1/inboxes/{inbox}/members/{id}"), None)),
            theirs.users(),
        ),
        (
            "a contact in the path",
            Method::PATCH,
            Box::new(|id| (format!("{contacts}/{id}"), Some(json!({ "firstName": "Mallory" })))),
            theirs.contacts(),
        ),
        (
            "a contact to opt out",
            Method::PUT,
            Box::new(|id| (format!("{contacts}/{id}/opt-out"), None)),
            theirs.contacts(),
        ),
        (
            "a contact to remove",
            Method::DELETE,
            Box::new(|id| (format!("{contacts}/{id}"), None)),
            theirs.contacts(),
        ),
        (
            "a template in the path",
            Method::PATCH,
            Box::new(|id| (format!("{team}/templates/{id}"), Some(json!({ "text": "Mine" })))),
            theirs.templates(),
        ),
        (
            "a template to remove",
            Method::DELETE,
            Box::new(|id| (format!("{team}/templates/{id}"), None)),
            theirs.templates(),
        ),
        (
            "a conversation in the path",
            Method::PATCH,
            Box::new(|id| {
                (format!("/v1/inboxes/{inbox}/conversations/{id}"), Some(json!({ "folder": "archived" })))
            }),
            theirs.conversations(),
        ),
        (
            "a conversation to lock",
            Method::POST,
            Box::new(|id| (format!("/v1/inboxes/{inbox}/conversations/{id}/lock"), None)),
            theirs.conversations(),
        ),
        ("a message", Method::GET, Box::new(|id| (format!("/v1/messages/{id}"), None)), theirs.messages()),
        (
            "an inbox to retire",
            Method::DELETE,
            Box::new(|id| (format!("/v1/inboxes/{id}"), None)),
            theirs.inboxes(),
        ),
        (
            "an inbox to change",
            Method::PATCH,
            Box::new(|id| (format!("/v1/inboxes/{id}"), Some(json!({ "name": "Mine" })))),
            theirs.inboxes(),
        ),
    ];
    let before = theirs.seen().await;
    for (what, method, ask, ids) in &places {
        for id in ids {
            let nothing = unknown_id(id);
            let asked = async |id: &str| {
                let (path, body) = ask(id);
                admin.call(method.clone(), &path, body).await
            };
            let (response, expected) = (asked(id).await, asked(&nothing).await);
            let (status, mut body) = without_request_id(&response);
            // An answer that names what it was asked for names it either way.
            body = serde_json::from_str(&body.to_string().replace(id.as_str(), &nothing)).unwrap();
            assert_eq!((status, body), without_request_id(&expected), "{what}: {response}");
        }
    }
    assert_eq!(theirs.seen().await, before, "nothing of theirs was touched");
}

/// Things of another team and of another organization.
struct Theirs {
    /// Who sees them, and through which office.
    people: Vec<(Client, Stuff)>,
}

/// Ids of one of them.
struct Stuff {
    inbox: String,
    code: String,
    team: String,
    conversation: String,
    message: String,
    contact: String,
    template: String,
    media: String,
}

impl Theirs {
    async fn find(stack: &Stack) -> Self {
        let mut people = Vec::new();
        for (user, inbox) in [("zoe", "inb_reception"), ("nora", "inb_nightdesk")] {
            let (client, inbox) = (stack.user(user), stack.inbox(inbox));
            let phone = Phone::new();
            stack.carrier().send_inbound(&phone, &inbox.phone_number, "For us alone").await;
            let conversation = stack.find_conversation(&client, &inbox.inbox_id, "inbox", &phone).await;
            let text = |value: &Value| value.as_str().expect("an id").to_owned();
            let name = format!("Hours {}", phone.number());
            let templates = format!("/v1/teams/{}/templates", inbox.team_id);
            let template =
                client.post(&templates, json!({ "name": name, "text": "From nine." })).await.expect(201);
            let file = json!({ "contentType": "image/png", "size": 100 });
            let media = client.post(&format!("/v1/inboxes/{}/media", inbox.inbox_id), file).await.expect(201);
            let stuff = Stuff {
                inbox: inbox.inbox_id.clone(),
                code: inbox.api_code.clone(),
                team: inbox.team_id.clone(),
                conversation: conversation.id.clone(),
                message: text(&conversation.history(&client).await[0]["messageId"]),
                contact: text(&conversation.get_as(&client).await["contact"]["contactId"]),
                template: text(&template["templateId"]),
                media: text(&media["mediaId"]),
            };
            people.push((client, stuff));
        }
        Self { people }
    }

    fn all(&self, id: impl Fn(&Stuff) -> &String) -> Vec<String> {
        self.people.iter().map(|(_, stuff)| id(stuff).clone()).collect()
    }

    fn inboxes(&self) -> Vec<String> {
        self.all(|stuff| &stuff.inbox)
    }

    fn codes(&self) -> Vec<String> {
        self.all(|stuff| &stuff.code)
    }

    fn contacts(&self) -> Vec<String> {
        self.all(|stuff| &stuff.contact)
    }

    fn conversations(&self) -> Vec<String> {
        self.all(|stuff| &stuff.conversation)
    }

    fn messages(&self) -> Vec<String> {
        self.all(|stuff| &stuff.message)
    }

    fn templates(&self) -> Vec<String> {
        self.all(|stuff| &stuff.template)
    }

    fn media(&self) -> Vec<String> {
        self.all(|stuff| &stuff.media)
    }

    fn users(&self) -> Vec<String> {
        self.people.iter().map(|(client, _)| client.id.clone()).collect()
    }

    /// All of it, as those see it whose it is.
    async fn seen(&self) -> Vec<Value> {
        let mut seen = Vec::new();
        for (client, stuff) in &self.people {
            for path in [
                format!("/v1/inboxes/{}", stuff.inbox),
                format!("/v1/inboxes/{}/members", stuff.inbox),
                format!("/v1/inboxes/{}/conversations/{}", stuff.inbox, stuff.conversation),
                format!("/v1/inboxes/{}/conversations/{}/messages", stuff.inbox, stuff.conversation),
                format!("/v1/teams/{}/contacts/{}", stuff.team, stuff.contact),
                format!("/v1/teams/{}/templates/{}", stuff.team, stuff.template),
            ] {
                seen.push(client.get(&path).await.expect(200));
            }
        }
        seen
    }
}

/// A key is its owner's: somebody else's request with it, or their own at another place, is one of its own.
#[tokio::test]
async fn an_idempotency_key_works_only_for_its_caller_and_route() {
    let stack = Stack::open();
    let fixture = AccessFixture::set(&stack).await;
    let (admin, key) = (&fixture.team.admin, format!("key-{}", Phone::new().number()));
    let carla = stack.user("carla");
    let templates = format!("{}/templates", fixture.team.path());
    let one = admin.post_once(&templates, &key, &json!({ "name": "One", "text": "1" })).await.expect(201);
    let two = carla.post_once(&templates, &key, &json!({ "name": "Two", "text": "2" })).await.expect(201);
    assert_ne!(one["templateId"], two["templateId"]);
    let again = admin.post_once(&templates, &key, &json!({ "name": "One", "text": "1" })).await.json();
    assert_eq!(again["templateId"], one["templateId"]);
    let contacts = format!("{}/contacts", fixture.team.path());
    let contact = json!({ "firstName": "Ada", "mobileNumber": Phone::new().number() });
    let made = admin.post_once(&contacts, &key, &contact).await.expect(201);
    assert!(made["contactId"].is_string(), "{made}");
    // Of another organization, with the same body: she gets nothing of it.
    let zoe = stack.user("zoe").post_once(&contacts, &key, &contact).await;
    zoe.problem(404, "not_found");
}

/// Cursors of every list serve no colleague, and no other list.
#[tokio::test]
async fn a_cursor_works_only_for_its_caller_and_list() {
    let stack = Stack::open();
    let (fixture, carrier) = (AccessFixture::set(&stack).await, stack.carrier());
    let (admin, member) = (&fixture.team.admin, stack.user("dev"));
    let inbox = fixture.ids.iter().find(|(name, _)| *name == "inboxId").map(|(_, id)| id.clone()).unwrap();
    let number = admin.get(&format!("/v1/inboxes/{inbox}")).await.expect(200)["phoneNumber"].clone();
    let number = number.as_str().unwrap();
    let phone = Phone::new();
    for text in ["please stop texting me", "please stop texting me now"] {
        carrier.send_inbound(&phone, number, text).await;
    }
    let template = json!({ "name": "Second", "text": "2" });
    admin.post(&format!("{}/templates", fixture.team.path()), template).await.expect(201);
    let conversation = stack.find_conversation(admin, &inbox, "inbox", &phone).await;
    let lists = [
        format!("/v1/inboxes/{inbox}/conversations"),
        conversation.messages(),
        format!("/v1/inboxes/{inbox}/opt-out-reviews"),
        format!("{}/contacts", fixture.team.path()),
        format!("{}/templates", fixture.team.path()),
    ];
    let mut cursors = Vec::new();
    for list in &lists {
        let page = admin.get(&format!("{list}?limit=1")).await.expect(200);
        let cursor = page["nextCursor"].as_str().unwrap_or_else(|| panic!("{list} has one page: {page}"));
        cursors.push(cursor.to_owned());
    }
    for (place, list) in lists.iter().enumerate() {
        for (of, cursor) in cursors.iter().enumerate() {
            let path = format!("{list}?limit=1&cursor={cursor}");
            member.get(&path).await.problem(400, "bad_cursor");
            let own = admin.get(&path).await;
            if of == place {
                own.expect(200);
            } else {
                own.problem(400, "bad_cursor");
            }
        }
    }
}
