//! The carriers: what they send us, what they take from us, and nothing about what we do with it.
//!
//! One module per carrier. Each has the same parts:
//!
//! | part | in | out |
//! |---|---|---|
//! | `signature` | a webhook's raw bytes, its URL and headers | genuine, or why not |
//! | `webhook` | a verified body | one plain struct, or the field that is wrong |
//! | `status`, `error_code` | the carrier's words | our delivery states, sentences for people |
//! | `client` | a message to send, a message to look for | accepted, refused or unknown; what the carrier holds |
//! | `numbers`, `services`, `campaigns` | what a team needs to be able to send | what the carrier made of it |
//! | `events`, `voice` | a verified body | what happened to a registration; a call, and what to do with it |
//!
//! The types here are the carrier's shapes in plain strings: the functions turn them into domain types. No part
//! keeps state, reads the clock or the environment, retries, or writes a log line, and no `Debug` or error text
//! holds a phone number, a message text or a secret.
//!
//! [`twilio`] is the first carrier.

pub mod callback;
pub mod twilio;
