//! Contacts of a team, their numbers, and the copies that conversations hold.

pub(crate) mod batch;
pub(crate) mod contacts;
pub(crate) mod copies;
pub(crate) mod entries;
pub(crate) mod find_many;
mod names;
pub(crate) mod rows;

pub use self::{
    batch::{KnownNumber, Lookup},
    contacts::{Contacts, ShownContact},
    entries::{ContactEntry, ContactWrite},
    find_many::LastMessages,
};
