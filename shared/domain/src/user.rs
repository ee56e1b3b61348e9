//! Users: the people who sign in.
//!
//! ```
//! use shared_domain::{ids::UserId, user::UserRef};
//!
//! let ada = UserRef { id: UserId::parse("ada").unwrap(), name: "Ada Lovelace".into() };
//! assert_eq!(ada.id.as_str(), "ada");
//! ```

use serde::{Deserialize, Serialize};

use crate::ids::UserId;

/// A user of the organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The customer's own *User ID*.
    pub id: UserId,
    /// The display name.
    pub name: String,
    /// The address for notifications.
    pub email: String,
    /// Whether the user owns the organization.
    pub owner: bool,
}

/// A user as shown to others: id and display name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it all")]
pub struct UserRef {
    pub id: UserId,
    pub name: String,
}
