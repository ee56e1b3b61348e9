//! The carrier, its inbound webhooks, its status callbacks, and the table fail one after the other.

use std::{
    fs,
    path::PathBuf,
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    time::Duration,
};

use product_tests::Stack;

use crate::{
    STACK, full_run,
    killer::kill_one,
    load::{converse, settled, sweep},
    seed,
};

/// What fails, as the carrier simulator names its faults. Each is in force for one window.
const OUTAGES: [&[&str]; 4] = [
    &["lost-webhook"],
    &["lost-callback"],
    &["down", "error-before", "error-after", "down-after"],
    &["table"],
];
/// The percentage of requests to the table that fail in its outage, half of them after their effect.
const TABLE_FAULTS: &str = "40";
/// Sending pauses for at least half a minute, and a message whose sender was killed is looked up twice.
const RECOVERY_TIMEOUT: Duration = Duration::from_mins(10);

#[tokio::test(flavor = "multi_thread")]
async fn outages_with_killed_functions_lose_double_fail_and_reorder_no_message() {
    let _stack = STACK.lock().await;
    let (stack, seed) = (Stack::open(), seed());
    let (ends, killed) = (AtomicBool::new(false), AtomicU32::new(0));
    let (window, phones) = (Duration::from_secs(if full_run() { 180 } else { 4 }), 4);
    let killer = async {
        let mut random = fastrand::Rng::with_seed(seed);
        while !ends.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(random.u64(100..900))).await;
            killed.fetch_add(u32::from(kill_one(&mut random)), Ordering::Relaxed);
        }
    };
    let outages = async {
        let mut random = fastrand::Rng::with_seed(seed + 1);
        let mut order = OUTAGES;
        random.shuffle(&mut order);
        for kinds in order {
            let part = window / u32::try_from(kinds.len()).expect("a few");
            for kind in kinds {
                begin(&stack, kind, part).await;
                tokio::time::sleep(part).await;
                end(&stack, kind).await;
            }
        }
        ends.store(true, Ordering::Relaxed);
    };
    let run = async {
        let (conversations, (), ()) = tokio::join!(converse(&stack, phones, &ends, &|_| ()), killer, outages);
        settled(&stack, &conversations, RECOVERY_TIMEOUT).await;
    };
    tokio::select! {
        () = run => {}
        () = sweep(&stack) => {}
    }
    let killed = killed.into_inner();
    println!("{killed} functions killed");
    assert!(killed > 0);
}

async fn begin(stack: &Stack, kind: &str, length: Duration) {
    if kind == "table" {
        fs::write(table_faults(), TABLE_FAULTS).expect("a writable folder");
    } else {
        let seconds = length.as_secs().max(1).to_string();
        stack.carrier().control("fault", &[("Kind", kind), ("Seconds", &seconds)]).await;
    }
}

async fn end(stack: &Stack, kind: &str) {
    if kind == "table" {
        fs::remove_file(table_faults()).expect("the file of the faults");
    } else {
        stack.carrier().control("fault", &[("Kind", "none")]).await;
    }
}

/// The file that makes the emulator's table fail, with a percentage.
fn table_faults() -> PathBuf {
    let stack = PathBuf::from(std::env::var_os("STACK_FILE").expect("STACK_FILE"));
    let state = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(stack);
    state.with_file_name("table-faults")
}
