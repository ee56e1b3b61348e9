//! Conversations, the lists that show them, their locks and their unread counts.

pub(crate) mod conversations;
pub(crate) mod held_locks;
pub(crate) mod lists;
pub(crate) mod locks;
pub(crate) mod rows;
pub(crate) mod unread;

pub use self::{
    conversations::{ConversationUpdate, Conversations},
    held_locks::HeldLock,
    lists::{Listing, MAX_COUNT},
    locks::{Acquired, Locks, Renewed},
    unread::{Counter, Unread},
};
