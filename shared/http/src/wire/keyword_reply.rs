//! Keyword replies.

use serde::{Deserialize, Serialize};
use shared_aws::keyword_reply::SavedKeywordReply;
use shared_domain::keyword_reply::WrittenKeywordReply;
use utoipa::ToSchema;

use crate::input::nullable;

/// A text that an inbox sends when a whole inbound text is one of its keywords.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeywordReplyView {
    /// ID of the keyword reply.
    pub keyword_reply_id: String,
    /// Words or phrases. Case, accents, and punctuation are ignored.
    pub keywords: Vec<String>,
    /// The text that is sent.
    pub text: String,
    /// The tag that the contact gets.
    #[schema(required)]
    pub tag: Option<String>,
}

impl KeywordReplyView {
    pub fn of(saved: &SavedKeywordReply) -> Self {
        let WrittenKeywordReply { keywords, text, tag } = saved.reply.written();
        Self { keyword_reply_id: saved.id.to_string(), keywords, text, tag }
    }
}

/// A keyword reply to create.
#[derive(Debug, Deserialize, ToSchema)]
pub struct NewKeywordReply {
    /// 1 to 20 words or phrases of up to 40 characters, each unique in the inbox. Case, accents, and
    /// punctuation are ignored. No words that opt out, opt in, or ask for help.
    pub keywords: Vec<String>,
    /// 1 to 480 characters.
    pub text: String,
    /// A tag to add to the contact. 1 to 40 characters.
    pub tag: Option<String>,
}

/// Changes to a keyword reply. Absent fields keep their values, and `null` removes the tag.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct KeywordReplyChange {
    /// Replaces all keywords. 1 to 20 words or phrases of up to 40 characters, each unique in the inbox.
    pub keywords: Option<Vec<String>>,
    /// 1 to 480 characters.
    pub text: Option<String>,
    /// A tag to add to the contact. 1 to 40 characters.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    pub tag: Option<Option<String>>,
}
