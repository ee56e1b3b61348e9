//! Extractors for what every request carries: its time, its entropy, its id, ids in the path, the query.
//!
//! A handler lists its extractors in the order in which they can refuse the request: who calls (401 and 403),
//! what the caller can see (404), what the caller can do (403), then the format of the input (400).

use std::fmt;

use axum::extract::{FromRequestParts, RawPathParams};
use lambda_http::http::request::Parts;
use shared_domain::{
    field::FieldError,
    ids::{self, Id, IdKind},
    text,
    time::Timestamp,
};

use crate::{parameters::UnknownParameters, problem::Problem};

const MAX_SEARCH_TERM: usize = 80;

/// The time of the request. Handlers never read a clock.
#[derive(Debug, Clone, Copy)]
pub struct Now(pub Timestamp);

/// 64 random bits for the ids that this request creates.
#[derive(Debug, Clone, Copy)]
pub struct Entropy(pub u64);

impl<S: Sync> FromRequestParts<S> for Now {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get().copied().ok_or_else(|| Problem::internal("the request has no time"))
    }
}

impl<S: Sync> FromRequestParts<S> for Entropy {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get().copied().ok_or_else(|| Problem::internal("the request has no entropy"))
    }
}

/// A kind of id that appears in paths.
pub trait PathParameter: IdKind {
    /// The name of the parameter in the route, as in `{inboxId}`.
    const NAME: &'static str;
}

impl PathParameter for ids::kind::Team {
    const NAME: &'static str = "teamId";
}
impl PathParameter for ids::kind::User {
    const NAME: &'static str = "userId";
}
impl PathParameter for ids::kind::Inbox {
    const NAME: &'static str = "inboxId";
}
impl PathParameter for ids::kind::Conversation {
    const NAME: &'static str = "conversationId";
}
impl PathParameter for ids::kind::Message {
    const NAME: &'static str = "messageId";
}
impl PathParameter for ids::kind::Contact {
    const NAME: &'static str = "contactId";
}
impl PathParameter for ids::kind::KeywordReply {
    const NAME: &'static str = "keywordReplyId";
}
impl PathParameter for ids::kind::Segment {
    const NAME: &'static str = "segmentId";
}
impl PathParameter for ids::kind::Broadcast {
    const NAME: &'static str = "broadcastId";
}
impl PathParameter for ids::kind::Template {
    const NAME: &'static str = "templateId";
}
impl PathParameter for ids::kind::Import {
    const NAME: &'static str = "importId";
}
impl PathParameter for ids::kind::Review {
    const NAME: &'static str = "reviewId";
}
impl PathParameter for ids::kind::WebhookEndpoint {
    const NAME: &'static str = "endpointId";
}
impl PathParameter for ids::kind::WebhookDelivery {
    const NAME: &'static str = "deliveryId";
}

/// An ID in the path. A malformed ID is a `404`, because nothing has it.
pub struct PathId<K>(pub Id<K>);

impl<K> fmt::Debug for PathId<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<K: PathParameter, S: Send + Sync> FromRequestParts<S> for PathId<K> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let parameters = RawPathParams::from_request_parts(parts, state).await;
        let parameters = parameters.map_err(|_| Problem::not_found())?;
        let (_, text) =
            parameters.iter().find(|(name, _)| *name == K::NAME).ok_or_else(Problem::not_found)?;
        Ok(Self(Id::parse(text).map_err(|_| Problem::not_found())?))
    }
}

/// Refuses a request with a query parameter that its route does not have: `400`. [`Query`], the extractors of
/// pages, and those of bodies do it too. Handlers that change something and have none of these name it last.
#[derive(Debug, Clone, Copy)]
pub struct KnownParameters;

impl<S: Sync> FromRequestParts<S> for KnownParameters {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match parts.extensions.get::<UnknownParameters>() {
            Some(unknown) => Err(unknown.problem()),
            None => Ok(Self),
        }
    }
}

/// The query of the request.
#[derive(Debug, Clone, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Returns the first parameter with this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Returns `?q=`, trimmed. `None` if nothing of it is visible. Errors with `422` if it has more than 80
    /// characters.
    pub fn search_term(&self) -> Result<Option<&str>, Problem> {
        let term = self.get("q").map(str::trim).filter(|term| text::is_visible(term));
        if term.is_some_and(|term| term.chars().count() > MAX_SEARCH_TERM) {
            return Err(FieldError::new("?q", "at most 80 characters").into());
        }
        Ok(term)
    }

    /// Returns whether the parameter is `true`.
    pub fn is_true(&self, name: &str) -> bool {
        self.get(name) == Some("true")
    }
}

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        KnownParameters::from_request_parts(parts, state).await?;
        let query = parts.uri.query().unwrap_or_default();
        Ok(Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_term_of_invisible_characters_alone_searches_nothing() {
        for blank in ["", "  ", "\u{200b}", " \u{feff} "] {
            let query = Query(vec![("q".into(), blank.into())]);
            assert_eq!(query.search_term().unwrap(), None, "{blank:?}");
        }
        let query = Query(vec![("q".into(), " jo ".into())]);
        assert_eq!(query.search_term().unwrap(), Some("jo"));
    }
}
