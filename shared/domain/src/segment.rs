//! Segments: the encoding of a text, GSM-7 or UCS-2, and how many segments the carrier bills.
//!
//! Source: 3GPP TS 23.038 (alphabets) and TS 23.040 (concatenation). In a message of several segments, a
//! header takes 7 septets or 3 UTF-16 code units of each. A character of two units is never split between two
//! segments.
//!
//! ```
//! use shared_domain::segment::{Encoding, Segments};
//!
//! assert_eq!(Segments::of(&"a".repeat(160)).count, 1);
//! assert_eq!(Segments::of(&"a".repeat(161)).count, 2);
//! assert_eq!(Segments::of("👍").encoding, Encoding::Ucs2);
//! ```

const GSM7_BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
const GSM7_EXTENSION: &str = "\u{c}^{}\\[~]|€";

/// The encoding of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Seven bits (a septet) per character. Characters of the extension table take two septets.
    Gsm7,
    /// 16 bits per UTF-16 code unit.
    Ucs2,
}

/// The size of a text as the carrier bills it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segments {
    /// UCS-2 if any character is not in GSM-7.
    pub encoding: Encoding,
    /// The length in septets or UTF-16 code units.
    pub units: usize,
    /// The number of segments. An empty text has 1.
    pub count: usize,
}

impl Segments {
    /// Computes the segments of a text.
    pub fn of(text: &str) -> Self {
        let gsm7: Option<Vec<usize>> = text.chars().map(septets).collect();
        let (encoding, units, single, multi) = match gsm7 {
            Some(units) => (Encoding::Gsm7, units, 160, 153),
            None => (Encoding::Ucs2, text.chars().map(char::len_utf16).collect(), 70, 67),
        };
        let total = units.iter().sum();
        let count = if total <= single { 1 } else { packed(&units, multi) };
        Self { encoding, units: total, count }
    }
}

/// The character, or a similar one, that takes one septet in GSM-7. `None` if there is none.
///
/// ```
/// use shared_domain::segment::to_gsm7;
/// assert_eq!((to_gsm7('é'), to_gsm7('ë'), to_gsm7('受')), (Some('é'), Some('e'), None));
/// ```
pub fn to_gsm7(c: char) -> Option<char> {
    let similar = match c {
        '’' | '‘' | '`' | '´' => '\'',
        '“' | '”' | '„' => '"',
        '‐'..='—' | '|' | '~' => '-',
        '[' | '{' => '(',
        ']' | '}' => ')',
        'á' | 'â' | 'ã' | 'ā' | 'ă' | 'ą' => 'a',
        'Á' | 'À' | 'Â' | 'Ã' | 'Ā' | 'Ă' | 'Ą' => 'A',
        'ç' | 'ć' | 'č' => 'c',
        'Ć' | 'Č' => 'C',
        'ê' | 'ë' | 'ē' | 'ę' | 'ě' => 'e',
        'È' | 'Ê' | 'Ë' | 'Ē' | 'Ę' | 'Ě' => 'E',
        'í' | 'î' | 'ï' | 'ī' => 'i',
        'Í' | 'Ì' | 'Î' | 'Ï' | 'Ī' | 'İ' => 'I',
        'ł' => 'l',
        'Ł' => 'L',
        'ń' | 'ň' => 'n',
        'Ń' | 'Ň' => 'N',
        'ó' | 'ô' | 'õ' | 'ő' | 'ō' => 'o',
        'Ó' | 'Ò' | 'Ô' | 'Õ' | 'Ő' | 'Ō' => 'O',
        'ś' | 'š' => 's',
        'Ś' | 'Š' => 'S',
        'ú' | 'û' | 'ű' | 'ū' => 'u',
        'Ú' | 'Ù' | 'Û' | 'Ű' | 'Ū' => 'U',
        'ź' | 'ż' | 'ž' => 'z',
        'Ź' | 'Ż' | 'Ž' => 'Z',
        c if c.is_whitespace() => ' ',
        c => c,
    };
    (septets(similar) == Some(1)).then_some(similar)
}

/// Whether GSM-7 has the character.
pub fn is_gsm7(c: char) -> bool {
    septets(c).is_some()
}

/// The septets of a character in GSM-7, or `None` if the alphabet does not have it.
fn septets(character: char) -> Option<usize> {
    if GSM7_BASIC.contains(character) {
        Some(1)
    } else if GSM7_EXTENSION.contains(character) {
        Some(2)
    } else {
        None
    }
}

/// The number of segments if each has this much room.
fn packed(characters: &[usize], room: usize) -> usize {
    let (mut segments, mut used) = (1, 0);
    for units in characters {
        if used + units > room {
            segments += 1;
            used = 0;
        }
        used += units;
    }
    segments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cases_in_the_fixture_have_the_expected_segments() {
        let file: serde_json::Value =
            serde_json::from_str(include_str!("../../../tests/fixtures/common/segments.json")).unwrap();
        let cases = file["cases"].as_array().unwrap();
        assert!(cases.len() >= 20);
        for case in cases {
            let segments = Segments::of(case["text"].as_str().unwrap());
            let encoding = if case["encoding"] == "GSM-7" { Encoding::Gsm7 } else { Encoding::Ucs2 };
            assert_eq!(segments.encoding, encoding, "{}", case["id"]);
            assert_eq!(segments.units as u64, case["units"].as_u64().unwrap(), "{}", case["id"]);
            assert_eq!(segments.count as u64, case["segments"].as_u64().unwrap(), "{}", case["id"]);
        }
    }

    #[test]
    fn the_alphabets_are_those_of_the_standard() {
        let file: serde_json::Value =
            serde_json::from_str(include_str!("../../../tests/fixtures/common/segments.json")).unwrap();
        assert_eq!(GSM7_BASIC, file["gsm7_basic"].as_str().unwrap());
        assert_eq!(GSM7_EXTENSION, file["gsm7_extension"].as_str().unwrap());
    }

    #[test]
    fn an_empty_text_is_one_segment() {
        assert_eq!(Segments::of("").count, 1);
    }
}
