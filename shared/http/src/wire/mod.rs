//! The shapes that travel, as the OpenAPI document describes them. Domain types turn into them here and nowhere else.

use serde::Serialize;
use utoipa::ToSchema;

pub mod contact;
pub mod contact_import;
pub mod conversation;
pub mod inbox;
pub mod lock;
pub mod me;
pub mod message;
pub mod opt_out_review;
pub mod out_of_office;
pub mod problem;
pub mod registration;
pub mod team;
pub mod template;

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    /// At most `limit` of them.
    pub items: Vec<T>,
    /// Give it as `cursor` for the next page; null on the last.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// A list that has one page only.
    pub fn complete(items: impl IntoIterator<Item = T>) -> Self {
        Self { items: items.into_iter().collect(), next_cursor: None }
    }
}

/// Somebody as others see them.
#[derive(Debug, Serialize, ToSchema)]
pub struct UserName {
    /// The User ID.
    #[serde(rename = "userId")]
    pub user_id: String,
    /// The name to show.
    pub name: String,
}

impl UserName {
    /// Of a person.
    pub fn of(person: &shared_domain::user::UserRef) -> Self {
        Self { user_id: person.id.to_string(), name: person.name.clone() }
    }
}
