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

/// Kills one of the stack's functions. Returns whether there was one.
pub(crate) fn kill_one(random: &mut fastrand::Rng) -> bool {
    let ids = bootstraps();
    let Some(id) = random.choice(&ids) else { return false };
    Command::new("kill").args(["-KILL", id]).status().is_ok_and(|status| status.success())
}
