//! The bucket client against a server that records its requests: paths, signed headers, and the result of
//! each status.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, Method, Response, StatusCode},
};
use shared_aws::clients::{Aws, Bucket, BucketError, Disposition, Head};
use shared_domain::time::Timestamp;

const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

#[derive(Debug, Clone)]
struct Seen {
    method: Method,
    path_and_query: String,
    headers: HeaderMap,
    body: Bytes,
}

/// Answers every request with the same response and records the requests.
#[derive(Clone)]
struct Server {
    seen: Arc<Mutex<Vec<Seen>>>,
    answer: Arc<dyn Fn() -> Response<Body> + Send + Sync>,
}

impl Server {
    async fn start(answer: impl Fn() -> Response<Body> + Send + Sync + 'static) -> (Self, Bucket) {
        let server = Self { seen: Arc::default(), answer: Arc::new(answer) };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().fallback(record).with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        (server, Bucket::new(&Aws::loopback(endpoint), "files"))
    }

    fn only(&self) -> Seen {
        let seen = self.seen.lock().unwrap();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen[0].clone()
    }
}

async fn record(State(server): State<Server>, request: Request) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let path_and_query = head.uri.path_and_query().unwrap().to_string();
    let seen = Seen { method: head.method, path_and_query, headers: head.headers, body };
    server.seen.lock().unwrap().push(seen);
    (server.answer)()
}

fn answer(status: u16, headers: &[(&str, &str)], body: &'static str) -> Response<Body> {
    let mut answer = Response::builder().status(status);
    for (name, value) in headers {
        answer = answer.header(*name, *value);
    }
    answer.body(Body::from(body)).unwrap()
}

#[tokio::test]
async fn a_file_is_put_by_path_with_its_type_and_the_digest_of_its_bytes() {
    let (server, bucket) = Server::start(|| answer(200, &[], "")).await;
    bucket.put("media/org_1/med a+b", "image/png", b"bytes".to_vec(), NOW).await.unwrap();

    let seen = server.only();
    assert_eq!((seen.method, seen.path_and_query.as_str()), (Method::PUT, "/files/media/org_1/med%20a%2Bb"));
    assert_eq!(seen.body.as_ref(), b"bytes");
    assert_eq!(seen.headers["content-type"], "image/png");
    assert_eq!(seen.headers["content-length"], "5");
    assert_eq!(
        seen.headers["x-amz-content-sha256"],
        "277089d91c0bdf4f2e6862ba7e4a07605119431f5d13f726dd352b06f1b206a9"
    );
    let authorization = seen.headers["authorization"].to_str().unwrap();
    assert!(
        authorization.starts_with("AWS4-HMAC-SHA256 Credential=test/20260921/us-east-1/s3/aws4_request,"),
        "{authorization}"
    );
    assert!(authorization.contains("SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date"));
}

#[tokio::test]
async fn a_head_returns_type_and_size_or_none_for_a_missing_file() {
    let headers = [("content-type", "image/gif"), ("content-length", "7"), ("etag", "\"e\"")];
    let (server, bucket) = Server::start(move || answer(200, &headers, "")).await;
    let head = bucket.head("uploads/x", NOW).await.unwrap().unwrap();
    assert_eq!(head, Head { content_type: "image/gif".into(), size: 7, etag: "\"e\"".into() });
    assert_eq!(server.only().method, Method::HEAD);

    let (_, bucket) = Server::start(|| answer(404, &[], "")).await;
    assert_eq!(bucket.head("uploads/x", NOW).await, Ok(None));
}

#[tokio::test]
async fn a_part_is_read_by_its_range_and_is_empty_after_the_end() {
    let (server, bucket) = Server::start(|| answer(206, &[], "part")).await;
    assert_eq!(bucket.read("uploads/x", "\"e\"", 10, 4, NOW).await.unwrap(), b"part");
    assert_eq!(server.only().headers["range"], "bytes=10-13");
    assert_eq!(server.only().headers["if-match"], "\"e\"");
    assert_eq!(bucket.read("uploads/x", "\"e\"", 10, 0, NOW).await.unwrap(), b"", "no request is sent");
    assert_eq!(server.only().method, Method::GET);

    let (_, bucket) = Server::start(|| answer(416, &[], "<Error/>")).await;
    assert_eq!(bucket.read("uploads/x", "\"e\"", 10, 4, NOW).await.unwrap(), b"");
    let (_, bucket) = Server::start(|| answer(412, &[], "")).await;
    assert_eq!(
        bucket.read("uploads/x", "\"e\"", 10, 4, NOW).await,
        Err(BucketError::Absent),
        "the file was replaced"
    );
    let (_, bucket) =
        Server::start(|| answer(200, &[], "the whole file, although a part was requested")).await;
    assert!(matches!(bucket.read("uploads/x", "\"e\"", 0, 4, NOW).await, Err(BucketError::Refused(_))));
}

#[tokio::test]
async fn a_copy_is_of_the_checked_file_and_a_200_without_a_result_is_an_error() {
    let (server, bucket) = Server::start(|| answer(200, &[], "<?xml?><CopyObjectResult/>")).await;
    bucket.copy("uploads/a b", "\"e\"", "media/c", NOW).await.unwrap();
    let seen = server.only();
    assert_eq!((seen.method, seen.path_and_query.as_str()), (Method::PUT, "/files/media/c"));
    assert_eq!(seen.headers["x-amz-copy-source"], "files/uploads/a%20b");
    assert_eq!(seen.headers["x-amz-copy-source-if-match"], "\"e\"");

    let (_, bucket) = Server::start(|| answer(200, &[], "<?xml?><Error/>")).await;
    let broken = bucket.copy("uploads/a", "\"e\"", "media/c", NOW).await;
    assert!(matches!(broken, Err(BucketError::Unavailable(_))), "{broken:?}");
    let (_, bucket) = Server::start(|| answer(412, &[], "")).await;
    assert_eq!(bucket.copy("uploads/a", "\"e\"", "media/c", NOW).await, Err(BucketError::Absent));
}

#[tokio::test]
async fn temporary_and_permanent_errors_are_distinguished() {
    for (status, unavailable) in [(500, true), (503, true), (429, true), (403, false), (400, false)] {
        let (_, bucket) = Server::start(move || answer(status, &[], "")).await;
        let refused = bucket.put("media/x", "image/png", vec![1], NOW).await.unwrap_err();
        assert_eq!(matches!(refused, BucketError::Unavailable(_)), unavailable, "{status}: {refused}");
        assert_eq!(matches!(refused, BucketError::Refused(_)), !unavailable, "{status}: {refused}");
    }
    let closed = Bucket::new(&Aws::loopback("http://127.0.0.1:1"), "files");
    assert!(matches!(closed.head("x", NOW).await, Err(BucketError::Unavailable(_))));
}

#[tokio::test]
async fn presigned_urls_point_to_the_bucket_and_expire() {
    let (_, bucket) = Server::start(|| answer(StatusCode::OK.as_u16(), &[], "")).await;
    let lives = Duration::from_mins(5);
    let get = bucket.presigned_get("media/x", Disposition::Inline, lives, NOW).unwrap();
    assert!(get.contains("/files/media/x?response-content-disposition=inline&"), "{get}");
    assert!(get.contains("X-Amz-Date=20260921T") && get.contains("X-Amz-Expires=300"), "{get}");
    assert_eq!(get, bucket.presigned_get("media/x", Disposition::Inline, lives, NOW).unwrap());
    let later = bucket.presigned_get("media/x", Disposition::Inline, lives, NOW + lives).unwrap();
    assert_ne!(get, later);
}

/// The first of two lists of versions. The marker of a file and its content are on different lists.
const FIRST_LIST: &str = "<ListVersionsResult><NextKeyMarker>media/a b</NextKeyMarker>\
    <NextVersionIdMarker>2+</NextVersionIdMarker><IsTruncated>true</IsTruncated>\
    <DeleteMarker><Key>media/a b</Key><VersionId>2+</VersionId>\
    <LastModified>2026-11-29T11:00:00.000Z</LastModified></DeleteMarker></ListVersionsResult>";
const SECOND_LIST: &str = "<ListVersionsResult><IsTruncated>false</IsTruncated>\
    <Version><Key>media/a b</Key><VersionId>1</VersionId></Version></ListVersionsResult>";

#[tokio::test]
async fn a_deleted_file_is_found_over_several_lists_and_read_again_when_its_marker_is_removed() {
    let lists = Mutex::new(vec![SECOND_LIST, FIRST_LIST]);
    let (server, bucket) =
        Server::start(move || answer(200, &[], lists.lock().unwrap().pop().unwrap_or_default())).await;
    let since = Timestamp::parse("2026-11-29T10:00:00Z").unwrap();
    let read = Mutex::new(Vec::new());
    let progress = |versions| read.lock().unwrap().push(versions);
    let deleted = bucket.deleted_since("media/", since, || NOW, progress).await.unwrap();
    assert_eq!(deleted.iter().map(|file| file.key.as_str()).collect::<Vec<_>>(), ["media/a b"]);
    assert_eq!(*read.lock().unwrap(), [1, 2]);
    bucket.undelete(&deleted[0], NOW).await.unwrap();

    let seen = server.seen.lock().unwrap();
    let requests: Vec<_> = seen.iter().map(|seen| (&seen.method, seen.path_and_query.as_str())).collect();
    let rest = "max-keys=1000&prefix=media%2F&versions=";
    let second = format!("/files?key-marker=media%2Fa%20b&version-id-marker=2%2B&{rest}");
    assert_eq!(
        requests,
        [
            (&Method::GET, format!("/files?{rest}").as_str()),
            (&Method::GET, second.as_str()),
            (&Method::DELETE, "/files/media/a%20b?versionId=2%2B"),
        ]
    );
}

#[tokio::test]
async fn each_request_of_an_erasure_is_signed_with_its_own_time() {
    let lists = Mutex::new(vec!["", "", SECOND_LIST]); // of the versions, a deletion, and none left
    let (server, bucket) =
        Server::start(move || answer(200, &[], lists.lock().unwrap().pop().unwrap_or_default())).await;
    let minutes = AtomicU64::new(0);
    let clock = || NOW + Duration::from_mins(20 * minutes.fetch_add(1, Ordering::Relaxed));
    assert_eq!(bucket.erase("media/a b", clock).await, Ok(1));
    let seen = server.seen.lock().unwrap();
    let methods: Vec<_> = seen.iter().map(|seen| &seen.method).collect();
    assert_eq!(methods, [&Method::GET, &Method::DELETE, &Method::GET]);
    let times: Vec<_> = seen.iter().map(|seen| seen.headers["x-amz-date"].to_str().unwrap()).collect();
    assert!(times[0] < times[1] && times[1] < times[2], "{times:?}");
}
