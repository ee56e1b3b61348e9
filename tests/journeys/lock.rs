//! Locks: a conversation has at most one holder, and the server decides when a lease expires.

use std::{collections::BTreeSet, time::Duration};

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use product_tests::{
    ApiResponse, Client, ConversationRef, EVENT_TIMEOUT, Phone, Stack, TestTeam, WAIT_TIMEOUT, eventually,
    wait,
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

/// Renews a lock as [`renew`] does, and returns the answer. `None` if the lock had ended, because this
/// machine took too long. Panics if a renewal is refused that was answered before the end of the lock.
async fn renew_in_time(
    member: &Client,
    conversation: &ConversationRef,
    held: &Value,
    active: bool,
) -> Option<Value> {
    let response = renew(member, conversation, token_of(held), active).await;
    if response.status == 200 {
        return Some(response.json());
    }
    assert!(Timestamp::now() >= instant(&held["expiresAt"]), "refused before its end: {response}");
    response.problem(412, "lock_lost");
    None
}

fn token_of(held: &Value) -> u64 {
    held["token"].as_u64().expect("a token")
}

/// ◆ product 5: opening a conversation of a shared inbox acquires the lock, and leaving it releases the lock.
#[tokio::test]
async fn a_lock_is_acquired_renewed_and_released() {
    let stack = Stack::open();
    let (amelia, ben) = (stack.user("amelia"), stack.user("ben"));
    let conversation = stack.new_conversation("Hello").await;

    let before = Timestamp::now();
    let held = amelia.post(&conversation.lock(), Value::Null).await.expect(200);
    let token = token_of(&held);
    assert!(held["idlePromptAfterSeconds"].as_u64().is_some_and(|seconds| seconds >= 1), "{held}");
    assert!(instant(&held["expiresAt"]) > before + renewal_interval(&held));

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

    let no_one = Value::Null; // no other user holds it
    for (member, token_of_another, holder) in [(&amelia, token + 1, no_one), (&ben, token, json!(amelia.id))]
    {
        let is_held_until = async |held: Value, what: &str| {
            let seen = conversation.get_as(&ben).await;
            let lock = json!({ "holder": held["holder"], "expiresAt": held["expiresAt"] });
            assert_eq!(seen["lock"], lock, "{} {what}", member.name);
        };
        let held = renew(&amelia, &conversation, token, true).await.expect(200);
        let lost = renew(member, &conversation, token_of_another, true).await.problem(412, "lock_lost");
        assert_eq!(lost["holder"]["id"], holder);
        is_held_until(held, "did not renew it").await;
        let held = renew(&amelia, &conversation, token, true).await.expect(200);
        member.delete(&format!("{}?token={token_of_another}", conversation.lock())).await.expect(204);
        is_held_until(held, "did not release it").await;
    }

    for body in [json!({ "active": true }), json!({ "token": "one", "active": true })] {
        conversation.renew_lock(&amelia, token).await;
        amelia.put(&conversation.lock(), body).await.expect_field_error("/token");
    }
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
    conversation.renew_lock(&amelia, second).await;
    let late = amelia.post(&conversation.messages(), json!({ "text": "Hi", "lockToken": first })).await;
    assert_eq!(late.problem(412, "lock_lost")["reason"], "superseded");
    conversation.renew_lock(&amelia, second).await;
    conversation.release_lock(&amelia, first).await;
    assert_eq!(
        conversation.get_as(&amelia).await["lock"]["holder"]["id"],
        amelia.id,
        "the old tab cannot release it"
    );
    conversation.renew_lock(&amelia, second).await;
    amelia.reply(&no_pause, &conversation, second, "Hi").await.expect(202);
    conversation.release_lock(&amelia, second).await;
}

#[tokio::test]
async fn a_lock_that_is_not_renewed_expires_and_a_colleague_takes_over() {
    let stack = Stack::open();
    let (amelia, ben) = (stack.user("amelia"), stack.user("ben"));
    let conversation = stack.new_conversation("Hello").await;
    let held = amelia.post(&conversation.lock(), Value::Null).await.expect(200);
    let (token, end) = (token_of(&held), instant(&held["expiresAt"]));
    let locked = ben.post(&conversation.lock(), Value::Null).await.problem(423, "locked");
    assert_eq!(instant(&locked["expiresAt"]), end);

    wait::until(end).await;
    assert_eq!(conversation.get_as(&ben).await["lock"], Value::Null);
    // From the time on at which an idle user would have lost it, that is the reason.
    let has_expired = |lost: &Value| {
        let is_late = Timestamp::now() >= instant(&held["idleReleaseAt"]);
        lost["reason"] == "expired" || is_late && lost["reason"] == "idle"
    };
    let lost = renew(&amelia, &conversation, token, true).await.problem(412, "lock_lost");
    assert!(has_expired(&lost) && lost["holder"].is_null(), "{lost}");
    let late = amelia.post(&conversation.messages(), json!({ "text": "Hi", "lockToken": token })).await;
    let late = late.problem(412, "lock_lost");
    assert!(has_expired(&late), "{late}");

    let next = eventually("a colleague takes over", WAIT_TIMEOUT, async || {
        let response = ben.post(&conversation.lock(), Value::Null).await;
        (response.status == 200).then(|| token_of(&response.json()))
    })
    .await;
    assert!(next > token);
    let lost = renew(&amelia, &conversation, token, true).await.problem(412, "lock_lost");
    assert_eq!((&lost["reason"], &lost["holder"]["id"]), (&json!("taken"), &json!(ben.id)));
    conversation.renew_lock(&ben, next).await;
    let late = amelia.post(&conversation.messages(), json!({ "text": "Hi", "lockToken": token })).await;
    assert_eq!(late.problem(412, "lock_lost")["holder"]["name"], ben.name);
    assert_eq!(conversation.texts(&ben).await, ["Hello"], "no reply was sent");
}

/// Holds the lock without activity until it ends, with a prompt before. Returns its token and the answer to
/// the first renewal after its end. `None` if this machine paused longer than a lease lasts or a prompt is
/// shown.
async fn stay_idle(user: &Client, conversation: &ConversationRef) -> Option<(u64, ApiResponse)> {
    let before = Timestamp::now();
    let mut held = user.post(&conversation.lock(), Value::Null).await.expect(200);
    let mut asked_at = Timestamp::now();
    let (token, release) = (token_of(&held), instant(&held["idleReleaseAt"]));
    let prompt = SignedDuration::from_secs(held["idlePromptAfterSeconds"].as_i64().expect("a number"));
    let shown_for = release.duration_since(asked_at) - prompt;
    let mut prompted_at: Option<Timestamp> = None;
    loop {
        tokio::time::sleep(renewal_interval(&held)).await;
        let last_asked_at = std::mem::replace(&mut asked_at, Timestamp::now());
        let response = renew(user, conversation, token, false).await;
        let now = Timestamp::now();
        if response.status != 200 {
            let lost = response.problem(412, "lock_lost");
            assert!(now >= instant(&held["expiresAt"]), "refused before its end: {response}");
            if lost["reason"] == "expired" {
                assert!(asked_at < release, "expired, and not idle, after `idleReleaseAt`");
                return None;
            }
            assert!(now >= release, "not before `idleReleaseAt`");
            let Some(prompted_at) = prompted_at else {
                let unseen_for = now.duration_since(last_asked_at);
                assert!(unseen_for >= shown_for, "no prompt between two renewals within {unseen_for}");
                return None;
            };
            let waited = prompted_at.duration_since(before);
            assert!(waited + SignedDuration::from_secs(1) >= prompt, "prompted after {waited}");
            return Some((token, response));
        }
        held = response.json();
        assert_eq!(instant(&held["idleReleaseAt"]), release, "only activity extends it");
        assert!(instant(&held["expiresAt"]) <= release, "no lease is longer than the idle release");
        if held["idlePrompt"] == true {
            prompted_at.get_or_insert(now);
        } else {
            assert_eq!(prompted_at, None, "the prompt stays");
        }
    }
}

/// ◆ product 5: an idle holder is prompted with *are you still working?*. Without an answer the lock is
/// released.
#[tokio::test]
async fn an_idle_holder_is_prompted_and_then_loses_the_lock_despite_renewals() {
    let stack = Stack::open();
    let (amelia, ben) = (stack.user("amelia"), stack.user("ben"));
    let conversation = stack.new_conversation("Hello").await;
    let (token, refused) = eventually("a holder without activity is prompted", EVENT_TIMEOUT, async || {
        stay_idle(&amelia, &conversation).await
    })
    .await;
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
    // The answer has to come while the prompt is shown, which is for a few seconds here.
    let token = eventually("the prompt is answered in time", EVENT_TIMEOUT, async || {
        let mut held = amelia.post(&conversation.lock(), Value::Null).await.expect(200);
        assert_eq!(held["idlePrompt"], false);
        while held["idlePrompt"] == false {
            tokio::time::sleep(renewal_interval(&held)).await;
            held = renew_in_time(&amelia, &conversation, &held, false).await?;
        }
        let here = renew_in_time(&amelia, &conversation, &held, true).await?;
        assert_eq!(here["idlePrompt"], false);
        assert!(instant(&here["idleReleaseAt"]) > instant(&held["idleReleaseAt"]));
        let again = renew_in_time(&amelia, &conversation, &here, false).await?;
        assert_eq!((&again["idlePrompt"], &again["idleReleaseAt"]), (&json!(false), &here["idleReleaseAt"]));
        Some(token_of(&again))
    })
    .await;
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
        async move { (user.id.clone(), user.post(lock, Value::Null).await, Timestamp::now()) }
    }))
    .await;

    let (mut won, lost): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|(_, response, _)| response.status == 200);
    let token = |response: &ApiResponse| token_of(&response.json());
    won.sort_by_key(|(_, response, _)| token(response));
    let are_distinct = won.is_sorted_by(|(_, one, _), (_, next, _)| token(one) < token(next));
    assert!(are_distinct, "each acquisition has its own token");
    assert!(!won.is_empty() && !lost.is_empty(), "{} won", won.len());
    for ((user, held, _), (next, _, answered_at)) in won.iter().zip(&won[1..]) {
        // If the answers take longer than a lease, it may have ended, and another user may get the lock.
        let has_ended = instant(&held.json()["expiresAt"]) <= *answered_at;
        assert!(user == next || has_ended, "{next} got the lock of {user}");
    }
    let winners: BTreeSet<_> = won.iter().map(|(user, ..)| user.as_str()).collect();
    for (user, response, _) in &lost {
        let locked = response.problem(423, "locked");
        let holder = locked["holder"]["id"].as_str().expect("an id");
        assert!(holder != user && winners.contains(holder), "{user}: {locked}");
    }

    let (last, held, _) = won.last().expect("one");
    let winner = stack.user(last);
    let again = conversation.acquire_lock(&winner).await; // its lease may have ended
    assert!(again > token(held));
    conversation.release_lock(&winner, again).await;
    let next = users.iter().find(|user| user.id != winner.id).expect("another user");
    assert!(conversation.acquire_lock(next).await > again);
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
    conversation.renew_lock(&amelia, token).await;
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
    conversation.renew_lock(&amelia, token).await;
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
    let number = &stack.front_desk_inbox().phone_number;
    stack.carrier().send_inbound(&conversation.phone, number, "Are you there?").await;
    renew(&amelia, &conversation, token, true).await.expect(200);
    assert_eq!(conversation.get_as(&ben).await["lock"]["holder"]["id"], amelia.id);
    conversation.renew_lock(&amelia, token).await;
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
    // Renews a lock, or acquires it again if it has ended. `None` if another one has taken its place.
    let keep = async |(conversation, token): (ConversationRef, u64)| {
        if renew(&team.admin, &conversation, token, true).await.status == 200 {
            return Some((conversation, token));
        }
        let again = team.admin.post(&conversation.lock(), Value::Null).await;
        (again.status == 200).then(|| (conversation, token_of(&again.json())))
    };
    let mut conversations = Vec::new();
    let mut open: Vec<(ConversationRef, u64)> = Vec::new();
    let refused = loop {
        let phone = Phone::new();
        carrier.send_inbound(&phone, &inbox.number, "Hello").await;
        let conversation = stack.find_conversation(&team.admin, &inbox.id, "inbox", &phone).await;
        open = join_all(open.into_iter().map(&keep)).await.into_iter().flatten().collect();
        let response = team.admin.post(&conversation.lock(), Value::Null).await;
        conversations.push(conversation.clone());
        if response.status != 200 {
            break response;
        }
        open.push((conversation, token_of(&response.expect(200))));
        assert!(conversations.len() <= 100, "no limit after 100 locks");
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
