//! The bucket of files. It needs only a few requests of S3, which [`signer`] signs and the HTTPS client of
//! the SDK sends.
//!
//! | prefix | files | kept for |
//! |---|---|---|
//! | `uploads/` | attachments that a browser uploads with a presigned URL, until a message uses them | days |
//! | `imports/` | files of contact imports | days |
//! | `media/` | attachments of messages | unlimited; in cheaper storage after some months |
//!
//! Requests are not retried. A presigned URL has the permissions of the function that signed it, and expires
//! at the latest with the function's credentials.
//!
//! Without the permission `s3:ListBucket`, S3 answers 403 for a missing file, and [`Bucket::head`] returns
//! [`BucketError::Refused`].

use std::{fmt, time::Duration};

use aws_smithy_runtime_api::client::{
    http::{HttpConnector, SharedHttpConnector},
    orchestrator::HttpResponse,
    result::ConnectorError,
};
use aws_smithy_types::body::SdkBody;
use percent_encoding::utf8_percent_encode;
use shared_domain::time::Timestamp;

use crate::clients::client::{Aws, BodyError, connector, read_body};
use signer::{Headers, KEY, QUERY, Signer};
pub use versions::DeletedFile;
use versions::{Deletions, Place, Version, next_place, versions_in};

mod signer;
mod versions;

/// The time for a request with its body. An API request has ten seconds in total.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(8);
/// The longest response to a copy that is read.
const MAX_COPY_RESPONSE: usize = 4096;
/// Versions in one list, as many as S3 returns. A list of them has less than 1 MB.
const VERSIONS_PER_LIST: usize = 1_000;
/// The longest list that is read.
const MAX_LIST_RESPONSE: usize = 2 * 1024 * 1024;

/// The bucket. Cheap to clone.
#[derive(Clone)]
pub struct Bucket {
    http: SharedHttpConnector,
    signer: Signer,
    name: String,
    /// Without a trailing slash.
    base_url: String,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bucket").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}

/// The properties of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    pub content_type: String,
    /// In bytes.
    pub size: u64,
    /// Changes with the content. Includes its quotation marks.
    pub etag: String,
}

/// What a browser does with a file from a presigned URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// Shows it. Only for types that cannot run scripts.
    Inline,
    /// Saves it under the last part of its key.
    Attachment,
}

impl Disposition {
    fn as_str(self) -> &'static str {
        match self {
            Self::Inline => "inline",
            Self::Attachment => "attachment",
        }
    }
}

/// Why a request to the bucket failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BucketError {
    /// No complete response, or a server error. The same request can succeed later.
    #[error("the bucket is not available ({0})")]
    Unavailable(String),
    /// The file does not exist, or it changed since its etag was read.
    #[error("the file does not exist")]
    Absent,
    /// S3 refused the request, or it could not be built: a bug or a missing permission.
    #[error("the bucket refused the request ({0})")]
    Refused(String),
}

impl Bucket {
    /// Creates a client. The URL is the regional one, or a path below the endpoint of a local cloud.
    pub fn new(aws: &Aws, name: &str) -> Self {
        let region = aws.region.as_ref();
        let base_url = match &aws.endpoint {
            Some(endpoint) => format!("{}/{name}", endpoint.trim_end_matches('/')),
            None => format!("https://{name}.s3.{region}.amazonaws.com"),
        };
        let signer = Signer { credentials: aws.credentials.clone(), region: region.to_owned() };
        Self { http: connector(), signer, name: name.to_owned(), base_url }
    }

    /// Writes a file and replaces an existing one.
    pub async fn put(
        &self,
        key: &str,
        content_type: &str,
        content: Vec<u8>,
        now: Timestamp,
    ) -> Result<(), BucketError> {
        self.call("PUT", key, &[("content-type", content_type)], content, 0, now).await.map(drop)
    }

    /// Copies a file within the bucket. Errors with [`BucketError::Absent`] if its etag is not `etag`.
    pub async fn copy(&self, from: &str, etag: &str, to: &str, now: Timestamp) -> Result<(), BucketError> {
        let source = format!("{}/{}", self.name, utf8_percent_encode(from, KEY));
        let headers = [("x-amz-copy-source", source.as_str()), ("x-amz-copy-source-if-match", etag)];
        let (_, body) = self.call("PUT", to, &headers, Vec::new(), MAX_COPY_RESPONSE, now).await?;
        // S3 reports a copy that failed half way in the body of a 200.
        let copied = body.windows(17).any(|part| part == b"<CopyObjectResult");
        if copied { Ok(()) } else { Err(BucketError::Unavailable("the copy was interrupted".into())) }
    }

    /// Deletes a file. Its version stays as long as those that were replaced. Does nothing if there is no
    /// file.
    pub async fn delete(&self, key: &str, now: Timestamp) -> Result<(), BucketError> {
        self.call("DELETE", key, &[], Vec::new(), 0, now).await.map(drop)
    }

    /// Deletes all versions of all files whose key starts with `prefix`. Returns how many there were. S3
    /// refuses a request that was signed a quarter of an hour ago, so each has its own time.
    pub async fn erase(&self, prefix: &str, clock: impl Fn() -> Timestamp) -> Result<usize, BucketError> {
        let mut erased = 0;
        loop {
            let (versions, _) = self.versions(prefix, None, clock()).await?;
            if versions.is_empty() {
                return Ok(erased);
            }
            for Version { key, id, .. } in &versions {
                self.delete_version(key, id, clock()).await?;
            }
            erased += versions.len();
        }
    }

    /// Returns the files below `prefix` that were deleted at `since` or later and whose content is still
    /// there. `progress` gets how many versions were read.
    pub async fn deleted_since(
        &self,
        prefix: &str,
        since: Timestamp,
        clock: impl Fn() -> Timestamp,
        progress: impl Fn(usize),
    ) -> Result<Vec<DeletedFile>, BucketError> {
        let (mut deletions, mut after, mut read) = (Deletions::since(since), None, 0);
        loop {
            let (versions, next) = self.versions(prefix, after.as_ref(), clock()).await?;
            read += versions.len();
            for version in versions {
                deletions.add(version);
            }
            progress(read);
            after = next;
            if after.is_none() {
                return Ok(deletions.found());
            }
        }
    }

    /// Makes a deleted file readable again. Can be repeated.
    pub async fn undelete(&self, file: &DeletedFile, now: Timestamp) -> Result<(), BucketError> {
        for marker in &file.markers {
            self.delete_version(&file.key, marker, now).await?;
        }
        Ok(())
    }

    /// Returns a list of versions, and where the next one begins.
    async fn versions(
        &self,
        prefix: &str,
        after: Option<&Place>,
        now: Timestamp,
    ) -> Result<(Vec<Version>, Option<Place>), BucketError> {
        let start = after.map(|Place { key, id }| {
            let (key, id) = (utf8_percent_encode(key, QUERY), utf8_percent_encode(id, QUERY));
            format!("key-marker={key}&version-id-marker={id}&")
        });
        let (start, prefix) = (start.unwrap_or_default(), utf8_percent_encode(prefix, QUERY));
        let list = format!("{}?{start}max-keys={VERSIONS_PER_LIST}&prefix={prefix}&versions=", self.base_url);
        let (_, body) = self.send("GET", &list, &[], Vec::new(), MAX_LIST_RESPONSE, now).await?;
        let list = String::from_utf8_lossy(&body);
        Ok((versions_in(&list)?, next_place(&list)?))
    }

    async fn delete_version(&self, key: &str, id: &str, now: Timestamp) -> Result<(), BucketError> {
        let url = format!("{}?versionId={}", self.url(key), utf8_percent_encode(id, QUERY));
        self.send("DELETE", &url, &[], Vec::new(), 0, now).await.map(drop)
    }

    /// Returns the properties of a file. `None` if it does not exist.
    pub async fn head(&self, key: &str, now: Timestamp) -> Result<Option<Head>, BucketError> {
        let response = match self.call("HEAD", key, &[], Vec::new(), 0, now).await {
            Ok((response, _)) => response,
            Err(BucketError::Absent) => return Ok(None),
            Err(error) => return Err(error),
        };
        let header = |name: &str| response.headers().get(name).unwrap_or_default().to_owned();
        let size = header("content-length").parse();
        Ok(Some(Head {
            content_type: header("content-type"),
            size: size.map_err(|_| BucketError::Unavailable("no content length".into()))?,
            etag: header("etag"),
        }))
    }

    /// Reads `length` bytes from `from` on; fewer at the end of the file, none after it. Errors with
    /// [`BucketError::Absent`] if the file's etag is not `etag`.
    pub async fn read(
        &self,
        key: &str,
        etag: &str,
        from: u64,
        length: usize,
        now: Timestamp,
    ) -> Result<Vec<u8>, BucketError> {
        let Some(last) = (length as u64).checked_sub(1).map(|last| from.saturating_add(last)) else {
            return Ok(Vec::new());
        };
        let range = format!("bytes={from}-{last}");
        match self.call("GET", key, &[("range", &range), ("if-match", etag)], Vec::new(), length, now).await {
            Ok((_, content)) => Ok(content),
            Err(BucketError::Refused(code)) if code == "416" => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Returns a URL with which anyone can read a file for `ttl` (whole seconds, at most a week).
    pub fn presigned_get(
        &self,
        key: &str,
        disposition: Disposition,
        ttl: Duration,
        now: Timestamp,
    ) -> Result<String, BucketError> {
        let url = format!("{}?response-content-disposition={}", self.url(key), disposition.as_str());
        self.signer.presigned_url("GET", url, &[], ttl, now)
    }

    /// Returns a URL with which anyone can write one file. The signature includes the type, which must be
    /// sent as `content-type`, and `size` if it is given. Without a size, check the size before you read the
    /// file.
    pub fn presigned_put(
        &self,
        key: &str,
        content_type: &str,
        size: Option<u64>,
        ttl: Duration,
        now: Timestamp,
    ) -> Result<String, BucketError> {
        let size = size.map(|size| size.to_string());
        let mut headers = vec![("content-type", content_type)];
        headers.extend(size.as_ref().map(|size| ("content-length", size.as_str())));
        self.signer.presigned_url("PUT", self.url(key), &headers, ttl, now)
    }

    /// Returns the origin of presigned URLs, such as `https://files.s3.us-east-1.amazonaws.com`.
    pub fn origin(&self) -> String {
        let end = self.base_url.match_indices('/').nth(2).map_or(self.base_url.len(), |(end, _)| end);
        self.base_url[..end].to_owned()
    }

    fn url(&self, key: &str) -> String {
        format!("{}/{}", self.base_url, utf8_percent_encode(key, KEY))
    }

    /// Sends a request about a file.
    async fn call(
        &self,
        method: &str,
        key: &str,
        headers: &Headers<'_>,
        content: Vec<u8>,
        max_bytes: usize,
        now: Timestamp,
    ) -> Result<(HttpResponse, Vec<u8>), BucketError> {
        self.send(method, &self.url(key), headers, content, max_bytes, now).await
    }

    /// Sends a request. Returns a successful response and at most `max_bytes` of its body.
    async fn send(
        &self,
        method: &str,
        url: &str,
        headers: &Headers<'_>,
        content: Vec<u8>,
        max_bytes: usize,
        now: Timestamp,
    ) -> Result<(HttpResponse, Vec<u8>), BucketError> {
        let request = self.signer.request(method, url, headers, content, now)?;
        let exchange = async {
            let mut response = self.http.call(request).await.map_err(|error| connection_error(&error))?;
            match response.status().as_u16() {
                200..=299 => {}
                404 | 412 => return Err(BucketError::Absent),
                status @ (408 | 429 | 500..) => return Err(BucketError::Unavailable(status.to_string())),
                status => return Err(BucketError::Refused(status.to_string())),
            }
            let body = std::mem::replace(response.body_mut(), SdkBody::empty());
            let content = match max_bytes {
                0 => Vec::new(),
                _ => read_body(body, max_bytes).await.map_err(body_error)?,
            };
            Ok((response, content))
        };
        let timeout = |_| BucketError::Unavailable("timed out".into());
        tokio::time::timeout(REQUEST_TIMEOUT, exchange).await.map_err(timeout)?
    }
}

fn body_error(error: BodyError) -> BucketError {
    match error {
        BodyError::ConnectionLost => BucketError::Unavailable("connection lost".into()),
        BodyError::TooLong => BucketError::Refused("the response is longer than requested".into()),
    }
}

fn connection_error(error: &ConnectorError) -> BucketError {
    let reason = if error.is_timeout() {
        "timed out"
    } else if error.is_io() {
        "no connection"
    } else {
        "unreadable response"
    };
    BucketError::Unavailable(reason.to_owned())
}

#[cfg(test)]
mod tests {
    use aws_credential_types::Credentials;

    use super::*;

    #[test]
    fn type_size_session_and_disposition_are_signed() {
        let mut bucket = Bucket::new(&Aws::loopback("http://127.0.0.1:9"), "files");
        bucket.signer.credentials =
            Credentials::new("AKIA", "secret", Some("a/session+token=".into()), None, "test");
        let (now, ttl) = (Timestamp::from_millis(1_369_353_600_000), Duration::from_mins(5));
        let put = |size| bucket.presigned_put("uploads/a b", "image/png", size, ttl, now).unwrap();
        let url = put(Some(7));
        assert!(url.contains("/uploads/a%20b?"), "{url}");
        assert!(url.contains("X-Amz-SignedHeaders=content-length%3Bcontent-type%3Bhost"), "{url}");
        assert!(url.contains("X-Amz-Security-Token=a%2Fsession%2Btoken%3D"), "{url}");
        assert!(url.contains("X-Amz-Expires=300"), "{url}");
        assert_ne!(url, put(Some(8)));
        assert!(put(None).contains("X-Amz-SignedHeaders=content-type%3Bhost"), "{}", put(None));
        let get = bucket.presigned_get("media/a", Disposition::Attachment, ttl, now).unwrap();
        assert!(get.contains("?response-content-disposition=attachment&"), "{get}");
        assert!(get.contains("X-Amz-SignedHeaders=host"), "{get}");
    }
}
