//! The store of users, memberships and machine clients. Its methods are in one file per noun: `users`,
//! `inbox_members` and `machines`.

use crate::table::requests::Table;

/// Users, members of inboxes, and machine clients.
#[derive(Debug, Clone)]
pub struct Members {
    pub(super) table: Table,
}

impl Members {
    pub fn new(table: Table) -> Self {
        Self { table }
    }
}
