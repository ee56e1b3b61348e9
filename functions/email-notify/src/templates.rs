//! The files in `templates/` and what each is filled with. Each kind of letter has two, over one layout for texts and one
//! for HTML pages.

#![allow(
    clippy::ref_binding_to_reference,
    reason = "the derived code has them for fields that are references"
)]

use askama::Template;
use shared_domain::registration::CarrierReason;

use crate::letter::Letter;

/// The plain texts: nothing is escaped.
#[derive(Template)]
pub(crate) enum Text<'a> {
    #[template(path = "registration-approved.txt")]
    RegistrationApproved { letter: &'a Letter },
    #[template(path = "registration-rejected.txt")]
    RegistrationRejected { letter: &'a Letter, reasons: &'a [CarrierReason] },
    #[template(path = "registration-suspended.txt")]
    RegistrationSuspended { letter: &'a Letter, reasons: &'a [CarrierReason] },
    #[template(path = "opt-out-changed.txt")]
    OptOutChanged { letter: &'a Letter, contact: &'a str, opted_out: bool },
    #[template(path = "unknown-contact.txt")]
    UnknownContact { letter: &'a Letter, number: &'a str, inbox: &'a str },
    #[template(path = "contact-added.txt")]
    ContactAdded { letter: &'a Letter, contact: &'a str, by: &'a str },
}

/// The HTML pages: whatever is filled in is escaped.
#[derive(Template)]
pub(crate) enum Html<'a> {
    #[template(path = "registration-approved.html")]
    RegistrationApproved { letter: &'a Letter },
    #[template(path = "registration-rejected.html")]
    RegistrationRejected { letter: &'a Letter, reasons: &'a [CarrierReason] },
    #[template(path = "registration-suspended.html")]
    RegistrationSuspended { letter: &'a Letter, reasons: &'a [CarrierReason] },
    #[template(path = "opt-out-changed.html")]
    OptOutChanged { letter: &'a Letter, contact: &'a str, opted_out: bool },
    #[template(path = "unknown-contact.html")]
    UnknownContact { letter: &'a Letter, number: &'a str, inbox: &'a str },
    #[template(path = "contact-added.html")]
    ContactAdded { letter: &'a Letter, contact: &'a str, by: &'a str },
}
