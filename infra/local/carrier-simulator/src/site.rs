//! The URL that a client uses for the simulator. Resources of v1 contain their full URLs.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::header::HOST;
use axum::http::request::Parts;

/// Scheme and host of the request.
pub(crate) struct Site(String);

impl Site {
    /// The full URL of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }

    /// The same port under another host name.
    pub(crate) fn under(&self, name: &str) -> Self {
        let port = self.0.rsplit_once(':').map_or("80", |(_, port)| port);
        Self(format!("http://{name}:{port}"))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Site {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
        Ok(Self(format!("http://{host}")))
    }
}
