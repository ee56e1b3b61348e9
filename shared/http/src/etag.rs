//! Entity tags: a response that the client has already gets `304` and no body, and a change of a resource
//! that is not the one that the client read is refused.

use axum::extract::FromRequestParts;
use lambda_http::{
    Body, Response,
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{CACHE_CONTROL, ETAG, HeaderName, IF_MATCH, IF_NONE_MATCH},
        request::Parts,
    },
};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::problem::Problem;

const TAG_BYTES: usize = 16;

/// Adds the tag of its body to a `200`, and makes it a `304` if the request lists the tag.
pub(crate) fn conditional(response: Response<Body>, request: &HeaderMap) -> Response<Body> {
    let mut response = response;
    if response.status() != StatusCode::OK {
        return response;
    }
    let Some(tag) = tag(response.body()) else { return response };
    if is_listed(request, &tag) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.body_mut() = Body::Empty;
        response.headers_mut().remove("content-type");
    }
    // Responses differ by user, and a client asks every time.
    let private = HeaderValue::from_static("private, no-cache");
    response.headers_mut().entry(CACHE_CONTROL).or_insert(private);
    response.headers_mut().insert(ETAG, tag);
    response
}

/// Returns whether the header `If-None-Match` lists this tag (RFC 9110, 13.1.2).
pub fn is_listed(request: &HeaderMap, tag: &HeaderValue) -> bool {
    lists(request, &IF_NONE_MATCH, tag)
}

fn tag(body: &[u8]) -> Option<HeaderValue> {
    let digest = Sha256::digest(body);
    HeaderValue::from_str(&format!("\"{}\"", data_encoding::HEXLOWER.encode(&digest[..TAG_BYTES]))).ok()
}

/// A tag is of the content, so a proxy that weakens it (`W/`) does not change what it says.
fn lists(request: &HeaderMap, header: &HeaderName, tag: &HeaderValue) -> bool {
    let listed = request.get_all(header).iter().filter_map(|value| value.to_str().ok());
    listed.flat_map(|value| value.split(',')).map(str::trim).any(|listed| {
        listed == "*" || listed.strip_prefix("W/").unwrap_or(listed).as_bytes() == tag.as_bytes()
    })
}

/// The header `If-Match` (RFC 9110, 13.1.1): the tag of the resource that the caller read and wants to
/// change. Without it, the change is applied to whatever the resource is.
#[derive(Debug, Clone)]
pub struct IfMatch(HeaderMap);

impl<S: Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let named = parts.headers.get_all(IF_MATCH).iter();
        Ok(Self(named.map(|value| (IF_MATCH, value.clone())).collect()))
    }
}

impl IfMatch {
    /// Errors with `412` if the caller read another version than `current`, the body of a read.
    pub fn check(&self, current: &impl Serialize) -> Result<(), Problem> {
        let body = serde_json::to_vec(current).map_err(Problem::internal)?;
        let is_current = tag(&body).is_some_and(|tag| lists(&self.0, &IF_MATCH, &tag));
        if self.is_set() && !is_current { Err(edit_conflict()) } else { Ok(()) }
    }

    /// Whether the caller named a version.
    pub fn is_set(&self) -> bool {
        !self.0.is_empty()
    }
}

/// Somebody else changed the resource after the caller read it: `412`.
pub fn edit_conflict() -> Problem {
    Problem::new(
        412,
        "edit_conflict",
        "This was changed after you read it. Read it again, and repeat your change.",
    )
}

#[cfg(test)]
mod tests {
    use lambda_http::http::Request;

    use super::*;

    fn answer(body: &'static str, listed: Option<&str>) -> Response<Body> {
        let mut request = HeaderMap::new();
        if let Some(listed) = listed {
            request.insert(IF_NONE_MATCH, listed.parse().unwrap());
        }
        conditional(crate::reply::response(200, "application/json", body), &request)
    }

    #[test]
    fn a_response_that_the_client_has_is_304_without_a_body() {
        let first = answer("{}", None);
        let tag = first.headers()[ETAG].to_str().unwrap().to_owned();
        assert_eq!((first.status(), tag.len()), (StatusCode::OK, 34));
        for listed in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".into()] {
            let same = answer("{}", Some(&listed));
            assert_eq!(same.status(), StatusCode::NOT_MODIFIED, "{listed}");
            assert_eq!((same.headers()[ETAG].to_str().unwrap(), same.body().is_empty()), (&*tag, true));
        }
        for (body, listed) in [("{ }", &*tag), ("{}", "\"x\""), ("{}", "")] {
            assert_eq!(answer(body, Some(listed)).status(), StatusCode::OK, "{listed}");
        }
    }

    #[test]
    fn only_a_successful_response_has_a_tag() {
        let problem = crate::reply::response(404, "application/problem+json", "{}");
        assert!(!conditional(problem, &HeaderMap::new()).headers().contains_key(ETAG));
    }

    async fn if_match(listed: Option<&str>) -> IfMatch {
        let request = Request::patch("/");
        let request = listed.into_iter().fold(request, |request, tag| request.header(IF_MATCH, tag));
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        IfMatch::from_request_parts(&mut parts, &()).await.unwrap()
    }

    #[tokio::test]
    async fn a_change_is_refused_if_the_caller_read_another_version() {
        let body = serde_json::json!({ "name": "Front desk" });
        let text: &'static str = body.to_string().leak();
        let tag = answer(text, None).headers()[ETAG].to_str().unwrap().to_owned();
        for listed in [None, Some(tag.clone()), Some(format!("\"x\", {tag}")), Some("*".into())] {
            assert_eq!(if_match(listed.as_deref()).await.check(&body), Ok(()), "{listed:?}");
        }
        for listed in ["\"x\"", "x", ""] {
            let refused = if_match(Some(listed)).await.check(&body).unwrap_err();
            assert_eq!((refused.status, refused.code), (412, "edit_conflict"), "{listed}");
        }
    }
}
