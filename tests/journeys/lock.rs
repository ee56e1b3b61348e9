//! The lock: at most one holder per conversation, and the server decides when a lease ends.

use std::{collections::BTreeSet, time::Duration};

use futures_util::future::join_all;
use jiff::Timestamp;
use product_tests::{Answer, Client, Office, PATIENCE, Phone, Stack, Thread, eventually, wait};
use serde_json::{Value, json};

fn instant(value: &Value) -> Timestamp {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no instant: {value}"))
}

/// The pause that the server asks front ends to keep between renewals.
fn pause(held: &Value) -> Duration {
    Duration::from_secs(held["renewAfterSeconds"].as_u64().expect("a number of seconds"))
}

async fn renew(member: &Client, thread: &Thread, token: u64, active: bool) -> Answer {
    member.put(&thread.lock(), json!({ "token": token, "active": active })).await
}

/// ◆ product 5: opening a conversation of a shared inbox acquires the lock, leaving it releases.
#[tokio::test]
async fn a_lock_is_acquired_renewed_and_released() {
    let stack = Stack::open();
    let (amelia, ben) = (stack.user("amelia"), stack.user("ben"));
    let thread = stack.new_thread("Hello").await;

    let held = amelia.post(&thread.lock(), Value::Null).await.expect(200);
    let token = held["token"].as_u64().expect("a token");
    assert!(held["idlePromptAfterSeconds"].as_u64().is_some_and(|seconds| seconds >= 1), "{held}");
    assert!(instant(&held["expiresAt"]) > Timestamp::now());

    let renewed = renew(&amelia, &thread, token, true).await.expect(200);
    assert_eq!((&renewed["token"], &renewed["idlePrompt"]), (&held["token"], &json!(false)));
    assert!(instant(&renewed["expiresAt"]) > instant(&held["expiresAt"]));
    assert!(instant(&renewed["idleReleaseAt"]) > instant(&held["idleReleaseAt"]));
    assert_eq!(
        thread.seen_by(&ben).await["lock"]["expiresAt"],
        renewed["expiresAt"],
        "a colleague sees the new end"
    );

    thread.released_by(&amelia, token).await;
    thread.released_by(&amelia, token).await;
    let lost = renew(&amelia, &thread, token, true).await.problem(412, "lock_lost");
    assert_eq!((&lost["reason"], &lost["holder"]), (&json!("released"), &Value::Null));
    thread.acquired_by(&ben).await;
}

#[tokio::test]
async fn a_renewal_with_another_token_or_by_another_user_is_refused_and_changes_nothing() {
    let stack = Stack::open();
    let (amelia, ben) = (stack.user("amelia"), stack.user("ben"));
    let thread = stack.new_thread("Hello").await;
    let token = thread.acquired_by(&amelia).await;
    let before = thread.seen_by(&ben).await;

    let lost = renew(&amelia, &thread, token + 1, true).await.problem(412, "lock_lost");
    assert_eq!(lost["holder"], Value::Null, "nobody else holds it");
    let lost = renew(&ben, &thread, token, true).await.problem(412, "lock_lost");
    assert_eq!(lost["holder"]["id"], amelia.id);
    ben.delete(&format!("{}?token={token}", thread.lock())).await.expect(204);
    amelia.delete(&format!("{}?token={}", thread.lock(), token + 1)).await.expect(204);
    assert_eq!(thread.seen_by(&ben).await["lock"], before["lock"], "neither of them released it");

    amelia.put(&thread.lock(), json!({ "active": true })).await.points_at("/token");
    amelia.put(&thread.lock(), json!({ "token": "one", "active": true })).await.points_at("/token");
    amelia.delete(&thread.lock()).await.points_at("?token");
    renew(&amelia, &thread, token, true).await.expect(200);
}

#[tokio::test]
async fn a_second_tab_of_the_same_user_gets_a_new_token_and_the_old_one_is_void() {
    let stack = Stack::open();
    let amelia = stack.user("amelia");
    let thread = stack.new_thread("Hello").await;
    let calm = stack.carrier().calm().await;
    let first = thread.acquired_by(&amelia).await;
    let second = thread.acquired_by(&amelia).await;
    assert!(second > first);
    assert_eq!(renew(&amelia, &thread, first, true).await.problem(412, "lock_lost")["reason"], "superseded");
    let late = amelia.post(&thread.messages(), json!({ "text": "Hi", "lockToken": first })).await;
    assert_eq!(late.problem(412, "lock_lost")["reason"], "superseded");
    thread.released_by(&amelia, first).await;
    assert_eq!(
        thread.seen_by(&amelia).await["lock"]["holder"]["id"],
        amelia.id,
        "the old tab cannot release it"
    );
    amelia.reply(&calm, &thread, second, "Hi").await.expect(202);
}

#[tokio::test]
async fn a_lock_that_is_not_renewed_expires_and_a_colleague_takes_over() {
    let stack = Stack::open();
    let (amelia, ben) = (stack.user("amelia"), stack.user("ben"));
    let thread = stack.new_thread("Hello").await;
    let held = amelia.post(&thread.lock(), Value::Null).await.expect(200);
    let (token, end) = (held["token"].as_u64().expect("a token"), instant(&held["expiresAt"]));
    let locked = ben.post(&thread.lock(), Value::Null).await.problem(423, "locked");
    assert_eq!(instant(&locked["expiresAt"]), end);

    wait::until(end).await;
    assert_eq!(thread.seen_by(&ben).await["lock"], Value::Null);
    let lost = renew(&amelia, &thread, token, true).await.problem(412, "lock_lost");
    assert_eq!((&lost["reason"], &lost["holder"]), (&json!("expired"), &Value::Null));
    let late = amelia.post(&thread.messages(), json!({ "text": "Hi", "lockToken": token })).await;
    assert_eq!(late.problem(412, "lock_lost")["reason"], "expired");

    let next = eventually("a colleague takes over", PATIENCE, async || {
        let answer = ben.post(&thread.lock(), Value::Null).await;
        (answer.status == 200).then(|| answer.json()["token"].as_u64().expect("a token"))
    })
    .await;
    assert!(next > token);
    let lost = renew(&amelia, &thread, token, true).await.problem(412, "lock_lost");
    assert_eq!((&lost["reason"], &lost["holder"]["id"]), (&json!("taken"), &json!(ben.id)));
    let late = amelia.post(&thread.messages(), json!({ "text": "Hi", "lockToken": token })).await;
    assert_eq!(late.problem(412, "lock_lost")["holder"]["name"], ben.name);
    assert_eq!(thread.texts(&ben).await, ["Hello"], "nothing slipped in");
}

/// ◆ product 5: an idle holder is asked *are you still working?*, and without an answer the lock is released.
#[tokio::test]
async fn an_idle_holder_is_prompted_and_then_loses_the_lock_despite_renewals() {
    let stack = Stack::open();
    let (amelia, ben) = (stack.user("amelia"), stack.user("ben"));
    let thread = stack.new_thread("Hello").await;
    let mut held = amelia.post(&thread.lock(), Value::Null).await.expect(200);
    let begin = Timestamp::now();
    let (token, release) = (held["token"].as_u64().expect("a token"), instant(&held["idleReleaseAt"]));
    let mut asked = None;
    let refused = loop {
        tokio::time::sleep(pause(&held)).await;
        let answer = renew(&amelia, &thread, token, false).await;
        if answer.status != 200 {
            break answer;
        }
        held = answer.json();
        assert_eq!(instant(&held["idleReleaseAt"]), release, "only activity moves it");
        assert!(instant(&held["expiresAt"]) <= release, "no lease outlives the release");
        if held["idlePrompt"] == true {
            asked.get_or_insert_with(Timestamp::now);
        } else {
            assert_eq!(asked, None, "the question stays");
        }
    };
    let prompt = Duration::from_secs(held["idlePromptAfterSeconds"].as_u64().expect("a number of seconds"));
    let waited = asked.expect("the question came").duration_since(begin);
    assert!(
        waited + jiff::SignedDuration::from_secs(1) >= prompt.try_into().expect("short"),
        "asked after {waited}"
    );
    assert!(Timestamp::now() >= release, "not before the instant that was told");
    let lost = refused.problem(412, "lock_lost");
    assert_eq!((&lost["reason"], &lost["holder"]), (&json!("idle"), &Value::Null));
    let late = amelia.post(&thread.messages(), json!({ "text": "Hi", "lockToken": token })).await;
    assert_eq!(late.problem(412, "lock_lost")["reason"], "idle");
    eventually("a colleague takes over", PATIENCE, async || {
        (ben.post(&thread.lock(), Value::Null).await.status == 200).then_some(())
    })
    .await;
}

/// ◆ product 5: a holder who answers the question goes on.
#[tokio::test]
async fn a_holder_who_reports_activity_keeps_the_lock() {
    let stack = Stack::open();
    let amelia = stack.user("amelia");
    let thread = stack.new_thread("Hello").await;
    let mut held = amelia.post(&thread.lock(), Value::Null).await.expect(200);
    let token = held["token"].as_u64().expect("a token");
    while held["idlePrompt"] == false {
        tokio::time::sleep(pause(&held)).await;
        held = renew(&amelia, &thread, token, false).await.expect(200);
    }
    let here = renew(&amelia, &thread, token, true).await.expect(200);
    assert_eq!(here["idlePrompt"], false);
    assert!(instant(&here["idleReleaseAt"]) > instant(&held["idleReleaseAt"]));
    let again = renew(&amelia, &thread, token, false).await.expect(200);
    assert_eq!((&again["idlePrompt"], &again["idleReleaseAt"]), (&json!(false), &here["idleReleaseAt"]));
}

#[tokio::test]
async fn an_admin_breaks_a_lock_and_the_holder_learns_who_did() {
    let stack = Stack::open();
    let (adam, amelia, ben) = (stack.user("adam"), stack.user("amelia"), stack.user("ben"));
    let thread = stack.new_thread("Hello").await;
    let token = thread.acquired_by(&amelia).await;
    let force = format!("{}?force=true", thread.lock());

    ben.delete(&force).await.problem(403, "admin_required");
    renew(&amelia, &thread, token, true).await.expect(200);

    adam.delete(&force).await.expect(204);
    let lost = renew(&amelia, &thread, token, true).await.problem(412, "lock_lost");
    assert_eq!(lost["reason"], "broken");
    assert_eq!(lost["brokenBy"], json!({ "id": adam.id, "name": adam.name }));
    let late = amelia.post(&thread.messages(), json!({ "text": "Hi", "lockToken": token })).await;
    assert_eq!(late.problem(412, "lock_lost")["brokenBy"]["id"], adam.id);

    let next = thread.acquired_by(&ben).await;
    assert!(next > token);
    let lost = renew(&amelia, &thread, token, true).await.problem(412, "lock_lost");
    assert_eq!((&lost["brokenBy"]["id"], &lost["holder"]["id"]), (&json!(adam.id), &json!(ben.id)));
    stack.user("olivia").delete(&force).await.expect(204);
    adam.delete(&force).await.expect(204);
    assert_eq!(thread.seen_by(&adam).await["lock"], Value::Null);
}

#[tokio::test]
async fn of_many_who_open_a_conversation_at_once_exactly_one_gets_the_lock() {
    let stack = Stack::open();
    let users = ["olivia", "adam", "amelia", "ben", "carla", "dev", "erin", "farid"].map(|id| stack.user(id));
    let thread = stack.new_thread("Hello").await;
    let lock = thread.lock();
    let answers = join_all((0..32).map(|turn| {
        let (user, lock) = (&users[turn % users.len()], &lock);
        async move { (user.id.clone(), user.post(lock, Value::Null).await) }
    }))
    .await;

    let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(_, answer)| answer.status == 200);
    let winners: BTreeSet<_> = won.iter().map(|(user, _)| user.as_str()).collect();
    assert_eq!(winners.len(), 1, "{winners:?}");
    let winner = winners.first().expect("one").to_owned();
    let tokens: BTreeSet<_> = won.iter().map(|(_, answer)| answer.json()["token"].as_u64()).collect();
    assert_eq!(tokens.len(), won.len(), "each opening has a token of its own");
    assert_eq!(lost.len(), 28);
    for (user, answer) in &lost {
        assert_ne!(user, winner);
        assert_eq!(answer.problem(423, "locked")["holder"]["id"], winner);
    }

    let token = tokens.last().copied().flatten().expect("a token");
    let winner = stack.user(winner);
    thread.released_by(&winner, token).await;
    let next = users.iter().find(|user| user.id != winner.id).expect("somebody else");
    assert!(thread.acquired_by(next).await > token);
}

#[tokio::test]
async fn tokens_grow_through_release_reload_and_break() {
    let stack = Stack::open();
    let (adam, amelia, ben) = (stack.user("adam"), stack.user("amelia"), stack.user("ben"));
    let thread = stack.new_thread("Hello").await;
    let mut tokens = Vec::new();
    for _ in 0..2 {
        tokens.push(thread.acquired_by(&amelia).await);
        tokens.push(thread.acquired_by(&amelia).await);
        thread.released_by(&amelia, *tokens.last().expect("a token")).await;
        tokens.push(thread.acquired_by(&ben).await);
        adam.delete(&format!("{}?force=true", thread.lock())).await.expect(204);
    }
    assert!(tokens.is_sorted_by(|one, next| one < next), "{tokens:?}");
}

#[tokio::test]
async fn a_reply_needs_the_lock_even_when_it_is_free() {
    let stack = Stack::open();
    let amelia = stack.user("amelia");
    let thread = stack.new_thread("Hello").await;
    amelia.post(&thread.messages(), json!({ "text": "Hi" })).await.problem(412, "lock_required");
    let never = amelia.post(&thread.messages(), json!({ "text": "Hi", "lockToken": 7 })).await;
    never.problem(412, "lock_lost");
    let calm = stack.carrier().calm().await;
    let token = thread.acquired_by(&amelia).await;
    amelia.post(&thread.messages(), json!({ "text": "Hi" })).await.problem(412, "lock_required");
    amelia.reply(&calm, &thread, token, "Hi").await.expect(202);
    assert_eq!(thread.texts(&amelia).await, ["Hello", "Hi"]);
}

#[tokio::test]
async fn can_send_returns_every_reason_for_the_caller() {
    let stack = Stack::open();
    let (amelia, ben) = (stack.user("amelia"), stack.user("ben"));
    let thread = stack.new_thread("Hello").await;
    let codes = async |member: &Client| {
        let answer = member.get(&thread.can_send()).await.expect(200);
        let reasons = answer["reasons"].as_array().expect("reasons");
        assert_eq!(answer["allowed"], reasons.is_empty());
        reasons.iter().map(|reason| reason["code"].as_str().expect("a code").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(codes(&amelia).await, ["lock_required"]);
    thread.acquired_by(&amelia).await;
    assert!(codes(&amelia).await.is_empty());
    assert_eq!(codes(&ben).await, ["locked"]);
}

#[tokio::test]
async fn an_inbound_message_does_not_change_the_lock() {
    let stack = Stack::open();
    let (amelia, ben) = (stack.user("amelia"), stack.user("ben"));
    let thread = stack.new_thread("Hello").await;
    let _calm = stack.carrier().calm().await;
    let token = thread.acquired_by(&amelia).await;
    stack.thread_from(&thread.phone, "Are you there?").await;
    assert_eq!(thread.seen_by(&ben).await["lock"]["holder"]["id"], amelia.id);
    renew(&amelia, &thread, token, true).await.expect(200);
    let accepted = amelia.post(&thread.messages(), json!({ "text": "Yes", "lockToken": token })).await;
    accepted.expect(202);
    assert_eq!(thread.seen_by(&ben).await["lock"]["holder"]["id"], amelia.id, "a reply keeps it, too");
    amelia.leaves(&accepted).await;
}

#[tokio::test]
async fn a_personal_inbox_has_no_lock_and_is_answered_without_one() {
    let stack = Stack::open();
    let (ben, inbox) = (stack.user("ben"), stack.inbox("inb_ben"));
    let phone = Phone::new();
    stack.carrier().text_in(&phone, &inbox.phone_number, "Hello").await;
    let thread = stack.thread_in(&ben, &inbox.inbox_id, "inbox", &phone).await;
    ben.post(&thread.lock(), Value::Null).await.problem(409, "no_lock");
    assert_eq!(ben.get(&thread.can_send()).await.expect(200)["allowed"], true);
    ben.send(&thread.messages(), json!({ "text": "Hi" })).await.expect(202);
    assert_eq!(stack.carrier().words_on(&phone).await, ["Hi"]);
}

/// Product 5: the number of locks per user is limited, so that one user cannot lock a whole queue.
#[tokio::test]
async fn one_user_holds_a_limited_number_of_locks_and_gets_another_by_releasing_one() {
    let stack = Stack::open();
    let (carrier, office) = (stack.carrier(), Office::open(&stack, "Locks", "farid").await);
    let inbox = office.creates("Locks").await;
    office.is_registered(&carrier).await;
    let mut threads = Vec::new();
    let mut open = Vec::new();
    let refused = loop {
        let phone = Phone::new();
        carrier.text_in(&phone, &inbox.number, "Hello").await;
        let thread = stack.thread_in(&office.admin, &inbox.id, "inbox", &phone).await;
        for (thread, token) in &open {
            renew(&office.admin, thread, *token, true).await.expect(200);
        }
        let answer = office.admin.post(&thread.lock(), Value::Null).await;
        threads.push(thread.clone());
        if answer.status != 200 {
            break answer;
        }
        open.push((thread, answer.expect(200)["token"].as_u64().expect("a token")));
        assert!(open.len() <= 100, "there is no end");
    };
    assert!(refused.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds >= 1));
    let refused = refused.problem(429, "too_many_locks");
    assert_eq!(refused["limit"], open.len());
    assert_eq!(refused["held"].as_array().map(Vec::len), Some(open.len()));
    let last = threads.last().expect("the refused one");
    let seen = last.seen_by(&office.admin).await;
    assert_eq!((&seen["lock"], &seen["read"]), (&Value::Null, &json!(false)), "nothing happened to it");
    let (first, token) = &open[0];
    first.acquired_by(&office.admin).await; // a reload is no more
    let again = first.acquired_by(&office.admin).await;
    assert!(again > *token);
    first.released_by(&office.admin, again).await;
    last.acquired_by(&office.admin).await;
}
