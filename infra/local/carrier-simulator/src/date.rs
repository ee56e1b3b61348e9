//! Twilio's date formats.

use jiff::Timestamp;

/// The format of the 2010-04-01 API: `Sun, 22 Nov 2026 10:00:00 +0000`.
pub(crate) fn rfc2822(at: Timestamp) -> String {
    at.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

/// The format of the v1 APIs: `2026-11-22T10:00:00Z`.
pub(crate) fn iso8601(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The format of events: `2026-11-22T10:00:00.000Z`.
pub(crate) fn iso8601_millis(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_are_truncated() {
        let at: Timestamp = "2026-11-22T10:00:00.0789Z".parse().unwrap();
        assert_eq!(rfc2822(at), "Sun, 22 Nov 2026 10:00:00 +0000");
        assert_eq!(iso8601(at), "2026-11-22T10:00:00Z");
        assert_eq!(iso8601_millis(at), "2026-11-22T10:00:00.078Z");
    }
}
