//! A team with one resource of each kind, and callers with and without access to it.

use product_tests::{ApiResponse, Client, Phone, Stack, TestTeam, client};
use reqwest::Method;
use serde_json::{Value, json};

/// A caller with a set of rights.
#[expect(clippy::struct_excessive_bools, reason = "independent rights, in any combination")]
pub(crate) struct Caller {
    pub(crate) client: Client,
    pub(crate) who: &'static str,
    /// Whether the caller is a member of the team.
    pub(crate) team_member: bool,
    /// Whether the caller manages the team.
    pub(crate) team_admin: bool,
    /// Whether the caller is a member of the inbox.
    pub(crate) inbox_member: bool,
    /// Whether the caller is a machine, which may send.
    pub(crate) machine: bool,
    /// Whether the caller is the owner of their organization.
    pub(crate) owner: bool,
}

impl Caller {
    pub(crate) fn outsider(client: Client, who: &'static str) -> Self {
        let (team_member, team_admin, inbox_member) = (false, false, false);
        Self { client, who, team_member, team_admin, inbox_member, machine: false, owner: false }
    }
}

/// A team with a conversation, a contact, a pending opt-out review, a template and an import, and callers
/// with different rights.
pub(crate) struct AccessFixture {
    pub(crate) team: TestTeam,
    pub(crate) callers: Vec<Caller>,
    pub(crate) ids: Vec<(&'static str, String)>,
}

impl AccessFixture {
    pub(crate) async fn create(stack: &Stack) -> Self {
        let (carrier, team) = (stack.carrier(), TestTeam::create(stack, "Matrix", "amelia").await);
        let (owner, phone) = (stack.user("olivia"), Phone::new());
        let inbox = team.create_inbox("Matrix").await;
        team.register(&carrier).await;
        owner.put(&team.member("carla"), json!({ "role": "admin" })).await.expect(200);
        for user in ["ben", "dev", "erin"] {
            team.add_member(user).await;
        }
        team.admin.put(&inbox.member("dev"), Value::Null).await.expect(200);
        team.admin.put(&inbox.member("erin"), Value::Null).await.expect(200);
        team.admin.delete(&team.member("erin")).await.expect(204);
        carrier.send_inbound(&phone, &inbox.number, "please stop texting me").await;
        let conversation = stack.find_conversation(&team.admin, &inbox.id, "inbox", &phone).await;
        let text = |value: &Value| value.as_str().expect("an id").to_owned();
        let message = text(&conversation.history(&team.admin).await[0]["messageId"]);
        let contact = text(&conversation.get_as(&team.admin).await["contact"]["contactId"]);
        let reviews = team.admin.get(&format!("/v1/inboxes/{}/opt-out-reviews", inbox.id)).await.expect(200);
        let template = json!({ "name": "Hours", "text": "From nine to five." });
        let templates = format!("{}/templates", team.path());
        let template = text(&team.admin.post(&templates, template).await.expect(201)["templateId"]);
        let reply = json!({ "keywords": ["hours"], "text": "From nine to five." });
        let replies = format!("/v1/inboxes/{}/keyword-replies", inbox.id);
        let reply = text(&team.admin.post(&replies, reply).await.expect(201)["keywordReplyId"]);
        let segment = json!({ "name": "Parents", "kind": "static" });
        let segments = format!("{}/segments", team.path());
        let segment = text(&team.admin.post(&segments, segment).await.expect(201)["segmentId"]);
        let broadcast = json!({
            "name": "Matrix", "from": { "inboxId": inbox.id }, "text": "Hello",
            "audience": { "segmentIds": [segment] },
        });
        let broadcast = text(&team.admin.post("/v1/broadcasts", broadcast).await.expect(201)["broadcastId"]);
        let imports = format!("{}/contact-imports?dryRun=true", team.path());
        let file = "ContactId,FirstName,LastName,MobileNumber\n";
        let request =
            team.admin.request(Method::POST, &imports).header("content-type", "text/csv").body(file);
        let import = text(&client::read("an import".to_owned(), request).await.expect(202)["importId"]);
        let endpoint = json!({
            "url": "https://receiver.example/hook", "types": ["message.*"], "inboxIds": [inbox.id],
        });
        let endpoint =
            text(&team.admin.post("/v1/webhook-endpoints", endpoint).await.expect(201)["endpointId"]);
        let test = format!("/v1/webhook-endpoints/{endpoint}/test");
        let delivery = text(&team.admin.post(&test, Value::Null).await.expect(202)["deliveryId"]);
        let ids = vec![
            ("endpointId", endpoint),
            ("deliveryId", delivery),
            ("templateId", template),
            ("keywordReplyId", reply),
            ("broadcastId", broadcast),
            ("segmentId", segment),
            ("importId", import),
            ("inboxId", inbox.id),
            ("conversationId", conversation.id),
            ("messageId", message),
            ("contactId", contact),
            ("reviewId", text(&reviews["items"][0]["reviewId"])),
            ("teamId", team.id.clone()),
            ("userId", "ben".to_owned()),
            ("clientId", "client-of-nobody".to_owned()),
        ];
        let callers = vec![
            Caller {
                team_member: true,
                ..Caller::outsider(stack.user("ben"), "a team member without the inbox")
            },
            Caller {
                team_member: true,
                inbox_member: true,
                ..Caller::outsider(stack.user("dev"), "a member")
            },
            Caller {
                team_member: true,
                team_admin: true,
                ..Caller::outsider(stack.user("carla"), "an admin who is not a member")
            },
            Caller { machine: true, ..Caller::outsider(stack.machine(), "a machine") },
            Caller::outsider(stack.user("nora"), "an admin of another team"),
            Caller {
                owner: true,
                ..Caller::outsider(stack.user("zoe"), "the owner of another organization")
            },
            Caller::outsider(stack.user("erin"), "a removed member"),
        ];
        Self { team, callers, ids }
    }

    pub(crate) fn path(&self, template: &str) -> String {
        self.path_with(template, str::to_owned)
    }

    pub(crate) fn path_with(&self, template: &str, id_for: impl Fn(&str) -> String) -> String {
        let path = self
            .ids
            .iter()
            .fold(template.to_owned(), |path, (name, id)| path.replace(&format!("{{{name}}}"), &id_for(id)));
        assert!(!path.contains('{'), "an id is missing for {path}");
        path
    }
}

/// Returns the status and the body without its request ID, which differs between responses.
pub(crate) fn without_request_id(response: &ApiResponse) -> (u16, Value) {
    let mut body = response.json();
    if let Some(fields) = body.as_object_mut() {
        fields.remove("requestId");
    }
    (response.status, body)
}

/// Returns an ID of the same kind that does not exist.
pub(crate) fn unknown_id(id: &str) -> String {
    let (prefix, _) = id.split_once('_').unwrap_or(("", ""));
    if prefix.is_empty() { "nobody-at-all".to_owned() } else { format!("{prefix}_0000000000000000") }
}
