//! Events: the changes that the table's stream reports, and the numbered events of inboxes and teams.

pub(crate) mod changes;
pub(crate) mod event_log;

pub use self::{
    changes::{Change, Images, Subject},
    event_log::{Appended, EventLog},
};
