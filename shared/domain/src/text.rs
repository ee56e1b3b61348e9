//! Cleans what people paste: invisible characters and the ways to write one letter.
//!
//! Spreadsheets, chat programs and phones put invisible characters around numbers and ids, and write `é` as
//! one character or as two. Numbers, ids, column names, keywords and search terms are compared in their
//! [clean](clean) form. Names and messages keep their characters, but need [something visible](is_visible).
//!
//! Source: Unicode Standard Annex #15, *Unicode Normalization Forms*.
//!
//! ```
//! use shared_domain::text;
//!
//! assert_eq!(text::clean("\u{200b}Jose\u{301}"), "José");
//! assert!(!text::is_visible(" \u{200b}"));
//! ```

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization, char::is_combining_mark, is_nfc_quick};

/// The text without invisible characters, in normal form C.
pub fn clean(text: &str) -> Cow<'_, str> {
    if text.contains(is_invisible) {
        Cow::Owned(text.chars().filter(|c| !is_invisible(*c)).nfc().collect())
    } else {
        composed(text)
    }
}

/// The text in normal form C.
pub fn composed(text: &str) -> Cow<'_, str> {
    match is_nfc_quick(text.chars()) {
        IsNormalized::Yes => Cow::Borrowed(text),
        _ => Cow::Owned(text.nfc().collect()),
    }
}

/// The text in lowercase and without accents, to compare words. Compatibility forms, such as full-width
/// letters, become ordinary ones.
pub fn folded(text: &str) -> String {
    text.nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase).nfc().collect()
}

/// The [folded] words of a text without punctuation, separated by one space.
///
/// ```
/// assert_eq!(shared_domain::text::words(" Yes, please! "), "yes please");
/// ```
pub fn words(text: &str) -> String {
    let folded = folded(&clean(text));
    folded.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The text without spaces and invisible characters at its ends.
pub fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || is_invisible(c))
}

/// Whether a reader sees anything of the text.
pub fn is_visible(text: &str) -> bool {
    text.contains(|c: char| !c.is_whitespace() && !c.is_control() && !is_invisible(c) && !is_blank_letter(c))
}

/// The forms under which an id or a name may be stored, the [clean](clean) one first. Those stored before
/// texts were cleaned are as they were entered, or in normal form D.
pub fn stored_forms(text: &str) -> Vec<String> {
    let text = text.trim();
    let clean = clean(text).trim().to_owned();
    let mut forms = vec![clean.clone()];
    for form in [composed(text).into_owned(), text.to_owned(), clean.nfd().collect()] {
        if !forms.contains(&form) {
            forms.push(form);
        }
    }
    forms
}

/// Whether programs insert the character to control direction, joining and line breaks.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}' | '\u{feff}')
}

/// Whether the character is empty in every font and is neither a space nor [invisible](is_invisible).
fn is_blank_letter(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{2061}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}' | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn invisible_characters_are_removed_and_letters_composed() {
        for c in ('\u{200b}'..='\u{200f}').chain('\u{202a}'..='\u{202e}').chain(['\u{2060}', '\u{feff}']) {
            assert_eq!(clean(&format!("{c}S{c}-7{c}")), "S-7", "{c:?}");
        }
        assert_eq!(clean("Jose\u{301}"), "José");
        assert_eq!(clean("e\u{200b}\u{301}"), "é", "composed after the removal");
        assert!(matches!(clean("José"), Cow::Borrowed("José")));
    }

    #[test]
    fn a_text_without_anything_to_see_is_not_visible() {
        for blank in ["", " ", "\u{a0}", "\u{200b}", " \u{feff}\n", "\u{3164}", "\u{2800}", "\u{ad}", "\u{7}"]
        {
            assert!(!is_visible(blank), "{blank:?}");
        }
        for shown in ["a", ".", "👍", "\u{200b}é"] {
            assert!(is_visible(shown), "{shown:?}");
        }
    }

    #[test]
    fn invisible_characters_within_a_text_are_not_trimmed() {
        assert_eq!(trim(" \u{feff} a\u{200c}b \u{200b}"), "a\u{200c}b");
        assert_eq!(trim("\u{200b} "), "");
    }

    #[test]
    fn accents_case_and_compatibility_forms_are_folded() {
        for (text, expected) in [
            ("ÁRBOL", "arbol"),
            ("Jose\u{301}", "jose"),
            ("ＳＴＯＰ", "stop"),
            ("𝗦top", "stop"),
            ("한국", "한국"),
        ] {
            assert_eq!(folded(text), expected, "{text:?}");
        }
    }

    #[test]
    fn an_id_is_found_in_each_form_in_which_it_may_be_stored() {
        assert_eq!(stored_forms(" S-7 "), ["S-7"]);
        assert_eq!(stored_forms("\u{200b}S-7"), ["S-7", "\u{200b}S-7"]);
        assert_eq!(stored_forms("José"), ["José", "Jose\u{301}"]);
        assert_eq!(stored_forms("Jose\u{301}"), ["José", "Jose\u{301}"]);
    }

    proptest! {
        #[test]
        fn a_clean_text_stays_as_it_is(text in ".*") {
            let once = clean(&text).into_owned();
            prop_assert_eq!(clean(&once), once.as_str());
            prop_assert_eq!(is_visible(&once), is_visible(&text));
        }
    }
}
