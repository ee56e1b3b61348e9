//! Files that a bootstrap contains, compressed when it is built.

use lambda_http::{
    Response,
    http::{
        HeaderMap, HeaderValue,
        header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, VARY},
    },
};

/// A file and its compressed form.
#[derive(Debug, Clone, Copy)]
pub struct StaticFile {
    pub content_type: &'static str,
    pub content: &'static [u8],
    pub brotli: &'static [u8],
}

impl StaticFile {
    /// Returns the file, compressed if the client accepts it.
    pub fn response(&self, request: &HeaderMap) -> Response<&'static [u8]> {
        let accepts_brotli = request
            .get_all(ACCEPT_ENCODING)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|coding| coding.split(';').next().is_some_and(|name| name.trim() == "br"));
        let mut response = Response::new(if accepts_brotli { self.brotli } else { self.content });
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
        if accepts_brotli {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("br"));
        }
        response
    }
}
