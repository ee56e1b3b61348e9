//! The size of each release bootstrap, stripped and zipped.

use std::{fs, io::Write, path::Path};

use flate2::{Compression, write::DeflateEncoder};

use crate::figure::Figure;

const MEGABYTE: f64 = 1e6;

pub(crate) fn measure(folder: &Path) -> Vec<Figure> {
    let functions = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../functions")).unwrap();
    let mut names: Vec<_> =
        functions.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names.iter().map(|name| size(folder, name)).collect()
}

fn size(folder: &Path, name: &str) -> Figure {
    let binary =
        fs::read(folder.join(name)).expect("the release bootstraps are built (`make bench` builds them)");
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
