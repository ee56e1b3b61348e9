//! Every route of the API against everybody who has no business there. The routes come from the API's own document: one
//! that has no row here makes the journey fail.

use product_tests::{Client, Office, Phone, Stack, client};
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
struct Asker {
    client: Client,
    who: &'static str,
    /// A member of the team without the inbox.
    of_the_team: bool,
    /// Manages the team.
    manages: bool,
}

impl Asker {
    fn outsider(client: Client, who: &'static str) -> Self {
        Self { client, who, of_the_team: false, manages: false }
    }

    /// What a route must answer, where it must refuse: what one may not see does not exist, what one may see and not do is
    /// forbidden.
    fn refusal(&self, guard: Guard) -> Option<u16> {
        match guard {
            Open | SignedIn => None,
            Carrier => Some(403),
            InboxSettings | InboxManagers => (!self.manages).then_some(404),
            Team => (!self.of_the_team).then_some(404),
            TeamManagers if self.of_the_team => (!self.manages).then_some(403),
            Inbox | TeamManagers => Some(404),
        }
    }
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
        for user in ["ben", "erin"] {
            office.employs(user).await;
        }
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
                client: stack.user("ben"),
                who: "a colleague without the inbox",
                of_the_team: true,
                manages: false,
            },
            Asker {
                client: stack.user("carla"),
                who: "an admin who is no member",
                of_the_team: true,
                manages: true,
            },
            Asker::outsider(stack.user("nora"), "an admin of another team"),
            Asker::outsider(stack.user("zoe"), "the owner of another organisation"),
            Asker::outsider(stack.user("erin"), "who was removed"),
        ];
        Self { office, askers, ids }
    }

    fn path(&self, template: &str) -> String {
        let path = self
            .ids
            .iter()
            .fold(template.to_owned(), |path, (name, id)| path.replace(&format!("{{{name}}}"), id));
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
    for (method, template, guard) in ROUTES.iter().copied() {
        let (path, method) = (scene.path(template), Method::from_bytes(method.as_bytes()).unwrap());
        if !matches!(guard, Open | Carrier) {
            let stranger = stack.bearer(None).call(method.clone(), &path, Some(json!({}))).await;
            assert_eq!(stranger.status, 401, "nobody: {method} {template}");
        }
        for asker in &scene.askers {
            let Some(expected) = asker.refusal(guard) else { continue };
            let body = (method != Method::GET).then(|| json!({}));
            let answer = asker.client.call(method.clone(), &path, body).await;
            assert_eq!(answer.status, expected, "{}: {method} {template}: {answer}", asker.who);
        }
    }
    // The ids were real: whoever may, reads them all.
    for (method, template, guard) in ROUTES.iter().copied() {
        if method == "GET" && !matches!(guard, Open | Carrier | SignedIn) {
            scene.office.admin.get(&scene.path(template)).await.expect(200);
        }
    }
}
