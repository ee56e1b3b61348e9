//! Conversations of several phones with one inbox, and what has to be true of them in the end.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use product_tests::{Client, Phone, Stack};
use reqwest::Method;
use serde_json::{Value, json};

use crate::full_run;

/// The carrier dates messages in whole seconds, so the order of two messages from one phone is known only if
/// they are this far apart.
const INTERVAL: Duration = Duration::from_millis(1_100);
/// The interval of a full run, whose messages the emulator could not drain otherwise.
const FULL_INTERVAL: Duration = Duration::from_secs(10);
/// Longer than any outage.
const ACCEPTANCE_TIMEOUT: Duration = Duration::from_mins(10);
/// The interval of sweeps, which run once a minute on AWS.
const SWEEP_INTERVAL: Duration = Duration::from_secs(2);

/// One phone: what it sent, and what was accepted for it.
pub(crate) struct Conversation {
    phone: Phone,
    received: Vec<String>,
    sent: Vec<String>,
    ids: Vec<String>,
}

/// Sends messages in both directions until `ends`. A message that the API does not accept is sent again with
/// its key, as a client does. `answers` gets the status of each answer to a webhook or a message.
pub(crate) async fn converse(
    stack: &Stack,
    phones: u32,
    ends: &AtomicBool,
    answers: &(impl Fn(Option<u16>) + Sync),
) -> Vec<Conversation> {
    let interval = if full_run() { FULL_INTERVAL } else { INTERVAL };
    let conversations = (0..phones).map(|_| async {
        let mut conversation =
            Conversation { phone: Phone::new(), received: Vec::new(), sent: Vec::new(), ids: Vec::new() };
        while !ends.load(Ordering::Relaxed) {
            let began = Instant::now();
            conversation.receive(stack, answers).await;
            conversation.send(stack, answers).await;
            tokio::time::sleep(interval.saturating_sub(began.elapsed())).await;
        }
        conversation
    });
    join_all(conversations).await
}

impl Conversation {
    async fn receive(&mut self, stack: &Stack, answers: &(impl Fn(Option<u16>) + Sync)) {
        let text = format!("Question {}", self.received.len());
        let to = &stack.front_desk_inbox().phone_number;
        let fields = [("From", self.phone.number()), ("To", to), ("Body", &text)];
        let result = stack.carrier().send_inbound_with(&fields).await;
        answers(result.webhook_status);
        self.received.push(text);
    }

    async fn send(&mut self, stack: &Stack, answers: &(impl Fn(Option<u16>) + Sync)) {
        let text = format!("Answer {}", self.sent.len());
        let from = json!({ "inboxId": stack.front_desk_inbox().inbox_id });
        let body = json!({ "from": from, "to": { "phoneNumber": self.phone.number() }, "text": text });
        let key = format!("{} {text}", self.phone.number());
        let (ben, deadline) = (stack.user("ben"), Instant::now() + ACCEPTANCE_TIMEOUT);
        let id = loop {
            assert!(Instant::now() < deadline, "{key} is not accepted within {ACCEPTANCE_TIMEOUT:?}");
            let request =
                ben.request(Method::POST, "/v1/messages").header("idempotency-key", &key).json(&body);
            let answer = request.send().await;
            answers(answer.as_ref().ok().map(|answer| answer.status().as_u16()));
            match answer {
                Ok(answer) if answer.status() == 202 => {
                    let accepted: Value = answer.json().await.expect("JSON");
                    break accepted["messageId"].as_str().expect("an ID").to_owned();
                }
                Ok(answer) if !answer.status().is_server_error() => {
                    panic!("{}: {}", answer.status(), answer.text().await.unwrap_or_default())
                }
                Ok(_) | Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        };
        self.sent.push(text);
        self.ids.push(id);
    }

    /// Returns what is not yet as it has to be. Panics if something can no longer become so.
    async fn difference(&self, stack: &Stack) -> Option<String> {
        let ben = stack.user("ben");
        let at_carrier = stack.carrier().texts_to(&self.phone).await;
        assert!(
            self.sent.starts_with(&at_carrier),
            "doubled or out of order at the carrier: {at_carrier:?}, accepted {:?}",
            self.sent
        );
        if at_carrier.len() < self.sent.len() {
            return Some(format!("{} of {} messages are at the carrier", at_carrier.len(), self.sent.len()));
        }
        for id in &self.ids {
            let state = ben.message(id).await["state"].as_str().expect("a state").to_owned();
            assert!(!["failed", "undelivered"].contains(&state.as_str()), "{id} is {state}");
            if state != "delivered" {
                return Some(format!("{id} is {state}"));
            }
        }
        let mut stored = self.stored(stack, &ben).await;
        // Twilio's webhooks have no time, and its list has whole seconds. So an inbound message that was lost
        // and then listed may change places with one that was stored in the same second.
        stored
            .sort_by_key(|(second, text)| (second.clone(), self.received.iter().position(|one| one == text)));
        let stored: Vec<String> = stored.into_iter().map(|(_, text)| text).collect();
        (stored != self.received).then(|| format!("stored {stored:?}, received {:?}", self.received))
    }

    /// The texts of the phone in the history, each with the second at which it was received.
    async fn stored(&self, stack: &Stack, member: &Client) -> Vec<(String, String)> {
        let inbox = &stack.front_desk_inbox().inbox_id;
        let conversations = format!("/v1/inboxes/{inbox}/conversations");
        let number = self.phone.number().replace('+', "%2B");
        let found = member.get(&format!("{conversations}?q={number}")).await.expect(200);
        let Some(id) = found["items"][0]["conversationId"].as_str() else { return Vec::new() };
        let (mut texts, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("{conversations}/{id}/messages?limit=100{cursor}");
            let page = member.get(&path).await.expect(200);
            let inbound = page["items"].as_array().expect("items").iter();
            let inbound = inbound.filter(|message| message["direction"] == "inbound");
            let field = |message: &Value, name| message[name].as_str().expect("a string").to_owned();
            texts.extend(inbound.map(|message| {
                let at = field(message, "createdAt");
                (at.split('.').next().unwrap_or_default().to_owned(), field(message, "text"))
            }));
            let Some(next) = page["nextCursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        texts
    }
}

/// Waits until all messages are where they belong, once and in order.
pub(crate) async fn settled(stack: &Stack, conversations: &[Conversation], within: Duration) {
    let deadline = Instant::now() + within;
    for conversation in conversations {
        while let Some(difference) = conversation.difference(stack).await {
            assert!(Instant::now() < deadline, "not recovered after {within:?}: {difference}");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
    let (received, sent) = conversations.iter().fold((0, 0), |(received, sent), conversation| {
        (received + conversation.received.len(), sent + conversation.sent.len())
    });
    assert!(received > 0 && sent > 0);
    println!("{received} inbound and {sent} outbound messages, each once and in order");
}

/// Runs the sweeps again and again, as if minutes were seconds.
pub(crate) async fn sweep(stack: &Stack) {
    loop {
        for function in ["SendReconcileFunction", "InboundSweepFunction"] {
            stack.operator().invoke(function).await;
        }
        tokio::time::sleep(SWEEP_INTERVAL).await;
    }
}
