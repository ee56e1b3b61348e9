//! The e-mails: a subject, a plain text and an HTML page for each kind. The words are in `templates/`, and
//! `docs/emails.md` shows every e-mail as it is sent.

use askama::Template;
use shared_domain::{registration::CarrierReason, time::Timestamp};

use crate::templates::{Html, Text};

/// In characters. Mail programs show about half of it, and a header line has at most 998 bytes (RFC 5322,
/// section 2.1.1).
const MAX_SUBJECT_LENGTH: usize = 120;

/// An e-mail with all names filled in. Names can contain any characters: the HTML templates escape them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email {
    /// The team's name.
    pub team: String,
    /// The time of the event.
    pub at: Timestamp,
    /// The event.
    pub kind: EmailKind,
}

/// The event that an e-mail is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EmailKind {
    /// The carriers approved the registration.
    RegistrationApproved,
    /// The carriers rejected the registration.
    RegistrationRejected {
        /// The carriers' reasons. Can be empty.
        reasons: Vec<CarrierReason>,
    },
    /// The carriers suspended the registration.
    RegistrationSuspended {
        /// The carriers' reasons. Can be empty.
        reasons: Vec<CarrierReason>,
    },
    /// The carriers refuse a number that is not part of the team's registration.
    NumberNotRegistered {
        /// The phone number.
        number: String,
        /// The name of the inbox.
        inbox: String,
    },
    /// A contact opted out or in again.
    OptOutChanged {
        /// The contact's name, or the phone number if the contact has no name.
        contact: String,
        /// Whether the contact opted out.
        opted_out: bool,
    },
    /// A number that is not in the team's contacts sent a message.
    UnknownContact {
        /// The phone number.
        number: String,
        /// The inbox's phone number. Its name is for its members only, and the recipients may be others.
        inbox_number: String,
    },
    /// A user added a contact.
    ContactAdded {
        /// The contact's name, or the phone number if the contact has no name.
        contact: String,
        /// The name of the user.
        by: String,
    },
    /// Deliveries to a webhook endpoint fail.
    WebhookFailing {
        /// Host of its URL.
        receiver: String,
    },
    /// A webhook endpoint was disabled.
    WebhookDisabled {
        /// Host of its URL.
        receiver: String,
        /// Whether the receiver asked for it.
        gone: bool,
    },
}

/// A template could not be rendered.
#[derive(Debug, thiserror::Error)]
#[error("the e-mail could not be rendered: {0}")]
pub struct RenderError(#[from] askama::Error);

impl Email {
    /// Returns the subject: one line of at most 120 characters. It contains no name but the team's, because
    /// locked screens show subjects.
    pub fn subject(&self) -> String {
        let event = match &self.kind {
            EmailKind::RegistrationApproved => "Registration approved",
            EmailKind::RegistrationRejected { .. } => "Registration rejected",
            EmailKind::RegistrationSuspended { .. } => "Registration suspended",
            EmailKind::NumberNotRegistered { .. } => "Number not registered",
            EmailKind::OptOutChanged { opted_out: true, .. } => "Contact opted out",
            EmailKind::OptOutChanged { opted_out: false, .. } => "Contact opted in again",
            EmailKind::UnknownContact { .. } => "Message from an unknown number",
            EmailKind::ContactAdded { .. } => "Contact added",
            EmailKind::WebhookFailing { .. } => "Webhook endpoint fails",
            EmailKind::WebhookDisabled { .. } => "Webhook endpoint disabled",
        };
        truncate(&one_line(&format!("{event}: {}", self.team)), MAX_SUBJECT_LENGTH)
    }

    /// Renders the plain text.
    pub fn text(&self) -> Result<String, RenderError> {
        let email = self;
        let text = match &self.kind {
            EmailKind::RegistrationApproved => Text::RegistrationApproved { email },
            EmailKind::RegistrationRejected { reasons } => Text::RegistrationRejected { email, reasons },
            EmailKind::RegistrationSuspended { reasons } => Text::RegistrationSuspended { email, reasons },
            EmailKind::NumberNotRegistered { number, inbox } => {
                Text::NumberNotRegistered { email, number, inbox }
            }
            EmailKind::OptOutChanged { contact, opted_out } => {
                Text::OptOutChanged { email, contact, opted_out: *opted_out }
            }
            EmailKind::UnknownContact { number, inbox_number } => {
                Text::UnknownContact { email, number, inbox_number }
            }
            EmailKind::ContactAdded { contact, by } => Text::ContactAdded { email, contact, by },
            EmailKind::WebhookFailing { receiver } => Text::WebhookFailing { email, receiver },
            EmailKind::WebhookDisabled { receiver, gone } => {
                Text::WebhookDisabled { email, receiver, gone: *gone }
            }
        };
        Ok(text.render()?)
    }

    /// Renders the HTML page, which has the same content as the plain text.
    pub fn html(&self) -> Result<String, RenderError> {
        let email = self;
        let html = match &self.kind {
            EmailKind::RegistrationApproved => Html::RegistrationApproved { email },
            EmailKind::RegistrationRejected { reasons } => Html::RegistrationRejected { email, reasons },
            EmailKind::RegistrationSuspended { reasons } => Html::RegistrationSuspended { email, reasons },
            EmailKind::NumberNotRegistered { number, inbox } => {
                Html::NumberNotRegistered { email, number, inbox }
            }
            EmailKind::OptOutChanged { contact, opted_out } => {
                Html::OptOutChanged { email, contact, opted_out: *opted_out }
            }
            EmailKind::UnknownContact { number, inbox_number } => {
                Html::UnknownContact { email, number, inbox_number }
            }
            EmailKind::ContactAdded { contact, by } => Html::ContactAdded { email, contact, by },
            EmailKind::WebhookFailing { receiver } => Html::WebhookFailing { email, receiver },
            EmailKind::WebhookDisabled { receiver, gone } => {
                Html::WebhookDisabled { email, receiver, gone: *gone }
            }
        };
        Ok(html.render()?)
    }

    /// Returns the time of the event for people: `November 22, 2026, 10:00 UTC`.
    pub(crate) fn time(&self) -> String {
        match jiff::Timestamp::from_millisecond(self.at.millis()) {
            Ok(instant) => instant.strftime("%B %-d, %Y, %H:%M UTC").to_string(),
            Err(_) => self.at.to_string(), // after the year 9999, which the clock never returns
        }
    }

    /// Returns the sentence that explains why the reader received the e-mail.
    pub(crate) fn footer(&self) -> &'static str {
        match &self.kind {
            EmailKind::RegistrationApproved
            | EmailKind::RegistrationRejected { .. }
            | EmailKind::RegistrationSuspended { .. }
            | EmailKind::NumberNotRegistered { .. } => {
                "You received this e-mail because you are an admin of the team."
            }
            EmailKind::OptOutChanged { .. }
            | EmailKind::UnknownContact { .. }
            | EmailKind::ContactAdded { .. } => {
                "You received this e-mail because your address is in the team's notification settings."
            }
            EmailKind::WebhookFailing { .. } | EmailKind::WebhookDisabled { .. } => {
                "You received this e-mail because you manage the webhook endpoint."
            }
        }
    }
}

/// Returns the text on one line: line breaks, control characters and characters that change the direction of
/// writing become spaces.
pub fn one_line(text: &str) -> String {
    let changes_direction = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let words = text.split(|c: char| c.is_whitespace() || c.is_control() || changes_direction(c));
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Returns a line of at most `length` characters, which ends with an ellipsis if it was longer.
fn truncate(line: &str, length: usize) -> String {
    match line.char_indices().nth(length) {
        None => line.to_owned(),
        Some(_) => line.chars().take(length - 1).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject_of(team: &str) -> String {
        let at = Timestamp::from_millis(0);
        Email { team: team.into(), at, kind: EmailKind::RegistrationApproved }.subject()
    }

    #[test]
    fn a_subject_is_one_line_whatever_the_team_is_called() {
        let subject = subject_of("Front\r\nBcc: all@clinic.example\u{2028}\u{7}\u{202e}desk");
        assert_eq!(subject, "Registration approved: Front Bcc: all@clinic.example desk");
    }

    #[test]
    fn a_long_subject_is_truncated_by_characters() {
        let fits = "ä".repeat(MAX_SUBJECT_LENGTH - "Registration approved: ".len());
        assert!(subject_of(&fits).ends_with('ä'));
        let truncated = subject_of(&format!("{fits}ä"));
        assert_eq!(truncated.chars().count(), MAX_SUBJECT_LENGTH);
        assert!(truncated.ends_with("ä…"));
    }

    #[test]
    fn times_are_in_utc() {
        let at = Timestamp::from_millis(1_795_341_600_007);
        let email = Email { team: "Front".into(), at, kind: EmailKind::RegistrationApproved };
        assert_eq!(email.time(), "November 22, 2026, 10:00 UTC");
    }
}
