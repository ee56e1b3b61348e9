//! Imports of contacts, for team admins: creating imports and reading their reports. `contact-import` reads
//! the files.
//!
//! A small file comes with the request; it is validated at once and stored in the bucket before the response.
//! A large file is uploaded by the client to a presigned URL. In both cases the object in the bucket starts
//! the import.
//!
//! Idempotent by `Idempotency-Key`: a retry finds the import of the first request. Until the import starts,
//! it stores the same file again, or returns a new URL.

mod create;
mod report;

use axum::{Router, extract::FromRef};
use shared_aws::{
    clients::{Aws, Bucket, Secrets, SigningSecret},
    import::Imports,
    table::{Table, UsedKeys},
    team::Members,
};
use shared_http::{caller::Claims, cursor::Cursors, serve};
use shared_lambda::config::Environment;

/// The function's clients and settings.
#[derive(Debug, Clone, FromRef)]
pub struct App {
    claims: Claims,
    cursors: Cursors,
    members: Members,
    imports: Imports,
    keys: UsedKeys,
    bucket: Bucket,
}

impl App {
    /// Reads the settings and creates the clients. Errors with every invalid setting.
    pub fn from_environment() -> Result<Self, lambda_http::Error> {
        let mut env = Environment::default();
        let (name, signing) = (env.required("TABLE_NAME"), env.required("SIGNING_SECRET"));
        let bucket = env.required("FILES_BUCKET");
        let claims = Claims::from_environment(&mut env);
        env.finish()?;
        let aws = Aws::from_environment()?;
        let cursors = Cursors::new(SigningSecret::named(&Secrets::of(&aws), signing));
        let bucket = Bucket::new(&aws, &bucket);
        Ok(Self::new(&Table::of(&aws, name), bucket, claims, cursors))
    }

    /// Uses this table and bucket.
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

shared_http::routes! {
    App:
    report::list, create::create,
    report::read,
}

/// The function's router.
pub fn router(app: App) -> Router {
    serve::router(routes(), app)
}
