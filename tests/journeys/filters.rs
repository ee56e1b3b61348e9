//! Filters of the list of conversations: assigned to me, assigned to another user, read and unread, in both
//! folders, alone and combined. Changes of many conversations at once.

use product_tests::{Client, Phone, SharedInbox, Stack, TestTeam};
use serde_json::{Value, json};

/// An inbox with four conversations: two assigned to Amelia, one to Ben, one to nobody.
struct FilterFixture {
    admin: Client,
    ben: Client,
    inbox: SharedInbox,
    conversations: Vec<String>,
}

impl FilterFixture {
    async fn create(stack: &Stack, name: &str) -> Self {
        let (carrier, team) = (stack.carrier(), TestTeam::create(stack, name, "amelia").await);
        team.add_member("ben").await;
        let inbox = team.create_inbox(name).await;
        team.register(&carrier).await;
        team.admin.put(&inbox.member("ben"), Value::Null).await.expect(200);
        let mut conversations = Vec::new();
        for (position, assigned) in
            [Some("amelia"), Some("amelia"), Some("ben"), None].into_iter().enumerate()
        {
            let phone = Phone::new();
            let contact = json!({
                "externalId": format!("S-{position}"), "firstName": "Robin", "lastName": format!("Number {position}"),
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

    fn conversation_path(&self, position: usize) -> String {
        format!("{}/{}", self.path(), self.conversations[position])
    }

    /// Returns the positions of the conversations in a list, in order. Reads all pages.
    async fn list_positions(&self, member: &Client, query: &str) -> Vec<usize> {
        let (mut positions, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = member.get(&format!("{}?limit=2&{query}{cursor}", self.path())).await.expect(200);
            for item in page["items"].as_array().expect("items") {
                let position = self
                    .conversations
                    .iter()
                    .position(|conversation| item["conversationId"] == **conversation);
                positions.push(position.expect("a conversation of this inbox"));
            }
            match page["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return positions,
            }
        }
    }
}

/// ◆ product 4: the filters *Assigned to me*, *Assigned to* a user, *Read* and *Unread*, in both folders.
/// They can be combined and removed one by one.
#[tokio::test]
async fn lists_are_filtered_by_assignment_and_read_state_in_both_folders() {
    let stack = Stack::open();
    let fixture = FilterFixture::create(&stack, "Filters").await;
    let (amelia, ben) = (&fixture.admin, &fixture.ben);
    amelia.patch(&fixture.conversation_path(0), json!({ "read": true })).await.expect(200);
    amelia.patch(&fixture.conversation_path(2), json!({ "read": true })).await.expect(200);

    assert_eq!(fixture.list_positions(amelia, "").await, [3, 2, 1, 0]);
    assert_eq!(fixture.list_positions(amelia, "assignedTo=me").await, [1, 0]);
    assert_eq!(fixture.list_positions(ben, "assignedTo=me").await, [2], "each user gets their own");
    assert_eq!(fixture.list_positions(ben, "assignedTo=amelia").await, [1, 0]);
    assert_eq!(fixture.list_positions(amelia, "read=read").await, [2, 0]);
    assert_eq!(fixture.list_positions(amelia, "read=unread").await, [3, 1]);
    assert_eq!(fixture.list_positions(amelia, "assignedTo=me&read=unread").await, [1]);
    assert_eq!(fixture.list_positions(amelia, "assignedTo=ben&read=read").await, [2]);
    assert_eq!(fixture.list_positions(amelia, "assignedTo=ben&read=unread").await, [0_usize; 0]);
    assert_eq!(fixture.list_positions(amelia, "assignedTo=none").await, [3]);
    assert_eq!(fixture.list_positions(amelia, "assignedTo=none&read=read").await, [0_usize; 0]);
    let unknown = amelia.get(&format!("{}?assignedTo=nobody-of-that-name", fixture.path())).await;
    assert_eq!(unknown.problem(422, "invalid_fields")["errors"][0]["pointer"], "?assignedTo");

    for position in [0, 1, 2] {
        amelia.patch(&fixture.conversation_path(position), json!({ "folder": "archived" })).await.expect(200);
    }
    assert_eq!(fixture.list_positions(amelia, "folder=inbox&read=unread").await, [3]);
    assert_eq!(fixture.list_positions(amelia, "folder=archived").await, [2, 1, 0]);
    assert_eq!(fixture.list_positions(amelia, "folder=archived&assignedTo=me").await, [1, 0]);
    assert_eq!(fixture.list_positions(amelia, "folder=archived&assignedTo=me&read=unread").await, [1]);
    assert_eq!(fixture.list_positions(amelia, "folder=archived&assignedTo=me&read=read").await, [0]);
    assert_eq!(fixture.list_positions(amelia, "folder=archived&read=unread").await, [1]);
    assert_eq!(
        fixture.list_positions(amelia, "q=robin&assignedTo=me").await,
        [1, 0],
        "a search is filtered as well"
    );
    assert_eq!(fixture.list_positions(amelia, "q=robin&read=unread&folder=inbox").await, [3]);
}

#[tokio::test]
async fn an_invalid_filter_or_cursor_is_refused() {
    let stack = Stack::open();
    let (amelia, front_desk) = (stack.user("amelia"), stack.front_desk_inbox());
    let list = format!("/v1/inboxes/{}/conversations", front_desk.inbox_id);
    for (query, pointer) in [("read=maybe", "?read"), ("folder=trash", "?folder"), ("limit=0", "?limit")] {
        amelia.get(&format!("{list}?{query}")).await.expect_field_error(pointer);
    }
    amelia.get(&format!("{list}?assignedTo=")).await.problem(422, "invalid_fields");
    for _ in 0..3 {
        stack.new_conversation("Hello").await;
    }
    let page = amelia.get(&format!("{list}?limit=1&read=unread")).await.expect(200);
    let cursor = page["nextCursor"].as_str().expect("a next page").to_owned();
    amelia.get(&format!("{list}?limit=1&read=unread&cursor={cursor}")).await.expect(200);
    let elsewhere = ["", "read=read&", "folder=archived&read=unread&", "read=unread&assignedTo=me&"];
    for query in elsewhere {
        let other = format!("{list}?limit=1&{query}cursor={cursor}");
        amelia.get(&other).await.problem(400, "bad_cursor");
    }
    let own = format!("{list}?limit=1&read=unread&cursor={cursor}");
    stack.user("ben").get(&own).await.problem(400, "bad_cursor");
    amelia.get(&format!("{own}A")).await.problem(400, "bad_cursor");
}

/// ◆ product 4: archive, return to the inbox and mark, for many conversations at once.
#[tokio::test]
async fn many_conversations_are_archived_and_marked_at_once() {
    let stack = Stack::open();
    let fixture = FilterFixture::create(&stack, "Bulk").await;
    let (amelia, elsewhere) = (&fixture.admin, stack.new_conversation("Hello").await);
    let unread = async || amelia.unread(&fixture.inbox.id).await;
    assert_eq!(unread().await, 4);
    let wanted = json!({
        "conversationIds": [fixture.conversations[2], fixture.conversations[0], elsewhere.id, fixture.conversations[2], "?"],
        "folder": "archived", "read": true,
    });
    let done = amelia.patch(&fixture.path(), wanted).await.expect(200);
    let changed: Vec<_> = done["items"].as_array().expect("items").iter().collect();
    assert_eq!(changed.len(), 2);
    assert_eq!(changed[0]["conversationId"], *fixture.conversations[2], "in the order of the request");
    assert!(changed.iter().all(|one| one["folder"] == "archived" && one["read"] == true));
    assert_eq!(done["missing"], json!(["?", elsewhere.id]));
    assert_eq!(fixture.list_positions(&fixture.ben, "folder=archived").await, [2, 0]);
    assert_eq!(fixture.list_positions(&fixture.ben, "folder=inbox").await, [3, 1]);
    assert_eq!(unread().await, 2);
    assert_eq!(
        elsewhere.get_as(amelia).await["folder"],
        "inbox",
        "a conversation of another inbox does not change"
    );

    let back = json!({ "conversationIds": fixture.conversations, "folder": "inbox", "read": false });
    assert_eq!(amelia.patch(&fixture.path(), back).await.expect(200)["missing"], json!([]));
    assert_eq!(
        fixture.list_positions(amelia, "folder=inbox&read=unread").await,
        [3, 2, 1, 0],
        "the order has not changed"
    );
    assert_eq!(unread().await, 4);

    let none = json!({ "conversationIds": [], "read": true });
    amelia.patch(&fixture.path(), none).await.problem(422, "invalid_fields");
    let ids = vec!["cnv_1"; 101];
    amelia.patch(&fixture.path(), json!({ "conversationIds": ids })).await.problem(422, "invalid_fields");
    amelia.patch(&fixture.path(), json!({ "read": true })).await.expect_field_error("/conversationIds");
    let foreign = json!({ "conversationIds": fixture.conversations, "read": true });
    stack.user("dev").patch(&fixture.path(), foreign).await.problem(404, "not_found");
}
