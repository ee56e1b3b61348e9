//! A conversation and its paths.

use serde_json::Value;

use crate::{Client, Phone};

/// A conversation of an inbox with one phone.
#[derive(Debug, Clone)]
pub struct ConversationRef {
    /// The inbox.
    pub inbox: String,
    /// The conversation.
    pub id: String,
    /// The customer.
    pub phone: Phone,
}

impl ConversationRef {
    /// The conversation itself.
    pub fn path(&self) -> String {
        format!("/v1/inboxes/{}/conversations/{}", self.inbox, self.id)
    }

    /// Its lock.
    pub fn lock(&self) -> String {
        format!("{}/lock", self.path())
    }

    /// Its history, and where replies go.
    pub fn messages(&self) -> String {
        format!("{}/messages", self.path())
    }

    /// What stands against a reply.
    pub fn can_send(&self) -> String {
        format!("{}/can-send", self.path())
    }

    /// As this member sees it.
    pub async fn get_as(&self, member: &Client) -> Value {
        member.get(&self.path()).await.expect(200)
    }

    /// As it stands in a list of this member, if it does.
    pub async fn find_as(&self, member: &Client, folder: &str) -> Option<Value> {
        find(member, &self.inbox, folder, |conversation| conversation["conversationId"] == *self.id).await
    }

    /// Every text of it, oldest first, as this member sees them.
    pub async fn history(&self, member: &Client) -> Vec<Value> {
        let page = member.get(&format!("{}?limit=100", self.messages())).await.expect(200);
        assert_eq!(page["nextCursor"], Value::Null, "a journey's history fits a page");
        let mut items = page["items"].as_array().expect("items").clone();
        items.reverse();
        items
    }

    /// The texts of the history, oldest first.
    pub async fn texts(&self, member: &Client) -> Vec<String> {
        let texts = self.history(member).await;
        texts.iter().map(|message| message["text"].as_str().expect("a text").to_owned()).collect()
    }

    /// This member acquires the lock, which nobody holds; gives the token.
    pub async fn acquire_lock(&self, member: &Client) -> u64 {
        let held = member.post(&self.lock(), Value::Null).await.expect(200);
        held["token"].as_u64().expect("a token")
    }

    /// Gives a token back.
    pub async fn release_lock(&self, member: &Client, token: u64) {
        member.delete(&format!("{}?token={token}", self.lock())).await.expect(204);
    }
}

/// The first conversation of a folder that fits, over all pages.
pub async fn find(
    member: &Client,
    inbox: &str,
    folder: &str,
    fits: impl Fn(&Value) -> bool,
) -> Option<Value> {
    let first = format!("/v1/inboxes/{inbox}/conversations?folder={folder}&limit=100");
    let mut path = first.clone();
    loop {
        let page = member.get(&path).await.expect(200);
        let found =
            page["items"].as_array().expect("items").iter().find(|conversation| fits(conversation)).cloned();
        let Some(cursor) = page["nextCursor"].as_str().filter(|_| found.is_none()) else { return found };
        path = format!("{first}&cursor={cursor}");
    }
}
