//! The kinds of things that have an [`Id`](super::Id). The types only mark ids and have no values.

/// A kind of thing that has an id.
pub trait IdKind {
    /// The prefix of its ids with the underscore, such as `inb_`. Empty if the customer chooses the ids.
    const PREFIX: &'static str;
}

/// An organization.
pub enum Organization {}

impl IdKind for Organization {
    const PREFIX: &'static str = "org_";
}

/// A team.
pub enum Team {}

impl IdKind for Team {
    const PREFIX: &'static str = "team_";
}

/// A user. The customer chooses the ids.
pub enum User {}

impl IdKind for User {
    const PREFIX: &'static str = "";
}

/// An inbox.
pub enum Inbox {}

impl IdKind for Inbox {
    const PREFIX: &'static str = "inb_";
}

/// A conversation.
pub enum Conversation {}

impl IdKind for Conversation {
    const PREFIX: &'static str = "cnv_";
}

/// A message.
pub enum Message {}

impl IdKind for Message {
    const PREFIX: &'static str = "msg_";
}

/// A contact.
pub enum Contact {}

impl IdKind for Contact {
    const PREFIX: &'static str = "con_";
}

/// A review of a message that may be an opt-out request.
pub enum Review {}

impl IdKind for Review {
    const PREFIX: &'static str = "rev_";
}

/// A template.
pub enum Template {}

impl IdKind for Template {
    const PREFIX: &'static str = "tpl_";
}

/// An attachment of a message.
pub enum Media {}

impl IdKind for Media {
    const PREFIX: &'static str = "med_";
}

/// A keyword reply.
pub enum KeywordReply {}

impl IdKind for KeywordReply {
    const PREFIX: &'static str = "kwr_";
}

/// A segment of contacts.
pub enum Segment {}

impl IdKind for Segment {
    const PREFIX: &'static str = "seg_";
}

/// A broadcast.
pub enum Broadcast {}

impl IdKind for Broadcast {
    const PREFIX: &'static str = "bct_";
}

/// An import of contacts.
pub enum Import {}

impl IdKind for Import {
    const PREFIX: &'static str = "imp_";
}

/// An event.
pub enum Event {}

impl IdKind for Event {
    const PREFIX: &'static str = "evt_";
}

/// An endpoint of outgoing webhooks.
pub enum WebhookEndpoint {}

impl IdKind for WebhookEndpoint {
    const PREFIX: &'static str = "wep_";
}

/// A delivery of an event to a webhook endpoint.
pub enum WebhookDelivery {}

impl IdKind for WebhookDelivery {
    const PREFIX: &'static str = "del_";
}
