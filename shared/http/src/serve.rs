//! Runs an HTTP function.

use std::future::Future;

use axum::{
    Router,
    body::to_bytes,
    http::{Method, uri::PathAndQuery},
    response::Response as RouterResponse,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use lambda_http::{
    Adapter, Body, Error, LambdaEvent, Request, RequestExt, Response, http::Uri, lambda_runtime,
    request::LambdaRequest, service_fn, tower::ServiceExt,
};
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use shared_domain::time::Timestamp;
use shared_lambda::config::Environment;

use crate::{
    etag,
    input::{gateway, route},
    parameters::UnknownParameters,
    problem::Problem,
    reply::{self, ApiUrl, Outcome, RequestInfo},
    request::{Entropy, Now},
};

/// Characters that must be encoded in a path.
const NOT_IN_PATH: AsciiSet =
    NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'@');
/// Characters that must be encoded in one segment of a path.
const NOT_IN_SEGMENT: AsciiSet = NOT_IN_PATH.add(b'/');
/// Characters that must be encoded in a query. `&` and `=` separate its parameters and are kept.
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
/// API Gateway accepts 10 KiB including headers, which can triple when encoded.
const MAX_ADDRESS_LENGTH: usize = 32 * 1024;

/// Runs `handle` for each request until the execution environment ends. Errors if the runtime fails.
///
/// API Gateway decodes paths, and the runtime panics if a path contains a space. So paths are encoded first.
/// Path parameters do not change.
pub async fn serve<H, F>(handle: H) -> Result<(), Error>
where
    H: Fn(Request) -> F + Send + Sync,
    F: Future<Output = Response<Body>> + Send,
{
    let api_url = Environment::default().optional("PUBLIC_BASE_URL").map(|url| ApiUrl(url.into()));
    let (handle, api_url) = (&handle, &api_url);
    let adapter = Adapter::from(service_fn(async |mut request: Request| {
        if let Some(url) = api_url {
            request.extensions_mut().insert(url.clone());
        }
        Ok::<_, Error>(handle(request).await)
    }));
    let make_safe = |mut event: LambdaEvent<LambdaRequest>| {
        event.payload = presentable(event.payload);
        event
    };
    lambda_runtime::run(adapter.map_request(make_safe)).await
}

/// Makes an event safe for the runtime, which panics on an invalid path, query, host or Base64 body.
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
        // Handlers read neither: public URLs come from the settings.
        request.headers.remove("host");
        request.headers.remove("x-forwarded-proto");
        if request.is_base64_encoded {
            let body = request.body.as_deref().unwrap_or_default();
            request.is_base64_encoded = BASE64_STANDARD.decode(body).is_ok();
        }
    }
    event
}

/// Returns the router of a function. A request without a matching route is a `404`.
pub fn router<S: Clone + Send + Sync + 'static>(routes: Router<S>, state: S) -> Router {
    let not_found = async || Problem::not_found();
    routes.fallback(not_found).method_not_allowed_fallback(not_found).with_state(state)
}

/// Answers one request with a function's router. `entropy` is a random number that distinguishes IDs created
/// in the same millisecond.
pub async fn answer(router: &Router, now: Timestamp, entropy: u64, request: Request) -> Response<Body> {
    let info = RequestInfo::of(&request);
    let headers = request.headers().clone();
    let query = request.uri().query().unwrap_or_default();
    let unknown = UnknownParameters::find(route(&request), query);
    let mut request = at_matched_route(request);
    let is_read = request.method() == Method::GET;
    if let Some(unknown) = unknown.clone() {
        request.extensions_mut().insert(unknown);
    }
    request.extensions_mut().insert(Now(now));
    request.extensions_mut().insert(Entropy(entropy));
    let Ok(response) = router.clone().oneshot(request).await;
    let outcome = match (outcome(response).await, unknown) {
        // A handler that reads changes nothing, so its access rules decide first, whatever it extracts.
        (Ok(_), Some(unknown)) if is_read => Err(unknown.problem()),
        (outcome, _) if is_read => outcome.map(|response| etag::conditional(response, &headers)),
        (outcome, _) => outcome,
    };
    reply::finish(&info, outcome)
}

async fn outcome(mut response: RouterResponse) -> Outcome {
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        return Err(problem);
    }
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.map_err(Problem::internal)?;
    let body = match String::from_utf8(bytes.into()) {
        Ok(text) if text.is_empty() => Body::Empty,
        Ok(text) => Body::Text(text),
        Err(error) => Body::Binary(error.into_bytes()), // a compressed file
    };
    Ok(Response::from_parts(parts, body))
}

/// Returns the request with the path of the matched route and its parameters. The path in the event can start
/// with a stage, and slashes in its parameters are decoded.
fn at_matched_route(mut request: Request) -> Request {
    let Some(context) = gateway(&request) else { return request };
    let (method, route) =
        context.route_key.as_deref().and_then(|key| key.split_once(' ')).unwrap_or_default();
    let parameters = request.path_parameters_ref();
    let parameter = |name: &str| parameters.and_then(|all| all.first(name)).unwrap_or_default();
    let segments = route.split('/').map(|segment| {
        let name = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        name.map_or_else(|| segment.to_owned(), |name| encoded(parameter(name), &NOT_IN_SEGMENT))
    });
    let path = segments.collect::<Vec<_>>().join("/");
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    let path: PathAndQuery = format!("{path}{query}").parse().unwrap_or(PathAndQuery::from_static("/"));
    if let Ok(method) = Method::from_bytes(method.as_bytes()) {
        *request.method_mut() = method;
    }
    *request.uri_mut() = path.into();
    request
}

fn encoded(text: &str, reserved: &'static AsciiSet) -> String {
    utf8_percent_encode(text, reserved).to_string()
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::{Arc, Mutex};

    use lambda_http::RequestExt;
    use serde_json::json;

    use axum::{extract::FromRequestParts, routing::any};
    use test_kit::gateway::Event;

    use super::*;
    use crate::input::query;

    /// Returns what an extractor reads from an event.
    pub(crate) async fn extract<S, T>(state: &S, event: &Event) -> Result<T, Problem>
    where
        S: Clone + Send + Sync + 'static,
        T: FromRequestParts<S, Rejection = Problem> + Send + 'static,
    {
        let extracted = Arc::new(Mutex::new(None));
        let slot = extracted.clone();
        let handler = async move |value: Result<T, Problem>| *slot.lock().unwrap() = Some(value);
        let (_, path) = event.route().split_once(' ').unwrap();
        let router = Router::new().route(path, any(handler)).with_state(state.clone());
        answer(&router, Timestamp::from_millis(0), 0, event.request()).await;
        extracted.lock().unwrap().take().expect("the route matches")
    }

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
    fn a_query_that_is_not_a_valid_uri_keeps_its_parameters() {
        let request = request("/v1/a b", "limit=5&q={x} \u{e9}|\"&cursor=%41", &json!({}), "");
        assert_eq!((query(&request, "limit"), query(&request, "cursor")), (Some("5"), Some("A")));
        assert_eq!(query(&request, "q"), Some("{x} \u{e9}|\""));
        assert_eq!(request.raw_http_path(), "/v1/a%20b");
    }

    #[test]
    fn a_request_with_a_query_that_is_too_long_has_no_route() {
        let long = "a=1&".repeat(20_000);
        assert_eq!(route(&request("/v1/me", &long, &json!({}), "")), "");
        assert_eq!(route(&request("/v1/me", "a=1", &json!({}), "")), "GET /v1/me");
    }

    #[test]
    fn an_invalid_host_and_an_invalid_base64_body_do_not_panic() {
        let headers = json!({ "host": "a b", "x-forwarded-proto": "x y" });
        let request = request("/v1/me", "", &headers, "no base64!");
        let body: &[u8] = request.body();
        assert_eq!(body, b"no base64!");
    }
}
