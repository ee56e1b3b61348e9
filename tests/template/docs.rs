//! The documentation against the repository: the features name tests that exist, and links lead to files.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use shared_lambda::metric::{METRICS, Metric};
use test_kit::docs::assert_block;

use super::ROOT;

fn read(page: &str) -> String {
    fs::read_to_string(format!("{ROOT}/{page}")).unwrap()
}

/// File and name of each journey that the list of features links.
fn journeys_of_features() -> Vec<(String, String)> {
    let page = read("docs/features.md");
    let links = page.split("[`").skip(1).filter_map(|rest| rest.split_once("`](../tests/journeys/"));
    links.map(|(name, rest)| (rest.split(')').next().unwrap().to_owned(), name.to_owned())).collect()
}

fn journey_source(file: &str) -> String {
    fs::read_to_string(format!("{ROOT}/tests/journeys/{file}")).unwrap_or_default()
}

#[test]
fn every_feature_links_a_journey_that_exists() {
    let linked = journeys_of_features();
    assert!(linked.len() > 40, "{linked:?}");
    for (file, name) in linked {
        assert!(journey_source(&file).contains(&format!("async fn {name}()")), "{name} is not in {file}");
    }
}

#[test]
fn every_area_of_the_first_customers_requirements_has_features() {
    let files = fs::read_dir(format!("{ROOT}/tests/journeys")).unwrap();
    let files = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let listed: BTreeSet<_> = journeys_of_features().into_iter().map(|(file, _)| file).collect();
    let missing: Vec<_> =
        files.filter(|file| journey_source(file).contains('◆') && !listed.contains(file)).collect();
    assert_eq!(missing, ["teams.rs"], "membership is covered by docs/guarantees.md");
}

/// Every page, relative to the root.
fn pages() -> Vec<String> {
    let markdown = |folder: &str| {
        let entries = fs::read_dir(format!("{ROOT}/{folder}")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let names =
            names.filter(|name| Path::new(name).extension().is_some_and(|extension| extension == "md"));
        names.map(|name| format!("{folder}{name}")).collect::<Vec<_>>()
    };
    ["", "docs/", "docs/operations/", "infra/"].into_iter().flat_map(markdown).collect()
}

/// Targets of the links of a page, without code blocks.
fn links(text: &str) -> Vec<String> {
    let prose: String = text.split("```").step_by(2).collect();
    let targets = prose.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.map(str::to_owned).collect()
}

/// The anchors of a page, as GitHub makes them from headings.
fn anchors(text: &str) -> BTreeSet<String> {
    let prose: String = text.split("```").step_by(2).collect();
    let headings = prose.lines().filter_map(|line| line.strip_prefix('#'));
    headings
        .map(|heading| {
            let heading = heading.trim_start_matches('#').trim().to_lowercase();
            let kept = heading.chars().filter(|c| c.is_alphanumeric() || *c == ' ' || *c == '-' || *c == '_');
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

#[test]
fn every_link_of_the_documentation_leads_to_a_file_and_a_heading() {
    let mut broken = Vec::new();
    let mut checked = 0;
    for page in pages() {
        let text = read(&page);
        let folder = Path::new(ROOT).join(&page).parent().unwrap().to_owned();
        for link in links(&text).into_iter().filter(|link| !link.contains("://")) {
            checked += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if file.is_empty() { Path::new(ROOT).join(&page) } else { folder.join(file) };
            let has_heading = || anchors(&fs::read_to_string(&target).unwrap()).contains(anchor);
            if !target.exists() || !(anchor.is_empty() || has_heading()) {
                broken.push(format!("{page}: {link}"));
            }
        }
    }
    assert!(checked > 60, "{checked} links");
    assert!(broken.is_empty(), "{broken:#?}");
}

/// The sources of the functions and what they share, without tests.
fn sources() -> Vec<(PathBuf, String)> {
    fn collect(folder: &Path, into: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, into);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                into.push((path.clone(), fs::read_to_string(path).unwrap()));
            }
        }
    }
    let mut all = Vec::new();
    for parent in ["functions", "shared"] {
        for package in fs::read_dir(format!("{ROOT}/{parent}")).unwrap() {
            collect(&package.unwrap().path().join("src"), &mut all);
        }
    }
    all
}

/// A kind of log line.
#[derive(Default)]
struct LoggedEvent {
    levels: BTreeSet<String>,
    messages: BTreeSet<String>,
}

/// The events in the log lines of the code, by name.
fn logged_events() -> BTreeMap<String, LoggedEvent> {
    let mut events: BTreeMap<String, LoggedEvent> = BTreeMap::new();
    for (path, source) in sources() {
        let product = source.split("#[cfg(test)]\nmod tests").next().unwrap();
        for call in product.split("tracing::").skip(1) {
            let Some((level, rest)) = call.split_once("!(") else { continue };
            if !["trace", "debug", "info", "warn", "error"].contains(&level) {
                continue;
            }
            let fields = rest.split(");").next().unwrap();
            let strings: Vec<&str> = fields.split('"').skip(1).step_by(2).collect();
            let spaced = format!(" {}", fields.split_whitespace().collect::<Vec<_>>().join(" "));
            let names: Vec<&str> = spaced.split(" event = ").skip(1).collect();
            assert_eq!(names.len(), 1, "a log line has one event in {}: {fields}", path.display());
            let name = names[0]
                .strip_prefix('"')
                .unwrap_or_else(|| panic!("an event has a name in {}: {fields}", path.display()));
            let event = events.entry(name.split('"').next().unwrap().to_owned()).or_default();
            event.levels.insert(level.to_owned());
            event.messages.insert((*strings.last().unwrap()).to_owned());
        }
    }
    events
}

/// Events that metrics count.
fn counted_events() -> BTreeSet<String> {
    METRICS.iter().map(|metric| metric.event.to_owned()).collect()
}

#[test]
fn the_events_page_lists_the_events_of_the_code() {
    let (events, counted) = (logged_events(), counted_events());
    let list =
        |words: &BTreeSet<String>, separator| words.iter().cloned().collect::<Vec<_>>().join(separator);
    let rows = events.iter().map(|(name, event)| {
        let mark = if counted.contains(name) { " 📈" } else { "" };
        let (levels, messages) = (list(&event.levels, ", "), list(&event.messages, "; "));
        format!("| `{name}`{mark} | {levels} | {messages} |\n")
    });
    let table = "| Event | Level | Meaning |\n|---|---|---|\n".to_owned() + &rows.collect::<String>();
    assert_block("docs/operations/events.md", "events", &table);
    let unknown: Vec<_> = counted.iter().filter(|name| !events.contains_key(*name)).collect();
    assert!(unknown.is_empty(), "metrics count events that no code logs: {unknown:?}");
}

#[test]
fn the_metrics_page_lists_the_metrics_of_the_code() {
    let rows = METRICS.iter().map(|metric| {
        let dimension = metric.dimension.map(|(name, _)| format!(", `{name}`")).unwrap_or_default();
        let Metric { name, event, meaning, .. } = metric;
        format!("| `{name}` | {} | `Stack`{dimension} | {meaning} | `{event}` |\n", metric.value.unit())
    });
    let head = "| Name | Unit | Dimensions | Meaning | Log event |\n|---|---|---|---|---|\n";
    assert_block("docs/operations/metrics.md", "metrics", &(head.to_owned() + &rows.collect::<String>()));
    let names: BTreeSet<_> = METRICS.iter().map(|metric| metric.name).collect();
    assert_eq!(names.len(), METRICS.len(), "names are unique");
    let price = format!("All {} names of", METRICS.len());
    assert!(
        read("docs/operations/cost.md").contains(&price),
        "cost.md has the price of all metrics: {price}"
    );
}

#[test]
fn the_events_page_explains_every_error() {
    let page = read("docs/operations/events.md");
    let rows = page.split("## Errors").nth(1).unwrap().lines().filter(|line| line.starts_with("| `"));
    let names = rows.flat_map(|row| row.split(" | ").next().unwrap().split(", "));
    let explained: BTreeSet<_> = names.map(|name| name.trim_matches(['|', ' ', '`']).to_owned()).collect();
    let events = logged_events().into_iter().filter(|(_, event)| event.levels.contains("error"));
    assert_eq!(explained, events.map(|(name, _)| name).collect());
}

/// Parameter and default of each setting that infra/README.md lists.
fn documented_settings() -> Vec<(String, String)> {
    let page = read("infra/README.md");
    let table = page.split("## Settings").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    let cells =
        rows.map(|row| row.split(" | ").map(|cell| cell.trim_matches([' ', '|'])).collect::<Vec<_>>());
    let pairs = cells.flat_map(|cells| {
        let names = cells[0].split(", ").map(|name| name.trim_matches('`').to_owned());
        names.zip(cells[1].split(", ").map(str::to_owned)).collect::<Vec<_>>()
    });
    pairs.collect()
}

#[test]
fn the_settings_of_the_operation_page_are_the_parameters_of_the_template() {
    let template = super::template();
    let parameters = template["Parameters"].as_mapping().unwrap();
    let documented = documented_settings();
    let names: BTreeSet<_> = documented.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, parameters.keys().map(|name| name.as_str().unwrap()).collect());
    for (name, shown) in &documented {
        let default = match &parameters[name.as_str()]["Default"] {
            serde_norway::Value::Null => "none".to_owned(),
            serde_norway::Value::Number(number) => number.to_string(),
            text => text.as_str().unwrap().to_owned(),
        };
        // Long defaults are described in words.
        let described = shown.starts_with("Twilio");
        let shown = if shown == "empty" { "" } else { shown.trim_matches('`') };
        assert!(described || shown == default, "{name}: the page says {shown:?}, the template {default:?}");
    }
}

/// Prose that repeats a constant of the code: the page, its words, the source, and the line that sets the
/// constant.
const FIGURES: [(&str, &str, &str, &str); 4] = [
    ("README.md", "Python 3.11 or newer", "infra/local/prerequisites.py", "MINIMUM_PYTHON = (3, 11)"),
    ("CONTRIBUTING.md", "Python 3.11 or newer", "infra/local/prerequisites.py", "MINIMUM_PYTHON = (3, 11)"),
    ("ARCHITECTURE.md", "**chunks** of 250", "shared/app/src/import/mod.rs", "chunk_rows: 250"),
    ("docs/using-the-api.md", "For 24 hours", "shared/aws/src/table/idempotency.rs", "from_hours(24)"),
];

#[test]
fn figures_in_prose_are_those_of_the_code() {
    for (page, words, source, line) in FIGURES {
        let prose = read(page).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(prose.contains(words), "{page} says {words:?}");
        assert!(read(source).contains(line), "{source} has {line:?}, as {page} says");
    }
}

#[test]
fn every_path_in_the_documentation_exists() {
    let folders = ["tests/", "shared/", "functions/", "infra/", "docs/"];
    let mut missing = Vec::new();
    for page in pages() {
        let text = read(&page);
        let prose: String = text.split("```").step_by(2).collect();
        for path in prose.split('`').skip(1).step_by(2).filter(|code| !code.contains([' ', '<', '*'])) {
            if folders.iter().any(|folder| path.starts_with(folder)) && !Path::new(ROOT).join(path).exists() {
                missing.push(format!("{page}: {path}"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}
