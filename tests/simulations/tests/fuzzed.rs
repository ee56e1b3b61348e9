//! The bodies of the fuzz targets, over their seeds and what becomes of them: so that none of them rots, and every run finds
//! what is found easily. `make fuzz` lets coverage guide the search.

use std::{fs, panic::catch_unwind, time::Instant};

use crate::{chosen_seed, full_run};

#[path = "../../fuzz/src/bodies.rs"]
#[expect(unreachable_pub, reason = "public to the targets")]
mod bodies;

const SEEDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/seeds");

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder =
        fs::read_dir(format!("{SEEDS}/{target}")).unwrap_or_else(|error| panic!("{target}: {error}"));
    let mut files: Vec<_> = folder.map(|file| file.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

/// Another text, made of two.
fn bred(seeds: &[Vec<u8>], entropy: &mut fastrand::Rng) -> Vec<u8> {
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

/// The first input, if any, that a body does not bear.
fn choked_on(
    seeds: &[Vec<u8>],
    seed: u64,
    tries: usize,
    body: impl Fn(&[u8]) + std::panic::RefUnwindSafe,
) -> Option<Vec<u8>> {
    let mut entropy = fastrand::Rng::with_seed(seed);
    let bred = (0..tries).map(|_| bred(seeds, &mut entropy));
    seeds.iter().cloned().chain([Vec::new()]).chain(bred).find(|bytes| catch_unwind(|| body(bytes)).is_err())
}

#[test]
#[expect(clippy::print_stdout, reason = "a seed that is not printed cannot be repeated")]
fn no_parser_panics_and_what_is_understood_holds() {
    let (begun, tries) = (Instant::now(), if full_run() { 100_000 } else { 2_000 });
    let seed = chosen_seed().unwrap_or(0);
    println!("SEED={seed}: {tries} inputs for each of {} parsers", bodies::ALL.len());
    for (target, body) in bodies::ALL {
        let found = choked_on(&seeds(target), seed, tries, body);
        assert!(found.is_none(), "{target}: {}", found.unwrap_or_default().escape_ascii());
    }
    println!("in {:?}", begun.elapsed());
}

/// A parser that cuts a text in the middle of a letter is found out.
#[test]
fn a_parser_that_cuts_letters_is_found_out() {
    let cuts = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let _ = &text[..text.len().min(7)];
    };
    assert!(choked_on(&seeds("keyword"), 0, 2_000, cuts).is_some());
}

/// Each body is a target of `make fuzz`, and each target has a body.
#[test]
fn each_body_has_its_target_and_its_seeds() {
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
