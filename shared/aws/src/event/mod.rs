//! Events: the changes that the table's stream reports, the numbered events of inboxes and teams, and the
//! topic to which they are published.

pub(crate) mod changes;
pub(crate) mod event_log;
mod numbering;
mod rows;
pub(crate) mod topic;

pub use self::{
    changes::{Change, Images, Subject},
    event_log::{Appended, EventLog},
    topic::{EventsTopic, PublishedEvent, TopicError},
};
