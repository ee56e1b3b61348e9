//! The lock compared with two published lock clients, on the same engine over loopback HTTP, with
//! alternating calls: the acquisition of a free lock, and the wait for the lock of a crashed holder. Each
//! client measures in its own process.

use std::{
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use aws_sdk_dynamodb::{
    Client,
    types::{AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType},
};
use conversation_lock::App;
use futures_util::future::join_all;
use product_bench::fixture::{Fixture, expect_status};
use serde_json::Value;
use shared_aws::conversation::{Acquired, Locks};
use shared_domain::{ids::ConversationId, keys::ConversationKey, lock::LockPolicy, time::Timestamp};
use shared_http::{caller::Claims, serve};
use shared_lambda::clock;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::sleep,
};

use crate::{
    figure::Figure,
    rounds::{median, rounds},
};

/// The folder into which `tests/bench/peers/install.sh` installs.
pub(crate) const INSTALLED: &str = ".local/bench";
/// The folder of the scripts.
pub(crate) const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers");

const ROUNDS: usize = 5;
const LEASE: Duration = Duration::from_secs(2);
const TRIALS: usize = 10;

struct Peer {
    _process: Child,
    requests: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Peer {
    fn start(mut command: Command) -> Self {
        let command = command.env("PEERS", absolute(INSTALLED)).env("NODE_NO_WARNINGS", "1");
        let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn();
        let mut process = started.expect("tests/bench/peers/install.sh installs the peers");
        let (requests, answers) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        Self { _process: process, requests, answers: BufReader::new(answers).lines() }
    }

    async fn send(&mut self, line: &str) -> Value {
        self.requests.write_all(format!("{line}\n").as_bytes()).await.unwrap();
        let answer = self.answers.next_line().await.unwrap();
        serde_json::from_str(&answer.expect("the peer answers; its error is printed above")).unwrap()
    }

    async fn acquire(&mut self, key: u64) -> Duration {
        let micros = self.send(&format!("acquire key-{key}")).await["micros"].as_f64().unwrap();
        Duration::from_secs_f64(micros / 1e6)
    }

    /// Returns the median wait as a fraction of the lease.
    async fn takeover(&mut self, how: &str) -> f64 {
        let answer = self.send(&format!("{how} {TRIALS} {}", LEASE.as_millis())).await;
        let millis = answer["millis"].as_array().unwrap().iter();
        let millis = millis.map(|wait| Duration::from_secs_f64(wait.as_f64().unwrap() / 1000.0));
        median(&mut millis.collect::<Vec<_>>()).as_secs_f64() / LEASE.as_secs_f64()
    }
}

/// Returns a `python3` command with the installed packages.
pub(crate) fn python() -> std::path::PathBuf {
    absolute(INSTALLED).join("python/bin/python3")
}

pub(crate) fn absolute(path: impl AsRef<Path>) -> std::path::PathBuf {
    std::path::absolute(path).unwrap()
}

pub(crate) async fn measure(turns: usize) -> Vec<Figure> {
    let fixture = Fixture::start().await;
    for index in 0..=TRIALS {
        fixture.add_contact(index, true).await;
        fixture.receive_message(index).await;
    }
    let client = Client::from_conf(fixture.engine.aws.dynamodb_config().build());
    create_table(&client, "npm-locks", &["id"]).await;
    create_table(&client, "pypi-locks", &["lock_key", "sort_key"]).await;
    let mut npm = Command::new("node");
    npm.arg(format!("{SCRIPTS}/lock_client.cjs")).args([&fixture.engine.endpoint, "npm-locks"]);
    let mut pypi = Command::new(python());
    pypi.arg(format!("{SCRIPTS}/lock_client.py")).args([&fixture.engine.endpoint, "pypi-locks"]);
    let (mut npm, mut pypi) = (Peer::start(npm), Peer::start(pypi));
    let mut figures = acquire(&fixture, turns, &mut npm, &mut pypi).await;
    figures.push(takeover(&fixture, &mut npm, &mut pypi).await);
    figures
}

async fn acquire(fixture: &Fixture, turns: usize, npm: &mut Peer, pypi: &mut Peer) -> Vec<Figure> {
    let app = App::new(fixture.engine.table(), Claims::standard(), LockPolicy::default());
    let locks = Locks::new(fixture.engine.table());
    let mut key = 0;
    let measured = rounds::<4, 1>(ROUNDS, turns, async |who| {
        key += 1;
        [match who {
            0 => handled(&app, fixture).await,
            1 => npm.acquire(key).await,
            2 => pypi.acquire(key).await,
            _ => stored(&locks, fixture).await,
        }]
    })
    .await;
    let figure = |who, peer: &str, goal| {
        let ratio = measured.ratio(0, 0, who);
        let what = format!("acquire of a free lock, handler with access check ÷ {peer}, p50");
        let alone = measured.ratio(0, 3, who).median;
        let value = format!("{ratio}; the lock alone, without the access check, {alone:.2}");
        Figure::new(what, value, format!("≤ {goal}"), ratio.median <= goal)
    };
    vec![figure(1, "npm `dynamodb-lock-client`", 0.6), figure(2, "PyPI `python-dynamodb-lock`", 0.4)]
}

async fn handled(app: &App, fixture: &Fixture) -> Duration {
    let request = fixture.acquire(0, &fixture.ada).request();
    let begun = Instant::now();
    let answer = serve::answer(&conversation_lock::router(app.clone()), clock::now(), 0, request).await;
    let took = begun.elapsed();
    let token = expect_status(&answer, 200)["token"].as_u64().unwrap();
    let request = fixture.release(0, &fixture.ada, token).request();
    expect_status(
        &serve::answer(&conversation_lock::router(app.clone()), clock::now(), 0, request).await,
        204,
    );
    took
}

/// Acquires and releases the lock without the access check.
async fn stored(locks: &Locks, fixture: &Fixture) -> Duration {
    let conversation = fixture.conversation(0);
    let (conversation_key, policy) = (conversation_key(fixture, &conversation), LockPolicy::default());
    let begun = Instant::now();
    let held =
        locks.acquire(conversation_key, &fixture.ada, clock::now(), clock::entropy(), &policy).await.unwrap();
    let took = begun.elapsed();
    let Acquired::Held(lease) = held else { panic!("{held:?}") };
    assert!(locks.release(conversation_key, &fixture.ada.id, lease.token).await.unwrap());
    took
}

async fn takeover(fixture: &Fixture, npm: &mut Peer, pypi: &mut Peer) -> Figure {
    let policy = LockPolicy { lease: LEASE, per_user: TRIALS, ..LockPolicy::default() };
    let locks = Locks::new(fixture.engine.table());
    let mut waits = join_all((1..=TRIALS).map(|index| wait(fixture, &locks, &policy, index))).await;
    let ours = median(&mut waits);
    let part = (ours.as_secs_f64() - policy.skew.as_secs_f64()) / LEASE.as_secs_f64();
    let (npm_waits, trusting) = (npm.takeover("takeover").await, npm.takeover("takeover-trusting").await);
    let pypi_waits = pypi.takeover("takeover").await;
    Figure::new(
        format!(
            "wait for the lock of a crashed holder, from the end of its lease ({} s), p50 of {TRIALS}, in leases",
            LEASE.as_secs()
        ),
        format!(
            "{part:.3} and the allowance for skew (`LockSkewMillis`, {} ms); npm {npm_waits:.2} ({trusting:.2} with \
             `trustLocalTime`, which allows for no skew), PyPI {pypi_waits:.2}",
            policy.skew.as_millis()
        ),
        "≤ 0.02 plus the clock skew",
        part <= 0.02,
    )
}

/// Acquires at the end of the lease, which is refused, and again after the allowance for clock skew.
async fn wait(fixture: &Fixture, locks: &Locks, policy: &LockPolicy, index: usize) -> Duration {
    let conversation = fixture.conversation(index);
    let conversation_key = conversation_key(fixture, &conversation);
    let held =
        locks.acquire(conversation_key, &fixture.ada, clock::now(), clock::entropy(), policy).await.unwrap();
    let Acquired::Held(lease) = held else { panic!("{held:?}") };
    until(lease.expires_at).await;
    let refused =
        locks.acquire(conversation_key, &fixture.ben, clock::now(), clock::entropy(), policy).await.unwrap();
    assert!(matches!(refused, Acquired::Denied(_)), "acquired before the end of the skew: {refused:?}");
    until(lease.expires_at + policy.skew + Duration::from_millis(1)).await;
    let taken =
        locks.acquire(conversation_key, &fixture.ben, clock::now(), clock::entropy(), policy).await.unwrap();
    assert!(matches!(taken, Acquired::Held(_)), "{taken:?}");
    Duration::from_millis(u64::try_from(clock::now().millis() - lease.expires_at.millis()).unwrap())
}

async fn until(at: Timestamp) {
    let left = at.millis() - clock::now().millis();
    sleep(Duration::from_millis(u64::try_from(left).unwrap_or(0))).await;
}

fn conversation_key<'a>(fixture: &'a Fixture, conversation: &'a ConversationId) -> ConversationKey<'a> {
    ConversationKey { organization: &fixture.inbox.organization, inbox: &fixture.inbox.id, conversation }
}

async fn create_table(client: &Client, name: &str, keys: &[&str]) {
    let mut request = client.create_table().table_name(name).billing_mode(BillingMode::PayPerRequest);
    for (key, kind) in keys.iter().zip([KeyType::Hash, KeyType::Range]) {
        let attribute = AttributeDefinition::builder().attribute_name(*key);
        let part = KeySchemaElement::builder().attribute_name(*key).key_type(kind);
        request = request
            .attribute_definitions(attribute.attribute_type(ScalarAttributeType::S).build().unwrap())
            .key_schema(part.build().unwrap());
    }
    request.send().await.unwrap();
}
