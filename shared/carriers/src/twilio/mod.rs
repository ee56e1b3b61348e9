//! Twilio: inbound texts, delivery receipts, sending and looking up.
//!
//! A webhook goes through [`signature`] first, on the raw body, then through [`webhook`]. The worker that sends uses
//! [`client`] and [`send`], which ends in one [`outcome`]; what became of a send whose answer was lost is asked with
//! [`lookup`].
//!
//! Described by Twilio at <https://www.twilio.com/docs/messaging/guides/webhook-request>,
//! <https://www.twilio.com/docs/usage/webhooks/webhooks-security> and
//! <https://www.twilio.com/docs/messaging/guides/track-outbound-message-status>.

pub mod carrier_message;
pub mod client;
pub mod error_code;
mod form;
pub mod lookup;
pub mod outcome;
pub mod send;
mod sid;
pub mod signature;
mod signed_text;
pub mod status;
pub mod webhook;
mod wire;

pub use carrier_message::{CarrierMessage, Direction};
pub use client::{Client, Credentials, SetupError};
pub use lookup::LookupError;
pub use outcome::{LostAnswer, Refusal, SendOutcome};
pub use send::SendMessage;
pub use sid::{is_account_sid, is_message_sid};
pub use signature::{SignatureError, SignedRequest, Verifier, VerifierError};
pub use status::{CarrierState, MessageStatus};
pub use webhook::{EMPTY_TWIML, InboundMessage, Media, OptOutType, StatusCallback, WebhookError};

/// The longest webhook body that is looked at, in bytes. Twilio's longest text (1600 characters, each at most 12
/// bytes once encoded) with ten media links stays below half of it.
pub const MAX_BODY_BYTES: usize = 64 * 1024;
