//! Sessions of the console: sign-in with a password, and a cookie with the refresh token.

use serde_json::json;

use crate::{Stack, canaries};

/// A session of a user.
#[derive(Debug)]
pub struct Session {
    http: reqwest::Client,
    base: String,
    cookie: String,
}

impl Session {
    pub(crate) async fn sign_in(stack: &Stack, email: &str, password: &str) -> Self {
        let (http, base) = stack.console_session();
        let body = json!({ "email": email, "password": password });
        let response = http.post(format!("{base}/sign-in")).json(&body).send().await.expect("an answer");
        assert_eq!(response.status(), 200);
        let cookie = response.headers()["set-cookie"].to_str().expect("text");
        let cookie = cookie.split(';').next().expect("a pair").to_owned();
        canaries::record("refresh token", cookie.split_once('=').expect("a pair").1);
        Self { http, base, cookie }
    }

    /// Signs out. The cookie is of no use after that.
    pub async fn sign_out(self) {
        let request = self.http.post(format!("{}/sign-out", self.base)).json(&json!({}));
        let response = request.header("cookie", self.cookie).send().await.expect("an answer");
        assert!(response.status().is_success(), "{}", response.status());
    }
}
