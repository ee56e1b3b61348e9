//! Queue messages: an uploaded file, an import that continues, an import that keeps failing, and an
//! unreadable message.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::Response,
};
use contact_import::{App, handle};
use serde_json::json;
use shared_app::import::{SliceLimits, UPLOAD_DEADLINE};
use shared_aws::{
    clients::{Aws, Bucket, ImportJob, ImportQueue},
    import::{Imports, object_key},
};
use shared_domain::import::{Import, ImportStatus};
use shared_lambda::queue::SqsEvent;

use test_kit::clock::TestClock;

use crate::team::{HEADER, SMALL, START, TestTeam, clock_at, sums};

/// A bucket with one file and a queue that records its messages. Without a file the bucket is unavailable.
#[derive(Clone)]
struct Cloud {
    file: Option<Arc<Vec<u8>>>,
    etag: Arc<Mutex<&'static str>>,
    queued: Arc<Mutex<Vec<String>>>,
    /// Whether the bucket has no file.
    is_empty: Arc<AtomicBool>,
}

impl Cloud {
    async fn start(file: Option<&[u8]>) -> (Self, Aws) {
        let cloud = Self {
            file: file.map(|file| Arc::new(file.to_vec())),
            etag: Arc::new(Mutex::new("\"1\"")),
            queued: Arc::default(),
            is_empty: Arc::default(),
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().fallback(answer).with_state(cloud.clone());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        (cloud, Aws::loopback(endpoint))
    }
}

async fn answer(State(cloud): State<Cloud>, request: Request) -> Response<Body> {
    let (head, body) = request.into_parts();
    let etag = *cloud.etag.lock().unwrap();
    let answer = Response::builder().header("etag", etag);
    if head.headers.contains_key("x-amz-target") {
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        cloud.queued.lock().unwrap().push(String::from_utf8(body.to_vec()).unwrap());
        let sent = r#"{"Successful":[{"Id":"0","MessageId":"m","MD5OfMessageBody":""}],"Failed":[]}"#;
        return answer.header("content-type", "application/x-amz-json-1.0").body(sent.into()).unwrap();
    }
    let Some(file) = &cloud.file else { return answer.status(503).body(Body::empty()).unwrap() };
    if cloud.is_empty.load(Ordering::Relaxed) {
        return answer.status(404).body(Body::empty()).unwrap();
    }
    if head.method == "HEAD" {
        return answer.header("content-length", file.len()).body(Body::empty()).unwrap();
    }
    if head.headers["if-match"] != etag {
        return answer.status(412).body(Body::empty()).unwrap();
    }
    let range =
        head.headers["range"].to_str().unwrap().strip_prefix("bytes=").unwrap().split_once('-').unwrap();
    let (from, last): (usize, usize) = (range.0.parse().unwrap(), range.1.parse().unwrap());
    if from >= file.len() {
        return answer.status(416).body(Body::empty()).unwrap();
    }
    let part = file[from..(last + 1).min(file.len())].to_vec();
    answer.status(206).body(part.into()).unwrap()
}

fn app(team: &TestTeam, aws: &Aws, limits: SliceLimits) -> App {
    let queue = ImportQueue::new(aws, "http://queue.example/imports");
    App::new(&team.table(), Bucket::new(aws, "files"), queue, limits, 3)
}

fn put(import: &Import) -> String {
    let key = object_key(import);
    format!(
        r#"{{"Records":[{{"eventName":"ObjectCreated:Put","s3":{{"object":{{"key":"{key}","size":1}}}}}}]}}"#
    )
}

async fn deliver(app: &App, body: &str, receives: u32) -> usize {
    deliver_at(app, body, receives, &clock_at(1)).await
}

async fn deliver_at(app: &App, body: &str, receives: u32, clock: &TestClock) -> usize {
    let record = json!({
        "messageId": "m-1", "body": body, "messageAttributes": {},
        "attributes": { "ApproximateReceiveCount": receives.to_string() },
    });
    let event: SqsEvent = serde_json::from_value(json!({ "Records": [record] })).unwrap();
    handle(
        app,
        || clock.now_then_advance(std::time::Duration::from_mins(1)),
        shared_lambda::clock::entropy,
        event,
    )
    .await
    .batch_item_failures
    .len()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_uploaded_file_is_read_in_slices_that_queue_each_other() {
    let team = TestTeam::start().await;
    let import = team.create_import("imp_1").await;
    let rows = "S-1,A,B,2025550141,,,\nS-2,A,B,2025550142,,,\nS-3,A,B,2025550143,,,\nS-4,A,B,2025550144,,,\n\
                S-5,A,B,2025550145,,,\nS-6,A,B,2025550146,,,\nS-7,A,B,2025550147,,,\n";
    let (cloud, aws) = Cloud::start(Some(format!("{HEADER}{rows}").as_bytes())).await;
    let app = app(&team, &aws, SMALL);
    let mut body = put(&import);
    for slice in 1..=3 {
        assert_eq!(deliver(&app, &body, 1).await, 0);
        let queued = cloud.queued.lock().unwrap().clone();
        assert_eq!(queued.len(), slice.min(2), "{queued:?}");
        body = ImportJob {
            organization: import.organization.clone(),
            team: import.team.clone(),
            import: import.id.clone(),
        }
        .body();
        assert!(queued.iter().all(|one| one.contains("imp_1")));
    }
    let done = team.stored(&import).await;
    assert_eq!((done.status, sums(&done)), (ImportStatus::Completed, [7, 7, 0, 0, 0]));
    assert_eq!(deliver(&app, &put(&import), 1).await, 0, "redelivered");
    assert_eq!(team.stored(&import).await, done);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_replaced_while_it_is_read_ends_its_import() {
    let team = TestTeam::start().await;
    let import = team.create_import("imp_1").await;
    let file = format!("{HEADER}{}", "S-1,A,B,2025550141,,,\n".repeat(20));
    let (cloud, aws) = Cloud::start(Some(file.as_bytes())).await;
    let app = app(&team, &aws, SMALL);
    assert_eq!(deliver(&app, &put(&import), 1).await, 0);
    assert_eq!(team.stored(&import).await.status, ImportStatus::Running);
    *cloud.etag.lock().unwrap() = "\"2\"";
    assert_eq!(deliver(&app, &put(&import), 1).await, 0);
    let failed = team.stored(&import).await;
    assert!(failed.status == ImportStatus::Failed && failed.reason.unwrap().contains("replaced"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_whose_file_is_unavailable_is_retried_and_failed_at_its_last_delivery() {
    let team = TestTeam::start().await;
    let import = team.create_import("imp_1").await;
    let (_, aws) = Cloud::start(None).await;
    let app = app(&team, &aws, SMALL);
    for receives in 1..3 {
        assert_eq!(deliver(&app, &put(&import), receives).await, 1);
        assert_eq!(team.stored(&import).await.status, ImportStatus::Queued);
    }
    assert_eq!(deliver(&app, &put(&import), 3).await, 1, "to the dead-letter queue");
    let failed = team.stored(&import).await;
    assert!(
        failed.status == ImportStatus::Failed && failed.reason.unwrap().contains("Import the file again")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_without_an_upload_fails_once_its_upload_url_has_expired() {
    let team = TestTeam::start().await;
    let import = team.create_import("imp_1").await;
    let (cloud, aws) = Cloud::start(Some(b"")).await;
    cloud.is_empty.store(true, Ordering::Relaxed);
    let app = app(&team, &aws, SMALL);
    let early = clock_at(UPLOAD_DEADLINE.as_secs() - 60);
    assert_eq!(deliver_at(&app, &put(&import), 1, &early).await, 1, "tried again");
    assert_eq!(team.stored(&import).await.status, ImportStatus::Queued);
    let late = clock_at(UPLOAD_DEADLINE.as_secs());
    assert_eq!(deliver_at(&app, &put(&import), 1, &late).await, 0);
    let failed = team.stored(&import).await;
    assert_eq!(
        (failed.status, failed.reason.as_deref()),
        (ImportStatus::Failed, Some("no file was uploaded"))
    );
    let open = Imports::new(team.table()).unattended(START + 100 * UPLOAD_DEADLINE).await.unwrap();
    assert_eq!(open, [], "a failed import is not queued again");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_message_is_returned_and_one_of_a_deleted_import_is_acknowledged() {
    let team = TestTeam::start().await;
    let (_, aws) = Cloud::start(None).await;
    let app = app(&team, &aws, SMALL);
    assert_eq!(deliver(&app, "{}", 1).await, 1);
    let gone = r#"{"organizationId":"org_1","teamId":"team_1","importId":"imp_9"}"#;
    assert_eq!(deliver(&app, gone, 1).await, 0);
    assert_eq!(deliver(&app, r#"{"Service":"Amazon S3","Event":"s3:TestEvent"}"#, 1).await, 0);
}
