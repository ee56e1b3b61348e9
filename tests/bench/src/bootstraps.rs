//! The release bootstraps: size, processor time to the first answer, memory after many invocations.

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Child, Command, Stdio},
};

use flate2::{Compression, write::DeflateEncoder};
use test_kit::engine::TABLE;

use crate::{Figure, runtime_api::RuntimeApi, scene::Scene};

const MEGABYTE: f64 = 1e6;
const STARTS: usize = 20;

/// Size of each bootstrap, stripped and as it is uploaded.
pub(crate) fn sizes(folder: &Path) -> Vec<Figure> {
    let functions = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../functions")).unwrap();
    let mut names: Vec<_> =
        functions.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names.iter().map(|name| size(folder, name)).collect()
}

fn size(folder: &Path, name: &str) -> Figure {
    let binary =
        fs::read(folder.join(name)).expect("the release bootstraps are built first: make bench does");
    let mut deflated = DeflateEncoder::new(Vec::new(), Compression::best());
    deflated.write_all(&binary).unwrap();
    let (stripped, zipped) =
        (binary.len() as f64 / MEGABYTE, deflated.finish().unwrap().len() as f64 / MEGABYTE);
    let holds = stripped <= 6.0 && zipped <= 3.0;
    Figure::new(
        format!("size of `{name}`"),
        format!("{stripped:.2} MB, zipped {zipped:.2} MB"),
        "≤ 6 MB, ≤ 3 MB",
        holds,
    )
}

/// Starts `conversation-lock` against the engine and the Runtime API's stand-in.
pub(crate) async fn run(scene: &Scene, folder: &Path, invocations: u32) -> Vec<Figure> {
    let mut cpu = Vec::new();
    for _ in 0..STARTS {
        let (mut child, api) = start(scene, folder).await;
        api.until(1).await;
        cpu.push(cpu_millis(&child));
        end(&mut child);
    }
    cpu.sort_by(f64::total_cmp);
    let first = cpu[STARTS / 2];

    let (mut child, api) = start(scene, folder).await;
    api.until(1_000.min(invocations)).await;
    let early = resident_mebibytes(&child);
    api.until(invocations).await;
    let late = resident_mebibytes(&child);
    end(&mut child);

    vec![
        Figure::new(
            "processor time of `conversation-lock` from start to first answer, p50 of 20",
            format!("{first:.1} ms ({:.1}–{:.1})", cpu[0], cpu[STARTS - 1]),
            "≤ 15 ms",
            first <= 15.0,
        ),
        Figure::new(
            format!("memory of `conversation-lock` after {invocations} invocations"),
            format!("{late:.1} MiB (after 1,000: {early:.1} MiB)"),
            "≤ 32 MiB",
            late <= 32.0,
        ),
    ]
}

async fn start(scene: &Scene, folder: &Path) -> (Child, RuntimeApi) {
    let api = RuntimeApi::serve(&scene.acquire_event()).await;
    let child = Command::new(folder.join("conversation-lock"))
        .env_clear()
        .env("AWS_LAMBDA_RUNTIME_API", &api.address)
        .env("AWS_LAMBDA_FUNCTION_NAME", "conversation-lock")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("AWS_ENDPOINT_URL", &scene.engine.endpoint)
        .env("TABLE_NAME", TABLE)
        .env("ORGANISATION_CLAIM", "custom:organisation_id")
        .env("USER_CLAIM", "custom:user_id")
        .env("LOCK_LEASE_SECONDS", "60")
        .env("LOCK_RENEW_SECONDS", "20")
        .env("LOCK_IDLE_PROMPT_SECONDS", "180")
        .env("LOCK_IDLE_RELEASE_SECONDS", "60")
        .env("LOCK_SKEW_MILLIS", "500")
        .env("LOCKS_PER_USER", "5")
        .stderr(Stdio::null())
        .spawn()
        .expect("the release bootstraps are built first: make bench does");
    (child, api)
}

fn end(child: &mut Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Time on a processor, all threads.
fn cpu_millis(child: &Child) -> f64 {
    let tasks = fs::read_dir(format!("/proc/{}/task", child.id())).unwrap();
    let nanos = tasks.map(|task| {
        let statistics = fs::read_to_string(task.unwrap().path().join("schedstat")).unwrap();
        statistics.split(' ').next().unwrap().parse::<f64>().unwrap()
    });
    nanos.sum::<f64>() / 1e6
}

fn resident_mebibytes(child: &Child) -> f64 {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}
