//! Whether organizations may send at the moment, and how fast their numbers send.

pub(crate) mod paces;
pub(crate) mod pauses;

pub use self::paces::{BeforeSend, Paces, Reservation, StoredPace};
pub use self::pauses::{PausedOrganization, SendingPauses};
