//! Clients and webhook parsers for carriers. What the product does with the data is decided elsewhere.
//!
//! One module per carrier. Each has the same parts:
//!
//! | part | input | output |
//! |---|---|---|
//! | `signature` | a webhook's raw bytes, its URL and headers | genuine, or the reason why not |
//! | `webhook` | a verified body | a plain struct, or the invalid field |
//! | `status`, `error_code` | statuses and codes | delivery states, sentences for people |
//! | `client` | a message to send or to look up | accepted, refused or unknown; the message at the carrier |
//! | `numbers`, `services`, `campaigns` | resources that a team needs for sending | the resources at the carrier |
//! | `events`, `voice` | a verified body | what happened to a registration; a call, and the instructions for it |
//!
//! The types contain the carrier's data as plain strings. The functions convert them into domain types. No
//! part keeps state, reads the clock or the environment, retries, or logs. No `Debug` output or error text
//! contains a phone number, a message text or a secret.
//!
//! [`twilio`] is the only carrier so far.

pub mod callback;
pub mod twilio;
