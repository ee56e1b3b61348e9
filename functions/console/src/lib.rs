//! The console: the web page for users, and its sign-in.
//!
//! `web/` contains the page as ES modules without a build step. [`files`] serves them compressed, and
//! [`session`] handles sign-in. For everything else, the page uses the public API.

use axum::Router;
use lambda_http::{Body, Request, RequestExt, Response, http::Method};
use shared_aws::clients::{Aws, Bucket, RealtimeQueue, UserPool};
use shared_domain::time::Timestamp;
use shared_http::{caller::Claims, serve};
use shared_lambda::config::Environment;

use crate::files::Files;

mod files;
mod issuer;
mod session;

pub use self::{
    issuer::{Issuer, IssuerError, IssuerSettings, IssuerSetupError},
    session::{Provider, SignOuts},
};

/// The function's files and its client of the identity provider.
#[derive(Debug, Clone)]
pub struct App {
    files: Files,
    session: Router,
}

impl App {
    /// Reads the settings and creates the clients. Errors with every invalid setting.
    pub fn from_environment() -> Result<Self, lambda_http::Error> {
        let mut env = Environment::default();
        let client = env.optional("WEB_CLIENT_ID");
        let issuer = IssuerSettings::from_environment(&mut env);
        let (claims, queue) = (Claims::from_environment(&mut env), env.required("REALTIME_QUEUE_URL"));
        let bucket = env.required("MEDIA_BUCKET");
        let public_url = env.required("PUBLIC_BASE_URL");
        let realtime_url = env.required("REALTIME_URL");
        env.finish()?;
        let aws = Aws::from_environment()?;
        let provider = match (client, issuer) {
            (Some(client), _) => Some(Provider::Pool(UserPool::new(&aws, &client))),
            (None, Some(issuer)) => {
                Some(Provider::Issuer(Issuer::new(issuer, &format!("{public_url}/console/"))?))
            }
            (None, None) => None,
        };
        let sign_outs = SignOuts { queue: RealtimeQueue::new(&aws, queue), claims };
        Ok(Self::new(provider, Some(sign_outs), &Bucket::new(&aws, &bucket), &public_url, &realtime_url))
    }

    /// `provider` is `None` if the client of another issuer is not known, so that nobody can sign in here.
    /// The page shows attachments from the bucket. `public_url` is the URL of the API, without a trailing
    /// slash. `realtime_url` is the URL of the WebSocket. `sign_outs` is `None` where there are no sockets.
    pub fn new(
        provider: Option<Provider>,
        sign_outs: Option<SignOuts>,
        bucket: &Bucket,
        public_url: &str,
        realtime_url: &str,
    ) -> Self {
        let (_, path) = public_url.split_at(end_of_origin(public_url));
        let (realtime_origin, _) = realtime_url.split_at(end_of_origin(realtime_url));
        let sign_in = match &provider {
            Some(Provider::Pool(_)) => "pool",
            Some(Provider::Issuer(_)) => "issuer",
            None => "none",
        };
        let session = session::router(provider, sign_outs);
        Self { files: Files::new(path, &bucket.origin(), realtime_origin, sign_in), session }
    }
}

fn end_of_origin(url: &str) -> usize {
    url.match_indices('/').nth(2).map_or(url.len(), |(start, _)| start)
}

/// Answers a request: `GET` with a file, `POST` with the outcome of a sign-in or sign-out.
pub async fn handle(app: &App, now: Timestamp, entropy: u64, request: Request) -> Response<Body> {
    if request.method() == Method::POST {
        return serve::answer(&app.session, now, entropy, request).await;
    }
    let parameters = request.path_parameters();
    app.files.answer(parameters.first("proxy").unwrap_or_default(), request.headers())
}
