//! A Cognito user pool in memory, as an operator administers it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use shared_aws::clients::{Aws, UserDirectory};

/// The pool's ID.
pub const POOL: &str = "us-east-1_TestPool";
/// The app client of machines that the template creates.
pub const MACHINE_CLIENT: &str = "machine-client";

/// Users by e-mail address, and the app clients of machines. Clones share them.
#[derive(Debug, Clone)]
pub struct FakeUserDirectory {
    /// The endpoint: `http://127.0.0.1:…`.
    pub url: String,
    state: Arc<Mutex<Content>>,
}

#[derive(Debug, Default)]
struct Content {
    users: BTreeMap<String, BTreeMap<String, String>>,
    invitations: Vec<String>,
    clients: usize,
    deleted_clients: Vec<String>,
    /// Secrets that were added, with their clients.
    secrets: Vec<(String, String)>,
    failure: Option<&'static str>,
}

impl FakeUserDirectory {
    /// Starts on a free port. It ends with the runtime.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let pool = Self { url, state: Arc::default() };
        let respond = async |State(pool): State<Self>, headers: HeaderMap, body: String| {
            let target = headers["x-amz-target"].to_str().unwrap();
            pool.respond(target.rsplit('.').next().unwrap(), &serde_json::from_str(&body).unwrap())
        };
        let router = Router::new().fallback(respond).with_state(pool.clone());
        tokio::spawn(async { axum::serve(listener, router).await });
        pool
    }

    /// Returns a client.
    pub fn client(&self) -> UserDirectory {
        UserDirectory::new(&Aws::loopback(self.url.as_str()), POOL)
    }

    /// Returns an attribute of a user. `None` if there is no such user.
    pub fn attribute(&self, email: &str, name: &str) -> Option<String> {
        self.state.lock().unwrap().users.get(email)?.get(name).cloned()
    }

    /// Returns the addresses that got an invitation, in order.
    pub fn invitations(&self) -> Vec<String> {
        self.state.lock().unwrap().invitations.clone()
    }

    /// Returns the app clients that were deleted, in order.
    pub fn deleted_clients(&self) -> Vec<String> {
        self.state.lock().unwrap().deleted_clients.clone()
    }

    /// Refuses every request with this error code from now on.
    pub fn fail(&self, code: Option<&'static str>) {
        self.state.lock().unwrap().failure = code;
    }

    fn respond(&self, operation: &str, request: &Value) -> Response {
        let mut state = self.state.lock().unwrap();
        if let Some(code) = state.failure {
            return failure(code);
        }
        let email = request["Username"].as_str().unwrap_or_default().to_lowercase();
        let is_known = state.users.contains_key(&email);
        match operation {
            "AdminCreateUser" if is_known && request["MessageAction"] != "RESEND" => {
                failure("UsernameExistsException")
            }
            "AdminCreateUser" => {
                if request["MessageAction"] != "SUPPRESS" {
                    state.invitations.push(email.clone());
                }
                if !is_known {
                    state.users.insert(email, attributes(request));
                }
                json!({ "User": {} }).to_string().into_response()
            }
            "AdminGetUser" | "AdminDeleteUser" | "AdminUpdateUserAttributes" if !is_known => {
                failure("UserNotFoundException")
            }
            "AdminUpdateUserAttributes" => {
                let mut user = state.users.remove(&email).unwrap_or_default();
                user.extend(attributes(request));
                let email = user["email"].to_lowercase();
                state.users.insert(email, user);
                "{}".into_response()
            }
            "AdminGetUser" => {
                let attributes: Vec<_> = state.users[&email]
                    .iter()
                    .map(|(name, value)| json!({ "Name": name, "Value": value }))
                    .collect();
                json!({ "Username": email, "UserAttributes": attributes }).to_string().into_response()
            }
            "AdminDeleteUser" => {
                state.users.remove(&email);
                "{}".into_response()
            }
            "DescribeUserPoolClient" => client(request["ClientId"].as_str().unwrap()),
            "CreateUserPoolClient" => {
                state.clients += 1;
                client(&format!("client-{}", state.clients))
            }
            "DeleteUserPoolClient" => {
                state.deleted_clients.push(request["ClientId"].as_str().unwrap().to_owned());
                "{}".into_response()
            }
            "ListUserPoolClientSecrets" | "AddUserPoolClientSecret" | "DeleteUserPoolClientSecret" => {
                secrets(&mut state.secrets, operation, request)
            }
            other => panic!("the fake user directory does not have {other}"),
        }
    }
}

fn attributes(request: &Value) -> BTreeMap<String, String> {
    let attributes = request["UserAttributes"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    attributes.map(|attribute| (text(&attribute["Name"]), text(&attribute["Value"]))).collect()
}

/// Each client begins with the secret 1. A client has one or two.
fn secrets(all: &mut Vec<(String, String)>, operation: &str, request: &Value) -> Response {
    let client = request["ClientId"].as_str().unwrap();
    if !all.iter().any(|(owner, _)| owner == client) {
        all.push((client.to_owned(), "1".to_owned()));
    }
    let ids: Vec<_> = all.iter().filter(|(owner, _)| owner == client).map(|(_, id)| id.clone()).collect();
    let described =
        |id: &str| json!({ "ClientSecretId": id, "ClientSecretCreateDate": id.parse::<f64>().unwrap() });
    match operation {
        "ListUserPoolClientSecrets" => {
            // In no order.
            let listed: Vec<_> = ids.iter().rev().map(|id| described(id)).collect();
            json!({ "ClientSecrets": listed }).to_string().into_response()
        }
        "AddUserPoolClientSecret" if ids.len() == 2 => failure("LimitExceededException"),
        "AddUserPoolClientSecret" => {
            let id = (ids.last().unwrap().parse::<u32>().unwrap() + 1).to_string();
            let mut added = described(&id);
            added["ClientSecretValue"] = format!("secret {id} of {client}").into();
            all.push((client.to_owned(), id));
            json!({ "ClientSecretDescriptor": added }).to_string().into_response()
        }
        _ if ids.iter().all(|id| request["ClientSecretId"] != id.as_str()) => {
            failure("ResourceNotFoundException")
        }
        _ if ids.len() == 1 => failure("InvalidParameterException"),
        _ => {
            all.retain(|(owner, id)| owner != client || request["ClientSecretId"] != id.as_str());
            "{}".into_response()
        }
    }
}

fn client(id: &str) -> Response {
    let client = json!({ "ClientId": id, "ClientSecret": format!("secret of {id}") });
    json!({ "UserPoolClient": client }).to_string().into_response()
}

fn failure(code: &str) -> Response {
    (StatusCode::BAD_REQUEST, json!({ "__type": code, "message": code }).to_string()).into_response()
}
