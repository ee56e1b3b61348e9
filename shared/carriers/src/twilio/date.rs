//! Dates in responses of the API: RFC 2822, to the second.

use jiff::{Timestamp, fmt::rfc2822};

/// Parses a date. `None` if it is not one.
pub(crate) fn parse_date(date: &str) -> Option<Timestamp> {
    rfc2822::DateTimeParser::new().parse_timestamp(date).ok()
}
