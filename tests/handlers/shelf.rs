//! A bucket in memory: what is put is kept, copied and read again. It looks at no signature; the emulator does.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Method, Response, StatusCode, Uri},
};
use shared_aws::clients::{Aws, Bucket};

type Files = BTreeMap<String, (String, Bytes)>;

/// The files of a bucket named `files`, by key: type and bytes.
#[derive(Clone)]
pub(crate) struct Shelf {
    url: String,
    files: Arc<Mutex<Files>>,
    writes: Arc<Mutex<usize>>,
}

impl Shelf {
    pub(crate) async fn open() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shelf = Self { url, files: Arc::default(), writes: Arc::default() };
        let answer =
            async |State(shelf): State<Self>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
                shelf.answer(&method, &uri, &headers, body)
            };
        let router = Router::new()
            .fallback(answer)
            .layer(axum::extract::DefaultBodyLimit::disable())
            .with_state(shelf.clone());
        tokio::spawn(async { axum::serve(listener, router).await });
        shelf
    }

    pub(crate) fn bucket(&self) -> Bucket {
        Bucket::new(&Aws::loopback(&self.url), "files")
    }

    pub(crate) fn files(&self) -> Files {
        self.files.lock().unwrap().clone()
    }

    /// How often something was put.
    pub(crate) fn writes(&self) -> usize {
        *self.writes.lock().unwrap()
    }

    pub(crate) fn put(&self, key: &str, content_type: &str, content: &'static [u8]) {
        let file = (content_type.to_owned(), Bytes::from_static(content));
        self.files.lock().unwrap().insert(key.to_owned(), file);
    }

    fn answer(&self, method: &Method, uri: &Uri, headers: &HeaderMap, body: Bytes) -> Response<Body> {
        let key = uri.path().trim_start_matches("/files/").to_owned();
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let mut files = self.files.lock().unwrap();
        let answer = Response::builder();
        let answer = if *method == Method::PUT {
            *self.writes.lock().unwrap() += 1;
            match header("x-amz-copy-source") {
                Some(source) => {
                    let file = files.get(source.trim_start_matches("files/")).cloned();
                    match file
                        .filter(|(_, content)| header("x-amz-copy-source-if-match") == Some(etag(content)))
                    {
                        Some(file) => {
                            files.insert(key, file);
                            answer.body(Body::from("<CopyObjectResult/>"))
                        }
                        None => answer.status(StatusCode::PRECONDITION_FAILED).body(Body::empty()),
                    }
                }
                None => {
                    files.insert(key, (header("content-type").unwrap_or_default(), body));
                    answer.body(Body::empty())
                }
            }
        } else if let Some((content_type, content)) = files.get(&key) {
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

fn etag(content: &Bytes) -> String {
    format!("\"{}\"", content.len())
}
