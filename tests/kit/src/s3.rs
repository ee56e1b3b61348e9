//! An object store in memory. It does not check signatures; the emulator of the local cloud does.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, Method, Response, StatusCode, Uri},
};
use shared_aws::clients::{Aws, Bucket};
use shared_domain::time::Timestamp;

/// Content type and bytes by key.
pub type Objects = BTreeMap<String, (String, Bytes)>;

/// What is deleted and can be brought back, with its content type and its bytes, and when it was deleted.
type Deleted = BTreeMap<String, ((String, Bytes), Timestamp)>;

/// The version of the marker of a deleted object.
const MARKER: &str = "marker";

/// A bucket named `files`. Clones share its objects.
#[derive(Debug, Clone)]
pub struct FakeS3 {
    url: String,
    objects: Arc<Mutex<Objects>>,
    deleted: Arc<Mutex<Deleted>>,
    writes: Arc<Mutex<usize>>,
    hidden: Arc<Mutex<usize>>,
}

impl FakeS3 {
    /// Starts on a free port. It ends with the runtime.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let s3 = Self {
            url,
            objects: Arc::default(),
            deleted: Arc::default(),
            writes: Arc::default(),
            hidden: Arc::default(),
        };
        let answer =
            async |State(s3): State<Self>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
                s3.answer(&method, &uri, &headers, body)
            };
        let router = Router::new().fallback(answer).layer(DefaultBodyLimit::disable()).with_state(s3.clone());
        tokio::spawn(async { axum::serve(listener, router).await });
        s3
    }

    /// Returns the settings of clients.
    pub fn aws(&self) -> Aws {
        Aws::loopback(&self.url)
    }

    /// Returns a client of the bucket.
    pub fn bucket(&self) -> Bucket {
        Bucket::new(&self.aws(), "files")
    }

    /// Returns all objects.
    pub fn objects(&self) -> Objects {
        self.objects.lock().unwrap().clone()
    }

    /// Returns how many PUT requests came, copies and failed copies included.
    pub fn writes(&self) -> usize {
        *self.writes.lock().unwrap()
    }

    /// Returns how many requests deleted an object without naming its version. S3 keeps its content.
    pub fn hidden(&self) -> usize {
        *self.hidden.lock().unwrap()
    }

    /// Stores an object without a request.
    pub fn put(&self, key: &str, content_type: &str, content: &'static [u8]) {
        let object = (content_type.to_owned(), Bytes::from_static(content));
        self.objects.lock().unwrap().insert(key.to_owned(), object);
    }

    /// Hides an object behind the marker of its deletion. One that a request deletes is gone at once.
    pub fn delete_at(&self, key: &str, at: Timestamp) {
        let object = self.objects.lock().unwrap().remove(key).expect("an object");
        self.deleted.lock().unwrap().insert(key.to_owned(), (object, at));
    }

    fn answer(&self, method: &Method, uri: &Uri, headers: &HeaderMap, body: Bytes) -> Response<Body> {
        let key = uri.path().trim_start_matches("/files/").to_owned();
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (mut objects, mut deleted) = (self.objects.lock().unwrap(), self.deleted.lock().unwrap());
        let answer = Response::builder();
        let answer = if let Some(prefix) = uri.query().and_then(listed_prefix) {
            let version =
                |key: &String| format!("<Version><Key>{key}</Key><VersionId>null</VersionId></Version>");
            let marker = |(key, (_, at)): (&String, &(_, Timestamp))| {
                let marker = format!("<VersionId>{MARKER}</VersionId><LastModified>{at}</LastModified>");
                format!("<DeleteMarker><Key>{key}</Key>{marker}</DeleteMarker>{}", version(key))
            };
            let versions = objects.keys().filter(|key| key.starts_with(&prefix)).map(version);
            let hidden = deleted.iter().filter(|(key, _)| key.starts_with(&prefix)).map(marker);
            answer.body(Body::from(versions.chain(hidden).collect::<String>()))
        } else if *method == Method::DELETE {
            let version = uri.query().and_then(|query| query.strip_prefix("versionId="));
            *self.hidden.lock().unwrap() += usize::from(version.is_none() && objects.contains_key(&key));
            match version.and_then(|version| Some((version, deleted.remove(&key)?))) {
                Some((MARKER, (object, _))) => drop(objects.insert(key, object)),
                Some(_) => {}
                None => drop(objects.remove(&key)),
            }
            answer.status(StatusCode::NO_CONTENT).body(Body::empty())
        } else if *method == Method::PUT {
            *self.writes.lock().unwrap() += 1;
            if let Some(source) = header("x-amz-copy-source") {
                let source = objects.get(source.trim_start_matches("files/")).cloned();
                let expected = header("x-amz-copy-source-if-match");
                match source.filter(|(_, content)| expected == Some(etag(content))) {
                    Some(object) => {
                        objects.insert(key, object);
                        answer.body(Body::from("<CopyObjectResult/>"))
                    }
                    None => answer.status(StatusCode::PRECONDITION_FAILED).body(Body::empty()),
                }
            } else {
                objects.insert(key, (header("content-type").unwrap_or_default(), body));
                answer.body(Body::empty())
            }
        } else if let Some((content_type, content)) = objects.get(&key) {
            answer
                .header("content-type", content_type)
                .header("content-length", content.len())
                .header("etag", etag(content))
                .body(if *method == Method::HEAD { Body::empty() } else { Body::from(content.clone()) })
        } else {
            answer.status(StatusCode::NOT_FOUND).body(Body::empty())
        };
        answer.unwrap()
    }
}

/// Returns the prefix in the query of a list of versions. Every object has one version.
fn listed_prefix(query: &str) -> Option<String> {
    let prefix = query.strip_suffix("&versions=")?.split("prefix=").nth(1)?;
    Some(prefix.replace("%2F", "/"))
}

/// An `ETag` by length. No two objects of a test have the same length.
fn etag(content: &Bytes) -> String {
    format!("\"{}\"", content.len())
}
