//! The files in `templates/` and their values. Each kind of e-mail has a plain text and an HTML page, and all
//! of them share two layouts.

#![allow(clippy::ref_binding_to_reference, reason = "the derived code borrows fields that are references")]

use askama::Template;
use shared_domain::registration::CarrierReason;

use crate::email::Email;

/// The plain texts. Values are not escaped.
#[derive(Template)]
pub(crate) enum Text<'a> {
    #[template(path = "registration-approved.txt")]
    RegistrationApproved { email: &'a Email },
    #[template(path = "registration-rejected.txt")]
    RegistrationRejected { email: &'a Email, reasons: &'a [CarrierReason] },
    #[template(path = "registration-suspended.txt")]
    RegistrationSuspended { email: &'a Email, reasons: &'a [CarrierReason] },
    #[template(path = "number-not-registered.txt")]
    NumberNotRegistered { email: &'a Email, number: &'a str, inbox: &'a str },
    #[template(path = "opt-out-changed.txt")]
    OptOutChanged { email: &'a Email, contact: &'a str, opted_out: bool },
    #[template(path = "unknown-contact.txt")]
    UnknownContact { email: &'a Email, number: &'a str, inbox_number: &'a str },
    #[template(path = "contact-added.txt")]
    ContactAdded { email: &'a Email, contact: &'a str, by: &'a str },
    #[template(path = "webhook-failing.txt")]
    WebhookFailing { email: &'a Email, receiver: &'a str },
    #[template(path = "webhook-disabled.txt")]
    WebhookDisabled { email: &'a Email, receiver: &'a str, gone: bool },
}

/// The HTML pages. Values are escaped.
#[derive(Template)]
pub(crate) enum Html<'a> {
    #[template(path = "registration-approved.html")]
    RegistrationApproved { email: &'a Email },
    #[template(path = "registration-rejected.html")]
    RegistrationRejected { email: &'a Email, reasons: &'a [CarrierReason] },
    #[template(path = "registration-suspended.html")]
    RegistrationSuspended { email: &'a Email, reasons: &'a [CarrierReason] },
    #[template(path = "number-not-registered.html")]
    NumberNotRegistered { email: &'a Email, number: &'a str, inbox: &'a str },
    #[template(path = "opt-out-changed.html")]
    OptOutChanged { email: &'a Email, contact: &'a str, opted_out: bool },
    #[template(path = "unknown-contact.html")]
    UnknownContact { email: &'a Email, number: &'a str, inbox_number: &'a str },
    #[template(path = "contact-added.html")]
    ContactAdded { email: &'a Email, contact: &'a str, by: &'a str },
    #[template(path = "webhook-failing.html")]
    WebhookFailing { email: &'a Email, receiver: &'a str },
    #[template(path = "webhook-disabled.html")]
    WebhookDisabled { email: &'a Email, receiver: &'a str, gone: bool },
}
