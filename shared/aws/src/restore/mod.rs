//! Restoring the table from a backup: the copy of all items, the rules for what of a backup is restored, and
//! the window during which writes are those of a restore.

mod copy;
mod json;
mod rules;
mod window;

pub use self::{
    copy::{CheckedItem, Copied, TableCopy},
    window::{RestoreWindow, Restores},
};
