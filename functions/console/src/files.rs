//! The files of the page.
//!
//! A path below `/console/` that is not a file returns the page, because the page has its own routes.

use lambda_http::{
    Body, Response,
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE, ETAG},
    },
};
use shared_http::{etag::is_listed, static_file::StaticFile};

include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// The files, the page, and the headers of every response.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    page: String,
    /// The tag of the page, which changes with the files and with the settings.
    page_tag: String,
    headers: HeaderMap,
}

impl Files {
    /// `api_path` is the path of the API's public URL, which is empty in most deployments. `media_origin` is
    /// where attachments are shown from and uploaded to. `realtime_origin` is where events come from.
    /// `sign_in` is the kind of sign-in, which the page has to know before its first request.
    pub(crate) fn new(api_path: &str, media_origin: &str, realtime_origin: &str, sign_in: &str) -> Self {
        let policy = format!(
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' {media_origin} \
             {realtime_origin}; img-src 'self' blob: {media_origin}; media-src {media_origin}; form-action 'self'; \
             frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'"
        );
        let mut headers = HeaderMap::new();
        let policy = HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"));
        headers.insert("content-security-policy", policy);
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
            ("strict-transport-security", "max-age=31536000"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let page = PAGE.replace("{{assets}}", &format!("{api_path}/console/assets/{DIGEST}"));
        let page = page.replace("{{sign-in}}", sign_in);
        Self { page, page_tag: format!("{DIGEST}-{sign_in}"), headers }
    }

    /// Answers a `GET`. `below` is the part of the path after `/console/`.
    pub(crate) fn answer(&self, below: &str, request: &HeaderMap) -> Response<Body> {
        let mut response = match below.strip_prefix("assets/") {
            Some(asset) => asset_response(asset, request),
            None => page_response(&self.page, &self.page_tag),
        };
        let known = response.headers().get(ETAG).is_some_and(|etag| is_listed(request, etag));
        if known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            *response.body_mut() = Body::Empty;
        }
        response.headers_mut().extend(self.headers.clone());
        response
    }
}

fn page_response(page: &str, tag: &str) -> Response<Body> {
    let mut response = response(StatusCode::OK, "text/html; charset=utf-8", page.into());
    set_caching(&mut response, tag, "no-cache");
    response
}

/// A file by its path below `assets/`, which starts with the digest. A file of another version is `404`.
fn asset_response(asset: &str, request: &HeaderMap) -> Response<Body> {
    let name = asset.split_once('/').filter(|(digest, _)| *digest == DIGEST).map(|(_, name)| name);
    let Some((_, file)) = name.and_then(|name| FILES.iter().find(|(file, _)| *file == name)) else {
        return response(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", "Not found".into());
    };
    let mut response = file.response(request).map(Body::from);
    set_caching(&mut response, DIGEST, "public, max-age=31536000, immutable");
    response
}

fn response(status: StatusCode, content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// Sets the caching of a file. All files but the page have the same tag, because they change together.
fn set_caching(response: &mut Response<Body>, tag: &str, cache: &'static str) {
    if let Ok(etag) = HeaderValue::from_str(&format!("\"{tag}\"")) {
        response.headers_mut().insert(ETAG, etag);
    }
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(cache));
}
