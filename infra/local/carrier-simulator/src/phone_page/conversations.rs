//! The messages of the phone page, grouped into conversations.

use crate::messages::log::MessageLog;
use crate::messages::media::{Kind, file_of};
use crate::messages::message::{Direction, Message};
use crate::phone_page::names::Names;

/// Older messages are not searched for conversations.
const MAX_MESSAGES_READ: usize = 2000;

/// Messages shown of each conversation, so that the newest ones fit on the screen.
const MAX_MESSAGES_SHOWN: usize = 6;

const MAX_CONVERSATIONS: usize = 50;

/// Messages between one phone and one inbox.
pub(crate) struct Conversation<'a> {
    pub(crate) phone: &'a str,
    pub(crate) phone_name: Option<&'a str>,
    pub(crate) inbox: &'a str,
    pub(crate) inbox_name: Option<&'a str>,
    /// Oldest first.
    pub(crate) messages: Vec<&'a Message>,
    /// How many older messages are left out.
    pub(crate) hidden: usize,
}

/// Returns the conversations of all phones or of one, the one with the newest message first. Each has its
/// newest messages, or all with `with_history`.
pub(crate) fn conversations<'a>(
    log: &'a MessageLog,
    names: &'a Names,
    phone: Option<&str>,
    with_history: bool,
) -> Vec<Conversation<'a>> {
    let max_messages = if with_history { MAX_MESSAGES_READ } else { MAX_MESSAGES_SHOWN };
    let mut found: Vec<Conversation<'a>> = Vec::new();
    for message in log.newest().take(MAX_MESSAGES_READ) {
        let (from, to) = ends(message);
        if phone.is_some_and(|wanted| wanted != from) {
            continue;
        }
        let known = found.iter().position(|conversation| conversation.is_between(from, to));
        let at = known.unwrap_or_else(|| {
            found.push(Conversation::empty(from, to, names));
            found.len() - 1
        });
        let conversation = &mut found[at];
        if conversation.messages.len() < max_messages {
            conversation.messages.push(message);
        } else {
            conversation.hidden += 1;
        }
    }
    found.truncate(MAX_CONVERSATIONS);
    for conversation in &mut found {
        conversation.messages.reverse();
    }
    found
}

/// Returns the phone and the inbox of a message.
fn ends(message: &Message) -> (&str, &str) {
    let sender = message.from.as_deref().unwrap_or("a messaging service");
    if message.is_inbound() { (sender, &message.to) } else { (&message.to, sender) }
}

impl<'a> Conversation<'a> {
    fn empty(phone: &'a str, inbox: &'a str, names: &'a Names) -> Self {
        let (phone_name, inbox_name) = (names.get(phone), names.get(inbox));
        Self { phone, phone_name, inbox, inbox_name, messages: Vec::new(), hidden: 0 }
    }

    fn is_between(&self, phone: &str, inbox: &str) -> bool {
        self.phone == phone && self.inbox == inbox
    }

    /// The query that shows this phone alone, with the form filled in.
    pub(crate) fn query(&self) -> String {
        super::query(&[("phone", self.phone), ("inbox", self.inbox)])
    }

    /// The page with all messages of this phone.
    pub(crate) fn history_url(&self) -> String {
        format!("/conversations{}", super::query(&[("phone", self.phone), ("history", "true")]))
    }
}

/// An attachment of a message.
pub(crate) struct Attachment {
    pub(crate) url: String,
    pub(crate) label: String,
    /// Whether the page shows the file itself; otherwise it links to it.
    pub(crate) is_shown: bool,
}

impl Message {
    /// The attachments as the page shows them. Images come from the simulator and the product alone, so that
    /// the page loads nothing from other hosts.
    pub(crate) fn attachments(&self, product_origin: &str) -> Vec<Attachment> {
        self.media_urls
            .iter()
            .enumerate()
            .map(|(index, url)| self.attachment(index, url, product_origin))
            .collect()
    }

    fn attachment(&self, index: usize, url: &str, product_origin: &str) -> Attachment {
        if let Some((path, kind)) = file_of(url) {
            let label = format!("{} ({})", kind.description(), kind.announced());
            return Attachment { url: path, label, is_shown: kind == Kind::Picture };
        }
        let is_of_product = url.strip_prefix(product_origin).is_some_and(|rest| rest.starts_with('/'));
        let label = match self.content_type(index) {
            Some(content_type) => format!("Attachment ({content_type})"),
            None if is_of_product => "Attachment".to_owned(),
            None => url.to_owned(),
        };
        Attachment { url: web_address(url), label, is_shown: is_of_product }
    }

    /// The content type of an inbound attachment, as its webhook gave it.
    fn content_type(&self, index: usize) -> Option<&str> {
        let Direction::Inbound { webhook } = &self.direction else { return None };
        let name = format!("MediaContentType{index}");
        webhook.iter().find(|(given, _)| *given == name).map(|(_, value)| value.as_str())
    }
}

/// The URL, or a harmless one if it is not `http` or `https`: a link must not run a script.
fn web_address(url: &str) -> String {
    if crate::messages::send_request::is_web_address(url) { url.to_owned() } else { "about:blank".to_owned() }
}
