//! A broadcast to some hundred numbers, while the functions that take part in it end with SIGKILL.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use product_tests::{Client, Phone, Stack};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{STACK, full_run, killer::kill_one_of, load::sweep, seed};

/// A message whose sender was killed comes back when its visibility timeout ends, and is then looked up.
/// A worker that was killed is replaced after two minutes.
const RECOVERY_TIMEOUT: Duration = Duration::from_mins(10);
const WORKER: &str = "BroadcastWorker";
/// More of them would only add minutes.
const MAX_KILLED_WORKERS: u32 = 2;

#[tokio::test(flavor = "multi_thread")]
async fn a_broadcast_with_killed_functions_texts_each_number_once() {
    let _stack = STACK.lock().await;
    let (stack, seed) = (Stack::open(), seed());
    let phones: Vec<Phone> = (0..if full_run() { 400 } else { 120 }).map(|_| Phone::new()).collect();
    let path = confirm(&stack, &phones).await;
    let ends = AtomicBool::new(false);
    let killer = async {
        let (mut random, mut killed) = (fastrand::Rng::with_seed(seed), BTreeMap::<&str, u32>::new());
        // The lease of a killed worker ends after 90 seconds, for which the short run has no time.
        let functions = ["OutboxRelay", "OutboundSend", "DeliveryStatus", WORKER];
        let functions = &functions[..if full_run() { 4 } else { 3 }];
        while !ends.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(random.u64(50..500))).await;
            let function = functions[random.usize(..functions.len())];
            if function == WORKER && killed.get(WORKER).is_some_and(|killed| *killed == MAX_KILLED_WORKERS) {
                continue;
            }
            *killed.entry(function).or_default() += u32::from(kill_one_of(function, &mut random));
        }
        killed
    };
    let broadcast = async {
        let member = stack.user("ben");
        wait_until(&member, &path, |broadcast| {
            let waiting = ["pending", "held"].map(|state| broadcast["progress"][state].as_u64().unwrap_or(1));
            broadcast["status"] != "preparing" && waiting == [0, 0]
        })
        .await;
        ends.store(true, Ordering::Relaxed);
        wait_until(&member, &path, |broadcast| {
            broadcast["status"] == "completed" && broadcast["progress"]["queued"] == 0
        })
        .await
    };
    let run = async { tokio::join!(killer, broadcast) };
    let (killed, completed) = tokio::select! {
        ended = run => ended,
        () = sweep(&stack) => unreachable!("sweeps have no end"),
    };
    for phone in &phones {
        let texts = stack.carrier().texts_to(phone).await;
        assert_eq!(texts, ["We close early."], "at the carrier for {}", phone.number());
    }
    assert_counts(&stack.user("ben"), &path, &phones, &completed).await;
    println!("{killed:?} killed, {} recipients", phones.len());
    assert!(killed.values().sum::<u32>() > 0);
}

/// Creates a broadcast from the front desk and confirms it. Returns its path.
async fn confirm(stack: &Stack, phones: &[Phone]) -> String {
    let inbox = stack.front_desk_inbox();
    let right = json!({ "role": "member", "canBroadcast": true });
    let member = format!("/v1/teams/{}/members/ben", inbox.team_id);
    stack.user("olivia").put(&member, right).await.expect(200);
    let ben = stack.user("ben");
    let numbers: Vec<&str> = phones.iter().map(Phone::number).collect();
    let broadcast = json!({
        "name": "Closing", "from": { "inboxId": inbox.inbox_id }, "text": "We close early.",
        "audience": { "phoneNumbers": numbers }, "hours": { "mode": "always" },
    });
    let draft = ben.post("/v1/broadcasts", broadcast).await.expect(201);
    let path = format!("/v1/broadcasts/{}", draft["broadcastId"].as_str().expect("an id"));
    let estimate = ben.post(&format!("{path}/estimate"), Value::Null).await.expect(200);
    assert_eq!(estimate["recipients"], phones.len());
    let body = json!({ "estimateId": estimate["estimateId"] });
    ben.post(&format!("{path}/confirm"), body).await.expect(202);
    path
}

/// Waits for a state of the broadcast, and returns it. Its sum is right whenever it is read.
async fn wait_until(member: &Client, path: &str, is_reached: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + RECOVERY_TIMEOUT;
    loop {
        let broadcast = member.get(path).await.expect(200);
        let progress = &broadcast["progress"];
        assert_eq!(sum(progress), progress["total"].as_u64().expect("a total"), "{broadcast}");
        if is_reached(&broadcast) {
            return broadcast;
        }
        assert!(Instant::now() < deadline, "not after {RECOVERY_TIMEOUT:?}: {broadcast}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

const STATES: [&str; 8] =
    ["pending", "held", "queued", "sent", "delivered", "undelivered", "failed", "skipped"];

fn sum(progress: &Value) -> u64 {
    STATES.iter().map(|state| progress[state].as_u64().expect("a count")).sum()
}

/// Requires that each number is a recipient once, and that nobody failed or was left out.
async fn assert_counts(member: &Client, path: &str, phones: &[Phone], completed: &Value) {
    let (mut counted, mut cursor) = (BTreeMap::<String, String>::new(), String::new());
    loop {
        let page = member.call(Method::GET, &format!("{path}/recipients?limit=100{cursor}"), None).await;
        let page = page.expect(200);
        for recipient in page["items"].as_array().expect("items") {
            let field = |name: &str| recipient[name].as_str().expect("a string").to_owned();
            assert_eq!(counted.insert(field("phoneNumber"), field("state")), None, "twice: {recipient}");
        }
        let Some(next) = page["nextCursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    let mut numbers: Vec<&str> = phones.iter().map(Phone::number).collect();
    numbers.sort_unstable();
    assert_eq!(counted.keys().map(String::as_str).collect::<Vec<_>>(), numbers);
    let is_sent = |state: &String| ["sent", "delivered"].contains(&state.as_str());
    assert!(counted.values().all(is_sent), "{counted:?}");
    assert_eq!(completed["progress"]["total"], phones.len(), "{completed}");
}
