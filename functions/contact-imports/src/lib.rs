//! Imports of contacts, for those who manage a team: asked for, and their reports. `contact-import` reads the files.
//!
//! A small file comes with the request, is looked through at once, and stands in the bucket before the answer. A large one
//! is put there by its owner, by an address that the answer brings. Either way it is the file in the bucket that begins the
//! import.
//!
//! Idempotent by `Idempotency-Key`: a repetition finds the import it made, puts the same file there again as long as
//! nobody reads it, or gives a fresh address.

mod ask;
mod report;

use lambda_http::{Body, Request, Response};
use shared_aws::{
    clients::{Aws, Bucket, BucketError, Secrets},
    import::Imports,
    table::{Table, UsedKeys},
    team::Members,
};
use shared_domain::time::Timestamp;
use shared_http::{caller::Claims, cursor::Cursors, input, problem::Problem, reply};
use shared_lambda::config::Environment;
use utoipa::OpenApi;

/// What the function uses.
#[derive(Debug)]
pub struct App {
    claims: Claims,
    cursors: Cursors,
    members: Members,
    imports: Imports,
    keys: UsedKeys,
    bucket: Bucket,
}

impl App {
    /// Reads settings and the signing secret, and makes clients.
    ///
    /// # Errors
    /// Every setting that is wrong, or the secret that could not be read.
    pub async fn from_environment() -> Result<Self, lambda_http::Error> {
        let mut env = Environment::default();
        let (name, signing) = (env.required("TABLE_NAME"), env.required("SIGNING_SECRET"));
        let bucket = env.required("FILES_BUCKET");
        let claims = Claims::from_environment(&mut env);
        env.finish()?;
        let aws = Aws::from_environment()?;
        let signing = Secrets::of(&aws).text(&signing).await?;
        let bucket = Bucket::new(&aws, &bucket);
        Ok(Self::new(&Table::of(&aws, name), bucket, claims, Cursors::new(&signing)))
    }

    /// Over this table and bucket.
    pub fn new(table: &Table, bucket: Bucket, claims: Claims, cursors: Cursors) -> Self {
        Self {
            claims,
            cursors,
            members: Members::new(table.clone()),
            imports: Imports::new(table.clone()),
            keys: UsedKeys::new(table.clone()),
            bucket,
        }
    }
}

/// Answers one request. `entropy` is random and tells imports of one instant apart.
pub async fn handle(app: &App, now: Timestamp, entropy: u64, request: Request) -> Response<Body> {
    let outcome = match input::route(&request) {
        "POST /v1/teams/{teamId}/contact-imports" => ask::ask(app, now, entropy, &request).await,
        "GET /v1/teams/{teamId}/contact-imports" => report::list(app, &request).await,
        "GET /v1/teams/{teamId}/contact-imports/{importId}" => report::read(app, &request).await,
        _ => Err(Problem::not_found()),
    };
    reply::finish(&reply::request_id(&request), outcome)
}

/// The bucket is as much part of the store as the table.
fn bucket_failed(error: &BucketError) -> Problem {
    let cause = Some(error.to_string());
    match error {
        BucketError::Unavailable(_) => Problem {
            retry_after: Some(1),
            cause,
            ..Problem::new(503, "unavailable", "The file could not be stored; try again shortly.")
        },
        BucketError::Absent | BucketError::Refused(_) => Problem {
            cause,
            ..Problem::new(500, "internal", "Something is wrong on our side; it has been noted.")
        },
    }
}

/// This function's part of the OpenAPI document.
#[derive(Debug, OpenApi)]
#[openapi(paths(ask::ask, report::list, report::read))]
pub struct Api;
