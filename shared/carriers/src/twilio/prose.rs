//! Twilio's messages for people: why a call was refused or a campaign rejected. They can quote our request,
//! so phone numbers are removed and the length is limited before admins see them.

const MAX_CHARS: usize = 500;

/// Runs of at least this many digits can be phone numbers. Twilio's error codes have five.
const PHONE_DIGITS: usize = 7;

const REPLACEMENT: &str = "[number]";

/// Returns the text on one line, without phone numbers, and with at most 500 characters.
pub(crate) fn cleaned(text: &str) -> String {
    let one_line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    without_numbers(one_line.trim()).chars().take(MAX_CHARS).collect()
}

fn without_numbers(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_numeric() || matches!(c, '+' | '(')) {
        let run = &rest[start..];
        let run = &run[..run.find(|c| !can_be_in_number(c)).unwrap_or(run.len())];
        let number = run.trim_end_matches(|c: char| !c.is_numeric());
        cleaned.push_str(&rest[..start]);
        let digits = number.chars().filter(|c| c.is_numeric()).count();
        if digits >= PHONE_DIGITS {
            cleaned.push_str(REPLACEMENT);
            cleaned.push_str(&run[number.len()..]);
        } else {
            cleaned.push_str(run);
        }
        rest = &rest[start + run.len()..];
    }
    cleaned + rest
}

fn can_be_in_number(c: char) -> bool {
    c.is_numeric() || c.is_whitespace() || matches!(c, '+' | '(' | ')' | '-' | '.' | '\u{2010}'..='\u{2013}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_in_any_format_is_removed() {
        for (text, expected) in [
            ("The number +12025550143 is not valid", "The number [number] is not valid"),
            ("'(202) 555-0143' is taken.", "'[number]' is taken."),
            ("202.555.0143 and +1 202 555 0144", "[number] and [number]"),
            ("To=%2B12025550143.", "To=%2B[number]."),
            ("To=5550143", "To=[number]"),
            ("２０２５５５０１４３!", "[number]!"),
        ] {
            assert_eq!(cleaned(text), expected);
        }
    }

    #[test]
    fn codes_counts_and_brackets_are_kept() {
        for text in [
            "",
            "Error 21422: at most 400 numbers (see the documentation) + 2 more.",
            "2-5 samples of 20-1024 characters",
            "https://www.twilio.com/docs/errors/21422",
        ] {
            assert_eq!(cleaned(text), text);
        }
    }

    #[test]
    fn a_text_becomes_one_line_of_limited_length() {
        assert_eq!(cleaned(" a\r\nb\0 "), "a  b");
        assert_eq!(cleaned(&"é".repeat(600)).chars().count(), MAX_CHARS);
    }
}
