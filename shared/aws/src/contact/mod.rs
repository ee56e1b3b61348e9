//! Contacts of a team, their numbers, and the copies that conversations hold.

pub(crate) mod contact_batches;
pub(crate) mod contact_book;
pub(crate) mod contact_copies;
pub(crate) mod contacts;
pub(crate) mod former_numbers;
pub(crate) mod rows;

pub use self::{
    contact_batches::{ContactBatches, KnownNumber, Lookup},
    contact_book::{ContactBook, ContactEntry, ContactPage, ContactWrite},
    contact_copies::ContactCopies,
    contacts::Contacts,
    former_numbers::FormerNumbers,
};
