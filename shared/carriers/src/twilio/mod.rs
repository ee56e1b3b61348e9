//! Twilio: inbound messages and calls, delivery reports, sending and lookups, numbers and their registration.
//!
//! A webhook is first verified by [`signature`], on the raw body, and then parsed by [`webhook`], [`voice`]
//! or [`events`]. Event sinks also check credentials with [`basic`]. The worker sends with [`client`] and
//! [`send`]; the result is an [`outcome`]. If the response was lost, [`lookup`] finds out whether the message
//! was accepted. If an inbound webhook was lost, the list of [`received`] messages contains the message.
//!
//! [`number_search`], [`numbers`], [`services`] and [`campaigns`] set up a team. [`event_sinks`] sets
//! up the account. Their errors are in [`call`].
//!
//! Twilio's documentation: <https://www.twilio.com/docs/messaging/guides/webhook-request>,
//! <https://www.twilio.com/docs/usage/webhooks/webhooks-security> and
//! <https://www.twilio.com/docs/messaging/guides/track-outbound-message-status>.

pub mod basic;
pub mod call;
pub mod campaign;
pub mod campaigns;
pub mod carrier_message;
pub mod client;
mod date;
pub mod error_code;
pub mod event_kind;
pub mod event_sinks;
pub mod events;
mod form;
mod login;
pub mod lookup;
pub mod media;
pub mod number_search;
pub mod numbers;
pub mod outcome;
mod prose;
pub mod received;
pub mod send;
pub mod services;
mod sid;
pub mod signature;
mod signed_text;
pub mod status;
pub mod voice;
pub mod webhook;
mod wire;

pub use basic::BasicCredentials;
pub use call::CallError;
pub use campaign::{Campaign, CampaignError, CampaignStatus};
pub use campaigns::CampaignDetails;
pub use carrier_message::{CarrierMessage, Direction};
pub use client::{Client, Credentials, SetupError};
pub use error_code::{AccountFault, NumberLimit};
pub use event_kind::{BrandEvent, EventKind};
pub use event_sinks::{REGISTRATIONS_PATH, sink_destination};
pub use events::{ComplianceEvent, EventBatch, EventsError, parse_events};
pub use login::ReadCredentials;
pub use lookup::LookupError;
pub use media::{FetchError, MediaClient};
pub use number_search::{AvailableNumber, Country, NumberSearch};
pub use numbers::{MESSAGES_PATH, NumberWebhooks, OwnedNumber, Purchase, PurchaseError, VOICE_PATH};
pub use outcome::{LostAnswer, Refusal, SendOutcome};
pub use received::MessagePage;
pub use send::SendMessage;
pub use services::MessagingService;
pub use sid::{is_account_sid, is_call_sid, is_campaign_sid, is_message_sid, is_number_sid, is_service_sid};
pub use signature::{SignatureError, SignedRequest, Verifier, VerifierError};
pub use status::{CarrierState, MessageStatus};
pub use voice::IncomingCall;
pub use webhook::{
    EMPTY_TWIML, InboundMessage, Media, OptOutType, StatusCallback, WebhookError, with_retries,
};

/// Maximum length of a webhook form in bytes. Twilio's longest text (1600 characters of at most 12 encoded
/// bytes) with ten media URLs takes less than half of it.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// Maximum length of other webhook bodies in bytes. Twilio's batches of events have at most 64 KB, by its own
/// count.
pub const MAX_JSON_BYTES: usize = 256 * 1024;
