//! Notifications that wait for the mail queue.

pub(crate) mod notifications;
pub(crate) mod rows;

pub use self::notifications::Notifications;
