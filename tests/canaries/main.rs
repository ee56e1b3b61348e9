//! The product's log contains none of the texts, numbers, addresses and tokens that the journeys sent through
//! the product, not even after a panic. `make journeys` runs this last.

#![allow(clippy::unwrap_used, reason = "all of it is a test, its steps as well")]

use std::{collections::BTreeSet, env, fs};

use product_tests::canaries::{Canary, FILE, found};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn state() -> String {
    format!("{ROOT}/{}", env::var("STATE_DIR").unwrap_or_else(|_| ".local/test".into()))
}

fn read_state_file(file: &str) -> String {
    let path = format!("{}/{file}", state());
    let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}; `make journeys` writes it"));
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The canaries that the journeys recorded, and the secrets of the stack.
fn canaries() -> BTreeSet<Canary> {
    read_state_file(FILE).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The standard output and error of all functions.
fn log() -> String {
    read_state_file("product.log")
}

#[test]
#[expect(clippy::print_stdout, reason = "how much was looked for is part of the result")]
fn nothing_that_went_through_the_product_stands_in_its_log() {
    let (canaries, log) = (canaries(), log());
    let kinds: BTreeSet<&str> = canaries.iter().map(|canary| canary.kind.as_str()).collect();
    println!("{} canaries of {} kinds in {} lines", canaries.len(), kinds.len(), log.lines().count());
    assert!(kinds.len() >= 40, "{kinds:?}");
    assert!(canaries.len() >= 1_000 && log.lines().count() >= 1_000, "all journeys ran");
    let found = found(&canaries, &log);
    assert_eq!(found, Vec::new(), "stands in the log");
}

/// One line of the log that holds one of them is found among all others.
#[test]
fn a_canary_in_a_line_would_be_found() {
    let (canaries, log) = (canaries(), log());
    for kind in ["text", "authorization", "user's e-mail"] {
        let planted = canaries
            .iter()
            .find(|canary| canary.kind == kind && (kind != "text" || canary.value.contains(' ')))
            .unwrap_or_else(|| panic!("no {kind}"));
        let line = format!(r#"{{"level":"DEBUG","fields":{{"message":"got {}"}}}}"#, planted.value);
        let longer = format!("{log}\n{line}");
        let found = found(&canaries, &longer);
        assert!(found.iter().any(|(canary, in_line)| canary == planted && *in_line == line), "{kind}");
    }
}
