//! Runs an HTTP function.

use std::future::Future;

use base64::{Engine, prelude::BASE64_STANDARD};
use lambda_http::{
    Adapter, Body, Error, LambdaEvent, Request, Response, http::Uri, lambda_runtime, request::LambdaRequest,
    service_fn, tower::ServiceExt,
};
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};

/// All that may not stand in the path of a URI as it is.
const NOT_IN_PATH: AsciiSet =
    NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'@');
/// The same for a query, whose parts stay apart.
const NOT_IN_QUERY: AsciiSet = CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');
/// The gateway takes 10 KiB, headers included; three times as much when encoded.
const MAX_ADDRESS_LENGTH: usize = 32 * 1024;

/// Runs `handle` for each request until the environment ends.
///
/// The gateway hands paths over decoded, and the runtime would panic building a URI from a path with a blank in it; so
/// paths are encoded again first. Handlers use path parameters, which are not touched.
///
/// # Errors
/// Only when the runtime itself cannot go on.
pub async fn serve<H, F>(handle: H) -> Result<(), Error>
where
    H: Fn(Request) -> F + Send + Sync,
    F: Future<Output = Response<Body>> + Send,
{
    let handle = &handle;
    let adapter = Adapter::from(service_fn(async |request| Ok::<_, Error>(handle(request).await)));
    let present = |mut event: LambdaEvent<LambdaRequest>| {
        event.payload = presentable(event.payload);
        event
    };
    lambda_runtime::run(adapter.map_request(present)).await
}

/// An event that the runtime can make a request of, whatever came in: it panics on a path or query that is no part of a
/// URI, on a host that is none, and on base64 that is none.
pub fn presentable(mut event: LambdaRequest) -> LambdaRequest {
    if let LambdaRequest::ApiGatewayV2(request) = &mut event {
        let path = encoded(request.raw_path.as_deref().unwrap_or_default(), &NOT_IN_PATH);
        let query = request.raw_query_string.take().unwrap_or_default();
        let fits = format!("/?{query}").parse::<Uri>().is_ok();
        let query = if fits { query } else { encoded(&query, &NOT_IN_QUERY) };
        if path.len() + query.len() > MAX_ADDRESS_LENGTH {
            request.request_context.route_key = None;
            request.raw_path = Some("/".into());
            request.raw_query_string = Some(String::new());
        } else {
            request.raw_path = Some(path);
            request.raw_query_string = Some(query);
        }
        // Handlers ask for neither: addresses come from the settings.
        request.headers.remove("host");
        request.headers.remove("x-forwarded-proto");
        if request.is_base64_encoded {
            let body = request.body.as_deref().unwrap_or_default();
            request.is_base64_encoded = BASE64_STANDARD.decode(body).is_ok();
        }
    }
    event
}

fn encoded(text: &str, reserved: &'static AsciiSet) -> String {
    utf8_percent_encode(text, reserved).to_string()
}

#[cfg(test)]
mod tests {
    use lambda_http::RequestExt;
    use serde_json::json;

    use super::*;
    use crate::input::{query, route};

    fn request(path: &str, query: &str, headers: &serde_json::Value, body: &str) -> Request {
        let http = json!({ "method": "GET", "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1" });
        let event = json!({
            "version": "2.0", "routeKey": "GET /v1/me", "rawPath": path, "rawQueryString": query, "headers": headers,
            "requestContext": { "http": http, "routeKey": "GET /v1/me", "stage": "$default", "timeEpoch": 0 },
            "body": body, "isBase64Encoded": true,
        });
        presentable(serde_json::from_value(event).expect("an event")).into()
    }

    #[test]
    fn what_is_no_uri_keeps_its_parameters() {
        let request = request("/v1/a b", "limit=5&q={x} \u{e9}|\"&cursor=%41", &json!({}), "");
        assert_eq!((query(&request, "limit"), query(&request, "cursor")), (Some("5"), Some("A")));
        assert_eq!(query(&request, "q"), Some("{x} \u{e9}|\""));
        assert_eq!(request.raw_http_path(), "/v1/a%20b");
    }

    #[test]
    fn what_is_longer_than_any_address_has_no_route() {
        let long = "a=1&".repeat(20_000);
        assert_eq!(route(&request("/v1/me", &long, &json!({}), "")), "");
        assert_eq!(route(&request("/v1/me", "a=1", &json!({}), "")), "GET /v1/me");
    }

    #[test]
    fn neither_a_host_that_is_none_nor_a_wrong_flag_of_base64_is_a_panic() {
        let headers = json!({ "host": "a b", "x-forwarded-proto": "x y" });
        let request = request("/v1/me", "", &headers, "no base64!");
        let body: &[u8] = request.body();
        assert_eq!(body, b"no base64!");
    }
}
