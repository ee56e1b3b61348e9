//! Access: members see everything in their inbox. For everyone else the inbox does not exist.

use product_tests::{Client, Phone, Stack, Thread};
use reqwest::Method;
use serde_json::{Value, json};

/// Every route about a conversation, with bodies that a member would get through with.
fn routes(thread: &Thread) -> Vec<(Method, String, Option<Value>)> {
    let list = format!("/v1/inboxes/{}/conversations", thread.inbox);
    let lock = json!({ "token": 1, "active": true });
    vec![
        (Method::GET, list, None),
        (Method::GET, thread.path(), None),
        (Method::PATCH, thread.path(), Some(json!({ "read": true, "folder": "archived" }))),
        (Method::GET, thread.messages(), None),
        (Method::POST, thread.messages(), Some(json!({ "text": "I should not be here", "lockToken": 1 }))),
        (Method::GET, thread.can_send(), None),
        (Method::POST, thread.lock(), None),
        (Method::PUT, thread.lock(), Some(lock)),
        (Method::DELETE, format!("{}?token=1", thread.lock()), None),
        (Method::DELETE, format!("{}?force=true", thread.lock()), None),
    ]
}

fn compose(inbox: &str, phone: &Phone) -> Value {
    json!({ "from": { "inboxId": inbox }, "to": { "phoneNumber": phone.number() }, "text": "I should not be here" })
}

/// Tries everything about a conversation, its message and its account; each answer is handed to `check`.
async fn try_everything(
    intruder: &Client,
    thread: &Thread,
    message: &str,
    check: impl Fn(&product_tests::Answer),
) {
    for (method, path, body) in routes(thread) {
        check(&intruder.call(method, &path, body).await);
    }
    check(&intruder.get(&format!("/v1/messages/{message}")).await);
    check(&intruder.post("/v1/messages", compose(&thread.inbox, &thread.phone)).await);
}

/// A conversation of the front desk, with the id of its first text and how a member sees it.
async fn conversation(stack: &Stack, member: &Client) -> (Thread, String, Value) {
    let thread = stack.new_thread("Between us").await;
    let message = thread.history(member).await[0]["messageId"].as_str().expect("an id").to_owned();
    let seen = thread.seen_by(member).await;
    (thread, message, seen)
}

#[tokio::test]
async fn every_request_needs_a_valid_token() {
    let stack = Stack::open();
    let ben = stack.user("ben");
    let (thread, message, seen) = conversation(&stack, &ben).await;
    let foreign = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJiZW4iLCJjdXN0b206dXNlcl9pZCI6ImJlbiJ9.";
    for token in [None, Some("garbage"), Some(foreign), Some("")] {
        let stranger = stack.bearer(token.map(str::to_owned));
        let check = |answer: &product_tests::Answer| assert_eq!(answer.status, 401, "{token:?}: {answer}");
        try_everything(&stranger, &thread, &message, check).await;
        check(&stranger.get("/v1/me").await);
    }
    assert_eq!(thread.seen_by(&ben).await, seen);
}

/// ◆ product 2: members read and send; others see nothing, with `404` and never `403`.
#[tokio::test]
async fn an_inbox_does_not_exist_for_anyone_who_is_not_a_member() {
    let stack = Stack::open();
    let ben = stack.user("ben");
    let (thread, message, seen) = conversation(&stack, &ben).await;
    // The owner of another organization, and an admin of another team of this one.
    for intruder in ["zoe", "nora"] {
        let intruder = stack.user(intruder);
        try_everything(&intruder, &thread, &message, |answer| {
            answer.problem(404, "not_found");
        })
        .await;
        let by_code = json!({ "from": { "apiCode": stack.desk().api_code }, "to": { "phoneNumber": thread.phone.number() }, "text": "Hi" });
        intruder.post("/v1/messages", by_code).await.problem(404, "not_found");
        let me = intruder.get("/v1/me").await.expect(200);
        let accounts = me["accounts"].as_array().expect("accounts");
        assert!(accounts.iter().all(|account| account["inboxId"] != *thread.inbox), "{me}");
    }
    assert_eq!(thread.seen_by(&ben).await, seen, "nothing of it changed");
    assert!(stack.carrier().shown_on(&thread.phone).await.is_empty());
}

/// ◆ product 2: team admins (and the owner) read inboxes only as members.
#[tokio::test]
async fn an_admin_who_is_not_a_member_reads_nothing() {
    let stack = Stack::open();
    let (erin, inbox) = (stack.user("erin"), stack.inbox("inb_erin"));
    let phone = Phone::new();
    stack.carrier().text_in(&phone, &inbox.phone_number, "Private").await;
    let thread = stack.thread_in(&erin, &inbox.inbox_id, "inbox", &phone).await;
    let message = thread.history(&erin).await[0]["messageId"].as_str().expect("an id").to_owned();
    for admin in ["adam", "olivia", "ben"] {
        try_everything(&stack.user(admin), &thread, &message, |answer| {
            answer.problem(404, "not_found");
        })
        .await;
    }
    assert_eq!(thread.texts(&erin).await, ["Private"]);
}

#[tokio::test]
async fn access_is_checked_before_the_request_is_validated() {
    let stack = Stack::open();
    let (zoe, ben) = (stack.user("zoe"), stack.user("ben"));
    let (thread, ..) = conversation(&stack, &ben).await;
    let list = format!("/v1/inboxes/{}/conversations?limit=x&folder=nowhere&cursor=mine", thread.inbox);
    zoe.get(&list).await.problem(404, "not_found");
    zoe.patch(&thread.path(), json!({ "read": "perhaps" })).await.problem(404, "not_found");
    zoe.post(&thread.messages(), json!({})).await.problem(404, "not_found");
    zoe.put(&thread.lock(), json!({})).await.problem(404, "not_found");
    zoe.delete(&thread.lock()).await.problem(404, "not_found");
    let too_long = json!({ "from": { "inboxId": thread.inbox }, "to": {}, "text": "a".repeat(2000) });
    zoe.post("/v1/messages", too_long).await.problem(404, "not_found");
    ben.put(&format!("/v1/inboxes/{}/conversations/cnv_nobody/lock", thread.inbox), json!({}))
        .await
        .problem(404, "not_found");
}

#[tokio::test]
async fn ids_of_other_organizations_do_not_work_in_paths_or_bodies() {
    let stack = Stack::open();
    let (ben, zoe) = (stack.user("ben"), stack.user("zoe"));
    let reception = stack.inbox("inb_reception");
    let phone = Phone::new();
    stack.carrier().text_in(&phone, &reception.phone_number, "For Zoe").await;
    let theirs = stack.thread_in(&zoe, &reception.inbox_id, "inbox", &phone).await;
    let message = theirs.history(&zoe).await[0]["messageId"].as_str().expect("an id").to_owned();
    try_everything(&ben, &theirs, &message, |answer| {
        answer.problem(404, "not_found");
    })
    .await;

    let desk = stack.desk();
    let crossed = Thread { inbox: desk.inbox_id.clone(), ..theirs.clone() };
    for (method, path, body) in routes(&crossed).split_off(1) {
        ben.call(method, &path, body).await.problem(404, "not_found");
    }
    // A member of both inboxes does not reach one's conversation through the other either.
    let (own, ..) = conversation(&stack, &ben).await;
    let through = Thread { inbox: "inb_ben".into(), ..own.clone() };
    ben.get(&through.path()).await.problem(404, "not_found");
    ben.get(&through.messages()).await.problem(404, "not_found");
    ben.send(&through.messages(), json!({ "text": "Hi" })).await.problem(404, "not_found");

    let from = json!({ "inboxId": desk.inbox_id });
    let their_contact = theirs.seen_by(&zoe).await["contact"]["contactId"].clone();
    let to_theirs = json!({ "from": from, "to": { "contactId": their_contact }, "text": "Hi" });
    ben.send("/v1/messages", to_theirs).await.problem(404, "not_found");
    let their_code = json!({ "from": { "apiCode": reception.api_code }, "to": { "phoneNumber": phone.number() }, "text": "Hi" });
    ben.send("/v1/messages", their_code.clone()).await.problem(404, "not_found");
    stack.machine().send("/v1/messages", their_code).await.problem(404, "not_found");

    let token = own.acquired_by(&ben).await;
    let reply = json!({ "text": "Hi", "lockToken": token, "lastSeenMessageId": message });
    ben.send(&own.messages(), reply).await.problem(422, "unknown_message");
    assert_eq!(theirs.texts(&zoe).await, ["For Zoe"]);
}

#[tokio::test]
async fn a_cursor_works_only_for_its_caller_and_route() {
    let stack = Stack::open();
    let (amelia, ben) = (stack.user("amelia"), stack.user("ben"));
    let thread = stack.new_thread("One").await;
    stack.thread_from(&thread.phone, "Two").await;
    stack.new_thread("Somebody else").await;
    let list = format!("/v1/inboxes/{}/conversations?folder=inbox&limit=1", thread.inbox);
    let archived = format!("/v1/inboxes/{}/conversations?folder=archived&limit=1", thread.inbox);
    let history = format!("{}?limit=1", thread.messages());
    let cursor = async |path: &str| {
        let page = amelia.get(path).await.expect(200);
        page["nextCursor"].as_str().expect("there is more").to_owned()
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

/// ◆ product 6: integrations send with an API code under machine credentials; they read no inbox.
#[tokio::test]
async fn a_machine_sends_by_api_code_and_reads_no_inbox() {
    let stack = Stack::open();
    let (machine, ben) = (stack.machine(), stack.user("ben"));
    let (thread, message, seen) = conversation(&stack, &ben).await;
    for (method, path, body) in routes(&thread) {
        let refused = machine.call(method, &path, body).await;
        refused.problem(403, "user_required");
    }
    machine.get("/v1/me").await.problem(403, "user_required");
    machine.get(&format!("/v1/messages/{message}")).await.problem(404, "not_found");
    assert_eq!(thread.seen_by(&ben).await, seen);

    let phone = Phone::new();
    let text = json!({ "from": { "apiCode": stack.desk().api_code }, "to": { "phoneNumber": phone.number() }, "text": "From a machine" });
    let accepted = machine.send("/v1/messages", text).await.expect(202);
    assert_eq!((&accepted["sender"], &accepted["inboxId"]), (&Value::Null, &json!(stack.desk().inbox_id)));
    let id = accepted["messageId"].as_str().expect("an id");
    machine.message_in(id, "delivered").await;
    assert_eq!(stack.carrier().words_on(&phone).await, ["From a machine"]);
    let sent = stack.thread_in(&ben, &stack.desk().inbox_id, "archived", &phone).await;
    assert_eq!(sent.texts(&ben).await, ["From a machine"]);
}

#[tokio::test]
async fn a_machine_does_not_read_conversations() {
    let stack = Stack::open();
    let (machine, farid) = (stack.machine(), stack.user("farid"));
    let phone = Phone::new();
    let text = json!({ "from": { "inboxId": "inb_farid" }, "to": { "phoneNumber": phone.number() }, "text": "Private" });
    let sent = farid.send("/v1/messages", text).await.expect(202);
    let path = format!("/v1/messages/{}", sent["messageId"].as_str().expect("an id"));
    machine.get(&path).await.problem(404, "not_found");
}

/// ◆ product 2: before the registration is complete an inbox is in nobody's navigation and sends nothing,
/// and what comes in is stored all the same.
#[tokio::test]
async fn an_unregistered_inbox_is_hidden_sends_nothing_and_loses_nothing() {
    let stack = Stack::open();
    let (nora, inbox) = (stack.user("nora"), stack.inbox("inb_nightdesk"));
    let me = nora.get("/v1/me").await.expect(200);
    assert_eq!(me["accounts"], json!([]), "{me}");
    assert_eq!(me["teams"][0]["teamId"], *inbox.team_id);

    let phone = Phone::new();
    stack.carrier().text_in(&phone, &inbox.phone_number, "Anybody there?").await;
    let thread = stack.thread_in(&nora, &inbox.inbox_id, "inbox", &phone).await;
    assert_eq!(thread.texts(&nora).await, ["Anybody there?"]);

    let token = thread.acquired_by(&nora).await;
    let reply = json!({ "text": "Yes", "lockToken": token });
    let refused = nora.post(&thread.messages(), reply).await.problem(409, "registration_incomplete");
    assert_eq!(refused["registration"], "not_started");
    let reasons = nora.get(&thread.can_send()).await.expect(200);
    assert_eq!(
        (&reasons["allowed"], &reasons["reasons"][0]["code"]),
        (&json!(false), &json!("registration_incomplete"))
    );
    nora.send("/v1/messages", compose(&inbox.inbox_id, &phone)).await.problem(409, "registration_incomplete");
    let by_code = json!({ "from": { "apiCode": inbox.api_code }, "to": { "phoneNumber": phone.number() }, "text": "Hi" });
    nora.send("/v1/messages", by_code.clone()).await.problem(409, "registration_incomplete");
    stack.machine().send("/v1/messages", by_code).await.problem(409, "registration_incomplete");
    assert_eq!(thread.texts(&nora).await, ["Anybody there?"]);
    assert!(stack.carrier().shown_on(&phone).await.is_empty());
}

#[tokio::test]
async fn me_shows_the_user_their_teams_and_the_inboxes_to_send_from() {
    let stack = Stack::open();
    let me = stack.user("olivia").get("/v1/me").await.expect(200);
    assert_eq!((&me["user"]["userId"], &me["user"]["owner"]), (&json!("olivia"), &json!(true)));
    assert_eq!(me["teams"], json!([{ "teamId": "team_frontdesk", "name": "Front desk", "role": "admin" }]));
    let accounts = me["accounts"].as_array().expect("accounts");
    let shown: Vec<_> = accounts.iter().map(|account| (&account["inboxId"], &account["kind"])).collect();
    assert_eq!(
        shown,
        [(&json!("inb_frontdesk"), &json!("shared")), (&json!("inb_olivia"), &json!("personal"))]
    );
    for member in ["name", "color", "phoneNumber", "apiCode", "teamId"] {
        assert!(accounts.iter().all(|account| account[member].is_string()), "{member}");
    }
    let me = stack.user("ben").get("/v1/me").await.expect(200);
    assert_eq!((&me["user"]["owner"], &me["teams"][0]["role"]), (&json!(false), &json!("member")));
}
