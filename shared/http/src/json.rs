//! JSON bodies: of requests, with their limits and problems, and of responses.

use axum::{
    body::{Bytes, to_bytes},
    extract::{FromRequest, FromRequestParts, Request},
    response::{IntoResponse, Response},
};
use lambda_http::http::header::{CONTENT_TYPE, HeaderValue};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    idempotency::{self, IdempotencyKey},
    input,
    problem::Problem,
    request::KnownParameters,
};

/// A JSON body of at most 64 KiB, as an extractor and as a response.
///
/// As an extractor it errors with `413` for a larger body, and with `400` and a pointer for a field that is
/// missing or has the wrong type.
#[derive(Debug, Clone, Copy)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        input::parse(&read(request, state).await?).map(Self)
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_string(&self.0) {
            Ok(text) => {
                ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], text).into_response()
            }
            Err(error) => Problem::internal(error).into_response(),
        }
    }
}

/// A JSON body that creates something, with the `Idempotency-Key` of the request.
#[derive(Debug)]
pub struct KeyedJson<T> {
    pub body: T,
    pub key: Option<IdempotencyKey>,
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for KeyedJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let headers = request.headers().clone();
        let bytes = read(request, state).await?;
        Ok(Self { body: input::parse(&bytes)?, key: idempotency::key(&headers, &bytes)? })
    }
}

async fn read<S: Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    let (mut parts, body) = request.into_parts();
    KnownParameters::from_request_parts(&mut parts, state).await?;
    to_bytes(body, input::MAX_BODY_BYTES).await.map_err(|_| input::too_large())
}
