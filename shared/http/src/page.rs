//! Lists in pages: `?limit=` and `?cursor=`.

use axum::extract::{FromRef, FromRequestParts};
use lambda_http::http::request::Parts;

use shared_domain::time::Timestamp;

use crate::{
    cursor::{Cursors, ListCursors},
    problem::Problem,
    request::{Now, Query},
    wire::Page,
};

const DEFAULT_LIMIT: u16 = 25;
const MAX_LIMIT: u16 = 100;

/// `?limit=` alone. `400` unless it is a whole number from 1 to 100.
#[derive(Debug, Clone, Copy)]
pub struct Limit(pub u16);

impl<S: Send + Sync> FromRequestParts<S> for Limit {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = Query::from_request_parts(parts, state).await?;
        Ok(Self(limit(&query)?.unwrap_or(DEFAULT_LIMIT)))
    }
}

fn limit(query: &Query) -> Result<Option<u16>, Problem> {
    let Some(text) = query.get("limit") else { return Ok(None) };
    let limit = text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
    limit.map(Some).ok_or_else(|| Problem::bad_field("?limit", "a whole number from 1 to 100"))
}

/// A request for one page of a list.
#[derive(Debug)]
pub struct PageRequest {
    limit: Option<u16>,
    cursor: Option<String>,
    cursors: Cursors,
    now: Timestamp,
}

impl<S> FromRequestParts<S> for PageRequest
where
    S: Send + Sync,
    Cursors: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = Query::from_request_parts(parts, state).await?;
        let cursor = query.get("cursor").map(str::to_owned);
        let Now(now) = Now::from_request_parts(parts, state).await?;
        Ok(Self { limit: limit(&query)?, cursor, cursors: Cursors::from_ref(state), now })
    }
}

impl PageRequest {
    /// With another limit for requests that do not set one.
    #[must_use]
    pub fn default_limit(self, limit: u16) -> Self {
        Self { limit: self.limit.or(Some(limit)), ..self }
    }

    /// The page of `list` for this caller. A list with other filters has another name. Errors with `400` for
    /// a cursor that was given to another caller, or by another list.
    pub async fn of(self, principal: &str, list: impl Into<String>) -> Result<ListPage, Problem> {
        let Self { limit, cursor, cursors, now } = self;
        let (cursors, after) = cursors.of_list(now, principal, &list.into(), cursor.as_deref()).await?;
        Ok(ListPage { limit: limit.unwrap_or(DEFAULT_LIMIT), after, cursors })
    }
}

/// One page of one list, for one caller.
#[derive(Debug)]
pub struct ListPage {
    pub limit: u16,
    after: Option<String>,
    cursors: ListCursors,
}

impl ListPage {
    /// Where the page before it ended.
    pub fn after(&self) -> Option<&str> {
        self.after.as_deref()
    }

    /// The cursor of a position in this list.
    pub fn position(&self, place: &str) -> String {
        self.cursors.seal(place)
    }

    /// The response; `end` is where the page ends, `None` on the last one.
    pub fn response<T>(&self, items: impl IntoIterator<Item = T>, end: Option<&str>) -> Page<T> {
        Page { items: items.into_iter().collect(), next_cursor: end.map(|end| self.cursors.seal(end)) }
    }
}
