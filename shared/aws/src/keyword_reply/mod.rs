//! Keyword replies of inboxes, and what they do with inbound messages.

pub(crate) mod answers;
pub(crate) mod keyword_replies;

pub use self::{
    answers::{KeywordAnswer, KeywordAnswers, KeywordOutcome},
    keyword_replies::{KeywordReplies, KeywordReplyWrite, SavedKeywordReply},
};
