//! A running stack of an earlier version is updated to this version and back, while texts come and go. No
//! request fails, nothing is lost, doubled or reordered, and what began in one version ends in the other.
//!
//! `make upgrade-test` builds both versions and starts a local cloud for it.

#![cfg(test)]
#![allow(clippy::print_stdout, reason = "a run reports its size")]

mod answers;
#[path = "../outages/load.rs"]
mod load;

use std::{
    path::Path,
    process::Command,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use answers::{Rows, assert_kept};
use jiff::{SignedDuration, Timestamp};
use load::{converse, settled, sweep};
use product_tests::{Client, ConversationRef, EVENT_TIMEOUT, Phone, Socket, Stack, eventually};
use serde_json::{Value, json};

/// How long one version runs alone.
const PHASE: Duration = Duration::from_secs(8);
/// A broadcast begins after the update that comes before it.
const BROADCAST_AFTER: SignedDuration = SignedDuration::from_secs(45);
const RECOVERY_TIMEOUT: Duration = Duration::from_mins(10);
const PHONES: u32 = 4;

/// The load has the interval of a short run of the outages.
const fn full_run() -> bool {
    false
}

fn python(arguments: &[&str]) -> Result<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let output = Command::new("python3").args(arguments).current_dir(root).output().expect("Python runs");
    let printed = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(printed(&output.stdout)) } else { Err(printed(&output.stderr)) }
}

/// Updates the stack to the version `earlier` or `later`, and checks that it answers.
async fn deploy(stack: &Stack, version: &'static str) {
    println!("updating to the {version} version");
    let update = move || python(&["tests/upgrade/deploy.py", "update", version]);
    let began = std::time::Instant::now();
    let commit = tokio::task::spawn_blocking(update).await.expect("no panic");
    let commit = commit.unwrap_or_else(|error| panic!("the {version} version is not deployed: {error}"));
    let config = stack.bearer(None).get("/v1/config").await.expect(200);
    assert_eq!(config["commit"], commit, "the {version} version answers");
    println!("the {version} version, {}, took over in {:.0?}", &commit[..10], began.elapsed());
}

/// What begins in one version and ends in the other.
struct InFlight {
    name: &'static str,
    member: Client,
    /// A conversation whose lock the member holds.
    locked: ConversationRef,
    token: u64,
    /// A request that was accepted, and the ID of its message.
    composed: (Value, String),
    list_cursor: String,
    feed_cursor: String,
    socket: Socket,
    recipients: Vec<Phone>,
}

impl InFlight {
    async fn begin(stack: &Stack, name: &'static str) -> Self {
        let member = stack.user("ben");
        let inbox = &stack.front_desk_inbox().inbox_id;
        let locked = stack.conversation_from(&Phone::new(), "Are you there?").await;
        let token = locked.acquire_lock(&member).await;
        let list = member.get(&format!("/v1/inboxes/{inbox}/conversations?limit=1")).await.expect(200);
        let feed = member.get("/v1/events").await.expect(200);
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let to = Phone::new();
        let body =
            json!({ "from": { "inboxId": inbox }, "to": { "phoneNumber": to.number() }, "text": "Once" });
        let accepted = member.post_once("/v1/messages", name, &body).await.expect(202);
        let recipients: Vec<Phone> = (0..3).map(|_| Phone::new()).collect();
        schedule_broadcast(stack, &member, &recipients, name).await;
        Self {
            name,
            locked,
            token,
            composed: (body, text(&accepted["messageId"])),
            list_cursor: text(&list["nextCursor"]),
            feed_cursor: text(&feed["nextCursor"]),
            socket: Socket::of(&member).await,
            recipients,
            member,
        }
    }

    /// The other version goes on with all of it.
    async fn end(&mut self, stack: &Stack) {
        let (member, inbox) = (&self.member, &stack.front_desk_inbox().inbox_id);
        let reply = json!({ "text": "Still here.", "lockToken": self.token });
        let accepted = member.post(&self.locked.messages(), reply).await.expect(202);
        while self.socket.event(inbox, "message.created").await["messageId"] != accepted["messageId"] {}
        let renewal = json!({ "token": self.token, "active": true });
        member.put(&self.locked.lock(), renewal).await.expect(200);
        self.locked.release_lock(member, self.token).await;
        assert!(self.locked.acquire_lock(&stack.user("farid")).await > self.token);
        let again = member.post_once("/v1/messages", self.name, &self.composed.0).await.expect(202);
        assert_eq!(again["messageId"], self.composed.1, "the key is remembered");
        let list = format!("/v1/inboxes/{inbox}/conversations?limit=1&cursor={}", self.list_cursor);
        member.get(&list).await.expect(200);
        assert!(self.sequences(inbox, 2).await.len() > 1, "events go on");
    }

    /// The numbers of the inbox's events since the beginning: all of them, or the first if there are enough.
    /// The feed may have no end while messages come and go.
    async fn sequences(&self, inbox: &str, enough: usize) -> Vec<u64> {
        let (mut sequences, mut cursor) = (Vec::new(), self.feed_cursor.clone());
        loop {
            let page = self.member.get(&format!("/v1/events?cursor={cursor}")).await.expect(200);
            let items = page["items"].as_array().expect("items");
            if items.is_empty() || sequences.len() >= enough {
                return sequences;
            }
            let of_inbox = items.iter().filter(|event| event["inboxId"] == inbox);
            sequences.extend(of_inbox.map(|event| event["sequence"].as_u64().expect("a number")));
            page["nextCursor"].as_str().expect("a cursor").clone_into(&mut cursor);
        }
    }

    /// What is sent to the phones is sent once, and the feed has each event once.
    async fn settled(&self, stack: &Stack) {
        let texts = async |phone: &Phone| stack.carrier().texts_to(phone).await;
        for phone in &self.recipients {
            eventually("the broadcast", EVENT_TIMEOUT, async || {
                (!texts(phone).await.is_empty()).then_some(())
            })
            .await;
        }
        tokio::time::sleep(PHASE).await; // for a second text, which would be wrong
        for phone in &self.recipients {
            assert_eq!(texts(phone).await, [self.name], "once");
        }
        assert_eq!(texts(&self.locked.phone).await, ["Still here."]);
        let sequences = self.sequences(&stack.front_desk_inbox().inbox_id, usize::MAX).await;
        let without_gap = sequences.iter().zip(sequences[0]..).all(|(one, expected)| *one == expected);
        assert!(without_gap, "events are lost or doubled: {sequences:?}");
    }
}

async fn schedule_broadcast(stack: &Stack, member: &Client, phones: &[Phone], text: &str) {
    let inbox = stack.front_desk_inbox();
    let right = json!({ "role": "member", "canBroadcast": true });
    stack.user("olivia").put(&format!("/v1/teams/{}/members/ben", inbox.team_id), right).await.expect(200);
    let numbers: Vec<&str> = phones.iter().map(Phone::number).collect();
    let draft = json!({
        "name": "Closing", "from": { "inboxId": inbox.inbox_id }, "text": text,
        "audience": { "phoneNumbers": numbers }, "hours": { "mode": "always" },
        "scheduledAt": (Timestamp::now() + BROADCAST_AFTER).to_string(),
    });
    let draft = member.post("/v1/broadcasts", draft).await.expect(201);
    let path = format!("/v1/broadcasts/{}", draft["broadcastId"].as_str().expect("an id"));
    let estimate = member.post(&format!("{path}/estimate"), Value::Null).await.expect(200);
    let body = json!({ "estimateId": estimate["estimateId"] });
    member.post(&format!("{path}/confirm"), body).await.expect(202);
}

/// Two members take turns with a lock, until `ends`. Tokens only grow, and no answer is an error. Returns the
/// number of turns.
async fn take_turns(stack: &Stack, ends: &AtomicBool) -> usize {
    let conversation = stack.conversation_from(&Phone::new(), "Who answers?").await;
    let members = [stack.user("amelia"), stack.user("farid")];
    let (mut last, mut turns) = (0, 0);
    while !ends.load(Ordering::Relaxed) {
        let (member, other) = (&members[turns % 2], &members[(turns + 1) % 2]);
        let token = conversation.acquire_lock(member).await;
        assert!(token > last, "{token} after {last}");
        other.post(&conversation.lock(), Value::Null).await.problem(423, "locked");
        conversation.release_lock(member, token).await;
        (last, turns) = (token, turns + 1);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    turns
}

/// An error that a function logged.
#[derive(serde::Deserialize)]
struct Logged {
    /// None if its environment has ended.
    function: Option<String>,
    line: Value,
}

/// The errors that functions logged.
fn errors() -> Vec<String> {
    let all: Vec<Logged> =
        serde_json::from_str(&python(&["tests/upgrade/deploy.py", "errors", "later"]).expect("a log"))
            .expect("JSON");
    all.iter()
        .map(|error| {
            let function = error.function.as_deref().unwrap_or("a function");
            format!(
                "{} {function} {} {}",
                error.line["timestamp"], error.line["target"], error.line["fields"]
            )
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_and_a_rollback_under_load_lose_double_and_refuse_nothing() {
    let (stack, ends, answers) = (Stack::open(), AtomicBool::new(false), AtomicUsize::new(0));
    for version in ["earlier", "later"] {
        python(&["tests/upgrade/deploy.py", "upload", version]).expect("the functions are uploaded");
    }
    let count = |status: Option<u16>| {
        assert!(
            status.is_some_and(|status| status < 300),
            "a webhook or message was answered with {status:?}"
        );
        answers.fetch_add(1, Ordering::Relaxed);
    };
    let versions = async {
        let mut rows = Rows::of(&stack);
        let mut upgraded = InFlight::begin(&stack, "begun before the upgrade").await;
        rows.write(&stack, "earlier").await;
        tokio::time::sleep(PHASE).await;
        let of_earlier = rows.read(&stack).await;
        deploy(&stack, "later").await;
        assert_kept(&of_earlier, &rows.read(&stack).await, "after the upgrade");
        upgraded.end(&stack).await;
        let mut rolled_back = InFlight::begin(&stack, "begun before the rollback").await;
        rows.write(&stack, "later").await;
        tokio::time::sleep(PHASE).await;
        let of_later = rows.read(&stack).await;
        deploy(&stack, "earlier").await;
        assert_kept(&rows.read(&stack).await, &of_later, "after the rollback");
        rolled_back.end(&stack).await;
        tokio::time::sleep(PHASE).await;
        ends.store(true, Ordering::Relaxed);
        [upgraded, rolled_back]
    };
    let run = async {
        let load = converse(&stack, PHONES, &ends, &count);
        let (conversations, turns, begun) = tokio::join!(load, take_turns(&stack, &ends), versions);
        settled(&stack, &conversations, RECOVERY_TIMEOUT).await;
        for in_flight in &begun {
            in_flight.settled(&stack).await;
        }
        turns
    };
    let turns = tokio::select! {
        turns = run => turns,
        () = sweep(&stack) => unreachable!("sweeps have no end"),
    };
    println!("{} answers to webhooks and messages, {turns} locks", answers.into_inner());
    assert!(turns > 0);
    let failed = python(&["tests/upgrade/deploy.py", "failed", "earlier"]).expect("the dead letters");
    let failed: Value = serde_json::from_str(&failed).expect("JSON");
    assert_eq!(failed["items"], json!([]), "dead letters");
    let errors = errors();
    assert!(errors.is_empty(), "errors of the functions:\n{}", errors.join("\n"));
}
