//! Runs an HTTP function.

use std::future::Future;

use lambda_http::{
    Adapter, Body, Error, LambdaEvent, Request, Response, lambda_runtime, request::LambdaRequest, service_fn,
    tower::ServiceExt,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// All that may stand in the path of a URI as it is.
const NOT_IN_PATH: AsciiSet =
    NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'@');

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
    lambda_runtime::run(adapter.map_request(|event: LambdaEvent<LambdaRequest>| presentable(event))).await
}

fn presentable(mut event: LambdaEvent<LambdaRequest>) -> LambdaEvent<LambdaRequest> {
    if let LambdaRequest::ApiGatewayV2(request) = &mut event.payload {
        request.raw_path = request.raw_path.take().map(|path| encoded(&path));
        request.raw_query_string = request.raw_query_string.take().map(|query| {
            let fits = format!("/?{query}").parse::<lambda_http::http::Uri>().is_ok();
            if fits { query } else { encoded(&query) }
        });
    }
    event
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, &NOT_IN_PATH).to_string()
}
