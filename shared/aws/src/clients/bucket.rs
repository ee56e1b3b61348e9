//! The bucket of files: a few requests of S3, signed here and carried by the HTTPS client that is linked anyway.
//!
//! | where | what | how long |
//! |---|---|---|
//! | `uploads/` | what a browser puts there by a presigned address, until somebody takes it over | days |
//! | `imports/` | files of contacts, while they are read | days |
//! | `media/` | files of messages | for good; cheaper storage after some months |
//!
//! Nothing is tried a second time here. A presigned address is worth what the function's own rights are worth, and dies
//! with the function's session, should that end before it.
//!
//! [`Bucket::head`] can tell a missing file from a forbidden one only with `s3:ListBucket`: without it S3 answers 403 to
//! both, which is [`BucketError::Refused`].

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{
        PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation,
        SigningInstructions, SigningSettings, UriPathNormalizationMode, sign,
    },
    sign::v4,
};
use aws_smithy_runtime_api::client::{
    http::{HttpConnector, SharedHttpConnector},
    orchestrator::{HttpRequest, HttpResponse},
};
use aws_smithy_types::{body::SdkBody, byte_stream::ByteStream};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use shared_domain::time::Timestamp;

use crate::clients::client::{Aws, connector};

/// One request, its body included. Below the ten seconds that a function of the API has.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(8);
/// What S3 encodes in a key: all but the unreserved characters and the slash.
const KEY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');
/// And in a query.
const QUERY: &AsciiSet = &KEY.add(b'/');

/// The bucket. Cheap to clone.
#[derive(Clone)]
pub struct Bucket {
    http: SharedHttpConnector,
    credentials: Credentials,
    region: String,
    name: String,
    /// Address that keys are appended to, without a slash at the end.
    base: String,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bucket").field("base", &self.base).finish_non_exhaustive()
    }
}

/// What is known of a file without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// As it was put.
    pub content_type: String,
    /// Its length in bytes.
    pub size: u64,
    /// Changes with the content; quotes included.
    pub etag: String,
}

/// What a browser does with a file that it opens by a presigned address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// In the page: only what cannot run there.
    Inline,
    /// Saved, under the last part of its key.
    Attachment,
}

/// The bucket did not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BucketError {
    /// No answer, an answer that broke off, or one that says so: the same request may succeed later.
    #[error("the bucket is not available ({0})")]
    Unavailable(String),
    /// There is no such file.
    #[error("there is no such file")]
    Absent,
    /// It was refused for good, or the request could not be made: a fault of ours.
    #[error("the bucket refused ({0})")]
    Refused(String),
}

impl Bucket {
    /// The bucket of this name: by its regional address, or by path where the environment names an endpoint.
    pub fn new(aws: &Aws, name: &str) -> Self {
        let region = aws.region.as_ref();
        let base = match &aws.endpoint {
            Some(endpoint) => format!("{}/{name}", endpoint.trim_end_matches('/')),
            None => format!("https://{name}.s3.{region}.amazonaws.com"),
        };
        Self {
            http: connector(),
            credentials: aws.credentials.clone(),
            region: region.to_owned(),
            name: name.to_owned(),
            base,
        }
    }

    /// Puts a file, whatever was there.
    pub async fn put(
        &self,
        key: &str,
        content_type: &str,
        content: Vec<u8>,
        now: Timestamp,
    ) -> Result<(), BucketError> {
        self.call("PUT", key, &[("content-type", content_type)], content, 0, now).await.map(drop)
    }

    /// Copies a file within the bucket, if it still is what `etag` says; [`BucketError::Absent`] if it is not.
    pub async fn copy(&self, from: &str, etag: &str, to: &str, now: Timestamp) -> Result<(), BucketError> {
        let source = format!("{}/{}", self.name, utf8_percent_encode(from, KEY));
        let headers = [("x-amz-copy-source", source.as_str()), ("x-amz-copy-source-if-match", etag)];
        let (_, answer) = self.call("PUT", to, &headers, Vec::new(), 4096, now).await?;
        // A copy that breaks off is told in the body of a 200.
        let done = answer.windows(17).any(|part| part == b"<CopyObjectResult");
        if done { Ok(()) } else { Err(BucketError::Unavailable("the copy broke off".into())) }
    }

    /// Type and size of a file; `None` when there is none.
    pub async fn head(&self, key: &str, now: Timestamp) -> Result<Option<Head>, BucketError> {
        let answer = match self.call("HEAD", key, &[], Vec::new(), 0, now).await {
            Ok((answer, _)) => answer,
            Err(BucketError::Absent) => return Ok(None),
            Err(error) => return Err(error),
        };
        let header = |name: &str| answer.headers().get(name).unwrap_or_default().to_owned();
        let size = header("content-length").parse();
        Ok(Some(Head {
            content_type: header("content-type"),
            size: size.map_err(|_| BucketError::Unavailable("no length".into()))?,
            etag: header("etag"),
        }))
    }

    /// At most `length` bytes of a file, from `from` on: fewer at its end, none behind it. A whole file is read by
    /// going on until fewer come than were asked for; its size, which [`Bucket::head`] tells, says so as well.
    pub async fn read(
        &self,
        key: &str,
        from: u64,
        length: usize,
        now: Timestamp,
    ) -> Result<Vec<u8>, BucketError> {
        let Some(last) = (length as u64).checked_sub(1).map(|last| from.saturating_add(last)) else {
            return Ok(Vec::new());
        };
        let range = format!("bytes={from}-{last}");
        match self.call("GET", key, &[("range", &range)], Vec::new(), length, now).await {
            Ok((_, content)) => Ok(content),
            Err(BucketError::Refused(code)) if code == "416" => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// [`Bucket::read`] of a file that still is what `etag` says; [`BucketError::Absent`] if it is not.
    pub async fn read_same(
        &self,
        key: &str,
        etag: &str,
        from: u64,
        length: usize,
        now: Timestamp,
    ) -> Result<Vec<u8>, BucketError> {
        let range = format!("bytes={from}-{}", from.saturating_add(length as u64).saturating_sub(1));
        match self.call("GET", key, &[("range", &range), ("if-match", etag)], Vec::new(), length, now).await {
            Ok((_, content)) => Ok(content),
            Err(BucketError::Refused(code)) if code == "416" => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// An address by which anybody can read a file for as long as `lives` (whole seconds, a week at most).
    ///
    /// # Errors
    /// [`BucketError::Refused`] when it cannot be signed.
    pub fn presigned_get(
        &self,
        key: &str,
        shown: Shown,
        lives: Duration,
        now: Timestamp,
    ) -> Result<String, BucketError> {
        let shown = match shown {
            Shown::Inline => "inline",
            Shown::Attachment => "attachment",
        };
        let address = format!("{}?response-content-disposition={shown}", self.address(key));
        self.presigned("GET", address, &[], lives, now)
    }

    /// An address by which anybody can put one file of exactly this type and size. Whoever puts it has to send
    /// `content-type` as it is here; the length every client sends by itself. Both are part of the signature.
    ///
    /// # Errors
    /// [`BucketError::Refused`] when it cannot be signed.
    pub fn presigned_put(
        &self,
        key: &str,
        content_type: &str,
        size: u64,
        lives: Duration,
        now: Timestamp,
    ) -> Result<String, BucketError> {
        let size = size.to_string();
        let headers = [("content-type", content_type), ("content-length", size.as_str())];
        self.presigned("PUT", self.address(key), &headers, lives, now)
    }

    /// [`Bucket::presigned_put`] for a file of any size: whoever reads it has to look how large it is.
    ///
    /// # Errors
    /// [`BucketError::Refused`] when it cannot be signed.
    pub fn presigned_put_of_any_size(
        &self,
        key: &str,
        content_type: &str,
        lives: Duration,
        now: Timestamp,
    ) -> Result<String, BucketError> {
        self.presigned("PUT", self.address(key), &[("content-type", content_type)], lives, now)
    }

    fn address(&self, key: &str) -> String {
        format!("{}/{}", self.base, utf8_percent_encode(key, KEY))
    }

    fn presigned(
        &self,
        method: &str,
        address: String,
        headers: &[(&str, &str)],
        lives: Duration,
        now: Timestamp,
    ) -> Result<String, BucketError> {
        let mut settings = settings();
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(lives);
        let signed = self.sign(method, &address, headers, SignableBody::UnsignedPayload, settings, now)?;
        let mut separator = if address.contains('?') { '&' } else { '?' };
        let mut presigned = address;
        for (name, value) in signed.params() {
            presigned.push(separator);
            presigned.extend([*name, "="]);
            presigned.extend(utf8_percent_encode(value, QUERY));
            separator = '&';
        }
        Ok(presigned)
    }

    /// One exchange: the head of a good answer, and its body up to `most` bytes.
    async fn call(
        &self,
        method: &str,
        key: &str,
        headers: &[(&str, &str)],
        content: Vec<u8>,
        most: usize,
        now: Timestamp,
    ) -> Result<(HttpResponse, Vec<u8>), BucketError> {
        let request = self.request(method, &self.address(key), headers, content, now)?;
        let exchange = async {
            let answer = self.http.call(request).await;
            let mut answer = answer.map_err(|error| BucketError::Unavailable(told(&error)))?;
            match answer.status().as_u16() {
                200..=299 => {}
                404 | 412 => return Err(BucketError::Absent),
                status @ (408 | 429 | 500..) => return Err(BucketError::Unavailable(status.to_string())),
                status => return Err(BucketError::Refused(status.to_string())),
            }
            let body = std::mem::replace(answer.body_mut(), SdkBody::empty());
            let content = if most == 0 { Vec::new() } else { bounded(body, most).await? };
            Ok((answer, content))
        };
        let unavailable = || BucketError::Unavailable("timed out".into());
        tokio::time::timeout(REQUEST_TIMEOUT, exchange).await.map_err(|_| unavailable())?
    }

    fn request(
        &self,
        method: &str,
        address: &str,
        headers: &[(&str, &str)],
        content: Vec<u8>,
        now: Timestamp,
    ) -> Result<HttpRequest, BucketError> {
        let mut settings = settings();
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        let signed = self.sign(method, address, headers, SignableBody::Bytes(&content), settings, now)?;
        let mut request = HttpRequest::new(SdkBody::from(content));
        request.set_method(method).map_err(request_error)?;
        request.set_uri(address).map_err(request_error)?;
        let given = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let added = signed.headers().map(|(name, value)| (name.to_owned(), value.to_owned()));
        for (name, value) in given.chain(added) {
            request.headers_mut().try_insert(name, value).map_err(request_error)?;
        }
        Ok(request)
    }

    fn sign(
        &self,
        method: &str,
        address: &str,
        headers: &[(&str, &str)],
        content: SignableBody<'_>,
        settings: SigningSettings,
        now: Timestamp,
    ) -> Result<SigningInstructions, BucketError> {
        let identity = self.credentials.clone().into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("s3")
            .time(instant(now))
            .settings(settings)
            .build()
            .map_err(request_error)?
            .into();
        let request = SignableRequest::new(method, address, headers.iter().copied(), content);
        let (instructions, _) =
            sign(request.map_err(request_error)?, &params).map_err(request_error)?.into_parts();
        Ok(instructions)
    }
}

/// S3 takes the path as it is sent: encoded once, and not tidied up.
fn settings() -> SigningSettings {
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings
}

async fn bounded(body: SdkBody, most: usize) -> Result<Vec<u8>, BucketError> {
    let broken = || BucketError::Unavailable("the answer broke off".into());
    let mut stream = ByteStream::new(body);
    let mut content = Vec::new();
    while let Some(chunk) = stream.try_next().await.map_err(|_| broken())? {
        if content.len() + chunk.len() > most {
            return Err(BucketError::Refused("more came than was asked for".into()));
        }
        content.extend_from_slice(&chunk);
    }
    Ok(content)
}

fn instant(at: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(at.millis()).unwrap_or(0))
}

fn told(error: &aws_smithy_runtime_api::client::result::ConnectorError) -> String {
    let what = if error.is_timeout() {
        "timed out"
    } else if error.is_io() {
        "no connection"
    } else {
        "no readable answer"
    };
    what.to_owned()
}

fn request_error<E>(_: E) -> BucketError {
    BucketError::Refused("the request could not be made".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The account, bucket and instant of the examples in AWS's documentation.
    fn documented() -> (Bucket, Timestamp) {
        let bucket = Bucket {
            http: connector(),
            credentials: Credentials::new(
                "AKIAIOSFODNN7EXAMPLE",
                "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
                None,
                None,
                "documented",
            ),
            region: "us-east-1".into(),
            name: "examplebucket".into(),
            base: "https://examplebucket.s3.amazonaws.com".into(),
        };
        (bucket, Timestamp::from_millis(1_369_353_600_000))
    }

    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html>, whose signature is this one.
    #[test]
    fn a_presigned_address_is_the_documented_one() {
        let (bucket, now) = documented();
        let address = bucket.address("test.txt");
        let signed = bucket.presigned("GET", address, &[], Duration::from_hours(24), now).unwrap();
        for part in [
            "https://examplebucket.s3.amazonaws.com/test.txt?",
            "X-Amz-Date=20130524T000000Z",
            "X-Amz-Expires=86400",
            "X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request",
            "X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
        ] {
            assert!(signed.contains(part), "{part} is not in {signed}");
        }
    }

    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>, "GET Object".
    #[test]
    fn a_read_is_signed_as_documented() {
        let (bucket, now) = documented();
        let address = bucket.address("test.txt");
        let request = bucket.request("GET", &address, &[("range", "bytes=0-9")], Vec::new(), now).unwrap();
        let authorization = request.headers().get("authorization").unwrap();
        assert!(
            authorization.ends_with(
                "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, \
                 Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
            ),
            "{authorization}"
        );
    }

    #[test]
    fn type_size_session_and_disposition_are_part_of_what_is_signed() {
        let (mut bucket, now) = documented();
        bucket.credentials =
            Credentials::new("AKIA", "secret", Some("a/session+token=".into()), None, "test");
        let put = bucket.presigned_put("uploads/a b", "image/png", 7, Duration::from_mins(5), now).unwrap();
        assert!(put.contains("/uploads/a%20b?"), "{put}");
        assert!(put.contains("X-Amz-SignedHeaders=content-length%3Bcontent-type%3Bhost"), "{put}");
        assert!(put.contains("X-Amz-Security-Token=a%2Fsession%2Btoken%3D"), "{put}");
        assert!(put.contains("X-Amz-Expires=300"), "{put}");
        let another =
            bucket.presigned_put("uploads/a b", "image/png", 8, Duration::from_mins(5), now).unwrap();
        assert_ne!(put, another);
        let get = bucket.presigned_get("media/a", Shown::Attachment, Duration::from_mins(5), now).unwrap();
        assert!(get.contains("?response-content-disposition=attachment&"), "{get}");
        assert!(get.contains("X-Amz-SignedHeaders=host"), "{get}");
    }
}
