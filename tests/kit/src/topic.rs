//! A topic in memory that stores what is published to it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use axum::{Router, extract::State, http::StatusCode};
use serde_json::Value;
use shared_aws::{clients::Aws, event::EventsTopic};

/// A message of the topic.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the names say it all")]
pub struct Publication {
    pub group: String,
    pub deduplication_id: String,
    pub attributes: BTreeMap<String, String>,
    pub body: Value,
}

/// Accepts every message unless it is to refuse. Clones share its messages.
#[derive(Debug, Clone)]
pub struct FakeTopic {
    url: String,
    refuses: Arc<AtomicBool>,
    refused_groups: Arc<Mutex<BTreeSet<String>>>,
    messages: Arc<Mutex<Vec<Publication>>>,
    requests: Arc<AtomicUsize>,
}

impl FakeTopic {
    /// Starts on a free port. It ends with the runtime.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let topic = Self {
            url,
            refuses: Arc::default(),
            refused_groups: Arc::default(),
            messages: Arc::default(),
            requests: Arc::default(),
        };
        let publish = async |State(topic): State<Self>, body: String| topic.answer(&body);
        let router = Router::new().fallback(publish).with_state(topic.clone());
        tokio::spawn(async { axum::serve(listener, router).await });
        topic
    }

    /// Returns a client of the topic.
    pub fn client(&self) -> EventsTopic {
        EventsTopic::new(&Aws::loopback(self.url.as_str()), "arn:aws:sns:us-east-1:000000000000:events.fifo")
    }

    /// Refuses every request from now on, or accepts them again.
    pub fn refuse(&self, refuses: bool) {
        self.refuses.store(refuses, Ordering::Relaxed);
    }

    /// Refuses the next message of a group, and no others of the same request.
    pub fn refuse_next_of(&self, group: &str) {
        self.refused_groups.lock().unwrap().insert(group.to_owned());
    }

    /// Removes and returns all messages in the order of their arrival.
    pub fn drain(&self) -> Vec<Publication> {
        std::mem::take(&mut self.messages.lock().unwrap())
    }

    /// Returns how many requests came.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    fn answer(&self, body: &str) -> (StatusCode, String) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let entries = entries(body);
        let groups: BTreeSet<_> = entries.iter().map(|(_, message)| &message.group).collect();
        assert!(entries.len() <= 10, "a batch has at most ten messages");
        assert_eq!(
            groups.len(),
            entries.len(),
            "a later message of a group is accepted if an earlier one is not"
        );
        if self.refuses.load(Ordering::Relaxed) {
            return (StatusCode::BAD_REQUEST, String::new());
        }
        let (mut successful, mut failed) = (Vec::new(), Vec::new());
        for (id, message) in entries {
            if self.refused_groups.lock().unwrap().remove(&message.group) {
                failed.push(format!(
                    "<member><Id>{id}</Id><Code>InternalError</Code><SenderFault>false</SenderFault></member>"
                ));
            } else {
                successful.push(format!("<member><Id>{id}</Id><MessageId>1</MessageId></member>"));
                self.messages.lock().unwrap().push(message);
            }
        }
        let (successful, failed) = (successful.concat(), failed.concat());
        let answer = format!(
            "<PublishBatchResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><PublishBatchResult>\
             <Successful>{successful}</Successful><Failed>{failed}</Failed></PublishBatchResult>\
             </PublishBatchResponse>"
        );
        (StatusCode::OK, answer)
    }
}

/// Returns the messages of a request with their ids.
fn entries(body: &str) -> Vec<(String, Publication)> {
    let fields: BTreeMap<String, String> = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let entry = |index: usize| {
        let prefix = format!("PublishBatchRequestEntries.member.{index}");
        let field = |name: &str| fields.get(&format!("{prefix}.{name}")).cloned();
        let attribute = |index: usize| {
            let part = |part: &str| field(&format!("MessageAttributes.entry.{index}.{part}"));
            Some((part("Name")?, part("Value.StringValue")?))
        };
        let publication = Publication {
            group: field("MessageGroupId")?,
            deduplication_id: field("MessageDeduplicationId")?,
            attributes: (1..).map_while(attribute).collect(),
            body: serde_json::from_str(&field("Message")?).unwrap(),
        };
        Some((field("Id")?, publication))
    };
    (1..).map_while(entry).collect()
}
