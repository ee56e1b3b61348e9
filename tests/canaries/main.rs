//! Checks that the product's log contains none of the texts, numbers, addresses and tokens that the journeys
//! sent through the product. `make journeys` runs this test last.

#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

use std::{collections::BTreeSet, env, fs};

use product_tests::canaries::{Canary, FILE, find};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn state_dir() -> String {
    format!("{ROOT}/{}", env::var("STATE_DIR").unwrap_or_else(|_| ".local/test".into()))
}

fn read_state_file(file: &str) -> String {
    let path = format!("{}/{file}", state_dir());
    let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}; `make journeys` writes it"));
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Returns the canaries that the journeys recorded.
fn canaries() -> BTreeSet<Canary> {
    read_state_file(FILE).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Returns the standard output and error of all functions.
fn log() -> String {
    read_state_file("product.log")
}

#[test]
#[expect(clippy::print_stdout, reason = "the number of canaries is part of the result")]
fn the_log_contains_no_personal_data_or_credentials_of_the_journeys() {
    let (canaries, log) = (canaries(), log());
    let kinds: BTreeSet<&str> = canaries.iter().map(|canary| canary.kind.as_str()).collect();
    println!("{} canaries of {} kinds in {} lines", canaries.len(), kinds.len(), log.lines().count());
    assert!(kinds.len() >= 40, "{kinds:?}");
    assert!(canaries.len() >= 1_000 && log.lines().count() >= 1_000, "all journeys ran");
    let found = find(&canaries, &log);
    assert_eq!(found, Vec::new(), "in the log");
}

/// A canary in one line of the log is found among all other lines.
#[test]
fn a_canary_in_a_line_is_found() {
    let (canaries, log) = (canaries(), log());
    for kind in ["text", "authorization", "user's e-mail"] {
        let planted = canaries
            .iter()
            .find(|canary| canary.kind == kind && (kind != "text" || canary.value.contains(' ')))
            .unwrap_or_else(|| panic!("no {kind}"));
        let line = format!(r#"{{"level":"DEBUG","fields":{{"message":"got {}"}}}}"#, planted.value);
        let longer = format!("{log}\n{line}");
        let found = find(&canaries, &longer);
        assert!(found.iter().any(|(canary, in_line)| canary == planted && *in_line == line), "{kind}");
    }
}
