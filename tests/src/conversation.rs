//! A conversation of a journey.

use serde_json::{Value, json};

use crate::{Client, Phone};

/// A conversation between an inbox and a phone.
#[derive(Debug, Clone)]
pub struct ConversationRef {
    /// The inbox's ID.
    pub inbox: String,
    pub id: String,
    pub phone: Phone,
}

impl ConversationRef {
    /// The path of the conversation.
    pub fn path(&self) -> String {
        format!("/v1/inboxes/{}/conversations/{}", self.inbox, self.id)
    }

    /// The path of the lock.
    pub fn lock(&self) -> String {
        format!("{}/lock", self.path())
    }

    /// The path of the history, which also accepts replies.
    pub fn messages(&self) -> String {
        format!("{}/messages", self.path())
    }

    /// The path that lists the reasons why a reply would be refused.
    pub fn can_send(&self) -> String {
        format!("{}/can-send", self.path())
    }

    /// Returns the conversation as this member sees it.
    pub async fn get_as(&self, member: &Client) -> Value {
        member.get(&self.path()).await.expect(200)
    }

    /// Returns the conversation from this member's list of a folder. `None` if the folder does not contain
    /// it.
    pub async fn find_as(&self, member: &Client, folder: &str) -> Option<Value> {
        find(member, &self.inbox, folder, |conversation| conversation["conversationId"] == *self.id).await
    }

    /// Returns all messages, oldest first, as this member sees them.
    pub async fn history(&self, member: &Client) -> Vec<Value> {
        let page = member.get(&format!("{}?limit=100", self.messages())).await.expect(200);
        assert_eq!(page["nextCursor"], Value::Null, "the history of a journey fits on one page");
        let mut items = page["items"].as_array().expect("items").clone();
        items.reverse();
        items
    }

    /// Returns the texts of all messages, oldest first.
    pub async fn texts(&self, member: &Client) -> Vec<String> {
        let texts = self.history(member).await;
        texts.iter().map(|message| message["text"].as_str().expect("a text").to_owned()).collect()
    }

    /// Acquires the lock for this member and returns the fencing token.
    pub async fn acquire_lock(&self, member: &Client) -> u64 {
        let held = member.post(&self.lock(), Value::Null).await.expect(200);
        held["token"].as_u64().expect("a token")
    }

    /// Renews the lock of this member with activity, and returns it. A lease is short here, and a busy
    /// machine can take long for the requests between the acquisition of a lock and its use.
    pub async fn renew_lock(&self, member: &Client, token: u64) -> Value {
        let renewal = json!({ "token": token, "active": true });
        member.put(&self.lock(), renewal).await.expect(200)
    }

    /// Releases the lock of this member.
    pub async fn release_lock(&self, member: &Client, token: u64) {
        member.delete(&format!("{}?token={token}", self.lock())).await.expect(204);
    }
}

/// Returns the first conversation of a folder that `matches` accepts. Reads all pages.
pub async fn find(
    member: &Client,
    inbox: &str,
    folder: &str,
    matches: impl Fn(&Value) -> bool,
) -> Option<Value> {
    let first = format!("/v1/inboxes/{inbox}/conversations?folder={folder}&limit=100");
    let mut path = first.clone();
    loop {
        let page = member.get(&path).await.expect(200);
        let found = page["items"]
            .as_array()
            .expect("items")
            .iter()
            .find(|conversation| matches(conversation))
            .cloned();
        let Some(cursor) = page["nextCursor"].as_str().filter(|_| found.is_none()) else { return found };
        path = format!("{first}&cursor={cursor}");
    }
}
