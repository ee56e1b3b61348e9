//! The filters of the message list: numbers, and the date of sending.
//!
//! A date is a day in GMT (`2026-11-22`) or an instant (RFC 3339, RFC 2822, or without a zone in GMT).
//! `DateSent>` and `DateSent<` include the date. In a URL they appear as `DateSent>=2026-11-22`, where `=`
//! separates name and value. A message that is not sent yet has no date and matches no date filter.

use jiff::civil::{Date, DateTime};
use jiff::fmt::rfc2822;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::failure::Failure;
use crate::form::Fields;
use crate::messages::message::Message;

/// The filters. `None` matches every message.
pub(crate) struct Filter {
    to: Option<String>,
    from: Option<String>,
    sent_from: Option<Timestamp>,
    sent_before: Option<Timestamp>,
}

impl Filter {
    /// Reads `To`, `From`, `DateSent`, `DateSent>` and `DateSent<`.
    pub(crate) fn parse(query: &Fields) -> Result<Self, Failure> {
        let span =
            |name| query.get(name).map(|text| span_of(text).ok_or_else(|| invalid_date(name))).transpose();
        let (on, since, until) = (span("DateSent")?, span("DateSent>")?, span("DateSent<")?);
        Ok(Self {
            to: query.get("To").map(str::to_owned),
            from: query.get("From").map(str::to_owned),
            sent_from: [on, since].into_iter().flatten().map(|(start, _)| start).max(),
            sent_before: [on, until].into_iter().flatten().map(|(_, end)| end).min(),
        })
    }

    /// Whether a message matches.
    pub(crate) fn matches(&self, message: &Message) -> bool {
        self.to.as_ref().is_none_or(|to| *to == message.to)
            && self.from.as_ref().is_none_or(|from| Some(from) == message.from.as_ref())
            && self.sent_from.is_none_or(|start| message.sent.is_some_and(|sent| sent >= start))
            && self.sent_before.is_none_or(|end| message.sent.is_some_and(|sent| sent < end))
    }
}

/// The day or second in a text: its start and its exclusive end.
fn span_of(text: &str) -> Option<(Timestamp, Timestamp)> {
    if text.len() == "2026-11-22".len() {
        let day: Date = text.parse().ok()?;
        let start = |day: Date| day.to_zoned(TimeZone::UTC).ok().map(|start| start.timestamp());
        return Some((start(day)?, start(day.tomorrow().ok()?)?));
    }
    let start = instant(text)?;
    Some((start, start.checked_add(SignedDuration::from_secs(1)).ok()?))
}

fn instant(text: &str) -> Option<Timestamp> {
    let without_zone = || text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok();
    text.parse()
        .ok()
        .or_else(|| Some(without_zone()?.timestamp()))
        .or_else(|| rfc2822::parse(text).ok().map(|zoned| zoned.timestamp()))
}

fn invalid_date(name: &str) -> Failure {
    Failure::parameter(format!("{name} must be a date"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(text: &str) -> Option<(i64, i64)> {
        span_of(text).map(|(start, end)| (start.as_second(), end.as_second()))
    }

    #[test]
    fn days_and_all_formats_of_an_instant_are_read() {
        assert_eq!(seconds("1970-01-02"), Some((86_400, 172_800)));
        for text in [
            "1970-01-01T00:01:00Z",
            "1970-01-01 00:01:00.000",
            "Thu, 01 Jan 1970 00:01:00 -0000",
            "1970-01-01T00:01:00",
        ] {
            assert_eq!(seconds(text), Some((60, 61)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_not_a_date() {
        assert_eq!(seconds("yesterday"), None);
        assert_eq!(seconds("2026-13-01"), None);
    }
}
