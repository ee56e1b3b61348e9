//! Runs the fuzz targets over their seeds and random changes of them, so that they keep compiling and every
//! test run finds the simple failures. `make fuzz` searches with coverage guidance.

use std::{fs, panic::catch_unwind, time::Instant};

use crate::{chosen_seed, full_run};

#[path = "../../fuzz/src/bodies.rs"]
#[expect(unreachable_pub, reason = "the fuzz targets use it too")]
mod bodies;

const SEEDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/seeds");

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder =
        fs::read_dir(format!("{SEEDS}/{target}")).unwrap_or_else(|error| panic!("{target}: {error}"));
    let mut files: Vec<_> = folder.map(|file| file.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

/// Returns a random mutation of the seeds.
fn mutated(seeds: &[Vec<u8>], entropy: &mut fastrand::Rng) -> Vec<u8> {
    let mut bytes = seeds[entropy.usize(..seeds.len())].clone();
    let words: [&[u8]; 12] =
        [b"\0", b"\xff\xfe", b"%", b"%ff", b"&", b"=", b"{{", b"}}", b"\"", b",", "é😀".as_bytes(), b"\r\n"];
    for _ in 0..entropy.usize(1..8) {
        let at = entropy.usize(..=bytes.len());
        match entropy.u8(..6) {
            0 => bytes.truncate(at),
            1 => drop(bytes.splice(at..at, entropy.choice(words).unwrap().iter().copied())),
            2 => {
                let other = &seeds[entropy.usize(..seeds.len())];
                drop(bytes.splice(at..at, other[..entropy.usize(..=other.len())].iter().copied()));
            }
            3 => bytes = bytes.repeat(entropy.usize(1..3)),
            _ if at < bytes.len() => bytes[at] = entropy.u8(..),
            _ => bytes.push(entropy.u8(..)),
        }
        bytes.truncate(100_000);
    }
    bytes
}

/// Returns the first input that makes a body panic.
fn failing_input(
    seeds: &[Vec<u8>],
    seed: u64,
    tries: usize,
    body: impl Fn(&[u8]) + std::panic::RefUnwindSafe,
) -> Option<Vec<u8>> {
    let mut entropy = fastrand::Rng::with_seed(seed);
    let mutated = (0..tries).map(|_| mutated(seeds, &mut entropy));
    seeds
        .iter()
        .cloned()
        .chain([Vec::new()])
        .chain(mutated)
        .find(|bytes| catch_unwind(|| body(bytes)).is_err())
}

#[test]
#[expect(clippy::print_stdout, reason = "the seed repeats a failed run")]
fn no_parser_panics_and_parsed_values_are_valid() {
    let (start, tries) = (Instant::now(), if full_run() { 100_000 } else { 2_000 });
    let seed = chosen_seed().unwrap_or(0);
    println!("SEED={seed}: {tries} inputs for each of {} parsers", bodies::ALL.len());
    for (target, body) in bodies::ALL {
        let found = failing_input(&seeds(target), seed, tries, body);
        assert!(found.is_none(), "{target}: {}", found.unwrap_or_default().escape_ascii());
    }
    println!("{:?}", start.elapsed());
}

/// The parser cuts a text inside a UTF-8 character.
#[test]
fn a_parser_that_splits_characters_would_be_noticed() {
    let cuts = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let _ = &text[..text.len().min(7)];
    };
    assert!(failing_input(&seeds("keyword"), 0, 2_000, cuts).is_some());
}

#[test]
fn every_fuzz_body_has_a_target_and_seeds() {
    let mut targets: Vec<_> = fs::read_dir(format!("{SEEDS}/../fuzz_targets"))
        .unwrap()
        .map(|file| file.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    targets.sort();
    let mut bodies: Vec<_> = bodies::ALL.map(|(name, _)| name.to_owned()).to_vec();
    bodies.sort();
    assert_eq!(targets, bodies);
    assert!(bodies.iter().all(|body| !seeds(body).is_empty()));
}
