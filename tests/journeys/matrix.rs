//! Every route of the API against everybody who has no business there. The routes come from the API's own document: one
//! that has no row here makes the journey fail.

use product_tests::{Answer, Client, Office, Phone, Stack, client};
use reqwest::Method;
use serde_json::{Value, json};

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Guard {
    /// Everybody.
    Open,
    /// The carrier, by its signature.
    Carrier,
    /// Whoever is signed in; what they see is their own.
    SignedIn,
    /// Members of the inbox.
    Inbox,
    /// Members of the inbox, and those who manage its team.
    InboxSettings,
    /// Those who manage the inbox's team.
    InboxManagers,
    /// Members of the team.
    Team,
    /// Those who manage the team.
    TeamManagers,
}

use Guard::{Carrier, Inbox, InboxManagers, InboxSettings, Open, SignedIn, Team, TeamManagers};

const ROUTES: &[(&str, &str, Guard)] = &[
    ("GET", "/healthz", Open),
    ("GET", "/openapi.json", Open),
    ("GET", "/v1/inbox-wizard", SignedIn),
    ("GET", "/v1/inboxes/{inboxId}", InboxSettings),
    ("PATCH", "/v1/inboxes/{inboxId}", InboxManagers),
    ("DELETE", "/v1/inboxes/{inboxId}", InboxManagers),
    ("GET", "/v1/inboxes/{inboxId}/conversations", Inbox),
    ("PATCH", "/v1/inboxes/{inboxId}/conversations", Inbox),
    ("GET", "/v1/inboxes/{inboxId}/conversations/{conversationId}", Inbox),
    ("PATCH", "/v1/inboxes/{inboxId}/conversations/{conversationId}", Inbox),
    ("GET", "/v1/inboxes/{inboxId}/conversations/{conversationId}/can-send", Inbox),
    ("POST", "/v1/inboxes/{inboxId}/conversations/{conversationId}/lock", Inbox),
    ("PUT", "/v1/inboxes/{inboxId}/conversations/{conversationId}/lock", Inbox),
    ("DELETE", "/v1/inboxes/{inboxId}/conversations/{conversationId}/lock", Inbox),
    ("GET", "/v1/inboxes/{inboxId}/conversations/{conversationId}/messages", Inbox),
    ("POST", "/v1/inboxes/{inboxId}/conversations/{conversationId}/messages", Inbox),
    ("POST", "/v1/inboxes/{inboxId}/media", Inbox),
    ("GET", "/v1/inboxes/{inboxId}/members", InboxSettings),
    ("PUT", "/v1/inboxes/{inboxId}/members/{userId}", InboxManagers),
    ("DELETE", "/v1/inboxes/{inboxId}/members/{userId}", InboxManagers),
    ("GET", "/v1/inboxes/{inboxId}/opt-out-reviews", Inbox),
    ("PUT", "/v1/inboxes/{inboxId}/opt-out-reviews/{reviewId}", Inbox),
    ("GET", "/v1/inboxes/{inboxId}/out-of-office", InboxSettings),
    ("PUT", "/v1/inboxes/{inboxId}/out-of-office", InboxManagers),
    ("GET", "/v1/me", SignedIn),
    ("POST", "/v1/messages", SignedIn),
    ("GET", "/v1/messages/{messageId}", Inbox),
    ("GET", "/v1/numbers/available", SignedIn),
    ("GET", "/v1/teams", SignedIn),
    ("POST", "/v1/teams", SignedIn),
    ("GET", "/v1/teams/{teamId}", Team),
    ("PATCH", "/v1/teams/{teamId}", TeamManagers),
    ("GET", "/v1/teams/{teamId}/audit", TeamManagers),
    ("GET", "/v1/teams/{teamId}/contact-imports", TeamManagers),
    ("POST", "/v1/teams/{teamId}/contact-imports", TeamManagers),
    ("GET", "/v1/teams/{teamId}/contact-imports/{importId}", TeamManagers),
    ("GET", "/v1/teams/{teamId}/contacts", Team),
    ("POST", "/v1/teams/{teamId}/contacts", Team),
    ("GET", "/v1/teams/{teamId}/contacts/{contactId}", Team),
    ("PATCH", "/v1/teams/{teamId}/contacts/{contactId}", Team),
    ("DELETE", "/v1/teams/{teamId}/contacts/{contactId}", Team),
    ("PUT", "/v1/teams/{teamId}/contacts/{contactId}/opt-out", Team),
    ("DELETE", "/v1/teams/{teamId}/contacts/{contactId}/opt-out", Team),
    ("GET", "/v1/teams/{teamId}/contacts/{contactId}/opt-outs", Team),
    ("GET", "/v1/teams/{teamId}/inboxes", Team),
    ("POST", "/v1/teams/{teamId}/inboxes", TeamManagers),
    ("GET", "/v1/teams/{teamId}/members", Team),
    ("GET", "/v1/teams/{teamId}/members/{userId}", Team),
    ("PUT", "/v1/teams/{teamId}/members/{userId}", TeamManagers),
    ("DELETE", "/v1/teams/{teamId}/members/{userId}", TeamManagers),
    ("GET", "/v1/teams/{teamId}/notification-settings", TeamManagers),
    ("PUT", "/v1/teams/{teamId}/notification-settings", TeamManagers),
    ("GET", "/v1/teams/{teamId}/opt-outs", Team),
    ("GET", "/v1/teams/{teamId}/registration", Team),
    ("POST", "/v1/teams/{teamId}/registration", TeamManagers),
    ("GET", "/v1/teams/{teamId}/templates", Team),
    ("POST", "/v1/teams/{teamId}/templates", TeamManagers),
    ("GET", "/v1/teams/{teamId}/templates/{templateId}", Team),
    ("PATCH", "/v1/teams/{teamId}/templates/{templateId}", TeamManagers),
    ("DELETE", "/v1/teams/{teamId}/templates/{templateId}", TeamManagers),
    ("POST", "/v1/teams/{teamId}/templates/{templateId}/render", Team),
    ("POST", "/webhooks/twilio/messages", Carrier),
    ("POST", "/webhooks/twilio/registrations", Carrier),
    ("POST", "/webhooks/twilio/status", Carrier),
    ("POST", "/webhooks/twilio/voice", Carrier),
];

/// One of those who ask.
#[expect(clippy::struct_excessive_bools, reason = "what somebody is; each goes with any of the others")]
struct Asker {
    client: Client,
    who: &'static str,
    /// A member of the team without the inbox.
    of_the_team: bool,
    /// Manages the team.
    manages: bool,
    /// A member of the inbox.
    of_the_inbox: bool,
    /// Not a user, but a program that may send.
    machine: bool,
}

impl Asker {
    fn outsider(client: Client, who: &'static str) -> Self {
        Self { client, who, of_the_team: false, manages: false, of_the_inbox: false, machine: false }
    }

    /// What a route must answer, where it must refuse: what one may not see does not exist, what one may see and not do is
    /// forbidden.
    fn refusal(&self, guard: Guard, template: &str) -> Option<u16> {
        match guard {
            Open => None,
            Carrier => Some(403),
            // Programs send, and read what they have sent: this is somebody else's.
            _ if self.machine => match template {
                "/v1/messages" => None,
                "/v1/messages/{messageId}" => Some(404),
                _ => Some(403),
            },
            SignedIn => None,
            InboxSettings => (!self.manages && !self.of_the_inbox).then_some(404),
            InboxManagers if self.of_the_inbox => (!self.manages).then_some(403),
            InboxManagers => (!self.manages).then_some(404),
            Team => (!self.of_the_team).then_some(404),
            TeamManagers if self.of_the_team => (!self.manages).then_some(403),
            Inbox => (!self.of_the_inbox).then_some(404),
            TeamManagers => Some(404),
        }
    }
}

/// An answer without what is another each time.
fn bare(answer: &Answer) -> (u16, Value) {
    let mut body = answer.json();
    if let Some(fields) = body.as_object_mut() {
        fields.remove("requestId");
    }
    (answer.status, body)
}

/// Another id of the same kind, which nobody has given to anything.
fn nobodys(id: &str) -> String {
    let (prefix, _) = id.split_once('_').unwrap_or(("", ""));
    if prefix.is_empty() { "nobody-at-all".to_owned() } else { format!("{prefix}_0000000000000000") }
}

/// A team with a conversation, a contact, a text that waits for a review; and everybody around it.
struct Scene {
    office: Office,
    askers: Vec<Asker>,
    ids: Vec<(&'static str, String)>,
}

impl Scene {
    async fn set(stack: &Stack) -> Self {
        let (carrier, office) = (stack.carrier(), Office::open(stack, "Matrix", "amelia").await);
        let (owner, phone) = (stack.user("olivia"), Phone::new());
        let inbox = office.creates("Matrix").await;
        office.is_registered(&carrier).await;
        owner.put(&office.member("carla"), json!({ "role": "admin" })).await.expect(200);
        for user in ["ben", "dev", "erin"] {
            office.employs(user).await;
        }
        office.admin.put(&inbox.member("dev"), Value::Null).await.expect(200);
        office.admin.put(&inbox.member("erin"), Value::Null).await.expect(200);
        office.admin.delete(&office.member("erin")).await.expect(204);
        carrier.text_in(&phone, &inbox.number, "please stop texting me").await;
        let thread = stack.thread_in(&office.admin, &inbox.id, "inbox", &phone).await;
        let text = |value: &Value| value.as_str().expect("an id").to_owned();
        let message = text(&thread.history(&office.admin).await[0]["messageId"]);
        let contact = text(&thread.seen_by(&office.admin).await["contact"]["contactId"]);
        let reviews =
            office.admin.get(&format!("/v1/inboxes/{}/opt-out-reviews", inbox.id)).await.expect(200);
        let template = json!({ "name": "Hours", "text": "From nine to five." });
        let templates = format!("{}/templates", office.path());
        let template = text(&office.admin.post(&templates, template).await.expect(201)["templateId"]);
        let imports = format!("{}/contact-imports?dryRun=true", office.path());
        let file = "ContactId,FirstName,LastName,MobileNumber\n";
        let request =
            office.admin.request(Method::POST, &imports).header("content-type", "text/csv").body(file);
        let import = text(&client::read("an import".to_owned(), request).await.expect(202)["importId"]);
        let ids = vec![
            ("templateId", template),
            ("importId", import),
            ("inboxId", inbox.id),
            ("conversationId", thread.id),
            ("messageId", message),
            ("contactId", contact),
            ("reviewId", text(&reviews["items"][0]["reviewId"])),
            ("teamId", office.team.clone()),
            ("userId", "ben".to_owned()),
        ];
        let askers = vec![
            Asker {
                of_the_team: true,
                ..Asker::outsider(stack.user("ben"), "a colleague without the inbox")
            },
            Asker { of_the_team: true, of_the_inbox: true, ..Asker::outsider(stack.user("dev"), "a member") },
            Asker {
                of_the_team: true,
                manages: true,
                ..Asker::outsider(stack.user("carla"), "an admin who is no member")
            },
            Asker { machine: true, ..Asker::outsider(stack.machine(), "a program") },
            Asker::outsider(stack.user("nora"), "an admin of another team"),
            Asker::outsider(stack.user("zoe"), "the owner of another organisation"),
            Asker::outsider(stack.user("erin"), "who was removed"),
        ];
        Self { office, askers, ids }
    }

    fn path(&self, template: &str) -> String {
        self.path_with(template, str::to_owned)
    }

    fn path_with(&self, template: &str, id_for: impl Fn(&str) -> String) -> String {
        let path = self
            .ids
            .iter()
            .fold(template.to_owned(), |path, (name, id)| path.replace(&format!("{{{name}}}"), &id_for(id)));
        assert!(!path.contains('{'), "an id is missing for {path}");
        path
    }
}

/// Product 2 and api: what one may not see does not exist, on every route, whoever asks; and that is decided before the
/// shape of the body.
#[tokio::test]
async fn every_route_refuses_whoever_has_no_business_there() {
    let stack = Stack::open();
    let document = stack.bearer(None).get("/openapi.json").await.expect(200);
    let mut offered = Vec::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for method in methods.as_object().expect("methods").keys() {
            offered.push((method.to_uppercase(), path.clone()));
        }
    }
    let listed = |method: &str, path: &str| ROUTES.iter().any(|(m, p, _)| (*m, *p) == (method, path));
    let missing: Vec<_> = offered.iter().filter(|(method, path)| !listed(method, path)).collect();
    assert_eq!(missing, Vec::<&(String, String)>::new(), "routes without a row");
    assert_eq!(ROUTES.len(), offered.len(), "rows without a route");

    let scene = Scene::set(&stack).await;
    let mut cells = 0;
    for (method, template, guard) in ROUTES.iter().copied() {
        let (path, method) = (scene.path(template), Method::from_bytes(method.as_bytes()).unwrap());
        if !matches!(guard, Open | Carrier) {
            let stranger = stack.bearer(None).call(method.clone(), &path, Some(json!({}))).await;
            assert_eq!(stranger.status, 401, "nobody: {method} {template}");
            cells += 1;
        }
        for asker in &scene.askers {
            let body = (method != Method::GET).then(|| json!({}));
            let Some(expected) = asker.refusal(guard, template) else { continue };
            let answer = asker.client.call(method.clone(), &path, body.clone()).await;
            assert_eq!(answer.status, expected, "{}: {method} {template}: {answer}", asker.who);
            cells += 1;
            // What is there and may not be seen answers as what is not there, word by word.
            if expected == 404 && template.contains('{') {
                let nothing = scene.path_with(template, nobodys);
                let nothing = asker.client.call(method.clone(), &nothing, body).await;
                assert_eq!(bare(&nothing), bare(&answer), "{}: {method} {template}", asker.who);
            }
        }
    }
    cells += whoever_may_does(&scene).await;
    assert!(cells >= 450, "{cells}");
}

/// The ids were real: whoever may, reads them all, and is told what is wrong with a body instead of being sent away.
async fn whoever_may_does(scene: &Scene) -> usize {
    let mut cells = 0;
    let admin = Asker {
        of_the_team: true,
        manages: true,
        of_the_inbox: true,
        ..Asker::outsider(scene.office.admin.clone(), "an admin and member")
    };
    for (method, template, guard) in ROUTES.iter().copied() {
        let takes_a_body = matches!(method, "PATCH")
            || (method == "POST" && !template.ends_with("/lock"))
            || (method == "PUT"
                && !template.ends_with("/opt-out")
                && !template.starts_with("/v1/inboxes/{inboxId}/members"));
        for asker in scene.askers.iter().chain([&admin]) {
            let may = asker.refusal(guard, template).is_none() && !asker.machine;
            if !may || matches!(guard, Open | Carrier | SignedIn) {
                continue;
            }
            if method == "GET" {
                asker.client.get(&scene.path(template)).await.expect(200);
                cells += 1;
            } else if takes_a_body {
                let path = scene.path(template);
                let method = Method::from_bytes(method.as_bytes()).expect("a method");
                let answer = asker.client.call(method.clone(), &path, Some(json!(["no object"]))).await;
                // A list of contacts is asked for by an object, and registered teams submit nothing more.
                assert!(matches!(answer.status, 400 | 409), "{}: {method} {template}: {answer}", asker.who);
                cells += 1;
            }
        }
    }
    cells
}

/// Where an id goes: what it is called, the request, given the id, and those of others.
type Place<'a> = (&'static str, Method, Box<dyn Fn(&str) -> (String, Option<Value>) + 'a>, Vec<String>);

/// Every id that a body, a query or a second place in a path holds: somebody else's is answered as nobody's, and nothing of
/// theirs is touched.
#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a list of places, one after the other")]
async fn somebody_else_s_id_is_as_good_as_none() {
    let stack = Stack::open();
    let scene = Scene::set(&stack).await;
    let theirs = Theirs::find(&stack).await;
    let admin = &scene.office.admin;
    let id = |name: &str| scene.ids.iter().find(|(of, _)| *of == name).map(|(_, id)| id.clone()).unwrap();
    let (inbox, team, contact) = (id("inboxId"), scene.office.path(), id("contactId"));
    let thread = format!("/v1/inboxes/{inbox}/conversations/{}", id("conversationId"));
    let token = admin.post(&format!("{thread}/lock"), Value::Null).await.expect(200)["token"].clone();
    let phone = Phone::new();
    let wish = scene.office.wish("Not to be").await;
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
                (format!("{thread}/messages"), Some(with(reply.clone(), "lastSeenMessageId", json!(id))))
            }),
            theirs.messages(),
        ),
        (
            "media of a reply",
            Method::POST,
            Box::new(|id| (format!("{thread}/messages"), Some(with(reply.clone(), "media", json!([id]))))),
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
            Box::new(|id| (format!("{team}/inboxes"), Some(with(wish.clone(), "memberIds", json!([id]))))),
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
            let nothing = nobodys(id);
            let asked = async |id: &str| {
                let (path, body) = ask(id);
                admin.call(method.clone(), &path, body).await
            };
            let (answer, expected) = (asked(id).await, asked(&nothing).await);
            let (status, mut body) = bare(&answer);
            // An answer that names what it was asked for names it either way.
            body = serde_json::from_str(&body.to_string().replace(id.as_str(), &nothing)).unwrap();
            assert_eq!((status, body), bare(&expected), "{what}: {answer}");
        }
    }
    assert_eq!(theirs.seen().await, before, "nothing of theirs was touched");
}

/// Things of another team and of another organisation.
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
            stack.carrier().text_in(&phone, &inbox.phone_number, "For us alone").await;
            let thread = stack.thread_in(&client, &inbox.inbox_id, "inbox", &phone).await;
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
                conversation: thread.id.clone(),
                message: text(&thread.history(&client).await[0]["messageId"]),
                contact: text(&thread.seen_by(&client).await["contact"]["contactId"]),
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
async fn an_idempotency_key_serves_its_owner_in_one_place() {
    let stack = Stack::open();
    let scene = Scene::set(&stack).await;
    let (admin, key) = (&scene.office.admin, format!("key-{}", Phone::new().number()));
    let carla = stack.user("carla");
    let templates = format!("{}/templates", scene.office.path());
    let one = admin.post_once(&templates, &key, &json!({ "name": "One", "text": "1" })).await.expect(201);
    let two = carla.post_once(&templates, &key, &json!({ "name": "Two", "text": "2" })).await.expect(201);
    assert_ne!(one["templateId"], two["templateId"]);
    let again = admin.post_once(&templates, &key, &json!({ "name": "One", "text": "1" })).await.json();
    assert_eq!(again["templateId"], one["templateId"]);
    let contacts = format!("{}/contacts", scene.office.path());
    let contact = json!({ "firstName": "Ada", "mobileNumber": Phone::new().number() });
    let made = admin.post_once(&contacts, &key, &contact).await.expect(201);
    assert!(made["contactId"].is_string(), "{made}");
    // Of another organisation, with the same body: she gets nothing of it.
    let zoe = stack.user("zoe").post_once(&contacts, &key, &contact).await;
    zoe.problem(404, "not_found");
}

/// Cursors of every list serve no colleague, and no other list.
#[tokio::test]
async fn a_cursor_of_any_list_serves_its_owner_in_it_alone() {
    let stack = Stack::open();
    let (scene, carrier) = (Scene::set(&stack).await, stack.carrier());
    let (admin, member) = (&scene.office.admin, stack.user("dev"));
    let inbox = scene.ids.iter().find(|(name, _)| *name == "inboxId").map(|(_, id)| id.clone()).unwrap();
    let number = admin.get(&format!("/v1/inboxes/{inbox}")).await.expect(200)["phoneNumber"].clone();
    let number = number.as_str().unwrap();
    let phone = Phone::new();
    for text in ["please stop texting me", "please stop texting me now"] {
        carrier.text_in(&phone, number, text).await;
    }
    let template = json!({ "name": "Second", "text": "2" });
    admin.post(&format!("{}/templates", scene.office.path()), template).await.expect(201);
    let conversation = stack.thread_in(admin, &inbox, "inbox", &phone).await;
    let lists = [
        format!("/v1/inboxes/{inbox}/conversations"),
        conversation.messages(),
        format!("/v1/inboxes/{inbox}/opt-out-reviews"),
        format!("{}/contacts", scene.office.path()),
        format!("{}/templates", scene.office.path()),
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
