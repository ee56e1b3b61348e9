//! Cells that spreadsheets open: what must not run there, and what comes back from there.

use std::borrow::Cow;

/// What spreadsheets take for the beginning of a formula, also after the cell was pasted or saved again; the wide forms
/// are those of East Asian keyboards. Source: OWASP, *CSV Injection*.
const DANGEROUS: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

/// A cell that no spreadsheet runs as a formula: an apostrophe goes in front of a dangerous beginning, and of an apostrophe
/// that stands before one, so that [`import_cell`] gives back every cell exactly.
///
/// A plain E.164 number (`+` and 7 to 15 digits) stays as it is. Spreadsheets take it for a positive number, show it without
/// its plus and run nothing; the programs that read such exports want the number, not an apostrophe. `+1-202…`, `+1*2` or
/// anything else after a plus is arithmetic to a spreadsheet and gets its apostrophe, as does `-5`.
///
/// Quotes, commas and line breaks within a cell are the CSV writer's.
///
/// ```
/// use shared_domain::import::export_safe;
/// assert_eq!(export_safe("=HYPERLINK(\"http://x\")"), "'=HYPERLINK(\"http://x\")");
/// assert_eq!(export_safe("+12025550143"), "+12025550143");
/// ```
pub fn export_safe(cell: &str) -> Cow<'_, str> {
    let core = cell.trim_start_matches('\'');
    if core.starts_with(DANGEROUS) && !is_e164(cell) {
        Cow::Owned(format!("'{cell}"))
    } else {
        Cow::Borrowed(cell)
    }
}

/// A cell as it was before [`export_safe`].
pub fn import_cell(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(rest) if rest.trim_start_matches('\'').starts_with(DANGEROUS) => rest,
        _ => cell,
    }
}

fn is_e164(cell: &str) -> bool {
    cell.strip_prefix('+')
        .is_some_and(|digits| (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn formulas_are_disarmed_and_numbers_stay_numbers() {
        for (cell, safe) in [
            ("=1+1", "'=1+1"),
            ("+1+cmd|' /C calc'!A0", "'+1+cmd|' /C calc'!A0"),
            ("-2+3", "'-2+3"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("\r=1", "'\r=1"),
            ("\n=1", "'\n=1"),
            ("＝1+1", "'＝1+1"),
            ("+1 202 555 0143", "'+1 202 555 0143"),
            ("+123456", "'+123456"),
            ("+1234567890123456", "'+1234567890123456"),
            ("'=1", "''=1"),
            ("+12025550143", "+12025550143"),
            ("2026-11-23", "2026-11-23"),
            ("O'Hara", "O'Hara"),
            ("'quoted'", "'quoted'"),
            (" =1", " =1"),
            ("", ""),
        ] {
            assert_eq!(export_safe(cell), safe);
            assert_eq!(import_cell(&export_safe(cell)), cell);
        }
        assert_eq!(import_cell("+12025550143"), "+12025550143");
        assert_eq!(import_cell("'+12025550143"), "+12025550143", "a spreadsheet's way to keep the plus");
    }

    proptest! {
        #[test]
        fn what_was_exported_comes_back(cell in "['=+@\t\r-]{0,3}.*") {
            let safe = export_safe(&cell);
            prop_assert!(is_e164(&safe) || !safe.starts_with(DANGEROUS));
            prop_assert_eq!(import_cell(&safe), cell.as_str());
        }
    }
}
