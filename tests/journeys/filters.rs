//! What lists show: assigned to me, assigned to a colleague, read, unread, in both folders, together and
//! each by itself; and many conversations changed at once.

use product_tests::{Client, Phone, SharedInbox, Stack, TestTeam};
use serde_json::{Value, json};

/// A team's inbox with four contacts who wrote in: two of Amelia's, one of Ben's, one of nobody's.
struct Room {
    admin: Client,
    ben: Client,
    inbox: SharedInbox,
    conversations: Vec<String>,
}

impl Room {
    async fn open(stack: &Stack, name: &str) -> Self {
        let (carrier, team) = (stack.carrier(), TestTeam::create(stack, name, "amelia").await);
        team.add_member("ben").await;
        let inbox = team.create_inbox(name).await;
        team.register(&carrier).await;
        team.admin.put(&inbox.member("ben"), Value::Null).await.expect(200);
        let mut conversations = Vec::new();
        for (place, assigned) in [Some("amelia"), Some("amelia"), Some("ben"), None].into_iter().enumerate() {
            let phone = Phone::new();
            let contact = json!({
                "externalId": format!("S-{place}"), "firstName": "Robin", "lastName": format!("Number {place}"),
                "mobileNumber": phone.number(), "assignedUserId": assigned,
            });
            let contacts = format!("{}/contacts", team.path());
            team.admin.post(&contacts, contact).await.expect(201);
            carrier.send_inbound(&phone, &inbox.number, "Hello").await;
            conversations.push(stack.find_conversation(&team.admin, &inbox.id, "inbox", &phone).await.id);
        }
        Self { admin: team.admin, ben: stack.user("ben"), inbox, conversations }
    }

    fn path(&self) -> String {
        format!("/v1/inboxes/{}/conversations", self.inbox.id)
    }

    fn one(&self, place: usize) -> String {
        format!("{}/{}", self.path(), self.conversations[place])
    }

    /// Which of them a list shows, from the top, page by page.
    async fn shown(&self, member: &Client, question: &str) -> Vec<usize> {
        let (mut shown, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = member.get(&format!("{}?limit=2&{question}{cursor}", self.path())).await.expect(200);
            for item in page["items"].as_array().expect("items") {
                let place = self
                    .conversations
                    .iter()
                    .position(|conversation| item["conversationId"] == **conversation);
                shown.push(place.expect("one of this room"));
            }
            match page["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return shown,
            }
        }
    }
}

/// ◆ product 4: the filters *Assigned to me*, *Assigned to* a user, *Read* and *Unread*, in both areas,
/// combinable and each removable by itself.
#[tokio::test]
async fn lists_are_filtered_by_assignment_and_read_state_in_both_folders() {
    let stack = Stack::open();
    let room = Room::open(&stack, "Filters").await;
    let (amelia, ben) = (&room.admin, &room.ben);
    amelia.patch(&room.one(0), json!({ "read": true })).await.expect(200);
    amelia.patch(&room.one(2), json!({ "read": true })).await.expect(200);

    assert_eq!(room.shown(amelia, "").await, [3, 2, 1, 0]);
    assert_eq!(room.shown(amelia, "assignedTo=me").await, [1, 0]);
    assert_eq!(room.shown(ben, "assignedTo=me").await, [2], "each their own");
    assert_eq!(room.shown(ben, "assignedTo=amelia").await, [1, 0]);
    assert_eq!(room.shown(amelia, "read=read").await, [2, 0]);
    assert_eq!(room.shown(amelia, "read=unread").await, [3, 1]);
    assert_eq!(room.shown(amelia, "assignedTo=me&read=unread").await, [1]);
    assert_eq!(room.shown(amelia, "assignedTo=ben&read=read").await, [2]);
    assert_eq!(room.shown(amelia, "assignedTo=ben&read=unread").await, [0_usize; 0]);
    assert_eq!(room.shown(amelia, "assignedTo=nobody-of-that-name").await, [0_usize; 0]);

    for place in [0, 1, 2] {
        amelia.patch(&room.one(place), json!({ "folder": "archived" })).await.expect(200);
    }
    assert_eq!(room.shown(amelia, "folder=inbox&read=unread").await, [3]);
    assert_eq!(room.shown(amelia, "folder=archived").await, [2, 1, 0]);
    assert_eq!(room.shown(amelia, "folder=archived&assignedTo=me").await, [1, 0]);
    assert_eq!(room.shown(amelia, "folder=archived&assignedTo=me&read=unread").await, [1]);
    assert_eq!(room.shown(amelia, "folder=archived&assignedTo=me&read=read").await, [0]);
    assert_eq!(room.shown(amelia, "folder=archived&read=unread").await, [1]);
    assert_eq!(room.shown(amelia, "q=robin&assignedTo=me").await, [1, 0], "a search is filtered as well");
    assert_eq!(room.shown(amelia, "q=robin&read=unread&folder=inbox").await, [3]);
}

#[tokio::test]
async fn an_invalid_filter_or_cursor_is_refused() {
    let stack = Stack::open();
    let (amelia, desk) = (stack.user("amelia"), stack.front_desk_inbox());
    let list = format!("/v1/inboxes/{}/conversations", desk.inbox_id);
    for (question, pointer) in [
        ("read=maybe", "?read"),
        ("assignedTo=", "?assignedTo"),
        ("folder=trash", "?folder"),
        ("limit=0", "?limit"),
    ] {
        amelia.get(&format!("{list}?{question}")).await.expect_field_error(pointer);
    }
    for _ in 0..3 {
        stack.new_conversation("Hello").await;
    }
    let page = amelia.get(&format!("{list}?limit=1&read=unread")).await.expect(200);
    let cursor = page["nextCursor"].as_str().expect("there is more").to_owned();
    amelia.get(&format!("{list}?limit=1&read=unread&cursor={cursor}")).await.expect(200);
    let elsewhere = ["", "read=read&", "folder=archived&read=unread&", "read=unread&assignedTo=me&"];
    for question in elsewhere {
        let other = format!("{list}?limit=1&{question}cursor={cursor}");
        amelia.get(&other).await.problem(400, "bad_cursor");
    }
    let own = format!("{list}?limit=1&read=unread&cursor={cursor}");
    stack.user("ben").get(&own).await.problem(400, "bad_cursor");
    amelia.get(&format!("{own}A")).await.problem(400, "bad_cursor");
}

/// ◆ product 4: archive, bring back and mark, in bulk too.
#[tokio::test]
async fn many_conversations_are_archived_and_marked_at_once() {
    let stack = Stack::open();
    let room = Room::open(&stack, "Bulk").await;
    let (amelia, elsewhere) = (&room.admin, stack.new_conversation("Hello").await);
    let unread = async || amelia.unread(&room.inbox.id).await;
    assert_eq!(unread().await, 4);
    let wanted = json!({
        "conversationIds": [room.conversations[2], room.conversations[0], elsewhere.id, room.conversations[2], "?"],
        "folder": "archived", "read": true,
    });
    let done = amelia.patch(&room.path(), wanted).await.expect(200);
    let changed: Vec<_> = done["items"].as_array().expect("items").iter().collect();
    assert_eq!(changed.len(), 2);
    assert_eq!(changed[0]["conversationId"], *room.conversations[2], "in the order they were named");
    assert!(changed.iter().all(|one| one["folder"] == "archived" && one["read"] == true));
    assert_eq!(done["missing"], json!(["?", elsewhere.id]));
    assert_eq!(room.shown(&room.ben, "folder=archived").await, [2, 0]);
    assert_eq!(room.shown(&room.ben, "folder=inbox").await, [3, 1]);
    assert_eq!(unread().await, 2);
    assert_eq!(elsewhere.get_as(amelia).await["folder"], "inbox", "another inbox's is left alone");

    let back = json!({ "conversationIds": room.conversations, "folder": "inbox", "read": false });
    assert_eq!(amelia.patch(&room.path(), back).await.expect(200)["missing"], json!([]));
    assert_eq!(room.shown(amelia, "folder=inbox&read=unread").await, [3, 2, 1, 0], "none lost its place");
    assert_eq!(unread().await, 4);

    let none = json!({ "conversationIds": [], "read": true });
    amelia.patch(&room.path(), none).await.problem(422, "invalid_fields");
    let ids = vec!["cnv_1"; 101];
    amelia.patch(&room.path(), json!({ "conversationIds": ids })).await.problem(422, "invalid_fields");
    amelia.patch(&room.path(), json!({ "read": true })).await.expect_field_error("/conversationIds");
    let foreign = json!({ "conversationIds": room.conversations, "read": true });
    stack.user("dev").patch(&room.path(), foreign).await.problem(404, "not_found");
}
