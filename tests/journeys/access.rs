//! Access: members see everything in their inbox. For everyone else the inbox does not exist.

use product_tests::{Client, ConversationRef, Phone, Stack, WAIT_TIMEOUT, eventually};
use reqwest::Method;
use serde_json::{Value, json};

/// Returns every route of a conversation, with bodies that are valid for members.
fn routes(conversation: &ConversationRef) -> Vec<(Method, String, Option<Value>)> {
    let list = format!("/v1/inboxes/{}/conversations", conversation.inbox);
    let lock = json!({ "token": 1, "active": true });
    vec![
        (Method::GET, list, None),
        (Method::GET, conversation.path(), None),
        (Method::PATCH, conversation.path(), Some(json!({ "read": true, "folder": "archived" }))),
        (Method::GET, conversation.messages(), None),
        (
            Method::POST,
            conversation.messages(),
            Some(json!({ "text": "I should not be here", "lockToken": 1 })),
        ),
        (Method::GET, conversation.can_send(), None),
        (Method::POST, conversation.lock(), None),
        (Method::PUT, conversation.lock(), Some(lock)),
        (Method::DELETE, format!("{}?token=1", conversation.lock()), None),
        (Method::DELETE, format!("{}?force=true", conversation.lock()), None),
    ]
}

fn compose(inbox: &str, phone: &Phone) -> Value {
    json!({ "from": { "inboxId": inbox }, "to": { "phoneNumber": phone.number() }, "text": "I should not be here" })
}

/// Calls every route of a conversation, its message and its inbox, and passes each response to `check`.
async fn call_all_routes(
    intruder: &Client,
    conversation: &ConversationRef,
    message: &str,
    check: impl Fn(&product_tests::ApiResponse),
) {
    for (method, path, body) in routes(conversation) {
        check(&intruder.call(method, &path, body).await);
    }
    check(&intruder.get(&format!("/v1/messages/{message}")).await);
    check(&intruder.post("/v1/messages", compose(&conversation.inbox, &conversation.phone)).await);
}

/// Creates a conversation of the front desk. Returns it with the ID of its first message and its JSON.
async fn conversation(stack: &Stack, member: &Client) -> (ConversationRef, String, Value) {
    let conversation = stack.new_conversation("Between us").await;
    let message = conversation.history(member).await[0]["messageId"].as_str().expect("an id").to_owned();
    let seen = conversation.get_as(member).await;
    (conversation, message, seen)
}

#[tokio::test]
async fn every_request_needs_a_valid_token() {
    let stack = Stack::open();
    let ben = stack.user("ben");
    let (conversation, message, seen) = conversation(&stack, &ben).await;
    let foreign = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJiZW4iLCJjdXN0b206dXNlcl9pZCI6ImJlbiJ9.";
    for token in [None, Some("garbage"), Some(foreign), Some("")] {
        let caller = stack.bearer(token.map(str::to_owned));
        let check =
            |response: &product_tests::ApiResponse| assert_eq!(response.status, 401, "{token:?}: {response}");
        call_all_routes(&caller, &conversation, &message, check).await;
        check(&caller.get("/v1/me").await);
    }
    assert_eq!(conversation.get_as(&ben).await, seen);
}

/// ◆ product 2: members read and send. Others see nothing: they get `404`, never `403`.
#[tokio::test]
async fn an_inbox_does_not_exist_for_anyone_who_is_not_a_member() {
    let stack = Stack::open();
    let ben = stack.user("ben");
    let (conversation, message, seen) = conversation(&stack, &ben).await;
    // The owner of another organization, and an admin of another team of this one.
    for intruder in ["zoe", "nora"] {
        let intruder = stack.user(intruder);
        call_all_routes(&intruder, &conversation, &message, |response| {
            response.problem(404, "not_found");
        })
        .await;
        let by_code = json!({ "from": { "apiCode": stack.front_desk_inbox().api_code }, "to": { "phoneNumber": conversation.phone.number() }, "text": "Hi" });
        intruder.post("/v1/messages", by_code).await.problem(404, "not_found");
        let me = intruder.get("/v1/me").await.expect(200);
        let accounts = me["accounts"].as_array().expect("accounts");
        assert!(accounts.iter().all(|account| account["inboxId"] != *conversation.inbox), "{me}");
    }
    assert_eq!(conversation.get_as(&ben).await, seen, "the conversation has not changed");
    assert!(stack.carrier().messages_to(&conversation.phone).await.is_empty());
}

/// ◆ product 2: team admins and the owner read inboxes only as members.
#[tokio::test]
async fn an_admin_who_is_not_a_member_reads_nothing() {
    let stack = Stack::open();
    let (erin, inbox) = (stack.user("erin"), stack.inbox("ERIN"));
    let phone = Phone::new();
    stack.carrier().send_inbound(&phone, &inbox.phone_number, "Private").await;
    let conversation = stack.find_conversation(&erin, &inbox.inbox_id, "inbox", &phone).await;
    let message = conversation.history(&erin).await[0]["messageId"].as_str().expect("an id").to_owned();
    for admin in ["adam", "olivia", "ben"] {
        call_all_routes(&stack.user(admin), &conversation, &message, |response| {
            response.problem(404, "not_found");
        })
        .await;
    }
    assert_eq!(conversation.texts(&erin).await, ["Private"]);
}

#[tokio::test]
async fn access_is_checked_before_the_request_is_validated() {
    let stack = Stack::open();
    let (zoe, ben) = (stack.user("zoe"), stack.user("ben"));
    let (conversation, ..) = conversation(&stack, &ben).await;
    let list = format!("/v1/inboxes/{}/conversations?limit=x&folder=nowhere&cursor=mine", conversation.inbox);
    zoe.get(&list).await.problem(404, "not_found");
    zoe.patch(&conversation.path(), json!({ "read": "perhaps" })).await.problem(404, "not_found");
    zoe.post(&conversation.messages(), json!({})).await.problem(404, "not_found");
    zoe.put(&conversation.lock(), json!({})).await.problem(404, "not_found");
    zoe.delete(&conversation.lock()).await.problem(404, "not_found");
    let too_long = json!({ "from": { "inboxId": conversation.inbox }, "to": {}, "text": "a".repeat(2000) });
    zoe.post("/v1/messages", too_long).await.problem(404, "not_found");
    ben.put(&format!("/v1/inboxes/{}/conversations/cnv_nobody/lock", conversation.inbox), json!({}))
        .await
        .problem(404, "not_found");
}

#[tokio::test]
async fn ids_of_other_organizations_do_not_work_in_paths_or_bodies() {
    let stack = Stack::open();
    let (ben, zoe) = (stack.user("ben"), stack.user("zoe"));
    let reception = stack.inbox("RECEPTION");
    let phone = Phone::new();
    stack.carrier().send_inbound(&phone, &reception.phone_number, "For Zoe").await;
    let foreign = stack.find_conversation(&zoe, &reception.inbox_id, "inbox", &phone).await;
    let message = foreign.history(&zoe).await[0]["messageId"].as_str().expect("an id").to_owned();
    call_all_routes(&ben, &foreign, &message, |response| {
        response.problem(404, "not_found");
    })
    .await;

    let front_desk = stack.front_desk_inbox();
    let crossed = ConversationRef { inbox: front_desk.inbox_id.clone(), ..foreign.clone() };
    for (method, path, body) in routes(&crossed).split_off(1) {
        ben.call(method, &path, body).await.problem(404, "not_found");
    }
    // A member of both inboxes cannot access a conversation of one through the other.
    let (own, ..) = conversation(&stack, &ben).await;
    let through = ConversationRef { inbox: stack.inbox("BEN").inbox_id.clone(), ..own.clone() };
    ben.get(&through.path()).await.problem(404, "not_found");
    ben.get(&through.messages()).await.problem(404, "not_found");
    ben.send(&through.messages(), json!({ "text": "Hi" })).await.problem(404, "not_found");

    let from = json!({ "inboxId": front_desk.inbox_id });
    let foreign_contact = foreign.get_as(&zoe).await["contact"]["contactId"].clone();
    let to_theirs = json!({ "from": from, "to": { "contactId": foreign_contact }, "text": "Hi" });
    ben.send("/v1/messages", to_theirs).await.problem(404, "not_found");
    let foreign_code = json!({ "from": { "apiCode": reception.api_code }, "to": { "phoneNumber": phone.number() }, "text": "Hi" });
    ben.send("/v1/messages", foreign_code.clone()).await.problem(404, "not_found");
    stack.machine().send("/v1/messages", foreign_code).await.problem(404, "not_found");

    let token = own.acquire_lock(&ben).await;
    let reply = json!({ "text": "Hi", "lockToken": token, "lastSeenMessageId": message });
    ben.post(&own.messages(), reply).await.problem(422, "unknown_message"); // `send` may wait for a pause
    assert_eq!(foreign.texts(&zoe).await, ["For Zoe"]);
}

#[tokio::test]
async fn a_cursor_works_only_for_its_caller_and_route() {
    let stack = Stack::open();
    let (amelia, ben) = (stack.user("amelia"), stack.user("ben"));
    let conversation = stack.new_conversation("One").await;
    stack.conversation_from(&conversation.phone, "Two").await;
    stack.new_conversation("Somebody else").await;
    let list = format!("/v1/inboxes/{}/conversations?folder=inbox&limit=1", conversation.inbox);
    let archived = format!("/v1/inboxes/{}/conversations?folder=archived&limit=1", conversation.inbox);
    let history = format!("{}?limit=1", conversation.messages());
    let cursor = async |path: &str| {
        let page = amelia.get(path).await.expect(200);
        page["nextCursor"].as_str().expect("a next page").to_owned()
    };
    let (of_list, of_history) = (cursor(&list).await, cursor(&history).await);

    amelia.get(&format!("{list}&cursor={of_list}")).await.expect(200);
    amelia.get(&format!("{history}&cursor={of_history}")).await.expect(200);
    ben.get(&format!("{list}&cursor={of_list}")).await.problem(400, "bad_cursor");
    ben.get(&format!("{history}&cursor={of_history}")).await.problem(400, "bad_cursor");
    amelia.get(&format!("{archived}&cursor={of_list}")).await.problem(400, "bad_cursor");
    amelia.get(&format!("{history}&cursor={of_list}")).await.problem(400, "bad_cursor");
    let swapped = |cursor: &str, at: usize| {
        let mut letters: Vec<char> = cursor.chars().collect();
        letters[at] = if letters[at] == 'A' { 'B' } else { 'A' };
        letters.into_iter().collect::<String>()
    };
    for at in [0, of_list.len() / 2, of_list.len() - 2] {
        amelia.get(&format!("{list}&cursor={}", swapped(&of_list, at))).await.problem(400, "bad_cursor");
    }
    for cursor in ["", "AAAA", "%25", "%00", "%F0%9F%98%80", "null"] {
        amelia.get(&format!("{list}&cursor={cursor}")).await.problem(400, "bad_cursor");
    }
}

/// ◆ product 6: integrations send with an API code and machine credentials. They cannot read inboxes.
#[tokio::test]
async fn a_machine_sends_by_api_code_and_reads_no_inbox() {
    let stack = Stack::open();
    let (machine, ben) = (stack.machine(), stack.user("ben"));
    let (conversation, message, seen) = conversation(&stack, &ben).await;
    for (method, path, body) in routes(&conversation) {
        let refused = machine.call(method, &path, body).await;
        refused.problem(403, "user_required");
    }
    machine.get("/v1/me").await.problem(403, "user_required");
    machine.get(&format!("/v1/messages/{message}")).await.problem(404, "not_found");
    assert_eq!(conversation.get_as(&ben).await, seen);

    let phone = Phone::new();
    let text = json!({ "from": { "apiCode": stack.front_desk_inbox().api_code }, "to": { "phoneNumber": phone.number() }, "text": "From a machine" });
    let accepted = machine.send("/v1/messages", text).await.expect(202);
    assert_eq!(
        (&accepted["sender"], &accepted["inboxId"]),
        (&Value::Null, &json!(stack.front_desk_inbox().inbox_id))
    );
    let id = accepted["messageId"].as_str().expect("an id");
    machine.wait_for_message(id, "delivered").await;
    assert_eq!(stack.carrier().texts_to(&phone).await, ["From a machine"]);
    let sent = stack.find_conversation(&ben, &stack.front_desk_inbox().inbox_id, "archived", &phone).await;
    assert_eq!(sent.texts(&ben).await, ["From a machine"]);
}

#[tokio::test]
async fn a_machine_does_not_read_conversations() {
    let stack = Stack::open();
    let (machine, farid) = (stack.machine(), stack.user("farid"));
    let phone = Phone::new();
    let text = json!({ "from": { "inboxId": stack.inbox("FARID").inbox_id }, "to": { "phoneNumber": phone.number() }, "text": "Private" });
    let sent = farid.send("/v1/messages", text).await.expect(202);
    let path = format!("/v1/messages/{}", sent["messageId"].as_str().expect("an id"));
    machine.get(&path).await.problem(404, "not_found");
}

/// ◆ product 2: until the registration is complete, an inbox is hidden from navigation and cannot send.
/// Inbound messages are stored.
#[tokio::test]
async fn an_unregistered_inbox_is_hidden_sends_nothing_and_loses_nothing() {
    let stack = Stack::open();
    let (nora, inbox) = (stack.user("nora"), stack.inbox("NIGHTDESK"));
    let me = nora.get("/v1/me").await.expect(200);
    assert_eq!(me["accounts"], json!([]), "{me}");
    assert_eq!(me["teams"][0]["teamId"], *inbox.team_id);

    let phone = Phone::new();
    stack.carrier().send_inbound(&phone, &inbox.phone_number, "Anybody there?").await;
    let conversation = stack.find_conversation(&nora, &inbox.inbox_id, "inbox", &phone).await;
    assert_eq!(conversation.texts(&nora).await, ["Anybody there?"]);

    let token = conversation.acquire_lock(&nora).await;
    let reply = json!({ "text": "Yes", "lockToken": token });
    let refused = nora.post(&conversation.messages(), reply).await.problem(409, "registration_incomplete");
    assert_eq!(refused["registration"], "pending");
    conversation.renew_lock(&nora, token).await;
    let reasons = nora.get(&conversation.can_send()).await.expect(200);
    assert_eq!(
        (&reasons["allowed"], &reasons["reasons"][0]["code"]),
        (&json!(false), &json!("registration_incomplete"))
    );
    nora.send("/v1/messages", compose(&inbox.inbox_id, &phone)).await.problem(409, "registration_incomplete");
    let by_code = json!({ "from": { "apiCode": inbox.api_code }, "to": { "phoneNumber": phone.number() }, "text": "Hi" });
    nora.send("/v1/messages", by_code.clone()).await.problem(409, "registration_incomplete");
    stack.machine().send("/v1/messages", by_code).await.problem(409, "registration_incomplete");
    assert_eq!(conversation.texts(&nora).await, ["Anybody there?"]);
    assert!(stack.carrier().messages_to(&phone).await.is_empty());
}

#[tokio::test]
async fn me_shows_the_user_their_teams_and_the_inboxes_to_send_from() {
    let stack = Stack::open();
    let own = json!([{ "teamId": stack.front_desk_inbox().team_id, "name": "Front desk", "role": "admin" }]);
    // The owner joins the team of another journey for a moment.
    let me = eventually("the owner has the demo team alone", WAIT_TIMEOUT, async || {
        let me = stack.user("olivia").get("/v1/me").await.expect(200);
        (me["teams"] == own).then_some(me)
    })
    .await;
    assert_eq!((&me["user"]["userId"], &me["user"]["owner"]), (&json!("olivia"), &json!(true)));
    let accounts = me["accounts"].as_array().expect("accounts");
    let shown: Vec<_> = accounts.iter().map(|account| (&account["inboxId"], &account["kind"])).collect();
    assert_eq!(
        shown,
        [
            (&json!(stack.front_desk_inbox().inbox_id), &json!("shared")),
            (&json!(stack.inbox("OLIVIA").inbox_id), &json!("personal"))
        ]
    );
    for member in ["name", "color", "phoneNumber", "apiCode", "teamId"] {
        assert!(accounts.iter().all(|account| account[member].is_string()), "{member}");
    }
    let me = stack.user("ben").get("/v1/me").await.expect(200);
    assert_eq!((&me["user"]["owner"], &me["teams"][0]["role"]), (&json!(false), &json!("member")));
}
