//! A2P 10DLC registrations with their timelines.

pub(crate) mod registrations;
pub(crate) mod rows;

pub use self::registrations::{POLL_LIMIT, PendingRegistration, Registrations, Submitted, Transition};
