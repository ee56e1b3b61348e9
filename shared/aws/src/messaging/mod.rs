//! Messages and media in both directions, delivery states and the outbox.

pub(crate) mod deliveries;
pub(crate) mod delivery_checks;
pub(crate) mod failed_messages;
pub(crate) mod inbound;
pub(crate) mod media;
pub(crate) mod messages;
pub(crate) mod outbox;
pub(crate) mod rows;
pub(crate) mod sends;
pub(crate) mod swept_numbers;

pub use self::{
    deliveries::Deliveries,
    delivery_checks::{DeliveryCheck, DeliveryChecks},
    failed_messages::{FAILED_PAGE, FailedMessages, FailedPage},
    inbound::{BeforeInbound, CARRIER, Inbound, InboundText, Receipt},
    media::{MediaFiles, PendingMedia, files_of, stored_at, uploaded_at},
    messages::{Claim, Messages, Reported},
    outbox::{Outbox, OutboxEntry, SWEEP_AFTER, UnknownSend},
    sends::{Acceptance, Accepted, Guard, Sends},
    swept_numbers::{SweptNumber, SweptNumbers},
};
