//! Passes the commit of the source to the crate as `SOURCE_COMMIT`. It is empty if the source is no Git
//! repository.

use std::process::Command;

fn main() {
    // The log of HEAD grows with each commit and each checkout, in every worktree.
    let log = git(&["rev-parse", "--git-path", "logs/HEAD"]);
    println!("cargo::rerun-if-changed={}", if log.is_empty() { "build.rs" } else { &log });
    println!("cargo::rustc-env=SOURCE_COMMIT={}", git(&["rev-parse", "HEAD"]));
}

/// Returns what Git prints, or an empty text if it fails.
fn git(arguments: &[&str]) -> String {
    let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success());
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}
