//! What the e-mails say: a subject line, and a text and an HTML template for each kind, in `templates/`.

use askama::Template;
use shared_domain::{registration::CarrierReason, time::Timestamp};

use crate::templates::{Html, Text};

/// Characters of a subject line: mail programs show about half of it, and 998 bytes are the limit of a header line
/// (RFC 5322, section 2.1.1).
const SUBJECT_LENGTH: usize = 120;

/// What one e-mail tells, names resolved. They may hold anything: templates escape them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// The team's name.
    pub team: String,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub about: About,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// The team may send.
    RegistrationApproved,
    /// The campaign was refused.
    RegistrationRejected {
        /// The carriers' reasons, maybe none.
        reasons: Vec<CarrierReason>,
    },
    /// The campaign was stopped.
    RegistrationSuspended {
        /// The carriers' reasons, maybe none.
        reasons: Vec<CarrierReason>,
    },
    /// A contact opted out or in again.
    OptOutChanged {
        /// Name, or number where there is no name.
        contact: String,
        /// Out, or in again.
        opted_out: bool,
    },
    /// Somebody who is no contact texted in.
    UnknownContact {
        /// Who.
        number: String,
        /// Which inbox.
        inbox: String,
    },
    /// A contact was added by hand.
    ContactAdded {
        /// Name, or number where there is no name.
        contact: String,
        /// Who added it.
        by: String,
    },
}

/// A template could not be filled.
#[derive(Debug, thiserror::Error)]
#[error("the e-mail could not be written: {0}")]
pub struct NotWritten(#[from] askama::Error);

impl Letter {
    /// The subject line: one line, at most 120 characters. Of names it holds the team's alone: subjects are shown on
    /// locked screens.
    pub fn subject(&self) -> String {
        let what = match &self.about {
            About::RegistrationApproved => "Registration approved",
            About::RegistrationRejected { .. } => "Registration rejected",
            About::RegistrationSuspended { .. } => "Registration suspended",
            About::OptOutChanged { opted_out: true, .. } => "A contact opted out",
            About::OptOutChanged { opted_out: false, .. } => "A contact opted in again",
            About::UnknownContact { .. } => "Text from an unknown number",
            About::ContactAdded { .. } => "A contact was added",
        };
        cut(&one_line(&format!("{what}: {}", self.team)), SUBJECT_LENGTH)
    }

    /// The plain text.
    ///
    /// # Errors
    /// [`NotWritten`].
    pub fn text(&self) -> Result<String, NotWritten> {
        let letter = self;
        let text = match &self.about {
            About::RegistrationApproved => Text::RegistrationApproved { letter },
            About::RegistrationRejected { reasons } => Text::RegistrationRejected { letter, reasons },
            About::RegistrationSuspended { reasons } => Text::RegistrationSuspended { letter, reasons },
            About::OptOutChanged { contact, opted_out } => {
                Text::OptOutChanged { letter, contact, opted_out: *opted_out }
            }
            About::UnknownContact { number, inbox } => Text::UnknownContact { letter, number, inbox },
            About::ContactAdded { contact, by } => Text::ContactAdded { letter, contact, by },
        };
        Ok(text.render()?)
    }

    /// The same as an HTML page.
    ///
    /// # Errors
    /// [`NotWritten`].
    pub fn html(&self) -> Result<String, NotWritten> {
        let letter = self;
        let html = match &self.about {
            About::RegistrationApproved => Html::RegistrationApproved { letter },
            About::RegistrationRejected { reasons } => Html::RegistrationRejected { letter, reasons },
            About::RegistrationSuspended { reasons } => Html::RegistrationSuspended { letter, reasons },
            About::OptOutChanged { contact, opted_out } => {
                Html::OptOutChanged { letter, contact, opted_out: *opted_out }
            }
            About::UnknownContact { number, inbox } => Html::UnknownContact { letter, number, inbox },
            About::ContactAdded { contact, by } => Html::ContactAdded { letter, contact, by },
        };
        Ok(html.render()?)
    }

    /// When it happened, for people: `22 November 2026, 10:00 UTC`.
    pub(crate) fn when(&self) -> String {
        match jiff::Timestamp::from_millisecond(self.at.millis()) {
            Ok(instant) => instant.strftime("%-d %B %Y, %H:%M UTC").to_string(),
            Err(_) => self.at.to_string(), // beyond the year 9999: never made by us
        }
    }

    /// Why the reader gets it.
    pub(crate) fn why(&self) -> &'static str {
        match &self.about {
            About::RegistrationApproved
            | About::RegistrationRejected { .. }
            | About::RegistrationSuspended { .. } => {
                "You get this e-mail because you are an admin of the team."
            }
            About::OptOutChanged { .. } | About::UnknownContact { .. } | About::ContactAdded { .. } => {
                "You get this e-mail because your address is in the team's notification settings."
            }
        }
    }
}

/// Words on one line: whatever breaks lines, controls the terminal or turns the direction of writing becomes a space.
pub fn one_line(words: &str) -> String {
    let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let parts = words.split(|c: char| c.is_whitespace() || c.is_control() || turns(c));
    parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The first characters of a line, and a sign that there are more.
fn cut(line: &str, length: usize) -> String {
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
        Letter { team: team.into(), at, about: About::RegistrationApproved }.subject()
    }

    #[test]
    fn a_subject_is_one_line_whatever_the_team_is_called() {
        let subject = subject_of("Front\r\nBcc: all@clinic.example\u{2028}\u{7}\u{202e}desk");
        assert_eq!(subject, "Registration approved: Front Bcc: all@clinic.example desk");
    }

    #[test]
    fn a_subject_is_cut_at_its_length_in_characters() {
        let fits = "ä".repeat(SUBJECT_LENGTH - "Registration approved: ".len());
        assert!(subject_of(&fits).ends_with('ä'));
        let cut = subject_of(&format!("{fits}ä"));
        assert_eq!(cut.chars().count(), SUBJECT_LENGTH);
        assert!(cut.ends_with("ä…"));
    }

    #[test]
    fn times_are_told_in_utc() {
        let at = Timestamp::from_millis(1_795_341_600_007);
        let letter = Letter { team: "Front".into(), at, about: About::RegistrationApproved };
        assert_eq!(letter.when(), "22 November 2026, 10:00 UTC");
    }
}
