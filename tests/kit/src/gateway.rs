//! Events that the HTTP API sends to a function (payload format 2.0), and the requests that the runtime makes
//! of them.

use lambda_http::{Body, Request, Response, request};
use serde_json::{Map, Value, json};

/// A builder of an event.
#[derive(Debug, Clone)]
pub struct Event {
    method: String,
    path: String,
    route: String,
    parameters: Map<String, Value>,
    query: String,
    headers: Map<String, Value>,
    claims: Option<Value>,
    body: Option<Vec<u8>>,
}

impl Event {
    /// Starts an event of a route such as `"GET /v1/inboxes/{inboxId}"`, with the values of its parameters.
    ///
    /// # Panics
    /// If the route is not a method and a path.
    pub fn new(route: &str, parameters: &[(&str, &str)]) -> Self {
        let (method, template) = route.split_once(' ').expect("a method and a path");
        let fill = |path: String, (name, value): &(&str, &str)| path.replace(&format!("{{{name}}}"), value);
        Self {
            method: method.to_owned(),
            path: parameters.iter().fold(template.to_owned(), fill),
            route: route.to_owned(),
            parameters: parameters.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            query: String::new(),
            headers: Map::new(),
            claims: None,
            body: None,
        }
    }

    /// Signs in a user with the standard claims.
    #[must_use]
    pub fn user(self, organization: &str, user: &str) -> Self {
        self.claims(json!({
            "sub": "2f1c", "custom:organization_id": organization, "custom:user_id": user, "token_use": "id",
        }))
    }

    /// Sets the claims of the token. The gateway passes all values as strings.
    #[must_use]
    pub fn claims(mut self, claims: Value) -> Self {
        self.claims = Some(claims);
        self
    }

    /// Sets the raw query.
    #[must_use]
    pub fn query(mut self, query: &str) -> Self {
        query.clone_into(&mut self.query);
        self
    }

    /// Sets a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_lowercase(), value.into());
        self
    }

    /// Sets a JSON body.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json").raw(body.to_string())
    }

    /// Sets a form body.
    #[must_use]
    pub fn form(self, body: &str) -> Self {
        self.header("content-type", "application/x-www-form-urlencoded").raw(body)
    }

    /// Sets the body. The event carries it as Base64.
    #[must_use]
    pub fn raw(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Returns the route, as `METHOD /path/{parameter}`.
    pub fn route(&self) -> &str {
        &self.route
    }

    /// Returns the event as JSON.
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

    /// Returns the request that a handler gets.
    ///
    /// # Panics
    /// If the runtime cannot parse the event.
    pub fn request(&self) -> Request {
        request::from_str(&self.event().to_string()).expect("a valid event of the HTTP API")
    }
}

/// Returns the JSON body of a response. `null` if it is not JSON.
pub fn json(response: &Response<Body>) -> Value {
    let body: &[u8] = response.body();
    serde_json::from_slice(body).unwrap_or(Value::Null)
}

/// Returns status and JSON body, without the id of the request.
pub fn status_and_json(response: &Response<Body>) -> (u16, Value) {
    let mut body = json(response);
    body.as_object_mut().map(|body| body.remove("requestId"));
    (response.status().as_u16(), body)
}

/// Returns the pointers of a problem's field errors.
pub fn pointers(problem: &Value) -> Vec<&str> {
    let errors = problem["errors"].as_array().unwrap_or_else(|| panic!("no field errors: {problem}"));
    errors.iter().map(|error| error["pointer"].as_str().unwrap()).collect()
}
