//! The way of events to the sinks: at least once, posted as a JSON array, signed by `bodySHA256`.
//!
//! The URL is the destination with `bodySHA256` of the body. The signature covers it without user info, which Twilio's
//! own may hold: the product takes either. Any 2xx ends a post; all else is tried again after 0.5, 1 and 2 seconds, and
//! each try may last 5 seconds. Source: twilio.com/docs/events/event-delivery-and-duplication.

use std::sync::Arc;
use std::time::Duration;

use shared_carriers::twilio::signature::sign_json;

use crate::Carrier;
use crate::events::event::Event;
use crate::events::sink::{Destination, Sink};
use crate::resources::Resources;
use crate::webhook::{Answer, Webhooks, answer};

const TRIES: u32 = 4;
const TIME_LIMIT: Duration = Duration::from_secs(5);

/// The pause before the second try; each further one is twice as long.
const PAUSE: Duration = Duration::from_millis(500);

/// Events on their way to one sink.
pub(crate) struct Post {
    destination: Destination,
    body: String,
}

impl Resources {
    /// Remembers events; they go to the sinks that are subscribed to them by now.
    pub(crate) fn record(&mut self, events: Vec<Event>) -> Vec<Post> {
        let posts = self.posts(&events);
        for event in events {
            self.events.add(event);
        }
        posts
    }

    /// One post for each sink, or for each event where a sink takes them singly; the events in their order.
    pub(crate) fn posts(&self, events: &[Event]) -> Vec<Post> {
        let posts_to = |sink: &Sink| {
            let told: Vec<_> = events.iter().filter(|event| self.is_told(sink, event)).collect();
            let size = if sink.in_batches { told.len() } else { 1 };
            let post = |batch: &[&Event]| Post { destination: sink.destination.clone(), body: body(batch) };
            told.chunks(size.max(1)).map(post).collect::<Vec<_>>()
        };
        self.sinks.iter().flat_map(posts_to).collect()
    }

    fn is_told(&self, sink: &Sink, event: &Event) -> bool {
        let of_sink = |sid: &str| sid == sink.sid;
        self.subscriptions.iter().any(|given| of_sink(&given.sink_sid) && given.names(&event.kind))
    }
}

impl Carrier {
    /// Posts one after the other: the first answer that is no success, else the last, and the tries of all.
    pub(crate) async fn post_now(&self, posts: Vec<Post>) -> Answer {
        let mut all = Answer { status: None, body: String::new(), attempts: 0 };
        let mut is_fine = true;
        for post in posts {
            let answer = self.webhooks.post_events(&post).await;
            tracing::info!(answer = answer.status, attempts = answer.attempts, "events were posted");
            let attempts = all.attempts + answer.attempts;
            if is_fine {
                is_fine = is_success(&answer);
                all = answer;
            }
            all.attempts = attempts;
        }
        all
    }

    /// Posts beside the answer that the cause gets.
    pub(crate) fn post_later(self: &Arc<Self>, posts: Vec<Post>) {
        let carrier = Arc::clone(self);
        tokio::spawn(async move { carrier.post_now(posts).await });
    }
}

impl Webhooks {
    async fn post_events(&self, Post { destination, body }: &Post) -> Answer {
        let (signed, signature) = sign_json(&destination.address, body.as_bytes(), &self.token);
        let hash = signed.strip_prefix(&destination.address).unwrap_or_default();
        let url = format!("{}{hash}", destination.url);
        let mut attempts = 0;
        loop {
            let request = self
                .client
                .post(&url) // takes user info out of the URL and sends it as Basic auth
                .timeout(TIME_LIMIT)
                .header("X-Twilio-Signature", &signature)
                .header("Content-Type", "application/json")
                .body(body.clone());
            let outcome = async {
                let response = request.send().await?;
                Ok((response.status().as_u16(), response.text().await?))
            };
            attempts += 1;
            let answer = answer(outcome.await, attempts);
            if attempts == TRIES || is_success(&answer) {
                return answer;
            }
            tokio::time::sleep(PAUSE * 2_u32.pow(attempts - 1)).await;
        }
    }
}

fn is_success(answer: &Answer) -> bool {
    answer.status.is_some_and(|status| (200..300).contains(&status))
}

fn body(events: &[&Event]) -> String {
    let bodies: Vec<_> = events.iter().map(|event| &event.body).collect();
    serde_json::to_string(&bodies).expect("JSON values can be written")
}
