//! Locks: a conversation has at most one holder, and the server decides when a lease expires.

use std::{collections::BTreeSet, time::Duration};

use futures_util::future::join_all;
use jiff::Timestamp;
use product_tests::{
    ApiResponse, Client, ConversationRef, Phone, Stack, TestTeam, WAIT_TIMEOUT, eventually, wait,
};
use serde_json::{Value, json};

fn instant(value: &Value) -> Timestamp {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("not a timestamp: {value}"))
}

/// Returns the interval between renewals that the server recommends.
fn renewal_interval(held: &Value) -> Duration {
    Duration::from_secs(held["renewAfterSeconds"].as_u64().expect("a number of seconds"))
}

async fn renew(member: &Client, conversation: &ConversationRef, token: u64, active: bool) -> ApiResponse {
    member.put(&conversation.lock(), json!({ "token": token, "active": active })).await
}

/// ◆ product 5: opening a conversation of a shared inbox acquires the lock, and leaving it releases the lock.
#[tokio::test]
async fn a_lock_is_acquired_renewed_and_released() {
    let stack = Stack::open();
    let (amelia, ben) = (stack.user("amelia"), stack.user("ben"));
    let conversation = stack.new_conversation("Hello").await;

    let held = amelia.post(&conversation.lock(), Value::Null).await.expect(200);
    let token = held["token"].as_u64().expect("a token");
    assert!(held["idlePromptAfterSeconds"].as_u64().is_some_and(|seconds| seconds >= 1), "{held}");
    assert!(instant(&held["expiresAt"]) > Timestamp::now());

    let renewed = renew(&amelia, &conversation, token, true).await.expect(200);
    assert_eq!((&renewed["token"], &renewed["idlePrompt"]), (&held["token"], &json!(false)));
    assert!(instant(&renewed["expiresAt"]) > instant(&held["expiresAt"]));
    assert!(instant(&renewed["idleReleaseAt"]) > instant(&held["idleReleaseAt"]));
    assert_eq!(
        conversation.get_as(&ben).await["lock"]["expiresAt"],
        renewed["expiresAt"],
        "other members see the new expiry"
    );

    conversation.release_lock(&amelia, token).await;
    conversation.release_lock(&amelia, token).await;
    let lost = renew(&amelia, &conversation, token, true).await.problem(412, "lock_lost");
    assert_eq!((&lost["reason"], &lost["holder"]), (&json!("released"), &Value::Null));
    conversation.acquire_lock(&ben).await;
}

#[tokio::test]
async fn a_renewal_with_another_token_or_by_another_user_is_refused_and_changes_nothing() {
    let stack = Stack::open();
    let (amelia, ben) = (stack.user("amelia"), stack.user("ben"));
    let conversation = stack.new_conversation("Hello").await;
    let token = conversation.acquire_lock(&amelia).await;
    let before = conversation.get_as(&ben).await;

    let lost = renew(&amelia, &conversation, token + 1, true).await.problem(412, "lock_lost");
    assert_eq!(lost["holder"], Value::Null, "no other user holds it");
    let lost = renew(&ben, &conversation, token, true).await.problem(412, "lock_lost");
    assert_eq!(lost["holder"]["id"], amelia.id);
    ben.delete(&format!("{}?token={token}", conversation.lock())).await.expect(204);
    amelia.delete(&format!("{}?token={}", conversation.lock(), token + 1)).await.expect(204);
    assert_eq!(conversation.get_as(&ben).await["lock"], before["lock"], "neither request released it");

    amelia.put(&conversation.lock(), json!({ "active": true })).await.expect_field_error("/token");
    amelia
        .put(&conversation.lock(), json!({ "token": "one", "active": true }))
        .await
        .expect_field_error("/token");
    amelia.delete(&conversation.lock()).await.expect_field_error("?token");
    renew(&amelia, &conversation, token, true).await.expect(200);
    conversation.release_lock(&amelia, token).await; // a user holds a limited number
}

#[tokio::test]
async fn a_second_tab_of_the_same_user_gets_a_new_token_and_the_old_one_is_void() {
    let stack = Stack::open();
    let amelia = stack.user("amelia");
    let conversation = stack.new_conversation("Hello").await;
    let no_pause = stack.carrier().no_pause().await;
    let first = conversation.acquire_lock(&amelia).await;
    let second = conversation.acquire_lock(&amelia).await;
    assert!(second > first);
    assert_eq!(
        renew(&amelia, &conversation, first, true).await.problem(412, "lock_lost")["reason"],
        "superseded"
    );
    let late = amelia.post(&conversation.messages(), json!({ "text": "Hi", "lockToken": first })).await;
    assert_eq!(late.problem(412, "lock_lost")["reason"], "superseded");
    conversation.release_lock(&amelia, first).await;
    assert_eq!(
        conversation.get_as(&amelia).await["lock"]["holder"]["id"],
        amelia.id,
        "the old tab cannot release it"
    );
    amelia.reply(&no_pause, &conversation, second, "Hi").await.expect(202);
    conversation.release_lock(&amelia, second).await;
}

#[tokio::test]
async fn a_lock_that_is_not_renewed_expires_and_a_colleague_takes_over() {
    let stack = Stack::open();
    let (amelia, ben) = (stack.user("amelia"), stack.user("ben"));
    let conversation = stack.new_conversation("Hello").await;
    let held = amelia.post(&conversation.lock(), Value::Null).await.expect(200);
    let (token, end) = (held["token"].as_u64().expect("a token"), instant(&held["expiresAt"]));
    let locked = ben.post(&conversation.lock(), Value::Null).await.problem(423, "locked");
    assert_eq!(instant(&locked["expiresAt"]), end);

    wait::until(end).await;
    assert_eq!(conversation.get_as(&ben).await["lock"], Value::Null);
    let lost = renew(&amelia, &conversation, token, true).await.problem(412, "lock_lost");
    assert_eq!((&lost["reason"], &lost["holder"]), (&json!("expired"), &Value::Null));
    let late = amelia.post(&conversation.messages(), json!({ "text": "Hi", "lockToken": token })).await;
    assert_eq!(late.problem(412, "lock_lost")["reason"], "expired");

    let next = eventually("a colleague takes over", WAIT_TIMEOUT, async || {
        let response = ben.post(&conversation.lock(), Value::Null).await;
        (response.status == 200).then(|| response.json()["token"].as_u64().expect("a token"))
    })
    .await;
    assert!(next > token);
    let lost = renew(&amelia, &conversation, token, true).await.problem(412, "lock_lost");
    assert_eq!((&lost["reason"], &lost["holder"]["id"]), (&json!("taken"), &json!(ben.id)));
    let late = amelia.post(&conversation.messages(), json!({ "text": "Hi", "lockToken": token })).await;
    assert_eq!(late.problem(412, "lock_lost")["holder"]["name"], ben.name);
    assert_eq!(conversation.texts(&ben).await, ["Hello"], "no reply was sent");
}

/// ◆ product 5: an idle holder is prompted with *are you still working?*. Without an answer the lock is
/// released.
#[tokio::test]
async fn an_idle_holder_is_prompted_and_then_loses_the_lock_despite_renewals() {
    let stack = Stack::open();
    let (amelia, ben) = (stack.user("amelia"), stack.user("ben"));
    let conversation = stack.new_conversation("Hello").await;
    let mut held = amelia.post(&conversation.lock(), Value::Null).await.expect(200);
    let begin = Timestamp::now();
    let (token, release) = (held["token"].as_u64().expect("a token"), instant(&held["idleReleaseAt"]));
    let mut prompted_at = None;
    let refused = loop {
        tokio::time::sleep(renewal_interval(&held)).await;
        let response = renew(&amelia, &conversation, token, false).await;
        if response.status != 200 {
            break response;
        }
        held = response.json();
        assert_eq!(instant(&held["idleReleaseAt"]), release, "only activity extends it");
        assert!(instant(&held["expiresAt"]) <= release, "no lease is longer than the idle release");
        if held["idlePrompt"] == true {
            prompted_at.get_or_insert_with(Timestamp::now);
        } else {
            assert_eq!(prompted_at, None, "the prompt stays");
        }
    };
    let prompt = Duration::from_secs(held["idlePromptAfterSeconds"].as_u64().expect("a number of seconds"));
    let waited = prompted_at.expect("a prompt").duration_since(begin);
    assert!(
        waited + jiff::SignedDuration::from_secs(1) >= prompt.try_into().expect("short"),
        "prompted after {waited}"
    );
    assert!(Timestamp::now() >= release, "not before `idleReleaseAt`");
    let lost = refused.problem(412, "lock_lost");
    assert_eq!((&lost["reason"], &lost["holder"]), (&json!("idle"), &Value::Null));
    let late = amelia.post(&conversation.messages(), json!({ "text": "Hi", "lockToken": token })).await;
    assert_eq!(late.problem(412, "lock_lost")["reason"], "idle");
    eventually("a colleague takes over", WAIT_TIMEOUT, async || {
        (ben.post(&conversation.lock(), Value::Null).await.status == 200).then_some(())
    })
    .await;
}

/// ◆ product 5: a holder who answers the prompt keeps the lock.
#[tokio::test]
async fn a_holder_who_reports_activity_keeps_the_lock() {
    let stack = Stack::open();
    let amelia = stack.user("amelia");
    let conversation = stack.new_conversation("Hello").await;
    let mut held = amelia.post(&conversation.lock(), Value::Null).await.expect(200);
    let token = held["token"].as_u64().expect("a token");
    while held["idlePrompt"] == false {
        tokio::time::sleep(renewal_interval(&held)).await;
        held = renew(&amelia, &conversation, token, false).await.expect(200);
    }
    let here = renew(&amelia, &conversation, token, true).await.expect(200);
    assert_eq!(here["idlePrompt"], false);
    assert!(instant(&here["idleReleaseAt"]) > instant(&held["idleReleaseAt"]));
    let again = renew(&amelia, &conversation, token, false).await.expect(200);
    assert_eq!((&again["idlePrompt"], &again["idleReleaseAt"]), (&json!(false), &here["idleReleaseAt"]));
    conversation.release_lock(&amelia, token).await;
}

#[tokio::test]
async fn an_admin_breaks_a_lock_and_the_holder_learns_who_did() {
    let stack = Stack::open();
    let (adam, amelia, ben) = (stack.user("adam"), stack.user("amelia"), stack.user("ben"));
    let conversation = stack.new_conversation("Hello").await;
    let token = conversation.acquire_lock(&amelia).await;
    let force = format!("{}?force=true", conversation.lock());

    ben.delete(&force).await.problem(403, "admin_required");
    renew(&amelia, &conversation, token, true).await.expect(200);

    adam.delete(&force).await.expect(204);
    let lost = renew(&amelia, &conversation, token, true).await.problem(412, "lock_lost");
    assert_eq!(lost["reason"], "broken");
    assert_eq!(lost["brokenBy"], json!({ "id": adam.id, "name": adam.name }));
    let late = amelia.post(&conversation.messages(), json!({ "text": "Hi", "lockToken": token })).await;
    assert_eq!(late.problem(412, "lock_lost")["brokenBy"]["id"], adam.id);

    let next = conversation.acquire_lock(&ben).await;
    assert!(next > token);
    let lost = renew(&amelia, &conversation, token, true).await.problem(412, "lock_lost");
    assert_eq!((&lost["brokenBy"]["id"], &lost["holder"]["id"]), (&json!(adam.id), &json!(ben.id)));
    stack.user("olivia").delete(&force).await.expect(204);
    adam.delete(&force).await.expect(204);
    assert_eq!(conversation.get_as(&adam).await["lock"], Value::Null);
}

#[tokio::test]
async fn of_many_who_open_a_conversation_at_once_exactly_one_gets_the_lock() {
    let stack = Stack::open();
    let users = ["olivia", "adam", "amelia", "ben", "carla", "dev", "erin"].map(|id| stack.user(id));
    let conversation = stack.new_conversation("Hello").await;
    let lock = conversation.lock();
    let answers = join_all((0..28).map(|turn| {
        let (user, lock) = (&users[turn % users.len()], &lock);
        async move { (user.id.clone(), user.post(lock, Value::Null).await) }
    }))
    .await;

    let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(_, response)| response.status == 200);
    let winners: BTreeSet<_> = won.iter().map(|(user, _)| user.as_str()).collect();
    assert_eq!(winners.len(), 1, "{winners:?}");
    let winner = winners.first().expect("one").to_owned();
    let tokens: BTreeSet<_> = won.iter().map(|(_, response)| response.json()["token"].as_u64()).collect();
    assert_eq!(tokens.len(), won.len(), "each acquisition has its own token");
    assert_eq!(lost.len(), 24);
    for (user, response) in &lost {
        assert_ne!(user, winner);
        assert_eq!(response.problem(423, "locked")["holder"]["id"], winner);
    }

    let token = tokens.last().copied().flatten().expect("a token");
    let winner = stack.user(winner);
    conversation.release_lock(&winner, token).await;
    let next = users.iter().find(|user| user.id != winner.id).expect("another user");
    assert!(conversation.acquire_lock(next).await > token);
}

#[tokio::test]
async fn tokens_grow_through_release_reload_and_break() {
    let stack = Stack::open();
    let (adam, amelia, ben) = (stack.user("adam"), stack.user("amelia"), stack.user("ben"));
    let conversation = stack.new_conversation("Hello").await;
    let mut tokens = Vec::new();
    for _ in 0..2 {
        tokens.push(conversation.acquire_lock(&amelia).await);
        tokens.push(conversation.acquire_lock(&amelia).await);
        conversation.release_lock(&amelia, *tokens.last().expect("a token")).await;
        tokens.push(conversation.acquire_lock(&ben).await);
        adam.delete(&format!("{}?force=true", conversation.lock())).await.expect(204);
    }
    assert!(tokens.is_sorted_by(|one, next| one < next), "{tokens:?}");
}

#[tokio::test]
async fn a_reply_needs_the_lock_even_when_it_is_free() {
    let stack = Stack::open();
    let amelia = stack.user("amelia");
    let conversation = stack.new_conversation("Hello").await;
    amelia.post(&conversation.messages(), json!({ "text": "Hi" })).await.problem(412, "lock_required");
    let never = amelia.post(&conversation.messages(), json!({ "text": "Hi", "lockToken": 7 })).await;
    never.problem(412, "lock_lost");
    let no_pause = stack.carrier().no_pause().await;
    let token = conversation.acquire_lock(&amelia).await;
    amelia.post(&conversation.messages(), json!({ "text": "Hi" })).await.problem(412, "lock_required");
    amelia.reply(&no_pause, &conversation, token, "Hi").await.expect(202);
    assert_eq!(conversation.texts(&amelia).await, ["Hello", "Hi"]);
    conversation.release_lock(&amelia, token).await;
}

#[tokio::test]
async fn can_send_returns_every_reason_for_the_caller() {
    let stack = Stack::open();
    let (amelia, ben) = (stack.user("amelia"), stack.user("ben"));
    let conversation = stack.new_conversation("Hello").await;
    let codes = async |member: &Client| {
        let response = member.get(&conversation.can_send()).await.expect(200);
        let reasons = response["reasons"].as_array().expect("reasons");
        assert_eq!(response["allowed"], reasons.is_empty());
        reasons.iter().map(|reason| reason["code"].as_str().expect("a code").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(codes(&amelia).await, ["lock_required"]);
    let token = conversation.acquire_lock(&amelia).await;
    assert!(codes(&amelia).await.is_empty());
    assert_eq!(codes(&ben).await, ["locked"]);
    conversation.release_lock(&amelia, token).await;
}

#[tokio::test]
async fn an_inbound_message_does_not_change_the_lock() {
    let stack = Stack::open();
    let (amelia, ben) = (stack.user("amelia"), stack.user("ben"));
    let conversation = stack.new_conversation("Hello").await;
    let _no_pause = stack.carrier().no_pause().await;
    let token = conversation.acquire_lock(&amelia).await;
    stack.conversation_from(&conversation.phone, "Are you there?").await;
    assert_eq!(conversation.get_as(&ben).await["lock"]["holder"]["id"], amelia.id);
    renew(&amelia, &conversation, token, true).await.expect(200);
    let accepted = amelia.post(&conversation.messages(), json!({ "text": "Yes", "lockToken": token })).await;
    accepted.expect(202);
    assert_eq!(
        conversation.get_as(&ben).await["lock"]["holder"]["id"],
        amelia.id,
        "a reply does not release it"
    );
    amelia.wait_until_sent(&accepted).await;
    conversation.release_lock(&amelia, token).await;
}

#[tokio::test]
async fn a_personal_inbox_has_no_lock_and_is_answered_without_one() {
    let stack = Stack::open();
    let (ben, inbox) = (stack.user("ben"), stack.inbox("BEN"));
    let phone = Phone::new();
    stack.carrier().send_inbound(&phone, &inbox.phone_number, "Hello").await;
    let conversation = stack.find_conversation(&ben, &inbox.inbox_id, "inbox", &phone).await;
    ben.post(&conversation.lock(), Value::Null).await.problem(409, "no_lock");
    assert_eq!(ben.get(&conversation.can_send()).await.expect(200)["allowed"], true);
    ben.send(&conversation.messages(), json!({ "text": "Hi" })).await.expect(202);
    assert_eq!(stack.carrier().texts_to(&phone).await, ["Hi"]);
}

/// Product 5: the number of locks per user is limited, so that one user cannot lock a whole queue.
#[tokio::test]
async fn one_user_holds_a_limited_number_of_locks_and_gets_another_by_releasing_one() {
    let stack = Stack::open();
    let (carrier, team) = (stack.carrier(), TestTeam::create(&stack, "Locks", "farid").await);
    let inbox = team.create_inbox("Locks").await;
    team.register(&carrier).await;
    let mut conversations = Vec::new();
    let mut open: Vec<(ConversationRef, u64)> = Vec::new();
    let refused = loop {
        let phone = Phone::new();
        carrier.send_inbound(&phone, &inbox.number, "Hello").await;
        let conversation = stack.find_conversation(&team.admin, &inbox.id, "inbox", &phone).await;
        let renewals = open.iter().map(|(conversation, token)| conversation.renew_lock(&team.admin, *token));
        join_all(renewals).await;
        let response = team.admin.post(&conversation.lock(), Value::Null).await;
        conversations.push(conversation.clone());
        if response.status != 200 {
            break response;
        }
        open.push((conversation, response.expect(200)["token"].as_u64().expect("a token")));
        assert!(open.len() <= 100, "no limit after 100 locks");
    };
    assert!(refused.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds >= 1));
    let refused = refused.problem(429, "too_many_locks");
    assert_eq!(refused["limit"], open.len());
    assert_eq!(refused["held"].as_array().map(Vec::len), Some(open.len()));
    let last = conversations.last().expect("the refused one");
    let seen = last.get_as(&team.admin).await;
    assert_eq!(
        (&seen["lock"], &seen["read"]),
        (&Value::Null, &json!(false)),
        "the refused conversation has not changed"
    );
    let (first, token) = &open[0];
    first.acquire_lock(&team.admin).await; // acquiring a lock again does not count twice
    let again = first.acquire_lock(&team.admin).await;
    assert!(again > *token);
    first.release_lock(&team.admin, again).await;
    last.acquire_lock(&team.admin).await;
}
