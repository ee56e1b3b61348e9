//! IDs, idempotency keys and cursors of other teams, organizations and users, wherever a request accepts one.
//! The response is the same as for an unknown ID, and the resource does not change.

use product_tests::{Client, Phone, Stack};
use reqwest::Method;
use serde_json::{Value, json};

use crate::access_fixture::{AccessFixture, unknown_id, without_request_id};

/// A part of a request that accepts an ID: its name, the method, a function that builds the path and the body
/// from an ID, and the foreign IDs to try.
type IdPosition<'a> = (&'static str, Method, Box<dyn Fn(&str) -> (String, Option<Value>) + 'a>, Vec<String>);

/// A foreign ID in a body, a query or a path gets the same response as an unknown ID, and the foreign
/// resource does not change.
#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one list of ID positions")]
async fn an_id_of_another_team_or_organization_is_treated_as_unknown() {
    let stack = Stack::open();
    let fixture = AccessFixture::create(&stack).await;
    let foreign = ForeignResources::find(&stack).await;
    let admin = &fixture.team.admin;
    let id = |name: &str| fixture.ids.iter().find(|(of, _)| *of == name).map(|(_, id)| id.clone()).unwrap();
    let (inbox, team, contact) = (id("inboxId"), fixture.team.path(), id("contactId"));
    let conversation = format!("/v1/inboxes/{inbox}/conversations/{}", id("conversationId"));
    let phone = Phone::new();
    let inbox_request = fixture.team.inbox_request("Not to be").await;
    let before = foreign.get_all().await;
    let token = admin.post(&format!("{conversation}/lock"), Value::Null).await.expect(200)["token"].clone();
    let with = |mut body: Value, name: &str, value: Value| {
        body[name] = value;
        body
    };
    let text = |to: Value| json!({ "from": { "inboxId": inbox }, "to": to, "text": "Hi" });
    let reply = json!({ "text": "Hi", "lockToken": token });
    let contacts = format!("{team}/contacts");
    let positions: Vec<IdPosition<'_>> = vec![
        (
            "to.contactId",
            Method::POST,
            Box::new(|id| ("/v1/messages".into(), Some(text(json!({ "contactId": id }))))),
            foreign.contacts(),
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
            foreign.inboxes(),
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
            foreign.codes(),
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
            foreign.templates(),
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
            foreign.media(),
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
            foreign.messages(),
        ),
        (
            "media of a reply",
            Method::POST,
            Box::new(|id| {
                (format!("{conversation}/messages"), Some(with(reply.clone(), "media", json!([id]))))
            }),
            foreign.media(),
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
            foreign.conversations(),
        ),
        (
            "memberIds",
            Method::POST,
            Box::new(|id| {
                (format!("{team}/inboxes"), Some(with(inbox_request.clone(), "memberIds", json!([id]))))
            }),
            foreign.users(),
        ),
        (
            "assignedUserId",
            Method::PATCH,
            Box::new(|id| (format!("{contacts}/{contact}"), Some(json!({ "assignedUserId": id })))),
            foreign.users(),
        ),
        (
            "assignedTo",
            Method::GET,
            Box::new(|id| (format!("/v1/inboxes/{inbox}/conversations?assignedTo={id}"), None)),
            // An import may assign contacts to `nora`, who belongs to another team of the same organization.
            foreign.users().into_iter().filter(|id| id != "nora").collect(),
        ),
        (
            "contactId to render for",
            Method::POST,
            Box::new(|of| {
                (format!("{team}/templates/{}/render", id("templateId")), Some(json!({ "contactId": of })))
            }),
            foreign.contacts(),
        ),
        (
            "a member's id",
            Method::PUT,
            Box::new(|id| (format!("/v1/inboxes/{inbox}/members/{id}"), None)),
            foreign.users(),
        ),
        (
            "a contact in the path",
            Method::PATCH,
            Box::new(|id| (format!("{contacts}/{id}"), Some(json!({ "firstName": "Mallory" })))),
            foreign.contacts(),
        ),
        (
            "a contact to opt out",
            Method::PUT,
            Box::new(|id| (format!("{contacts}/{id}/opt-out"), None)),
            foreign.contacts(),
        ),
        (
            "a contact to remove",
            Method::DELETE,
            Box::new(|id| (format!("{contacts}/{id}"), None)),
            foreign.contacts(),
        ),
        (
            "a template in the path",
            Method::PATCH,
            Box::new(|id| (format!("{team}/templates/{id}"), Some(json!({ "text": "Mine" })))),
            foreign.templates(),
        ),
        (
            "a template to remove",
            Method::DELETE,
            Box::new(|id| (format!("{team}/templates/{id}"), None)),
            foreign.templates(),
        ),
        (
            "a conversation in the path",
            Method::PATCH,
            Box::new(|id| {
                (format!("/v1/inboxes/{inbox}/conversations/{id}"), Some(json!({ "folder": "archived" })))
            }),
            foreign.conversations(),
        ),
        (
            "a conversation to lock",
            Method::POST,
            Box::new(|id| (format!("/v1/inboxes/{inbox}/conversations/{id}/lock"), None)),
            foreign.conversations(),
        ),
        ("a message", Method::GET, Box::new(|id| (format!("/v1/messages/{id}"), None)), foreign.messages()),
        (
            "an inbox to retire",
            Method::DELETE,
            Box::new(|id| (format!("/v1/inboxes/{id}"), None)),
            foreign.inboxes(),
        ),
        (
            "an inbox to change",
            Method::PATCH,
            Box::new(|id| (format!("/v1/inboxes/{id}"), Some(json!({ "name": "Mine" })))),
            foreign.inboxes(),
        ),
    ];
    for (what, method, build_request, ids) in &positions {
        for id in ids {
            let unknown = unknown_id(id);
            // The two requests differ in nothing else, so the lock must not end between them.
            let renewal = json!({ "token": token, "active": true });
            admin.put(&format!("{conversation}/lock"), renewal).await.expect(200);
            let send = async |id: &str| {
                let (path, body) = build_request(id);
                admin.call(method.clone(), &path, body).await
            };
            let (response, expected) = (send(id).await, send(&unknown).await);
            let (status, mut body) = without_request_id(&response);
            // Some responses repeat the ID of the request.
            body = serde_json::from_str(&body.to_string().replace(id.as_str(), &unknown)).unwrap();
            assert_eq!((status, body), without_request_id(&expected), "{what}: {response}");
        }
    }
    assert_eq!(foreign.get_all().await, before, "the foreign resources have not changed");
}

/// Resources of another team and of another organization.
struct ForeignResources {
    /// A user with access, and the IDs of the resources.
    owners: Vec<(Client, ResourceIds)>,
}

struct ResourceIds {
    inbox: String,
    code: String,
    team: String,
    conversation: String,
    message: String,
    contact: String,
    template: String,
    media: String,
}

impl ForeignResources {
    async fn find(stack: &Stack) -> Self {
        let mut owners = Vec::new();
        for (user, inbox) in [("zoe", "RECEPTION"), ("nora", "NIGHTDESK")] {
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
            let ids = ResourceIds {
                inbox: inbox.inbox_id.clone(),
                code: inbox.api_code.clone(),
                team: inbox.team_id.clone(),
                conversation: conversation.id.clone(),
                message: text(&conversation.history(&client).await[0]["messageId"]),
                contact: text(&conversation.get_as(&client).await["contact"]["contactId"]),
                template: text(&template["templateId"]),
                media: text(&media["mediaId"]),
            };
            owners.push((client, ids));
        }
        Self { owners }
    }

    fn collect_ids(&self, id: impl Fn(&ResourceIds) -> &String) -> Vec<String> {
        self.owners.iter().map(|(_, ids)| id(ids).clone()).collect()
    }

    fn inboxes(&self) -> Vec<String> {
        self.collect_ids(|ids| &ids.inbox)
    }

    fn codes(&self) -> Vec<String> {
        self.collect_ids(|ids| &ids.code)
    }

    fn contacts(&self) -> Vec<String> {
        self.collect_ids(|ids| &ids.contact)
    }

    fn conversations(&self) -> Vec<String> {
        self.collect_ids(|ids| &ids.conversation)
    }

    fn messages(&self) -> Vec<String> {
        self.collect_ids(|ids| &ids.message)
    }

    fn templates(&self) -> Vec<String> {
        self.collect_ids(|ids| &ids.template)
    }

    fn media(&self) -> Vec<String> {
        self.collect_ids(|ids| &ids.media)
    }

    fn users(&self) -> Vec<String> {
        self.owners.iter().map(|(client, _)| client.id.clone()).collect()
    }

    /// Returns all resources as their owners see them.
    async fn get_all(&self) -> Vec<Value> {
        let mut seen = Vec::new();
        for (client, ids) in &self.owners {
            for path in [
                format!("/v1/inboxes/{}", ids.inbox),
                format!("/v1/inboxes/{}/members", ids.inbox),
                format!("/v1/inboxes/{}/conversations/{}", ids.inbox, ids.conversation),
                format!("/v1/inboxes/{}/conversations/{}/messages", ids.inbox, ids.conversation),
                format!("/v1/teams/{}/contacts/{}", ids.team, ids.contact),
                format!("/v1/teams/{}/templates/{}", ids.team, ids.template),
            ] {
                seen.push(client.get(&path).await.expect(200));
            }
        }
        seen
    }
}

/// The same key in a request of another user, or for another route, starts a new request.
#[tokio::test]
async fn an_idempotency_key_works_only_for_its_caller_and_route() {
    let stack = Stack::open();
    let fixture = AccessFixture::create(&stack).await;
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
    let created = admin.post_once(&contacts, &key, &contact).await.expect(201);
    assert!(created["contactId"].is_string(), "{created}");
    // A user of another organization with the same key and body does not get the stored response.
    let zoe = stack.user("zoe").post_once(&contacts, &key, &contact).await;
    zoe.problem(404, "not_found");
}

/// A cursor is refused for another user and for another list.
#[tokio::test]
async fn a_cursor_works_only_for_its_caller_and_list() {
    let stack = Stack::open();
    let (fixture, carrier) = (AccessFixture::create(&stack).await, stack.carrier());
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
