//! Renders the API reference as pages, compresses them, and passes the commit of the source to the crate as
//! `SOURCE_COMMIT`. It is empty if the source is no Git repository.
//!
//! `openapi.json` has the operations and schemas, and `docs/problems.md` has the error codes.

mod errors;
mod problems;
mod reference;
mod schema;

use std::{
    env,
    error::Error,
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::Command,
};

use askama::Template;
use serde_json::Value;

const DOCUMENT: &str = "openapi.json";
const PROBLEMS: &str = "../../docs/problems.md";
const ICON: &str = "../console/web/icon.svg";
/// The highest quality, 11, takes ten times as long for a few percent.
const BROTLI_QUALITY: u32 = 9;
const BROTLI_WINDOW_BITS: u32 = 22;

fn main() -> Result<(), Box<dyn Error>> {
    // The log of HEAD grows with each commit and each checkout, in every worktree.
    let log = git(&["rev-parse", "--git-path", "logs/HEAD"]);
    let log = if log.is_empty() { "build/build.rs" } else { &log };
    for input in [log, DOCUMENT, PROBLEMS, ICON] {
        println!("cargo::rerun-if-changed={input}");
    }
    println!("cargo::rustc-env=SOURCE_COMMIT={}", git(&["rev-parse", "HEAD"]));

    let text = fs::read_to_string(DOCUMENT)?;
    let document: Value = serde_json::from_str(&text)?;
    let problems = problems::parse(&fs::read_to_string(PROBLEMS)?)?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    write(&out, "docs.html", &reference::page(&document).render()?)?;
    write(&out, "errors.html", &errors::page(&document, &problems).render()?)?;
    write(&out, "style.css", include_str!("../templates/style.css"))?;
    write(&out, "icon.svg", &fs::read_to_string(ICON)?)?;
    write(&out, DOCUMENT, &text)
}

/// Writes a file, and its compressed form beside it.
fn write(folder: &Path, name: &str, content: &str) -> Result<(), Box<dyn Error>> {
    let mut compressed = Vec::new();
    brotli::CompressorReader::new(content.as_bytes(), 4096, BROTLI_QUALITY, BROTLI_WINDOW_BITS)
        .read_to_end(&mut compressed)?;
    fs::write(folder.join(name), content)?;
    fs::write(folder.join(format!("{name}.br")), compressed)?;
    Ok(())
}

/// Returns what Git prints, or an empty text if it fails.
fn git(arguments: &[&str]) -> String {
    let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success());
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}
