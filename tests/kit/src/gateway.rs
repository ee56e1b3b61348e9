//! Events as the HTTP API sends them to a function (payload format 2.0), and requests made of them the way the runtime
//! makes them.

use lambda_http::{Request, request};
use serde_json::{Map, Value, json};

/// An event to be, with what the test cares about.
#[derive(Debug, Clone)]
pub struct Event {
    method: &'static str,
    path: String,
    route: String,
    parameters: Map<String, Value>,
    query: String,
    headers: Map<String, Value>,
    claims: Option<Value>,
    body: Option<Vec<u8>>,
}

impl Event {
    /// A call of a route: `"GET /v1/inboxes/{inboxId}"` with the values of its parameters.
    ///
    /// # Panics
    /// When the route is not a method and a path.
    pub fn new(route: &'static str, parameters: &[(&str, &str)]) -> Self {
        let (method, template) = route.split_once(' ').expect("a method and a path");
        let fill = |path: String, (name, value): &(&str, &str)| path.replace(&format!("{{{name}}}"), value);
        Self {
            method,
            path: parameters.iter().fold(template.to_owned(), fill),
            route: route.to_owned(),
            parameters: parameters.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            query: String::new(),
            headers: Map::new(),
            claims: None,
            body: None,
        }
    }

    /// As a user whose token carries the standard claims.
    #[must_use]
    pub fn user(self, organization: &str, user: &str) -> Self {
        self.claims(json!({
            "sub": "2f1c", "custom:organization_id": organization, "custom:user_id": user, "token_use": "id",
        }))
    }

    /// With these claims, all strings, as the gateway hands them over.
    #[must_use]
    pub fn claims(mut self, claims: Value) -> Self {
        self.claims = Some(claims);
        self
    }

    /// With this raw query.
    #[must_use]
    pub fn query(mut self, query: &str) -> Self {
        query.clone_into(&mut self.query);
        self
    }

    /// With this header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_lowercase(), value.into());
        self
    }

    /// With this JSON body.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json").raw(body.to_string())
    }

    /// With this form body, which the gateway sends in base64.
    #[must_use]
    pub fn form(self, body: &str) -> Self {
        self.header("content-type", "application/x-www-form-urlencoded").raw(body)
    }

    /// With this body.
    #[must_use]
    pub fn raw(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// The event as JSON.
    pub fn event(&self) -> Value {
        use base64::{Engine, prelude::BASE64_STANDARD};
        let authorizer =
            self.claims.as_ref().map(|claims| json!({ "jwt": { "claims": claims, "scopes": null } }));
        json!({
            "version": "2.0",
            "routeKey": self.route,
            "rawPath": self.path,
            "rawQueryString": self.query,
            "headers": self.headers,
            "pathParameters": self.parameters,
            "requestContext": {
                "accountId": "000000000000",
                "apiId": "api",
                "authorizer": authorizer,
                "domainName": "api.example",
                "http": { "method": self.method, "path": self.path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1",
                          "userAgent": "test" },
                "requestId": "request-1",
                "routeKey": self.route,
                "stage": "$default",
                "time": "22/Nov/2026:10:00:00 +0000",
                "timeEpoch": 1_795_341_600_000_i64,
            },
            "body": self.body.as_ref().map(|body| BASE64_STANDARD.encode(body)),
            "isBase64Encoded": self.body.is_some(),
        })
    }

    /// The request that a handler gets.
    ///
    /// # Panics
    /// When the runtime cannot read the event, which is a fault of this builder.
    pub fn request(&self) -> Request {
        request::from_str(&self.event().to_string()).expect("an event of the HTTP API")
    }
}
