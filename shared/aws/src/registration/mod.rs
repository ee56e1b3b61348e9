//! A2P 10DLC registrations with their timelines.

pub(crate) mod poll;
pub(crate) mod registrations;
pub(crate) mod rows;

pub use self::{
    poll::{POLL_LIMIT, PendingRegistration, RefusedNumber},
    registrations::{Registrations, Submitted, Transition},
};
