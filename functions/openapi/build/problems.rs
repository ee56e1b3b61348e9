//! The table of error codes in `docs/problems.md`.

/// An error code.
pub(crate) struct Code {
    pub(crate) name: String,
    pub(crate) status: String,
    pub(crate) title: String,
    /// The texts of `detail`. Names in braces are values.
    pub(crate) details: Vec<String>,
}

impl Code {
    /// Returns the name of its schema: `lock_lost` is `LockLostProblem`.
    pub(crate) fn schema(&self) -> String {
        let words = self.name.split('_').map(|word| word[..1].to_uppercase() + &word[1..]);
        words.collect::<String>() + "Problem"
    }
}

/// Returns all codes of the page. Errors with a row that is not a code.
pub(crate) fn parse(page: &str) -> Result<Vec<Code>, String> {
    let rows = page.lines().skip_while(|line| !line.starts_with("|---")).skip(1);
    let rows = rows.take_while(|line| line.starts_with('|'));
    let code = |row: &str| {
        let cells: Vec<_> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [name, status, title, details] = cells[..] else { return Err(format!("not a code: {row}")) };
        let details = details.split("<br>").filter(|detail| !detail.is_empty());
        Ok(Code {
            name: name.trim_matches('`').into(),
            status: status.into(),
            title: title.into(),
            details: details.map(|detail| detail.replace("\\|", "|")).collect(),
        })
    };
    rows.map(code).collect()
}
