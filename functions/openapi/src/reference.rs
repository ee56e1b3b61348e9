//! The API reference as pages. The build script renders and compresses them.

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, HeaderValue, Response, header::CACHE_CONTROL},
    routing::get,
};
use shared_http::static_file::StaticFile;

/// The pages have no scripts and no forms.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";
const HEADERS: [(&str, &str); 4] = [
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("strict-transport-security", "max-age=31536000"),
];

/// A file that the build script has written.
macro_rules! file {
    ($content_type:literal, $name:literal) => {
        StaticFile {
            content_type: $content_type,
            content: include_bytes!(concat!(env!("OUT_DIR"), "/", $name)),
            brotli: include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".br")),
        }
    };
}

pub(crate) const DOCUMENT: StaticFile = file!("application/json", "openapi.json");
const FILES: [(&str, StaticFile); 4] = [
    ("/docs", file!("text/html; charset=utf-8", "docs.html")),
    ("/docs/errors", file!("text/html; charset=utf-8", "errors.html")),
    ("/docs/style.css", file!("text/css; charset=utf-8", "style.css")),
    ("/docs/icon.svg", file!("image/svg+xml", "icon.svg")),
];

/// The routes of the pages, which are not in the OpenAPI document.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    FILES.into_iter().fold(Router::new(), |router, (path, file)| {
        router.route(path, get(async move |request: HeaderMap| response(file, &request)))
    })
}

/// Browsers ask each time whether they have the current file.
fn response(file: StaticFile, request: &HeaderMap) -> Response<Body> {
    let mut response = file.response(request).map(Body::from);
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, no-cache"));
    response
}
