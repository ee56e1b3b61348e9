//! Ends bootstraps with SIGKILL.

use std::{fs, path::PathBuf, process::Command};

/// The folder in which the emulator unpacks the functions.
fn functions() -> PathBuf {
    let stack = PathBuf::from(std::env::var_os("STACK_FILE").expect("STACK_FILE"));
    let state = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(stack);
    state.parent().expect("a folder").join("emulator").canonicalize().expect("the emulator's folder")
}

/// The processes of this stack's functions.
fn bootstraps() -> Vec<String> {
    let folder = functions();
    let processes = fs::read_dir("/proc").expect("these tests need Linux");
    let ids = processes.flatten().filter(|process| {
        fs::read_link(process.path().join("exe")).is_ok_and(|program| program.starts_with(&folder))
    });
    ids.map(|process| process.file_name().to_string_lossy().into_owned()).collect()
}

/// Whether a process belongs to a function whose name contains this.
fn is_of(process: &str, function: &str) -> bool {
    let environment = fs::read(format!("/proc/{process}/environ")).unwrap_or_default();
    let mut variables = environment.split(|byte| *byte == 0).filter_map(|one| str::from_utf8(one).ok());
    let name = variables.find_map(|variable| variable.strip_prefix("AWS_LAMBDA_FUNCTION_NAME="));
    name.is_some_and(|name| name.contains(function))
}

/// Kills one of the stack's functions. Returns whether there was one.
pub(crate) fn kill_one(random: &mut fastrand::Rng) -> bool {
    kill(&bootstraps(), random)
}

/// Kills one process of this function. Returns whether there was one.
pub(crate) fn kill_one_of(function: &str, random: &mut fastrand::Rng) -> bool {
    let processes: Vec<String> = bootstraps().into_iter().filter(|id| is_of(id, function)).collect();
    kill(&processes, random)
}

fn kill(ids: &[String], random: &mut fastrand::Rng) -> bool {
    let Some(id) = random.choice(ids) else { return false };
    Command::new("kill").args(["-KILL", id]).status().is_ok_and(|status| status.success())
}
