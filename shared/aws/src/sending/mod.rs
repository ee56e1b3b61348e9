//! Whether organizations may send at the moment.

pub(crate) mod pauses;

pub use self::pauses::{PausedOrganization, SendingPauses};
