//! The socket connections of an organization. All of them are in one partition, so that an event finds its
//! receivers with one query. Each has one of its user's places, so a user never has more connections than
//! places.

use std::time::Duration;

use aws_sdk_dynamodb::types::ReturnValue;
use serde::{Deserialize, Serialize};
use shared_domain::{
    ids::{ConversationId, InboxId, OrganizationId, UserId},
    time::Timestamp,
};

use crate::table::{
    error::StoreError,
    item::{attribute, from_item, number, text},
    keys,
    query::KeyRange,
    requests::{Conditional, Table},
};

/// Connections that a user can have at the same time.
pub const MAX_SOCKETS_PER_USER: u8 = 10;
/// API Gateway ends a connection after two hours. The rest is for a clock that differs.
const MAX_SOCKET_AGE: Duration = Duration::from_mins(130);

/// The place of a connection among those of its user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub organization: OrganizationId,
    pub user: UserId,
    pub slot: u8,
}

/// A conversation that is open on a screen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    #[serde(rename = "i")]
    pub inbox: InboxId,
    #[serde(rename = "c")]
    pub conversation: ConversationId,
}

/// A connection to store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSocket {
    /// API Gateway's id of the connection.
    pub connection: String,
    /// Whether the user owns the organization.
    pub owner: bool,
    /// No frame is sent after this time.
    pub token_expires_at: Timestamp,
    /// The position in the feed that its first frame contains.
    pub cursor: String,
}

/// A connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Socket {
    pub place: Place,
    pub connection: String,
    pub owner: bool,
    pub connected_at: Timestamp,
    pub token_expires_at: Timestamp,
    /// The cursor of its first frame, until that frame was sent.
    pub greeting: Option<String>,
    pub view: Option<View>,
}

/// Attribute names are short, because one query reads all connections of an organization.
#[derive(Debug, Serialize, Deserialize)]
struct SocketRow {
    #[serde(skip_serializing, default)]
    sk: String,
    #[serde(rename = "c")]
    connection: String,
    #[serde(rename = "o")]
    owner: bool,
    at: Timestamp,
    exp: Timestamp,
    #[serde(rename = "g", default, skip_serializing_if = "Option::is_none")]
    greeting: Option<String>,
    #[serde(rename = "v", default, skip_serializing_if = "Option::is_none")]
    view: Option<View>,
    ttl: i64,
}

#[derive(Debug, Deserialize)]
struct StrikesRow {
    #[serde(rename = "b")]
    strikes: u32,
}

impl SocketRow {
    fn socket(self, organization: &OrganizationId) -> Result<Socket, StoreError> {
        let corrupt = || StoreError::Corrupt("the key of a connection".into());
        let (user, slot) = self.sk.rsplit_once('#').ok_or_else(corrupt)?;
        let place = Place {
            organization: organization.clone(),
            user: UserId::parse(user).map_err(|_| corrupt())?,
            slot: slot.parse().map_err(|_| corrupt())?,
        };
        Ok(Socket {
            place,
            connection: self.connection,
            owner: self.owner,
            connected_at: self.at,
            token_expires_at: self.exp,
            greeting: self.greeting,
            view: self.view,
        })
    }
}

/// The connections.
#[derive(Debug, Clone)]
pub struct Sockets {
    table: Table,
}

impl Sockets {
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// Returns all connections of an organization, read consistently: 1 read unit for about 40.
    pub async fn list(&self, organization: &OrganizationId) -> Result<Vec<Socket>, StoreError> {
        self.in_range(organization, &KeyRange::all(keys::sockets_partition(organization))).await
    }

    /// Returns the connections of a user.
    pub async fn of_user(
        &self,
        organization: &OrganizationId,
        user: &UserId,
    ) -> Result<Vec<Socket>, StoreError> {
        let range = KeyRange::prefix(keys::sockets_partition(organization), format!("{user}#"));
        self.in_range(organization, &range).await
    }

    async fn in_range(
        &self,
        organization: &OrganizationId,
        range: &KeyRange,
    ) -> Result<Vec<Socket>, StoreError> {
        let rows: Vec<SocketRow> = self.table.all(range).await?;
        rows.into_iter().map(|row| row.socket(organization)).collect()
    }

    pub async fn get(&self, place: &Place) -> Result<Option<Socket>, StoreError> {
        let row: Option<SocketRow> = self.table.get(keys::socket(place), true).await?;
        row.map(|row| row.socket(&place.organization)).transpose()
    }

    /// Stores a connection in a free place of its user, or in that of a connection that has ended by its age.
    /// `None` if there is no such place.
    pub async fn open(
        &self,
        organization: &OrganizationId,
        user: &UserId,
        socket: &NewSocket,
        now: Timestamp,
    ) -> Result<Option<Place>, StoreError> {
        let taken = self.of_user(organization, user).await?;
        for slot in 0..MAX_SOCKETS_PER_USER {
            let old = taken.iter().find(|one| one.place.slot == slot);
            if old.is_some_and(|old| old.connected_at + MAX_SOCKET_AGE > now) {
                continue;
            }
            let place = Place { organization: organization.clone(), user: user.clone(), slot };
            let row = SocketRow {
                sk: String::new(),
                connection: socket.connection.clone(),
                owner: socket.owner,
                at: now,
                exp: socket.token_expires_at,
                greeting: Some(socket.cursor.clone()),
                view: None,
                ttl: (now + MAX_SOCKET_AGE).seconds(),
            };
            let old = text(old.map_or("", |old| old.connection.as_str()));
            let put = self.table.put_if(keys::socket(&place), &row, |put| {
                put.condition_expression("attribute_not_exists(pk) OR c = :old")
                    .expression_attribute_values(":old", old)
            });
            if put.await?.is_done() {
                return Ok(Some(place));
            }
        }
        Ok(None)
    }

    /// Deletes a connection. Returns it as it was, or `None` if another connection has its place.
    pub async fn close(&self, place: &Place, connection: &str) -> Result<Option<Socket>, StoreError> {
        let connection = text(connection);
        let deleted = self.table.delete_if(keys::socket(place), |delete| {
            delete
                .condition_expression("c = :connection")
                .expression_attribute_values(":connection", connection)
                .return_values(ReturnValue::AllOld)
        });
        match deleted.await? {
            Conditional::Done(item) => from_item::<SocketRow>(item)?.socket(&place.organization).map(Some),
            Conditional::Failed(_) => Ok(None),
        }
    }

    /// Records that the first frame was sent. Does nothing if another connection has the place.
    pub async fn mark_greeted(&self, place: &Place, connection: &str) -> Result<(), StoreError> {
        let connection = text(connection);
        let updated = self.table.update_if(keys::socket(place), |update| {
            update
                .update_expression("REMOVE g")
                .condition_expression("c = :connection")
                .expression_attribute_values(":connection", connection)
        });
        updated.await.map(drop)
    }

    /// Sets the end of the token. Returns `false` if the connection is not stored.
    pub async fn renew(
        &self,
        place: &Place,
        connection: &str,
        owner: bool,
        token_expires_at: Timestamp,
    ) -> Result<bool, StoreError> {
        let (connection, owner, exp) = (text(connection), attribute(&owner)?, attribute(&token_expires_at)?);
        let updated = self.table.update_if(keys::socket(place), |update| {
            update
                .update_expression("SET #exp = :exp, o = :owner")
                .condition_expression("c = :connection")
                .expression_attribute_names("#exp", "exp")
                .expression_attribute_values(":exp", exp)
                .expression_attribute_values(":owner", owner)
                .expression_attribute_values(":connection", connection)
        });
        Ok(updated.await?.is_done())
    }

    /// Sets what is open on the screen of a connection. Returns `false` if the connection is not stored.
    pub async fn set_view(
        &self,
        place: &Place,
        connection: &str,
        view: Option<&View>,
    ) -> Result<bool, StoreError> {
        let (connection, view) = (text(connection), view.map(attribute).transpose()?);
        let updated = self.table.update_if(keys::socket(place), |update| {
            let update = update
                .condition_expression("c = :connection")
                .expression_attribute_values(":connection", connection);
            match view {
                Some(view) => {
                    update.update_expression("SET v = :view").expression_attribute_values(":view", view)
                }
                None => update.update_expression("REMOVE v"),
            }
        });
        Ok(updated.await?.is_done())
    }

    /// Counts a frame that is not part of the protocol. Returns how many of them came in this minute.
    pub async fn count_foreign_frame(
        &self,
        place: &Place,
        connection: &str,
        now: Timestamp,
    ) -> Result<u32, StoreError> {
        let (connection, minute) = (text(connection), number(now.seconds() / 60));
        let counted = self.table.update_if(keys::socket(place), |update| {
            update
                .update_expression("ADD b :one")
                .condition_expression("c = :connection AND m = :minute")
                .expression_attribute_values(":one", number(1))
                .expression_attribute_values(":connection", connection.clone())
                .expression_attribute_values(":minute", minute.clone())
                .return_values(ReturnValue::UpdatedNew)
        });
        if let Conditional::Done(item) = counted.await? {
            return Ok(from_item::<StrikesRow>(item)?.strikes);
        }
        let first = self.table.update_if(keys::socket(place), |update| {
            update
                .update_expression("SET b = :one, m = :minute")
                .condition_expression("c = :connection")
                .expression_attribute_values(":one", number(1))
                .expression_attribute_values(":connection", connection)
                .expression_attribute_values(":minute", minute)
        });
        first.await.map(|_| 1)
    }
}
