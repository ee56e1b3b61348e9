//! Measurements of live events on a local cloud. They take minutes and much memory, so only `make live` and
//! `make bench` run them. With `FIGURES`, the name of a file, they add lines for the table of
//! `BENCHMARKS.md`.

use std::{
    fs::File,
    io::Write,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use product_tests::{Phone, Socket, Stack, TestTeam};
use serde_json::{Value, json};
use shared_aws::{
    event::{EventLog, EventsTopic},
    realtime::{Pusher, Sockets, Ticket, Tickets},
    table::Table,
    team::Members,
};
use shared_domain::{
    event::EventScope,
    ids::{InboxId, OrganizationId, TeamId, UserId},
    inbox::InboxKind,
    membership::Membership,
    user::UserRef,
};
use shared_lambda::clock::now;
use tokio::time::timeout;

const SOCKETS_PER_USER: usize = 10;
const FRAME_TIMEOUT: Duration = Duration::from_mins(2);
const MAX_CONCURRENCY: usize = 50;
const ROUNDS: usize = 40;

fn table(stack: &Stack) -> Table {
    Table::of(&stack.operator().aws, stack.output("TableName"))
}

fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    times[(times.len() - 1) * percent / 100]
}

/// Reports a figure, for people and for `make bench`.
fn report(what: &str, value: &str, goal: &str, holds: bool) {
    eprintln!("{what}: {value}; goal {goal}, {}", if holds { "holds" } else { "does not hold" });
    if let Some(path) = std::env::var_os("FIGURES") {
        let mut file = File::options().create(true).append(true).open(path).expect("the file can be written");
        let line = json!({ "what": what, "value": value, "goal": goal, "holds": holds });
        writeln!(file, "{line}").expect("the file can be written");
    }
}

/// Reads until an event of the inbox has this name. Returns when it came.
async fn renamed(socket: &mut Socket, inbox: &str, name: &str) -> Instant {
    let read = async {
        while socket.event(inbox, "inbox.changed").await["data"]["name"] != name {}
        Instant::now()
    };
    timeout(FRAME_TIMEOUT, read).await.expect("the event reaches every connection")
}

/// The product against the emulator's own fan-out of the same frames, in one run.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fan_out() {
    let stack = Stack::open();
    let count: usize = std::env::var("SOCKETS").ok().and_then(|count| count.parse().ok()).unwrap_or(2_000);
    let team = TestTeam::create(&stack, "Many connections", "amelia").await;
    let inbox = team.create_inbox("Many connections").await;
    let (table, organization) = (table(&stack), OrganizationId::parse(stack.organization()).expect("an id"));
    let (members, tickets) = (Members::new(table.clone()), Tickets::new(table.clone()));
    let mut secrets = Vec::new();
    for index in 0..count.div_ceil(SOCKETS_PER_USER) {
        let user = UserId::parse(&format!("load-{index}")).expect("an id");
        let member = Membership {
            inbox: InboxId::parse(&inbox.id).expect("an id"),
            kind: InboxKind::Shared,
            team: TeamId::parse(&team.id).expect("an id"),
            user: UserRef { id: user.clone(), name: "A user".into() },
        };
        members.put(&organization, &member).await.expect("stored");
        for slot in 0..SOCKETS_PER_USER {
            let ticket = Ticket {
                organization: organization.clone(),
                user: user.clone(),
                name: "A user".into(),
                owner: false,
                token_expires_at: now() + Duration::from_hours(1),
                cursor: String::new(),
            };
            let secret = format!("load-{index}-{slot}");
            tickets.issue(&secret, &ticket, now() + Duration::from_mins(30)).await.expect("stored");
            secrets.push(secret);
        }
    }
    secrets.truncate(count);
    let url = stack.output("RealtimeUrl");
    let opened = secrets.iter().map(|secret| async move {
        Socket::open(&json!({ "url": url, "ticket": secret })).await.expect("the ticket is valid")
    });
    let mut sockets: Vec<Socket> = stream::iter(opened).buffer_unordered(MAX_CONCURRENCY).collect().await;

    let started = Instant::now();
    team.admin.patch(&inbox.path(), json!({ "name": "Product" })).await.expect(200);
    let arrivals = sockets.iter_mut().map(|socket| renamed(socket, &inbox.id, "Product"));
    let product =
        futures_util::future::join_all(arrivals).await.into_iter().max().expect("sockets") - started;

    let pusher = Pusher::new(&stack.operator().aws, url.replacen("ws", "http", 1));
    let event = json!({ "type": "inbox.changed", "inboxId": inbox.id, "data": { "name": "Bare" } });
    let frame = json!({ "type": "event", "event": event }).to_string();
    let connections = Sockets::new(table).list(&organization).await.expect("the table answers");
    let started = Instant::now();
    let sends = connections.iter().map(|socket| pusher.send(&socket.connection, &frame));
    let sending = stream::iter(sends).buffer_unordered(MAX_CONCURRENCY).collect::<Vec<_>>();
    let arrivals = sockets.iter_mut().map(|socket| renamed(socket, &inbox.id, "Bare"));
    let (_, arrivals) = tokio::join!(sending, futures_util::future::join_all(arrivals));
    let bare = arrivals.into_iter().max().expect("sockets") - started;
    let ratio = product.as_secs_f64() / bare.as_secs_f64();
    report(
        &format!("one event to {count} connections ÷ bare fan-out of the same frames"),
        &format!("{ratio:.2} ({product:.1?} and {bare:.1?})"),
        "≤ 2",
        ratio <= 2.0,
    );
}

/// A webhook of the carrier to the frame of its message, against the path from the topic to a frame.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhook_to_frame() {
    let stack = Stack::open();
    let team = TestTeam::create(&stack, "Latency", "amelia").await;
    let inbox = team.create_inbox("Latency").await;
    team.register(&stack.carrier()).await;
    let mut socket = Socket::of(&team.admin).await;
    let (phone, mut webhook, mut bare) = (Phone::new(), Vec::new(), Vec::new());
    let organization = OrganizationId::parse(stack.organization()).expect("an id");
    let scope = EventScope::Inbox { organization, inbox: InboxId::parse(&inbox.id).expect("an id") };
    let topic = EventsTopic::new(&stack.operator().aws, stack.events_topic_arn());
    for round in 0..ROUNDS {
        let started = Instant::now();
        stack.carrier().send_inbound(&phone, &inbox.number, &format!("Round {round}")).await;
        let created: Value = socket.event(&inbox.id, "message.created").await;
        webhook.push(started.elapsed());

        let sequence = created["sequence"].as_u64().expect("a number");
        let log = EventLog::new(table(&stack));
        let mut event = log.get(&scope, sequence).await.expect("the table answers").expect("the event");
        // Another id, so that the topic does not drop it as a repetition.
        event.event.id = shared_domain::ids::EventId::of_record(&format!("bare-{}-{round}", inbox.id), 0);
        let started = Instant::now();
        assert!(topic.publish(&[event]).await.iter().all(Result::is_ok));
        while socket.event(&inbox.id, "message.created").await["sequence"] != sequence {}
        bare.push(started.elapsed());
    }
    for percent in [50, 95] {
        let (webhook, bare) = (percentile(&mut webhook, percent), percentile(&mut bare, percent));
        let ratio = webhook.as_secs_f64() / bare.as_secs_f64();
        report(
            &format!("webhook of a message to its frame ÷ topic to frame, p{percent}"),
            &format!("{ratio:.1} ({webhook:.0?} and {bare:.0?})"),
            "≤ 1.5",
            ratio <= 1.5,
        );
    }
}
