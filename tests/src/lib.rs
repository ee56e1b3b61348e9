//! Helpers of the journeys: the running stack, its users, the carrier simulator, and waiting.
//!
//! All helpers except [`Operator`] use only HTTP, so a journey sees what a front end or a carrier sees. A
//! helper panics with the request and the response if the product does not answer as expected.

#![allow(clippy::missing_panics_doc, reason = "a helper that panics fails the test that calls it")]
#![allow(missing_docs, reason = "fields whose names say what they are")]

pub mod canaries;
pub mod carrier;
pub mod client;
pub mod conversation;
pub mod email;
pub mod operator;
pub mod phone;
pub mod response;
pub mod session;
pub mod socket;
pub mod stack;
pub mod team;
pub mod wait;

pub use carrier::Carrier;
pub use client::Client;
pub use conversation::ConversationRef;
pub use email::Email;
pub use operator::{Operator, QueueMessage};
pub use phone::Phone;
pub use response::ApiResponse;
pub use session::Session;
pub use shared_carriers::twilio::signature::sign_json;
pub use socket::Socket;
pub use stack::{Inbox, Stack};
pub use team::{SharedInbox, TestTeam};
pub use wait::{EVENT_TIMEOUT, WAIT_TIMEOUT, eventually};
