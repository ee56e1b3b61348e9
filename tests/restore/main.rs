//! A rehearsal of docs/operations/restore.md: the table of a running stack is replaced with a backup that is
//! older than texts which were sent and received since. Nothing is sent again, nothing that the carrier knows
//! is lost, and a file that was deleted since is back. `make restore-test` starts a local cloud for it,
//! because it stops all functions.

#![cfg(test)]

use std::{collections::BTreeMap, path::Path, process::Command, time::Duration};

use product_tests::{Client, ConversationRef, EVENT_TIMEOUT, Phone, Stack, WAIT_TIMEOUT, eventually};
use serde_json::{Value, json};
use shared_aws::clients::Bucket;
use shared_lambda::clock;

/// Time for a function that was invoked to end, and for the stream to deliver what it has.
const QUIET: Duration = Duration::from_secs(6);
/// Messages younger than 30 seconds are left to their webhook.
const GRACE_SECONDS: &str = "35";

/// Runs a command of inboxctl as the documentation has it, and returns what it prints.
fn inboxctl(arguments: &[&str]) -> Value {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut command = Command::new("python3");
    let output = command.arg("infra/local/ctl.py").args(arguments).current_dir(root).output();
    let output = output.expect("Python runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {}{errors}", String::from_utf8_lossy(&output.stdout));
    serde_json::from_slice(&output.stdout).expect("one JSON document")
}

async fn wait_for_text(stack: &Stack, phone: &Phone, text: &str) {
    eventually(text, EVENT_TIMEOUT, async || {
        stack.carrier().texts_to(phone).await.iter().any(|found| found == text).then_some(())
    })
    .await;
}

async fn cursor(member: &Client) -> String {
    member.get("/v1/events").await.expect(200)["nextCursor"].as_str().expect("a cursor").to_owned()
}

/// Acquires and releases the lock, and returns its token.
async fn token(conversation: &ConversationRef, member: &Client) -> u64 {
    let token = conversation.acquire_lock(member).await;
    conversation.release_lock(member, token).await;
    token
}

/// Confirms a broadcast that starts in some seconds. Returns its path.
async fn schedule_broadcast(stack: &Stack, phones: &[&Phone], text: &str) -> String {
    let inbox = stack.front_desk_inbox();
    let right = json!({ "role": "member", "canBroadcast": true });
    stack.user("olivia").put(&format!("/v1/teams/{}/members/ben", inbox.team_id), right).await.expect(200);
    let ben = stack.user("ben");
    let numbers: Vec<&str> = phones.iter().map(|phone| phone.number()).collect();
    let at = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(20);
    let broadcast = json!({
        "name": "Closing", "from": { "inboxId": inbox.inbox_id }, "text": text,
        "audience": { "phoneNumbers": numbers }, "hours": { "mode": "always" }, "scheduledAt": at.to_string(),
    });
    let draft = ben.post("/v1/broadcasts", broadcast).await.expect(201);
    let path = format!("/v1/broadcasts/{}", draft["broadcastId"].as_str().expect("an id"));
    let estimate = ben.post(&format!("{path}/estimate"), Value::Null).await.expect(200);
    let body = json!({ "estimateId": estimate["estimateId"] });
    ben.post(&format!("{path}/confirm"), body).await.expect(202);
    path
}

/// A file that came with a message.
struct Picture {
    conversation: ConversationRef,
    /// Where it is in the bucket.
    key: String,
}

impl Picture {
    /// Sends a message with a file to the front desk, and waits until the file is in the bucket.
    async fn receive(stack: &Stack, member: &Client) -> Self {
        let (phone, inbox) = (Phone::new(), stack.front_desk_inbox());
        let fields = [("From", phone.number()), ("To", inbox.phone_number.as_str()), ("Media", "picture")];
        assert_eq!(stack.carrier().send_inbound_with(&fields).await.webhook_status, Some(200));
        let conversation = stack.find_conversation(member, &inbox.inbox_id, "inbox", &phone).await;
        let media = eventually("the file is copied", WAIT_TIMEOUT, async || {
            let media = conversation.history(member).await[0]["media"][0].take();
            (media["state"] == "stored").then_some(media)
        })
        .await;
        let id = media["mediaId"].as_str().expect("an id");
        let key = format!("media/{}/{}/{id}", stack.organization(), inbox.inbox_id);
        Self { conversation, key }
    }

    /// Deletes the file, as a person does with the AWS CLI.
    async fn delete(&self, stack: &Stack) {
        let bucket = Bucket::new(&stack.operator().aws, stack.output("FilesBucket"));
        bucket.delete(&self.key, clock::now()).await.expect("S3 deletes it");
    }

    /// Returns the status with which a member gets the file.
    async fn status(&self, member: &Client) -> u16 {
        let history = self.conversation.history(member).await;
        let url = history[0]["media"][0]["url"].as_str().expect("a URL");
        let request = member.request_to(reqwest::Method::GET, url);
        request.send().await.expect("a response").status().as_u16()
    }
}

async fn run_sweeps(stack: &Stack) {
    for function in ["SendReconcileFunction", "InboundSweepFunction", "WebhookSweepFunction"] {
        stack.operator().invoke(function).await;
    }
}

/// What there was before the restore.
struct Scene {
    stack: Stack,
    phones: Vec<Phone>,
    /// The conversations with the phones that wrote. The last one began after the backup.
    conversations: Vec<ConversationRef>,
    broadcast: String,
    picture: Picture,
    cursors: Vec<String>,
    /// The last lock tokens of the first and the last conversation.
    tokens: Vec<u64>,
    /// What the carrier had sent to each phone.
    sent: BTreeMap<String, Vec<String>>,
}

const OLD: usize = 0;
const WAITING: usize = 1;
const STOPPED: usize = 2;
const NEIGHBOR: usize = 3;
const NEW: usize = 4;

impl Scene {
    /// Some replies wait for the carrier, and a broadcast for its time. A message has a file.
    async fn before_the_backup() -> Self {
        let stack = Stack::open();
        let (amelia, zoe) = (stack.user("amelia"), stack.user("zoe"));
        let phones: Vec<Phone> = (0..7).map(|_| Phone::new()).collect();
        let mut conversations = Vec::new();
        for (phone, text) in phones.iter().zip(["Are you open?", "Where are you?", "Hello?"]) {
            conversations.push(stack.conversation_from(phone, text).await);
        }
        amelia.lock_and_reply(&conversations[OLD], "We open at nine.").await.expect(202);
        let reception = stack.inbox("RECEPTION");
        let neighbor = &phones[NEIGHBOR];
        stack.carrier().send_inbound(neighbor, &reception.phone_number, "Hello, neighbors").await;
        let found = stack.find_conversation(&zoe, &reception.inbox_id, "inbox", neighbor).await;
        conversations.push(found);
        let picture = Picture::receive(&stack, &amelia).await;
        inboxctl(&["sending", "pause"]);
        let broadcast = schedule_broadcast(&stack, &[&phones[5], &phones[6]], "We close early.").await;
        for (member, conversation, text) in [
            (&amelia, WAITING, "On our way."),
            (&amelia, STOPPED, "Buy one, get one free."),
            (&zoe, NEIGHBOR, "Hello from next door."),
        ] {
            let accepted = member.lock_and_queue_reply(&conversations[conversation], text).await;
            accepted.expect(202);
        }
        tokio::time::sleep(QUIET).await; // the relay has queued them
        let cursors = vec![cursor(&amelia).await];
        let (tokens, sent) = (Vec::new(), BTreeMap::new());
        Self { stack, phones, conversations, broadcast, picture, cursors, tokens, sent }
    }

    /// A STOP, texts in and out, the broadcast, more locks, and the loss of a file.
    async fn after_the_backup(&mut self) {
        let (stack, carrier) = (&self.stack, self.stack.carrier());
        let (amelia, ben) = (stack.user("amelia"), stack.user("ben"));
        let front_desk = &stack.front_desk_inbox().phone_number;
        carrier.send_inbound(&self.phones[STOPPED], front_desk, "STOP").await;
        inboxctl(&["sending", "resume", "--organization", stack.organization()]);
        wait_for_text(stack, &self.phones[WAITING], "On our way.").await;
        carrier.send_inbound(&self.phones[OLD], front_desk, "And on Sunday?").await;
        amelia.lock_and_reply(&self.conversations[OLD], "Closed on Sundays.").await.expect(202);
        let new = stack.conversation_from(&self.phones[NEW], "I am new here.").await;
        amelia.lock_and_reply(&new, "Welcome!").await.expect(202);
        self.conversations.push(new);
        for conversation in [OLD, NEW] {
            token(&self.conversations[conversation], &ben).await;
            self.tokens.push(token(&self.conversations[conversation], &amelia).await);
        }
        for phone in &self.phones[5..] {
            wait_for_text(stack, phone, "We close early.").await;
        }
        eventually("the confirmation of STOP", WAIT_TIMEOUT, async || {
            (carrier.texts_to(&self.phones[STOPPED]).await.len() == 1).then_some(())
        })
        .await;
        assert_eq!(self.picture.status(&amelia).await, 200);
        self.picture.delete(stack).await;
        assert_ne!(self.picture.status(&amelia).await, 200, "a deleted file");
        self.cursors.push(cursor(&amelia).await);
        self.sent = self.texts().await;
        assert!(self.sent[self.phones[STOPPED].number()][0].contains("unsubscribed"), "{:?}", self.sent);
        assert_eq!(self.sent[self.phones[OLD].number()], ["We open at nine.", "Closed on Sundays."]);
        assert_eq!(self.sent[self.phones[NEIGHBOR].number()], [""; 0]);
    }

    /// Does what the page says, until sending could be resumed. `at` is the time of the backup.
    async fn restore(&self, backup: &str, at: &str) {
        self.stack.operator().stop_functions().await;
        tokio::time::sleep(QUIET).await;
        inboxctl(&["restore", "begin"]);
        let imported = inboxctl(&["restore", "import", backup]);
        assert!(imported["removed"].as_u64() > Some(10), "{imported}");
        let again = inboxctl(&["restore", "import", backup]);
        assert_eq!((&again["written"], &again["removed"]), (&imported["written"], &json!(0)), "repeated");
        let files = || inboxctl(&["restore", "files", "--since", at])["restored"].take();
        assert_eq!([files(), files()], [json!(1), json!(0)], "the deleted file, and again");
        let reconcile = || inboxctl(&["restore", "reconcile", "--grace-seconds", GRACE_SECONDS]);
        let done = reconcile();
        assert_eq!(done["received"], 3, "STOP and two texts: {done}");
        assert_eq!(done["sent"], 1, "the reply that was waiting: {done}");
        assert_eq!(done["queued"], 2, "to the neighbor and to the stopped phone: {done}");
        assert_eq!(done["failed"], 0, "{done}");
        let canceled = self.broadcast.rsplit('/').next().expect("an id");
        assert_eq!(done["canceledBroadcasts"], json!([canceled]), "{done}");
        let again = reconcile();
        assert_eq!((&again["received"], &again["sent"]), (&json!(0), &json!(0)), "repeated: {again}");
        assert_eq!(inboxctl(&["restore", "verify"]), json!({ "ok": true, "findings": [] }));
        inboxctl(&["restore", "end"]);
        self.stack.operator().start_functions().await;
    }

    /// The functions run, and sending is paused.
    async fn assert_restored(&self) {
        let (stack, amelia) = (&self.stack, self.stack.user("amelia"));
        run_sweeps(stack).await;
        tokio::time::sleep(2 * QUIET).await;
        assert_eq!(self.texts().await, self.sent, "nothing is sent before sending is resumed");
        let history = self.conversations[OLD].texts(&amelia).await;
        assert_eq!(history, ["Are you open?", "We open at nine.", "And on Sunday?"], "taken in again");
        assert_eq!(self.conversations[NEW].texts(&amelia).await, ["I am new here."]);
        let stopped = self.conversations[STOPPED].get_as(&amelia).await;
        assert_eq!(stopped["contact"]["optedOut"], true, "STOP holds");
        let status = stack.user("ben").get(&self.broadcast).await.expect(200)["status"].clone();
        assert_eq!(status, "canceled");
        assert_eq!(self.picture.status(&amelia).await, 200, "the file is back");
        for cursor in &self.cursors {
            let answer = amelia.get(&format!("/v1/events?cursor={cursor}")).await;
            let expired = answer.problem(410, "cursor_expired");
            let resync = expired["resync"].as_array().expect("a list");
            assert!(resync.contains(&json!(stack.front_desk_inbox().inbox_id)), "{expired}");
            let next = expired["nextCursor"].as_str().expect("a cursor");
            let page = amelia.get(&format!("/v1/events?cursor={next}")).await.expect(200);
            assert_eq!(page["items"], json!([]), "changes of the restore are no events");
        }
        let current = cursor(&amelia).await;
        for (conversation, last) in [OLD, NEW].into_iter().zip(&self.tokens) {
            let token = token(&self.conversations[conversation], &amelia).await;
            assert!(token > *last, "{token} after {last}");
        }
        eventually("events go on", EVENT_TIMEOUT, async || {
            let page = amelia.get(&format!("/v1/events?cursor={current}")).await.expect(200);
            (!page["items"].as_array().expect("items").is_empty()).then_some(())
        })
        .await;
    }

    /// Only what the carrier never got is sent, and not to a phone that opted out.
    async fn assert_resumed(&self) {
        let (stack, amelia) = (&self.stack, self.stack.user("amelia"));
        inboxctl(&["sending", "resume"]);
        wait_for_text(stack, &self.phones[NEIGHBOR], "Hello from next door.").await;
        eventually("the text to the stopped phone fails", EVENT_TIMEOUT, async || {
            run_sweeps(stack).await;
            let history = self.conversations[STOPPED].history(&amelia).await;
            history.iter().any(|message| message["state"] == "failed").then_some(())
        })
        .await;
        run_sweeps(stack).await;
        tokio::time::sleep(QUIET).await;
        let mut expected = self.sent.clone();
        expected.insert(self.phones[NEIGHBOR].number().into(), vec!["Hello from next door.".into()]);
        assert_eq!(self.texts().await, expected, "no text twice");
        stack.conversation_from(&Phone::new(), "Is everything back?").await;
    }

    /// The texts that each phone got from the carrier.
    async fn texts(&self) -> BTreeMap<String, Vec<String>> {
        let mut texts = BTreeMap::new();
        for phone in &self.phones {
            texts.insert(phone.number().to_owned(), self.stack.carrier().texts_to(phone).await);
        }
        texts
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_restored_without_a_text_sent_twice_and_without_a_lost_text_or_opt_out() {
    let mut scene = Scene::before_the_backup().await;
    let file = std::env::temp_dir().join(format!("restore-test-{}.json", std::process::id()));
    let file = file.to_str().expect("UTF-8");
    assert!(inboxctl(&["restore", "export", file])["items"].as_u64() > Some(100));
    let at = clock::now().to_string();
    scene.after_the_backup().await;
    scene.restore(file, &at).await;
    std::fs::remove_file(file).expect("the backup is removed");
    scene.assert_restored().await;
    scene.assert_resumed().await;
}
