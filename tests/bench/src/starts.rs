//! The time from the start of a process to its first answer, and its memory: the release bootstrap of
//! `conversation-lock` compared with equivalent handlers for Node and Python, all through [`RuntimeApi`].
//! Each answers a renewed acquisition by the holder: the access check and one conditional write.

use std::{
    fs,
    path::Path,
    pin::pin,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use product_bench::fixture::Fixture;
use test_kit::engine::TABLE;
use tokio::time::timeout;

use crate::{
    figure::Figure,
    peers::{INSTALLED, SCRIPTS, absolute, python},
    rounds::rounds,
    runtime_api::RuntimeApi,
};

const ROUNDS: usize = 5;
const STARTS: usize = 5;
/// Invocations of a peer before its memory is measured.
const WARM: u32 = 1_000;

/// The measured bootstrap, and the two that it is compared with.
const RUNTIMES: [&str; 3] = ["conversation-lock", "Node 20 with AWS SDK v3", "Python 3.11 with boto3"];

pub(crate) async fn measure(folder: &Path, invocations: u32) -> Vec<Figure> {
    let fixture = Fixture::start().await;
    fixture.add_contact(0, true).await;
    fixture.receive_message(0).await;
    let starts = Starts { fixture, folder };
    let measured = rounds::<3, 2>(ROUNDS, STARTS, async |who| starts.first_answer(who).await).await;
    let cpu = measured.median(1, 0).as_secs_f64() * 1000.0;
    let mut figures = vec![Figure::new(
        "processor time of `conversation-lock` from start to first answer, p50",
        format!("{cpu:.1} ms"),
        "≤ 15 ms",
        cpu <= 15.0,
    )];
    for (who, goal, without_goal) in [(1, 0.2, "≤ 1/5"), (2, 1.0 / 12.0, "≤ 1/12")] {
        let ratio = measured.ratio(0, 0, who);
        let what = format!("start to first answer, `conversation-lock` ÷ {}, p50", RUNTIMES[who]);
        figures.push(Figure::new(
            what,
            format!("1/{:.1} = {ratio}", 1.0 / ratio.median),
            without_goal,
            ratio.median <= goal,
        ));
    }
    figures.push(starts.memory(invocations).await);
    figures
}

struct Starts<'a> {
    fixture: Fixture,
    folder: &'a Path,
}

impl Starts<'_> {
    /// Wall-clock time and processor time.
    async fn first_answer(&self, who: usize) -> [Duration; 2] {
        let api = self.api().await;
        let begun = Instant::now();
        let mut child = self.start(who, &api);
        answers(&mut child, &api, 1).await;
        let took = [begun.elapsed(), on_processor(&child)];
        end(&mut child);
        took
    }

    async fn memory(&self, invocations: u32) -> Figure {
        let mut resident = Vec::new();
        for who in 0..RUNTIMES.len() {
            let api = self.api().await;
            let mut child = self.start(who, &api);
            answers(&mut child, &api, WARM).await;
            resident.push(resident_mebibytes(&child));
            if who == 0 {
                answers(&mut child, &api, WARM.max(invocations)).await;
                resident.push(resident_mebibytes(&child));
            }
            end(&mut child);
        }
        let [early, late, node, python] = resident[..] else { panic!("{resident:?}") };
        Figure::new(
            format!("memory of `conversation-lock` after {invocations} invocations"),
            format!(
                "{late:.1} MiB (after {WARM}: {early:.1} MiB; Node {node:.1} MiB, Python {python:.1} MiB)"
            ),
            "≤ 32 MiB",
            late <= 32.0,
        )
    }

    async fn api(&self) -> RuntimeApi {
        RuntimeApi::serve(&self.fixture.acquire(0, &self.fixture.ada).event()).await
    }

    fn start(&self, who: usize, api: &RuntimeApi) -> Child {
        let mut command = match who {
            0 => Command::new(self.folder.join("conversation-lock")),
            1 => script("node", "handler.cjs"),
            _ => script(python(), "handler.py"),
        };
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("PEERS", absolute(INSTALLED))
            .env("NODE_NO_WARNINGS", "1") // hides the warning that this version has reached its end of life
            .env("AWS_LAMBDA_RUNTIME_API", &api.address)
            .env("AWS_LAMBDA_FUNCTION_NAME", "conversation-lock")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_REGION", "us-east-1")
            .env("AWS_DEFAULT_REGION", "us-east-1") // the name that boto3 reads
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_ENDPOINT_URL", &self.fixture.engine.endpoint)
            .env("TABLE_NAME", TABLE)
            .env("ORGANIZATION_CLAIM", "custom:organization_id")
            .env("USER_CLAIM", "custom:user_id")
            .env("LOCK_LEASE_SECONDS", "60")
            .env("LOCK_RENEW_SECONDS", "20")
            .env("LOCK_IDLE_PROMPT_SECONDS", "180")
            .env("LOCK_IDLE_RELEASE_SECONDS", "60")
            .env("LOCK_SKEW_MILLIS", "500")
            .env("LOCKS_PER_USER", "5");
        if who == 0 {
            command.stderr(Stdio::null()); // its log
        }
        command.spawn().expect("the bootstraps are built and the peers installed (`make bench` does both)")
    }
}

fn script(program: impl AsRef<std::ffi::OsStr>, name: &str) -> Command {
    let mut command = Command::new(program);
    command.arg(format!("{SCRIPTS}/{name}"));
    command
}

/// Waits for `count` answers in total.
async fn answers(child: &mut Child, api: &RuntimeApi, many: u32) {
    let mut expect_status = pin!(api.until(many));
    while timeout(Duration::from_secs(1), &mut expect_status).await.is_err() {
        assert_eq!(child.try_wait().unwrap(), None, "the process ended; its error is printed above");
    }
}

fn end(child: &mut Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Returns the processor time of all threads.
fn on_processor(child: &Child) -> Duration {
    let tasks = fs::read_dir(format!("/proc/{}/task", child.id())).unwrap();
    let nanos = tasks.map(|task| {
        let statistics = fs::read_to_string(task.unwrap().path().join("schedstat")).unwrap();
        statistics.split(' ').next().unwrap().parse::<u64>().unwrap()
    });
    Duration::from_nanos(nanos.sum())
}

fn resident_mebibytes(child: &Child) -> f64 {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}
