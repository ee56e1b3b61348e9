//! The README's list of features: each names a journey that is there, and every journey of a rule of the first customer's
//! is named.

use std::{collections::BTreeSet, fs};

use super::ROOT;

/// File and name of each journey that the list links.
fn linked() -> Vec<(String, String)> {
    let readme = fs::read_to_string(format!("{ROOT}/README.md")).unwrap();
    let list = readme.split("## What it does").nth(1).unwrap().split("\n## ").next().unwrap().to_owned();
    let links = list.split("[`").skip(1).filter_map(|rest| rest.split_once("`](tests/journeys/"));
    links.map(|(name, rest)| (rest.split(')').next().unwrap().to_owned(), name.to_owned())).collect()
}

fn source(file: &str) -> String {
    fs::read_to_string(format!("{ROOT}/tests/journeys/{file}")).unwrap_or_default()
}

#[test]
fn every_feature_links_a_journey_that_is_there() {
    let linked = linked();
    assert!(linked.len() > 40, "{linked:?}");
    for (file, name) in linked {
        assert!(source(&file).contains(&format!("async fn {name}()")), "{name} is not in {file}");
    }
}

#[test]
fn every_area_of_the_first_customers_rules_has_features() {
    let marked = |file: &str| source(file).contains('◆');
    let files = fs::read_dir(format!("{ROOT}/tests/journeys")).unwrap();
    let files = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let listed: BTreeSet<_> = linked().into_iter().map(|(file, _)| file).collect();
    let forgotten: Vec<_> = files.filter(|file| marked(file) && !listed.contains(file)).collect();
    assert_eq!(forgotten, ["teams.rs"], "who belongs to what is told by the table of promises");
}
