//! The e-mails that the SES emulator received.

use serde_json::Value;

use crate::{Stack, WAIT_TIMEOUT, client, eventually};

/// An e-mail with its plain-text and HTML parts.
#[derive(Debug, Clone)]
pub struct Email {
    pub to: Vec<String>,
    pub subject: String,
    pub text: String,
    pub html: String,
}

impl Stack {
    /// Returns all e-mails to an address.
    pub async fn emails_to(&self, address: &str) -> Vec<Email> {
        let request = self.plain_http().get(self.emails_url());
        let response = client::read("GET the e-mails".into(), request).await;
        assert_eq!(response.status, 200, "{response}");
        let mut found = Vec::new();
        collect(&response.json(), &mut found);
        found.retain(|email| email.to.iter().any(|to| to == address));
        found
    }

    /// Waits for e-mails to an address that contain these words in their text or subject.
    pub async fn wait_for_emails(&self, address: &str, words: &str) -> Vec<Email> {
        eventually(&format!("an e-mail about {words:?}"), WAIT_TIMEOUT, async || {
            let mut emails = self.emails_to(address).await;
            emails.retain(|email| email.text.contains(words) || email.subject.contains(words));
            (!emails.is_empty()).then_some(emails)
        })
        .await
    }
}

/// Collects all e-mails of the emulator's response, which groups them by AWS account.
fn collect(value: &Value, found: &mut Vec<Email>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Object(fields) => match email(value) {
            Some(email) => found.push(email),
            None => fields.values().for_each(|field| collect(field, found)),
        },
        _ => {}
    }
}

fn email(value: &Value) -> Option<Email> {
    let text = |names: &[&str]| {
        let found = names.iter().find_map(|name| value[*name].as_str());
        found.map(str::to_owned)
    };
    let to = value["To"].as_array().or_else(|| value["Destination"]["ToAddresses"].as_array())?;
    Some(Email {
        to: to.iter().filter_map(|to| to.as_str().map(str::to_owned)).collect(),
        subject: text(&["Subject"])?,
        text: text(&["BodyText", "Text"]).unwrap_or_default(),
        html: text(&["BodyHtml", "Html"]).unwrap_or_default(),
    })
}
