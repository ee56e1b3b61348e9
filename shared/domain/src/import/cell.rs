//! CSV injection: a cell that starts like a formula is run by the spreadsheet that opens the file. Cells are
//! escaped on export, and unescaped on import.
//!
//! Source: <https://owasp.org/www-community/attacks/CSV_Injection>.

use std::borrow::Cow;

/// The characters that start a formula in a spreadsheet, possibly only after the cell was pasted or saved
/// again. The full-width forms come from East Asian keyboards.
const FORMULA_START: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

/// Escapes a cell so that no spreadsheet runs it as a formula. An apostrophe is added before a character that
/// starts a formula, and also before apostrophes in front of such a character, so that [`import_cell`]
/// restores every cell exactly.
///
/// An E.164 number (`+` and 7 to 15 digits) is not escaped. Spreadsheets read it as a positive number and run
/// nothing, and programs that read the export expect the plain number. Anything else after a plus, such as
/// `+1-202…` or `+1*2`, is a formula to a spreadsheet and is escaped, as is `-5`.
///
/// The CSV writer quotes commas, quotes and line breaks.
///
/// ```
/// use shared_domain::import::export_safe;
/// assert_eq!(export_safe("=HYPERLINK(\"http://x\")"), "'=HYPERLINK(\"http://x\")");
/// assert_eq!(export_safe("+12025550143"), "+12025550143");
/// ```
pub fn export_safe(cell: &str) -> Cow<'_, str> {
    let core = cell.trim_start_matches('\'');
    if core.starts_with(FORMULA_START) && !is_e164(cell) {
        Cow::Owned(format!("'{cell}"))
    } else {
        Cow::Borrowed(cell)
    }
}

/// Reverses [`export_safe`].
pub fn import_cell(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(rest) if rest.trim_start_matches('\'').starts_with(FORMULA_START) => rest,
        _ => cell,
    }
}

/// The value of `="…"`, by which programs keep a spreadsheet from reading digits as a number.
pub(super) fn without_text_formula(cell: &str) -> &str {
    let inner = cell.strip_prefix("=\"").and_then(|rest| rest.strip_suffix('"'));
    inner.filter(|inner| !inner.contains('"')).unwrap_or(cell)
}

/// A number or an id without the marks that spreadsheets add: the apostrophe of a text, and the `.0` of a
/// number that is read as a decimal.
pub(super) fn without_marks(cell: &str) -> &str {
    let cell = cell.strip_prefix('\'').unwrap_or(cell).trim();
    let digits = |whole: &str| {
        let whole = whole.strip_prefix('+').unwrap_or(whole);
        !whole.is_empty() && whole.bytes().all(|b| b.is_ascii_digit())
    };
    cell.strip_suffix(".0").filter(|whole| digits(whole)).unwrap_or(cell)
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
    fn formulas_are_escaped_and_numbers_are_not() {
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
        assert_eq!(import_cell("'+12025550143"), "+12025550143", "how a spreadsheet keeps the plus");
    }

    proptest! {
        #[test]
        fn an_exported_cell_is_restored_on_import(cell in "['=+@\t\r-]{0,3}.*") {
            let safe = export_safe(&cell);
            prop_assert!(is_e164(&safe) || !safe.starts_with(FORMULA_START));
            prop_assert_eq!(import_cell(&safe), cell.as_str());
        }
    }
}
