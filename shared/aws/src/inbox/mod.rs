//! Inboxes, purchases of their numbers, and out-of-office replies.

pub(crate) mod inboxes;
pub(crate) mod new_inboxes;
pub(crate) mod out_of_office;
pub(crate) mod owned_numbers;
pub(crate) mod rows;

pub use self::{
    inboxes::{Edited, Inboxes},
    new_inboxes::{Bought, Completed, NewInboxes, Purchase, Reserved},
    out_of_office::{OutOfOffice, Saved, Stored},
};
