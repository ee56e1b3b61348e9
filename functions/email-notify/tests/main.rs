//! Notices on an engine in the test process, with a stand-in for SES, and the letters as they are read.

#![allow(clippy::unwrap_used, reason = "all of it is a test, its steps that several tests share as well")]

mod letters;
mod mailer;
mod stage;
mod telling;
