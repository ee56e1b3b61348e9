//! Signature version 4 for S3, in headers or in the query of a presigned URL.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{
        PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation,
        SigningInstructions, SigningSettings, UriPathNormalizationMode, sign,
    },
    sign::v4,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use shared_domain::time::Timestamp;

use super::BucketError;

/// What S3 encodes in a key: everything except unreserved characters and slashes.
pub(super) const KEY: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');
/// What S3 encodes in a query.
pub(super) const QUERY: &AsciiSet = &KEY.add(b'/');

/// Names and values of headers.
pub(super) type Headers<'a> = [(&'a str, &'a str)];

/// Signs requests with the function's credentials.
#[derive(Clone)]
pub(super) struct Signer {
    pub(super) credentials: Credentials,
    pub(super) region: String,
}

impl Signer {
    /// Returns a request with signed headers and content.
    pub(super) fn request(
        &self,
        method: &str,
        url: &str,
        headers: &Headers<'_>,
        content: Vec<u8>,
        now: Timestamp,
    ) -> Result<HttpRequest, BucketError> {
        let mut settings = settings();
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        let signed = self.sign(method, url, headers, SignableBody::Bytes(&content), settings, now)?;
        let mut request = HttpRequest::new(SdkBody::from(content));
        request.set_method(method).map_err(request_error)?;
        request.set_uri(url).map_err(request_error)?;
        for (name, value) in headers.iter().copied().chain(signed.headers()) {
            request.headers_mut().try_insert(name.to_owned(), value.to_owned()).map_err(request_error)?;
        }
        Ok(request)
    }

    /// Returns the URL with a signature that expires after `ttl`. A request with this URL must have
    /// `headers`.
    pub(super) fn presigned_url(
        &self,
        method: &str,
        mut url: String,
        headers: &Headers<'_>,
        ttl: Duration,
        now: Timestamp,
    ) -> Result<String, BucketError> {
        let mut settings = settings();
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(ttl);
        let signed = self.sign(method, &url, headers, SignableBody::UnsignedPayload, settings, now)?;
        let mut separator = if url.contains('?') { '&' } else { '?' };
        for (name, value) in signed.params() {
            url.push(separator);
            url.extend([*name, "="]);
            url.extend(utf8_percent_encode(value, QUERY));
            separator = '&';
        }
        Ok(url)
    }

    fn sign(
        &self,
        method: &str,
        url: &str,
        headers: &Headers<'_>,
        content: SignableBody<'_>,
        settings: SigningSettings,
        now: Timestamp,
    ) -> Result<SigningInstructions, BucketError> {
        let identity = self.credentials.clone().into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("s3")
            .time(system_time(now))
            .settings(settings)
            .build()
            .map_err(request_error)?
            .into();
        let request = SignableRequest::new(method, url, headers.iter().copied(), content);
        let (instructions, _) =
            sign(request.map_err(request_error)?, &params).map_err(request_error)?.into_parts();
        Ok(instructions)
    }
}

/// S3 signs the path as it is sent: percent-encoded once and not normalized.
fn settings() -> SigningSettings {
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings
}

fn system_time(at: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(at.millis()).unwrap_or(0))
}

fn request_error<E>(_: E) -> BucketError {
    BucketError::Refused("the request could not be built".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The account and time of the examples in AWS's documentation.
    fn documented() -> (Signer, Timestamp) {
        let credentials = Credentials::new(
            "AKIAIOSFODNN7EXAMPLE",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            None,
            None,
            "documented",
        );
        (Signer { credentials, region: "us-east-1".into() }, Timestamp::from_millis(1_369_353_600_000))
    }

    const URL: &str = "https://examplebucket.s3.amazonaws.com/test.txt";

    /// The example of <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html>.
    #[test]
    fn a_presigned_url_has_the_documented_signature() {
        let (signer, now) = documented();
        let signed = signer.presigned_url("GET", URL.into(), &[], Duration::from_hours(24), now).unwrap();
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

    /// The example "GET Object" of
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>.
    #[test]
    fn a_request_has_the_documented_signature() {
        let (signer, now) = documented();
        let request = signer.request("GET", URL, &[("range", "bytes=0-9")], Vec::new(), now).unwrap();
        let authorization = request.headers().get("authorization").unwrap();
        assert!(
            authorization.ends_with(
                "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, \
                 Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
            ),
            "{authorization}"
        );
    }
}
