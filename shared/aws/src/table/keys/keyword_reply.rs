//! Keys of keyword replies.

use shared_domain::{ids::KeywordReplyId, keys::InboxKey};

use super::{Key, inbox_partition};

pub fn keyword_reply(inbox: InboxKey<'_>, reply: &KeywordReplyId) -> Key {
    Key::new(inbox_partition(inbox), format!("{KEYWORD_REPLIES}{reply}"))
}

/// Prefix of the keyword replies in an inbox's partition.
pub const KEYWORD_REPLIES: &str = "KWREPLY#";

/// Keyword reply by a keyword in the form in which keywords are compared, which has no `#`.
pub fn keyword(inbox: InboxKey<'_>, keyword: &str) -> Key {
    Key::new(inbox_partition(inbox), format!("KEYWORD#{keyword}"))
}
