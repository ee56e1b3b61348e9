//! The delivery of events to sinks: at least once, as a JSON array, signed with `bodySHA256`.
//!
//! The URL is the destination with the `bodySHA256` of the body. The signature covers the URL without its
//! user information. Twilio's signature may include it; the product accepts both. A 2xx response ends the
//! delivery. Otherwise it is retried after 0.5, 1 and 2 seconds. Each attempt has a timeout of 5 seconds.
//! Source: twilio.com/docs/events/event-delivery-and-duplication.

use std::sync::Arc;
use std::time::Duration;

use shared_carriers::twilio::signature::sign_json;

use crate::Carrier;
use crate::events::event::Event;
use crate::events::sink::{Destination, Sink};
use crate::resources::Resources;
use crate::webhook::{Answer, Webhooks};

const MAX_ATTEMPTS: u32 = 4;
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);

/// The pause before the first retry. Each further pause is twice as long.
const PAUSE: Duration = Duration::from_millis(500);

/// A request with events for one sink.
pub(crate) struct Post {
    destination: Destination,
    body: String,
}

impl Resources {
    /// Records events, and returns the posts to the subscribed sinks.
    pub(crate) fn record(&mut self, events: Vec<Event>) -> Vec<Post> {
        let posts = self.posts(&events);
        for event in events {
            self.events.add(event);
        }
        posts
    }

    /// One post for each sink, or for each event if the sink takes no batches. The order of events is kept.
    pub(crate) fn posts(&self, events: &[Event]) -> Vec<Post> {
        let posts_to = |sink: &Sink| {
            let events: Vec<_> = events.iter().filter(|event| self.is_subscribed(sink, event)).collect();
            let size = if sink.in_batches { events.len() } else { 1 };
            let post = |batch: &[&Event]| Post { destination: sink.destination.clone(), body: body(batch) };
            events.chunks(size.max(1)).map(post).collect::<Vec<_>>()
        };
        self.sinks.iter().flat_map(posts_to).collect()
    }

    fn is_subscribed(&self, sink: &Sink, event: &Event) -> bool {
        let of_sink = |sid: &str| sid == sink.sid;
        self.subscriptions.iter().any(|given| of_sink(&given.sink_sid) && given.includes(&event.kind))
    }
}

impl Carrier {
    /// Sends posts in order. Returns the first failure, else the last answer, with the attempts of all.
    pub(crate) async fn post_now(&self, posts: Vec<Post>) -> Answer {
        let mut all = Answer::NONE;
        let mut all_succeeded = true;
        for post in posts {
            let answer = self.webhooks.post_events(&post).await;
            tracing::info!(answer = answer.status, attempts = answer.attempts, "events posted");
            let attempts = all.attempts + answer.attempts;
            if all_succeeded {
                all_succeeded = answer.is_success();
                all = answer;
            }
            all.attempts = attempts;
        }
        all
    }

    /// Sends posts in the background, so that the response does not wait.
    pub(crate) fn post_later(self: &Arc<Self>, posts: Vec<Post>) {
        let carrier = Arc::clone(self);
        tokio::spawn(async move { carrier.post_now(posts).await });
    }
}

impl Webhooks {
    async fn post_events(&self, Post { destination, body }: &Post) -> Answer {
        let (signed, signature) = sign_json(&destination.signed_url, body.as_bytes(), &self.tokens.primary());
        let hash = signed.strip_prefix(&destination.signed_url).unwrap_or_default();
        let url = format!("{}{hash}", destination.url);
        let mut attempts = 0;
        loop {
            let request = self
                .client
                .post(&url) // sends user information in the URL as Basic authentication
                .timeout(ATTEMPT_TIMEOUT)
                .header("X-Twilio-Signature", &signature)
                .header("Content-Type", "application/json")
                .body(body.clone());
            let outcome = async {
                let response = request.send().await?;
                Ok((response.status().as_u16(), response.text().await?))
            };
            attempts += 1;
            let answer = Answer::of(outcome.await, attempts);
            if attempts == MAX_ATTEMPTS || answer.is_success() {
                return answer;
            }
            tokio::time::sleep(PAUSE * 2_u32.pow(attempts - 1)).await;
        }
    }
}

fn body(events: &[&Event]) -> String {
    let bodies: Vec<_> = events.iter().map(|event| &event.body).collect();
    serde_json::to_string(&bodies).expect("JSON values can be serialized")
}
