//! What a version answers about rows that the load does not change: the demo data, and one row of each kind
//! that each version writes.

use std::collections::BTreeMap;

use product_tests::{Phone, Stack};
use serde_json::{Value, json};

const OF_ORGANIZATION: [&str; 4] =
    ["/v1/organization", "/v1/teams", "/v1/machine-clients", "/v1/webhook-endpoints"];
const OF_TEAM: [&str; 10] = [
    "",
    "/members",
    "/inboxes",
    "/registration",
    "/notification-settings",
    "/templates",
    "/segments",
    "/contacts",
    "/contact-imports",
    "/opt-outs",
];
const OF_INBOX: [&str; 5] = ["", "/members", "/keyword-replies", "/out-of-office", "/opt-out-reviews"];

/// The answers by path.
type Answers = BTreeMap<String, Value>;

/// The rows of which the answers are compared.
pub(crate) struct Rows {
    paths: Vec<String>,
}

impl Rows {
    pub(crate) fn of(stack: &Stack) -> Self {
        let inbox = stack.front_desk_inbox();
        let team = OF_TEAM.iter().map(|path| format!("/v1/teams/{}{path}", inbox.team_id));
        let of_inbox = OF_INBOX.iter().map(|path| format!("/v1/inboxes/{}{path}", inbox.inbox_id));
        let organization = OF_ORGANIZATION.iter().map(ToString::to_string);
        Self { paths: organization.chain(team).chain(of_inbox).collect() }
    }

    /// The version that runs writes one row of each kind.
    pub(crate) async fn write(&mut self, stack: &Stack, name: &str) {
        let (owner, farid, inbox) = (stack.user("olivia"), stack.user("farid"), stack.front_desk_inbox());
        let (team, id) = (format!("/v1/teams/{}", inbox.team_id), &inbox.inbox_id);
        let create = async |path: String, body: Value| owner.post(&path, body).await.expect(201);
        let phone = Phone::new();
        let contact =
            json!({ "firstName": name, "mobileNumber": phone.number(), "custom": { "Campus": "North" } });
        create(format!("{team}/contacts"), contact).await;
        create(format!("{team}/templates"), json!({ "name": name, "text": "Hi {{firstName}}" })).await;
        create(format!("{team}/segments"), json!({ "name": name, "kind": "static" })).await;
        let keyword = name.replace(' ', "");
        create(
            format!("/v1/inboxes/{id}/keyword-replies"),
            json!({ "keywords": [keyword], "text": "Nine to five." }),
        )
        .await;
        let endpoint =
            json!({ "url": "https://receiver.example/hook", "types": ["opt_out.*"], "inboxIds": [id] });
        create("/v1/webhook-endpoints".to_owned(), endpoint).await;
        let broadcast = json!({
            "name": name, "from": { "inboxId": id }, "text": "Hello", "audience": { "phoneNumbers": [phone.number()] },
        });
        let broadcast = create("/v1/broadcasts".to_owned(), broadcast).await;
        let conversation = stack.conversation_from(&phone, "Is this the office?").await;
        let reply = farid.lock_and_reply(&conversation, name).await.expect(202);
        farid.wait_for_message(reply["messageId"].as_str().expect("an ID"), "delivered").await;
        self.paths.extend([
            format!("/v1/broadcasts/{}", broadcast["broadcastId"].as_str().expect("an ID")),
            conversation.path(),
            conversation.messages(),
        ]);
    }

    /// What the version that runs answers.
    pub(crate) async fn read(&self, stack: &Stack) -> Answers {
        let owner = stack.user("olivia");
        let mut answers = Answers::new();
        for path in &self.paths {
            answers.insert(path.clone(), owner.get(path).await.expect(200));
        }
        answers
    }
}

/// Panics unless the later version answers each field of the earlier one with the same value. It may have
/// more.
pub(crate) fn assert_kept(earlier: &Answers, later: &Answers, when: &str) {
    let mut differences = Vec::new();
    for (path, answer) in earlier {
        compare(&format!("GET {path}"), answer, &later[path], &mut differences);
    }
    assert!(
        differences.is_empty(),
        "{when}, the versions do not answer alike (earlier → later):\n  {}",
        differences.join("\n  ")
    );
}

fn compare(place: &str, earlier: &Value, later: &Value, differences: &mut Vec<String>) {
    match (earlier, later) {
        (Value::Object(fields), Value::Object(others)) => {
            for (name, value) in fields {
                match others.get(name) {
                    Some(other) => compare(&format!("{place} {name}"), value, other, differences),
                    None => differences.push(format!("{place} {name}: {value} → no such field")),
                }
            }
        }
        (Value::Array(items), Value::Array(others)) if items.len() == others.len() => {
            for (index, (item, other)) in items.iter().zip(others).enumerate() {
                compare(&format!("{place} [{index}]"), item, other, differences);
            }
        }
        _ if earlier == later => {}
        _ => differences.push(format!("{place}: {earlier} → {later}")),
    }
}
