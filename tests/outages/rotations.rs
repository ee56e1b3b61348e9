//! Both secrets are rotated while messages come and go.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use product_tests::Stack;
use serde_json::json;
use shared_aws::clients::Secrets;
use shared_domain::{signing::SIGNS_AFTER, time::Timestamp};
use shared_lambda::clock;

use crate::{
    STACK, full_run,
    load::{converse, settled, sweep},
    seed,
};

/// A message whose answer was lost is looked up, and sending that has paused begins again minutes later.
const RECOVERY_TIMEOUT: Duration = Duration::from_mins(10);

/// The execution environments are warm, so they have the secrets from before the rotation. The new signing
/// key is stored as if it was 15 minutes old, so that new environments sign with it at once. Those that still
/// have the old keys must read them again.
#[tokio::test(flavor = "multi_thread")]
async fn both_secrets_rotated_under_load_refuse_no_webhook_no_message_and_no_cursor() {
    let _stack = STACK.lock().await;
    let (stack, ends, statuses) = (Stack::open(), AtomicBool::new(false), Mutex::new(Vec::new()));
    seed();
    let before = refused(&stack);
    let phase = Duration::from_secs(if full_run() { 90 } else { 8 });
    let rotations = async {
        tokio::time::sleep(phase).await;
        rotate_token(&stack).await;
        tokio::time::sleep(phase).await;
        rotate_signing_keys(&stack).await;
        tokio::time::sleep(phase).await;
        ends.store(true, Ordering::Relaxed);
    };
    let cursors = async {
        let (ben, mut pages) = (stack.user("ben"), 0);
        let list = format!("/v1/inboxes/{}/conversations?limit=1", stack.front_desk_inbox().inbox_id);
        let mut cursor = String::new();
        while !ends.load(Ordering::Relaxed) {
            let page = ben.get(&format!("{list}{cursor}")).await.expect(200);
            cursor =
                page["nextCursor"].as_str().map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
            pages += 1;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        pages
    };
    let run = async {
        let answers = |status| statuses.lock().expect("no panic").push(status);
        let load = converse(&stack, 4, &ends, &answers);
        let (conversations, (), pages) = tokio::join!(load, rotations, cursors);
        let statuses = statuses.lock().expect("no panic").clone();
        assert!(statuses.iter().all(|status| matches!(status, Some(200 | 202))), "{statuses:?}");
        settled(&stack, &conversations, RECOVERY_TIMEOUT).await;
        (statuses.len(), pages)
    };
    let (answers, pages) = tokio::select! {
        counts = run => counts,
        () = sweep(&stack) => unreachable!("sweeps have no end"),
    };
    assert_eq!(refused(&stack) - before, 0, "webhooks and callbacks refused");
    println!("{answers} answers to webhooks and messages, and {pages} pages");
}

/// Webhooks and callbacks that were answered with 403.
fn refused(stack: &Stack) -> usize {
    stack.log().matches("webhook_refused").count()
}

/// Rotates the carrier's token as an operator does: a second token, both in the secret, then the promotion,
/// which ends the first.
async fn rotate_token(stack: &Stack) {
    let (carrier, secrets) = (stack.carrier(), Secrets::of(&stack.operator().aws));
    let new = carrier.create_auth_token().await;
    let (name, old) = ("shared-inbox/carrier", stack.carrier_token());
    let login = json!({ "user": carrier.account(), "password": old });
    let content = json!({ "accountSid": carrier.account(), "authTokens": [new, old], "eventStreams": login });
    secrets.put(name, &content.to_string()).await.expect("Secrets Manager stores the token");
    carrier.promote_auth_token().await;
    stack.use_carrier_token(new);
}

async fn rotate_signing_keys(stack: &Stack) {
    let (secrets, name) = (Secrets::of(&stack.operator().aws), stack.output("SigningSecretArn"));
    let keys = secrets.signing_keys(name).await.expect("the signing keys");
    let long_ago: Timestamp = clock::now() - SIGNS_AFTER;
    let rotated = keys.rotated("the new key of this run", long_ago, true).expect("forced");
    secrets.put_signing_keys(name, &rotated).await.expect("Secrets Manager stores the keys");
}
