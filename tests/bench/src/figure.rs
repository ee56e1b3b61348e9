//! The lines of the tables in `BENCHMARKS.md`.

use std::{
    fmt::{self, Write},
    fs,
    path::Path,
};

use serde::Deserialize;

/// One line of a table.
#[derive(Deserialize)]
pub struct Figure {
    what: String,
    value: String,
    goal: String,
    /// `None` if there is no goal.
    holds: Option<bool>,
}

impl Figure {
    pub fn new(
        what: impl Into<String>,
        value: impl Into<String>,
        goal: impl Into<String>,
        holds: bool,
    ) -> Self {
        Self { what: what.into(), value: value.into(), goal: goal.into(), holds: Some(holds) }
    }

    /// The lines that a measurement of its own left in a file, each as JSON.
    pub fn read(path: &Path) -> Vec<Self> {
        let text = fs::read_to_string(path).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Returns a line without a goal.
    pub fn without_goal(what: impl Into<String>, value: impl Into<String>) -> Self {
        Self { what: what.into(), value: value.into(), goal: String::new(), holds: None }
    }
}

/// Returns a table of these lines.
pub fn table(figures: &[Figure]) -> String {
    let mut text = String::from("| figure | measured | goal | |\n|---|---|---|---|\n");
    for figure in figures {
        writeln!(text, "{figure}").unwrap();
    }
    text
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, value, goal, holds } = self;
        let verdict = match holds {
            Some(true) => "holds",
            Some(false) => "**does not hold**",
            None => "",
        };
        write!(f, "| {what} | {value} | {goal} | {verdict} |")
    }
}
