//! Calls of the JSON APIs of Cognito and `CloudWatch` Logs. Few are made, and the SDK's clients of both are
//! large.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use aws_smithy_runtime_api::client::{
    http::{HttpConnector, SharedHttpConnector},
    orchestrator::HttpRequest,
};
use aws_smithy_types::body::SdkBody;
use serde::Deserialize;
use serde_json::Value;
use shared_domain::time::Timestamp;

use crate::clients::client::{Aws, connector, read_body};

/// Cognito sends an invitation within its response time.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(8);
/// Three tokens of Cognito are about 4 KB. A page of log lines has up to 1 MB.
const MAX_RESPONSE_BYTES: usize = 2 * 1024 * 1024;

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CallError {
    /// An error of the service.
    Refused { code: String, message: String },
    /// No complete response, or a server error. The same call can succeed later.
    Unavailable(String),
    /// The request could not be built, or the response has an unknown form.
    Unexpected(String),
}

/// A service in the region of the stack.
#[derive(Clone)]
pub(crate) struct JsonApi {
    http: SharedHttpConnector,
    pub(crate) url: String,
    credentials: Credentials,
    region: String,
    /// The service in the header `x-amz-target`.
    target: &'static str,
    /// The service in signatures and host names.
    name: &'static str,
}

impl JsonApi {
    pub(crate) fn cognito(aws: &Aws) -> Self {
        Self::new(aws, "AWSCognitoIdentityProviderService", "cognito-idp")
    }

    pub(crate) fn logs(aws: &Aws) -> Self {
        Self::new(aws, "Logs_20140328", "logs")
    }

    fn new(aws: &Aws, target: &'static str, name: &'static str) -> Self {
        let region = aws.region.to_string();
        let regional = || format!("https://{name}.{region}.amazonaws.com/");
        let url = aws.endpoint.clone().unwrap_or_else(regional);
        Self { http: connector(), url, credentials: aws.credentials.clone(), region, target, name }
    }

    /// Makes a call of a public client, which is not signed.
    pub(crate) async fn call(&self, action: &str, body: &Value) -> Result<Vec<u8>, CallError> {
        self.send(self.request(action, body, None)?).await
    }

    /// Makes a call with AWS credentials.
    pub(crate) async fn signed_call(
        &self,
        action: &str,
        body: &Value,
        now: Timestamp,
    ) -> Result<Vec<u8>, CallError> {
        self.send(self.request(action, body, Some(now))?).await
    }

    fn request(
        &self,
        action: &str,
        body: &Value,
        sign_at: Option<Timestamp>,
    ) -> Result<HttpRequest, CallError> {
        let target = format!("{}.{action}", self.target);
        let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", target.as_str())];
        let body = body.to_string();
        let mut signature = Vec::new();
        if let Some(now) = sign_at {
            let identity = self.credentials.clone().into();
            let params = v4::SigningParams::builder()
                .identity(&identity)
                .region(&self.region)
                .name(self.name)
                .time(system_time(now))
                .settings(SigningSettings::default())
                .build()
                .map_err(unexpected)?
                .into();
            let content = SignableBody::Bytes(body.as_bytes());
            let signable = SignableRequest::new("POST", self.url.as_str(), headers.into_iter(), content);
            let (instructions, _) =
                sign(signable.map_err(unexpected)?, &params).map_err(unexpected)?.into_parts();
            signature.extend(instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned())));
        }
        let mut request = HttpRequest::new(SdkBody::from(body));
        request.set_method("POST").map_err(unexpected)?;
        request.set_uri(self.url.as_str()).map_err(unexpected)?;
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
        for (name, value) in headers.into_iter().chain(signature) {
            request.headers_mut().try_insert(name, value).map_err(unexpected)?;
        }
        Ok(request)
    }

    async fn send(&self, request: HttpRequest) -> Result<Vec<u8>, CallError> {
        let exchange = async {
            let no_response = |error| CallError::Unavailable(format!("{error:?}"));
            let incomplete = |_| CallError::Unavailable("incomplete response".into());
            let mut response = self.http.call(request).await.map_err(no_response)?;
            let status = response.status().as_u16();
            let body = std::mem::replace(response.body_mut(), SdkBody::empty());
            let body = read_body(body, MAX_RESPONSE_BYTES).await.map_err(incomplete)?;
            match status {
                200..=299 => Ok(body),
                400..=499 => Err(refusal(&body)),
                _ => Err(CallError::Unavailable(status.to_string())),
            }
        };
        let timeout = |_| CallError::Unavailable("timed out".into());
        tokio::time::timeout(REQUEST_TIMEOUT, exchange).await.map_err(timeout)?
    }
}

fn refusal(body: &[u8]) -> CallError {
    #[derive(Deserialize)]
    struct Refusal {
        #[serde(rename = "__type", default)]
        kind: String,
        #[serde(default, alias = "Message")]
        message: String,
    }
    let Ok(Refusal { kind, message }) = serde_json::from_slice(body) else {
        return CallError::Unexpected("unreadable response".into());
    };
    CallError::Refused { code: kind.rsplit('#').next().unwrap_or_default().to_owned(), message }
}

fn system_time(at: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(at.millis()).unwrap_or(0))
}

fn unexpected<E: std::fmt::Display>(error: E) -> CallError {
    CallError::Unexpected(error.to_string())
}
