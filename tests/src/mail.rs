//! The e-mails in the mailboxes of the SES emulator.

use serde_json::Value;

use crate::{Stack, WAIT_TIMEOUT, client, eventually};

/// An e-mail.
#[derive(Debug, Clone)]
pub struct Mail {
    /// Who got it.
    pub to: Vec<String>,
    /// Its subject.
    pub subject: String,
    /// The plain part.
    pub text: String,
    /// The HTML part.
    pub html: String,
}

impl Stack {
    /// Every e-mail that an address got.
    pub async fn mails_to(&self, address: &str) -> Vec<Mail> {
        let request = self.plain_http().get(self.mails_url());
        let answer = client::read("the mailboxes".into(), request).await;
        assert_eq!(answer.status, 200, "{answer}");
        let mut found = Vec::new();
        collect(&answer.json(), &mut found);
        found.retain(|mail| mail.to.iter().any(|to| to == address));
        found
    }

    /// The e-mails to an address whose text holds these words, once there is one.
    pub async fn mails_about(&self, address: &str, words: &str) -> Vec<Mail> {
        eventually(&format!("an e-mail about {words:?}"), WAIT_TIMEOUT, async || {
            let mut mails = self.mails_to(address).await;
            mails.retain(|mail| mail.text.contains(words) || mail.subject.contains(words));
            (!mails.is_empty()).then_some(mails)
        })
        .await
    }
}

/// The emulator sorts e-mails by account; whatever looks like one is one.
fn collect(value: &Value, found: &mut Vec<Mail>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Object(fields) => match mail(value) {
            Some(mail) => found.push(mail),
            None => fields.values().for_each(|field| collect(field, found)),
        },
        _ => {}
    }
}

fn mail(value: &Value) -> Option<Mail> {
    let text = |names: &[&str]| {
        let found = names.iter().find_map(|name| value[*name].as_str());
        found.map(str::to_owned)
    };
    let to = value["To"].as_array().or_else(|| value["Destination"]["ToAddresses"].as_array())?;
    Some(Mail {
        to: to.iter().filter_map(|to| to.as_str().map(str::to_owned)).collect(),
        subject: text(&["Subject"])?,
        text: text(&["BodyText", "Text"]).unwrap_or_default(),
        html: text(&["BodyHtml", "Html"]).unwrap_or_default(),
    })
}
