//! Entity tags: a response that the client has already gets `304` and no body.

use lambda_http::{
    Body, Response,
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH},
    },
};
use sha2::{Digest, Sha256};

const TAG_BYTES: usize = 16;

/// Adds the tag of its body to a `200`, and makes it a `304` if the request lists the tag.
pub(crate) fn conditional(response: Response<Body>, request: &HeaderMap) -> Response<Body> {
    let mut response = response;
    if response.status() != StatusCode::OK {
        return response;
    }
    let digest = Sha256::digest(response.body());
    let tag = format!("\"{}\"", data_encoding::HEXLOWER.encode(&digest[..TAG_BYTES]));
    let Ok(tag) = HeaderValue::from_str(&tag) else { return response };
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
    let listed = request.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    listed.flat_map(|value| value.split(',')).map(str::trim).any(|listed| {
        listed == "*" || listed.strip_prefix("W/").unwrap_or(listed).as_bytes() == tag.as_bytes()
    })
}

#[cfg(test)]
mod tests {
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
}
