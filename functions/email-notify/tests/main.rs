//! Notifications with a DynamoDB engine in the test process and a fake SES, and the e-mails as they are sent.

#![allow(clippy::unwrap_used, reason = "all of it is a test, including steps that several tests share")]

mod emails;
mod fake_ses;
mod mailer;
mod recipients;
