//! A topic in memory that stores what is published to it.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{Router, extract::State, http::StatusCode};
use serde_json::Value;
use shared_aws::{clients::Aws, event::EventsTopic};

const ANSWER: &str = "<PublishResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><PublishResult>\
                      <MessageId>1</MessageId></PublishResult></PublishResponse>";

/// A message of the topic.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the names say it all")]
pub struct Publication {
    pub group: String,
    pub deduplication_id: String,
    pub attributes: BTreeMap<String, String>,
    pub body: Value,
}

/// Accepts every message unless it refuses all. Clones share its messages.
#[derive(Debug, Clone)]
pub struct FakeTopic {
    url: String,
    refuses: Arc<AtomicBool>,
    messages: Arc<Mutex<Vec<Publication>>>,
}

impl FakeTopic {
    /// Starts on a free port. It ends with the runtime.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let topic = Self { url, refuses: Arc::default(), messages: Arc::default() };
        let publish = async |State(topic): State<Self>, body: String| {
            if topic.refuses.load(Ordering::Relaxed) {
                return (StatusCode::BAD_REQUEST, "");
            }
            topic.messages.lock().unwrap().push(publication(&body));
            (StatusCode::OK, ANSWER)
        };
        let router = Router::new().fallback(publish).with_state(topic.clone());
        tokio::spawn(async { axum::serve(listener, router).await });
        topic
    }

    /// Returns a client of the topic.
    pub fn client(&self) -> EventsTopic {
        EventsTopic::new(&Aws::loopback(self.url.as_str()), "arn:aws:sns:us-east-1:000000000000:events.fifo")
    }

    /// Refuses every message from now on, or accepts it again.
    pub fn refuse(&self, refuses: bool) {
        self.refuses.store(refuses, Ordering::Relaxed);
    }

    /// Removes and returns all messages in the order of their arrival.
    pub fn drain(&self) -> Vec<Publication> {
        std::mem::take(&mut self.messages.lock().unwrap())
    }
}

fn publication(body: &str) -> Publication {
    let fields: BTreeMap<String, String> = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let field = |name: &str| fields.get(name).cloned().unwrap_or_default();
    let attribute = |index: usize| {
        let entry = |part: &str| field(&format!("MessageAttributes.entry.{index}.{part}"));
        Some((entry("Name"), entry("Value.StringValue"))).filter(|(name, _)| !name.is_empty())
    };
    Publication {
        group: field("MessageGroupId"),
        deduplication_id: field("MessageDeduplicationId"),
        attributes: (1..).map_while(attribute).collect(),
        body: serde_json::from_str(&field("Message")).unwrap(),
    }
}
