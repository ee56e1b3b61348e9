//! Messages and files that are older than their team keeps them.

use std::time::Duration;

use product_tests::{Phone, Stack, TestTeam, WAIT_TIMEOUT, eventually};
use serde_json::json;
use shared_aws::{
    clients::Bucket,
    inbox::Inboxes,
    messaging::{Acceptance, Accepted, Guard, Inbound, InboundText, Sends, stored_at, uploaded_at},
    table::Table,
};
use shared_domain::{
    contact::Contact,
    ids::{InboxId, MediaId, OrganizationId},
    inbox::TeamInbox,
    keys::InboxKey,
    media::{Media, MediaState},
    message::Message,
    phone::PhoneNumber,
    time::Timestamp,
};
use shared_lambda::clock;
use test_kit::build;

/// What could not be erased at once is tried again a minute later.
const SWEEP_TIMEOUT: Duration = Duration::from_secs(150);
const DAY: Duration = Duration::from_hours(24);

/// Stores messages of earlier days, as the functions would have stored them then.
struct Past {
    table: Table,
    bucket: Bucket,
    inbox: TeamInbox,
}

impl Past {
    async fn of(stack: &Stack, inbox: &str) -> Self {
        let aws = stack.operator().aws;
        let table = Table::of(&aws, stack.output("TableName"));
        let organization = OrganizationId::parse(stack.organization()).expect("an id");
        let key = InboxKey { organization: &organization, inbox: &InboxId::parse(inbox).expect("an id") };
        let inbox = Inboxes::new(table.clone())
            .get_with_team(key)
            .await
            .expect("the table answers")
            .expect("an inbox");
        Self { table, bucket: Bucket::new(&aws, stack.output("FilesBucket")), inbox }
    }

    async fn receive(&self, from: &Phone, text: &str, file: Option<&Media>, at: Timestamp) {
        let from = PhoneNumber::parse(from.number()).expect("a number");
        let media: Vec<_> = file.cloned().into_iter().collect();
        for file in &media {
            self.store_file(&stored_at(self.inbox.inbox.key(), file)).await;
        }
        let sid = format!("SM{:032x}", u128::from(clock::entropy()));
        let text = InboundText { media, ..build::inbound_text(&from, &sid, text) };
        Inbound::new(self.table.clone()).receive(&self.inbox.inbox, &text, at).await.expect("it is stored");
    }

    async fn reply(&self, to: &Phone, text: &str, file: &Media, at: Timestamp) -> Message {
        self.store_file(&stored_at(self.inbox.inbox.key(), file)).await;
        self.store_file(&uploaded_at(self.inbox.inbox.key(), &file.id)).await;
        let (to, sender) =
            (PhoneNumber::parse(to.number()).expect("a number"), build::user_ref("amelia", "Amelia Brand"));
        let message = self.inbox.outbound(&to, text.into(), at, clock::entropy());
        let message = Message { sender: Some(sender.clone()), media: vec![file.clone()], ..message };
        let acceptance = Acceptance {
            organization: &self.inbox.inbox.organization,
            message: &message,
            contact: &Contact::provisional(&self.inbox.inbox.team, &to),
            guard: Guard::Compose { user: Some(&sender.id) },
            idempotency: None,
        };
        let accepted = Sends::new(self.table.clone()).accept(acceptance).await.expect("the table answers");
        assert_eq!(accepted, Accepted::Stored);
        message
    }

    async fn store_file(&self, key: &str) {
        self.bucket.put(key, "image/png", b"\x89PNG".to_vec(), clock::now()).await.expect("S3 stores it");
    }

    async fn has_file(&self, key: &str) -> bool {
        self.bucket.head(key, clock::now()).await.expect("S3 answers").is_some()
    }
}

/// A stored file. One that is sent is a copy of its upload.
fn file(name: &str, is_sent: bool) -> Media {
    Media {
        id: MediaId::of_inbound(name, 0),
        copy: is_sent.then(|| MediaId::of_inbound(name, 1)),
        content_type: Some("image/png".into()),
        state: MediaState::Stored { size: 4 },
    }
}

/// Product 14: messages and files that are older than a team keeps them are gone. Younger ones stay, and a
/// conversation of which nothing is left shows no text.
#[tokio::test]
async fn old_messages_and_files_of_a_team_expire_and_younger_ones_stay() {
    let (stack, carrier) = (Stack::open(), Stack::open().carrier());
    let team = TestTeam::create(&stack, "Two days", "amelia").await;
    let inbox = team.create_inbox("Two days").await;
    team.register(&carrier).await;
    let (past, owner, now) = (Past::of(&stack, &inbox.id).await, stack.user("olivia"), clock::now());
    let (phone, silent) = (Phone::new(), Phone::new());
    let name = |part: &str| format!("{part} of {}", phone.number());
    let (old, reply, young) =
        (file(&name("old"), false), file(&name("reply"), true), file(&name("young"), false));
    past.receive(&phone, "Three days ago", Some(&old), now - DAY * 3).await;
    let no_pause = carrier.no_pause().await;
    let sent = past.reply(&phone, "And its answer", &reply, now - DAY * 3 + Duration::from_secs(60)).await;
    past.receive(&phone, "An hour ago", Some(&young), now - DAY / 24).await;
    past.receive(&silent, "Never again", None, now - DAY * 4).await;
    eventually("the outcome of the reply is known", WAIT_TIMEOUT, async || {
        let state = team.admin.message(sent.id.as_str()).await["state"].take();
        ["delivered", "undelivered", "failed"].contains(&state.as_str()?).then_some(())
    })
    .await;
    drop(no_pause);
    let conversation = stack.find_conversation(&team.admin, &inbox.id, "inbox", &phone).await;
    let last = stack.find_conversation(&team.admin, &inbox.id, "inbox", &silent).await;
    assert_eq!(conversation.texts(&team.admin).await, ["Three days ago", "And its answer", "An hour ago"]);

    owner.patch(&team.path(), json!({ "retentionDays": 2 })).await.expect(200);
    eventually("the old messages are gone", SWEEP_TIMEOUT, async || {
        stack.operator().invoke("RetentionSweepFunction").await;
        let shown = last.get_as(&team.admin).await["lastMessage"].take();
        (shown["erased"] == true && conversation.texts(&team.admin).await == ["An hour ago"]).then_some(())
    })
    .await;
    assert_eq!(last.texts(&team.admin).await, [""; 0]);
    team.admin.get(&format!("/v1/messages/{}", sent.id)).await.problem(404, "not_found");
    let key = past.inbox.inbox.key();
    for gone in [stored_at(key, &old), stored_at(key, &reply), uploaded_at(key, &reply.id)] {
        assert!(!past.has_file(&gone).await, "{gone}");
    }
    assert!(past.has_file(&stored_at(key, &young)).await);
}
