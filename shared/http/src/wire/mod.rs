//! The bodies of requests and responses, as the OpenAPI document describes them, and their conversion from
//! and to domain types.

use serde::Serialize;
use utoipa::ToSchema;

pub mod broadcast;
pub mod contact;
pub mod contact_import;
pub mod conversation;
pub mod event;
pub mod inbox;
pub mod keyword_reply;
pub mod lock;
pub mod machine_client;
pub mod me;
pub mod message;
pub mod opt_out_review;
pub mod organization;
pub mod out_of_office;
pub mod problem;
pub mod realtime;
pub mod registration;
pub mod segment;
pub mod team;
pub mod template;
pub mod values;
pub mod webhook;

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    /// At most `limit` items.
    pub items: Vec<T>,
    /// Send it as `cursor` to get the next page. `null` on the last page.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// Returns a list that has only one page.
    pub fn complete(items: impl IntoIterator<Item = T>) -> Self {
        Self { items: items.into_iter().collect(), next_cursor: None }
    }
}

/// A user.
#[derive(Debug, Serialize, ToSchema)]
pub struct UserName {
    /// ID of the user.
    #[serde(rename = "userId")]
    pub user_id: String,
    /// Display name.
    pub name: String,
}

impl UserName {
    pub fn of(person: &shared_domain::user::UserRef) -> Self {
        Self { user_id: person.id.to_string(), name: person.name.clone() }
    }
}
