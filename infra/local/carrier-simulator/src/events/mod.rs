//! Event Streams: sinks, subscriptions, and the delivery of registration events.

pub(crate) mod delivery;
pub(crate) mod event;
pub(crate) mod event_type;
pub(crate) mod sink;
pub(crate) mod sinks;
pub(crate) mod subscription;
pub(crate) mod subscriptions;
