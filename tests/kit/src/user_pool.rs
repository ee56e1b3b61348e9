//! A user pool in memory, as its public client sees it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use shared_aws::clients::{Aws, UserPool};

/// Signs in the users that it knows. Clones share its users.
#[derive(Debug, Clone)]
pub struct FakeUserPool {
    url: String,
    users: Arc<BTreeMap<String, FakeUser>>,
    revoked: Arc<Mutex<Vec<String>>>,
}

/// A user of the pool.
#[derive(Debug, Clone)]
pub struct FakeUser {
    /// `None` accepts every password.
    pub password: Option<String>,
    /// Whether the password has to be replaced at the first sign-in.
    pub is_invited: bool,
    /// The ID token. The refresh token is `refresh-` and this text.
    pub token: String,
}

impl FakeUserPool {
    /// Starts on a free port, with users by e-mail address. It ends with the runtime.
    pub async fn start(users: BTreeMap<String, FakeUser>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let pool = Self { url, users: Arc::new(users), revoked: Arc::default() };
        let answer = async |State(pool): State<Self>, headers: HeaderMap, body: String| {
            let target = headers["x-amz-target"].to_str().unwrap().to_owned();
            pool.answer(target.rsplit('.').next().unwrap(), &serde_json::from_str(&body).unwrap())
        };
        let router = Router::new().fallback(answer).with_state(pool.clone());
        tokio::spawn(async { axum::serve(listener, router).await });
        pool
    }

    /// Returns a client of the pool.
    pub fn client(&self) -> UserPool {
        UserPool::new(&Aws::loopback(&self.url), "web")
    }

    fn answer(&self, action: &str, body: &Value) -> Response {
        if action == "GlobalSignOut" {
            return self.sign_out_everywhere(body["AccessToken"].as_str().unwrap());
        }
        assert_eq!(body["ClientId"], "web");
        match action {
            "InitiateAuth" if body["AuthFlow"] == "REFRESH_TOKEN_AUTH" => {
                self.refresh(body["AuthParameters"]["REFRESH_TOKEN"].as_str().unwrap())
            }
            "InitiateAuth" => self.sign_in(&body["AuthParameters"]),
            "RespondToAuthChallenge" if body["Session"] == "session-1" => {
                let user = &self.users[body["ChallengeResponses"]["USERNAME"].as_str().unwrap()];
                tokens(user, true)
            }
            "RevokeToken" => {
                self.revoked.lock().unwrap().push(body["Token"].as_str().unwrap().to_owned());
                Json(json!({})).into_response()
            }
            _ => refused("UserNotFoundException", "The user does not exist."),
        }
    }

    fn sign_in(&self, parameters: &Value) -> Response {
        let user = self.users.get(parameters["USERNAME"].as_str().unwrap());
        let accepts = |user: &&FakeUser| {
            user.password.as_deref().is_none_or(|password| parameters["PASSWORD"] == password)
        };
        match user.filter(accepts) {
            None => refused("NotAuthorizedException", "Incorrect username or password."),
            Some(user) if user.is_invited => {
                Json(json!({ "ChallengeName": "NEW_PASSWORD_REQUIRED", "Session": "session-1" }))
                    .into_response()
            }
            Some(user) => tokens(user, true),
        }
    }

    fn sign_out_everywhere(&self, access_token: &str) -> Response {
        let user = self.users.values().find(|user| access_token == format!("access-{}", user.token));
        let Some(user) = user else { return refused("NotAuthorizedException", "Invalid Access Token") };
        self.revoked.lock().unwrap().push(format!("refresh-{}", user.token));
        Json(json!({})).into_response()
    }

    fn refresh(&self, refresh_token: &str) -> Response {
        let is_revoked = self.revoked.lock().unwrap().iter().any(|revoked| revoked == refresh_token);
        let user = self.users.values().find(|user| refresh_token == format!("refresh-{}", user.token));
        match user.filter(|_| !is_revoked) {
            Some(user) => tokens(user, false),
            None => refused("NotAuthorizedException", "Refresh Token has been revoked"),
        }
    }
}

fn tokens(user: &FakeUser, with_refresh_token: bool) -> Response {
    let access_token = format!("access-{}", user.token);
    let mut tokens = json!({ "IdToken": user.token, "AccessToken": access_token, "ExpiresIn": 3600 });
    if with_refresh_token {
        tokens["RefreshToken"] = format!("refresh-{}", user.token).into();
    }
    Json(json!({ "AuthenticationResult": tokens })).into_response()
}

fn refused(kind: &str, message: &str) -> Response {
    (StatusCode::BAD_REQUEST, Json(json!({ "__type": kind, "message": message }))).into_response()
}
