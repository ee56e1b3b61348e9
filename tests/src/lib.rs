//! What the journeys are told with: the running stack, its users, the carrier with its phones, and patience.
//!
//! Everything here but the operator talks HTTP and nothing else, so a journey sees what a front end or a
//! carrier sees. A helper that does not get what the journey needs panics with the request and the answer.

#![allow(clippy::missing_panics_doc, reason = "a helper that panics is a test that fails")]

pub mod canaries;
pub mod carrier;
pub mod client;
pub mod conversation;
pub mod email;
pub mod operator;
pub mod phone;
pub mod response;
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
pub use shared_carriers::twilio::signature::sign_json;
pub use stack::{Inbox, Stack};
pub use team::{SharedInbox, TestTeam};
pub use wait::{WAIT_TIMEOUT, eventually};
