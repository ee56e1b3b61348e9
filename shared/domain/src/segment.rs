//! How a text travels: GSM-7 or UCS-2, and how many segments the carrier bills.
//!
//! Source: 3GPP TS 23.038 (alphabets) and TS 23.040 (concatenation: a header takes 7 septets or 3 UCS-2 units of each
//! segment). A character of two units is never divided; it moves whole into the next segment.

const GSM7_BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
const GSM7_EXTENSION: &str = "\u{c}^{}\\[~]|€";

/// The alphabet of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Seven bits a character; extension characters take two.
    Gsm7,
    /// UTF-16 code units.
    Ucs2,
}

/// What a text costs on the air.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segments {
    /// One character outside GSM-7 makes the whole text UCS-2.
    pub encoding: Encoding,
    /// Septets or UTF-16 code units.
    pub units: usize,
    /// At least 1, also for an empty text.
    pub count: usize,
}

impl Segments {
    /// Counts a text as carriers do.
    ///
    /// ```
    /// use shared_domain::segment::Segments;
    /// assert_eq!(Segments::of(&"a".repeat(160)).count, 1);
    /// assert_eq!(Segments::of(&"a".repeat(161)).count, 2);
    /// ```
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

/// Septets of a character in GSM-7, or `None` when the alphabet lacks it.
fn septets(character: char) -> Option<usize> {
    if GSM7_BASIC.contains(character) {
        Some(1)
    } else if GSM7_EXTENSION.contains(character) {
        Some(2)
    } else {
        None
    }
}

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
    fn the_shared_cases_agree() {
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
