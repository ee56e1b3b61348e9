//! Tickets that open a socket. A browser cannot send an `Authorization` header with the handshake, and a
//! token in a URL ends in logs. A ticket is valid once and for a short time.

use aws_sdk_dynamodb::types::ReturnValue;
use serde::{Deserialize, Serialize};
use shared_domain::{
    ids::{OrganizationId, UserId},
    time::Timestamp,
};

use crate::table::{
    error::StoreError,
    item::{attribute, from_item},
    keys,
    requests::{Conditional, Table},
};

/// The connection that a ticket opens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    pub organization: OrganizationId,
    pub user: UserId,
    /// Display name of the user.
    pub name: String,
    /// Whether the user owns the organization.
    pub owner: bool,
    /// When the token that the ticket was issued for expires.
    #[serde(rename = "exp")]
    pub token_expires_at: Timestamp,
    /// The position in the feed when the ticket was issued.
    pub cursor: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct TicketRow {
    #[serde(flatten)]
    ticket: Ticket,
    until: Timestamp,
    ttl: i64,
}

/// The tickets that were issued.
#[derive(Debug, Clone)]
pub struct Tickets {
    table: Table,
}

impl Tickets {
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// Stores a ticket under its secret, of which only a hash is stored.
    pub async fn issue(&self, secret: &str, ticket: &Ticket, until: Timestamp) -> Result<(), StoreError> {
        let row = TicketRow { ticket: ticket.clone(), until, ttl: until.seconds() };
        self.table.put(keys::ticket(secret), &row).await
    }

    /// Returns what a ticket opens and deletes it, so that it is valid once. `None` if it is unknown,
    /// used or expired.
    pub async fn redeem(&self, secret: &str, now: Timestamp) -> Result<Option<Ticket>, StoreError> {
        let now = attribute(&now)?;
        let deleted = self.table.delete_if(keys::ticket(secret), |delete| {
            delete
                .condition_expression("#until > :now")
                .expression_attribute_names("#until", "until")
                .expression_attribute_values(":now", now)
                .return_values(ReturnValue::AllOld)
        });
        match deleted.await? {
            Conditional::Done(item) => Ok(Some(from_item::<TicketRow>(item)?.ticket)),
            Conditional::Failed(_) => Ok(None),
        }
    }
}
