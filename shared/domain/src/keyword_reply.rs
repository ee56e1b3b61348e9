//! Keyword replies: texts that an inbox sends when a whole inbound text is one of its keywords.
//!
//! Case, accents, punctuation and surrounding spaces do not matter. A reply may add a [tag](crate::tag) to
//! the contact. Opt-out words, START and HELP cannot be keywords, and are never answered by a keyword reply.
//! Neither are automatic messages, short codes and numbers of the product, and a contact gets at most
//! [three](crate::out_of_office::MAX_AUTOMATIC_PER_HOUR) automatic replies an hour.
//!
//! ```
//! use shared_domain::keyword_reply::{KeywordReply, WrittenKeywordReply, matching};
//!
//! let written = WrittenKeywordReply {
//!     keywords: vec!["Opening hours".into(), "hours".into()],
//!     text: "We are open from 9 to 5.".into(),
//!     tag: None,
//! };
//! let replies = [KeywordReply::parse(&written).unwrap()];
//! assert!(matching(&replies, "HOURS?").is_some());
//! assert!(matching(&replies, "your hours").is_none());
//! ```

use serde::{Deserialize, Serialize};

use crate::{
    field::{FieldError, FieldErrors},
    opt_out::{self, Keyword},
    out_of_office::{Inbound, loop_guard},
    tag::Tag,
    text,
};

/// The maximum number of keywords of a reply.
const MAX_KEYWORDS: usize = 20;
/// The maximum length of a keyword, in characters.
const MAX_KEYWORD_LENGTH: usize = 40;
/// The maximum length of the text, in characters: that of the out-of-office message.
const MAX_TEXT_LENGTH: usize = 480;

/// A keyword reply as it is in the API and in stored items.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WrittenKeywordReply {
    /// Words or phrases.
    pub keywords: Vec<String>,
    /// The text that is sent.
    pub text: String,
    /// The tag that the contact gets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
}

/// A valid keyword reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeywordReply {
    keywords: Vec<String>,
    text: String,
    tag: Option<Tag>,
}

impl KeywordReply {
    /// Checks all fields: 1 to 20 keywords of 1 to 40 characters, and a text of 1 to 480 characters.
    ///
    /// # Errors
    /// All [`FieldError`]s.
    pub fn parse(written: &WrittenKeywordReply) -> Result<Self, Vec<FieldError>> {
        let mut errors = FieldErrors::default();
        if !(1..=MAX_KEYWORDS).contains(&written.keywords.len()) {
            errors.add("/keywords", "1 to 20 keywords");
        }
        let mut keywords: Vec<String> = Vec::new();
        for (index, entered) in written.keywords.iter().take(MAX_KEYWORDS).enumerate() {
            match keyword(entered) {
                Ok(keyword) if keywords.contains(&keyword) => {}
                Ok(keyword) => keywords.push(keyword),
                Err(expected) => errors.add(format!("/keywords/{index}"), expected),
            }
        }
        let text = text::trim(&written.text).to_owned();
        let control = |c: char| c.is_control() && !matches!(c, '\n' | '\r');
        if !text::is_visible(&text) || text.chars().count() > MAX_TEXT_LENGTH || text.contains(control) {
            errors.add("/text", "1 to 480 characters without control characters");
        }
        let tag = written.tag.as_deref().and_then(|tag| errors.check(Tag::parse("/tag", tag)));
        errors.finish()?;
        Ok(Self { keywords, text, tag })
    }

    /// The keywords in the form in which they are compared. Each belongs to one reply of an inbox.
    pub fn keywords(&self) -> &[String] {
        &self.keywords
    }

    /// The text that is sent.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The tag that the contact gets.
    pub fn tag(&self) -> Option<&Tag> {
        self.tag.as_ref()
    }
}

/// The reply of an inbox to a text, or `None` if no keyword is the whole text.
pub fn matching<'a>(replies: &'a [KeywordReply], text: &str) -> Option<&'a KeywordReply> {
    let words = text::words(text);
    let acts = opt_out::keyword(text).is_some_and(is_reserved);
    replies.iter().find(|reply| !acts && reply.keywords.contains(&words))
}

/// Whether an inbound message may get a keyword reply. `recent_automatic` is the number of automatic replies
/// to the contact in the last hour. Unlike the out-of-office message, a keyword reply may come again.
pub fn may_reply(inbound: &Inbound, recent_automatic: u32) -> bool {
    let Inbound { keyword, automatic, from_own_number, short_code } = *inbound;
    !(keyword || automatic || from_own_number || short_code) && loop_guard(recent_automatic)
}

fn keyword(entered: &str) -> Result<String, &'static str> {
    let words = text::words(entered);
    if words.is_empty() || words.chars().count() > MAX_KEYWORD_LENGTH || entered.contains(char::is_control) {
        Err("1 to 40 characters with a letter or digit")
    } else if opt_out::keyword(entered).is_some_and(is_reserved) {
        Err("a keyword that does not opt out, opt in, or ask for help")
    } else {
        Ok(words)
    }
}

/// Whether the keyword has a meaning of its own. YES has one only for contacts that opted out.
fn is_reserved(keyword: Keyword) -> bool {
    matches!(keyword, Keyword::Stop | Keyword::Start | Keyword::Help)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(keywords: &[&str], text: &str, tag: Option<&str>) -> WrittenKeywordReply {
        WrittenKeywordReply {
            keywords: keywords.iter().map(|keyword| (*keyword).to_owned()).collect(),
            text: text.into(),
            tag: tag.map(str::to_owned),
        }
    }

    fn reply(keywords: &[&str]) -> KeywordReply {
        KeywordReply::parse(&written(keywords, "Thanks", None)).unwrap()
    }

    #[test]
    fn the_whole_text_has_to_be_a_keyword() {
        let replies = [reply(&["hours", "Café menu"]), reply(&["menu"])];
        for (text, expected) in [
            ("Hours", Some(0)),
            (" HOURS?! ", Some(0)),
            ("cafe  MENU", Some(0)),
            ("\u{200b}menu", Some(1)),
            ("menu please", None),
            ("the hours", None),
            ("", None),
            ("?", None),
        ] {
            assert_eq!(matching(&replies, text), expected.map(|place: usize| &replies[place]), "{text:?}");
        }
    }

    #[test]
    fn opt_out_words_are_no_keywords() {
        for word in ["STOP", "stop.", "opt-out", "start", "HELP", "info"] {
            let errors = KeywordReply::parse(&written(&["ok", word], "Hi", None)).unwrap_err();
            assert_eq!(errors.len(), 1, "{word}");
            assert_eq!(errors[0].pointer, "/keywords/1");
            assert_eq!(matching(&[reply(&["ok"])], word), None);
        }
        assert!(matching(&[reply(&["yes"])], "YES").is_some());
    }

    #[test]
    fn all_errors_of_a_keyword_reply_are_reported() {
        let pointers = |written: &WrittenKeywordReply| {
            let errors = KeywordReply::parse(written).unwrap_err();
            errors.into_iter().map(|error| error.pointer).collect::<Vec<_>>()
        };
        assert_eq!(pointers(&written(&[], " ", Some("a,b"))), ["/keywords", "/text", "/tag"]);
        let long = "x".repeat(41);
        assert_eq!(pointers(&written(&["?", &long, "ok"], "Hi", None)), ["/keywords/0", "/keywords/1"]);
        assert_eq!(pointers(&written(&["a"; 21], "Hi", None)), ["/keywords"]);
        assert_eq!(pointers(&written(&["a"], &"x".repeat(481), None)), ["/text"]);
        let valid = KeywordReply::parse(&written(&["A", "a!"], " Hi ", Some("VIP"))).unwrap();
        assert_eq!((valid.keywords(), valid.text()), (["a".to_owned()].as_slice(), "Hi"));
        assert_eq!(valid.tag().map(Tag::as_str), Some("VIP"));
    }

    #[test]
    fn machines_and_own_numbers_get_no_keyword_reply() {
        let person = Inbound::default();
        assert!(may_reply(&person, 0) && may_reply(&person, 2));
        assert!(!may_reply(&person, 3), "two machines would answer each other");
        for inbound in [
            Inbound { keyword: true, ..person },
            Inbound { automatic: true, ..person },
            Inbound { from_own_number: true, ..person },
            Inbound { short_code: true, ..person },
        ] {
            assert!(!may_reply(&inbound, 0), "{inbound:?}");
        }
    }

    proptest! {
        #[test]
        fn a_keyword_matches_itself_in_any_case(keyword in "[a-zA-Zé0-9]{1,8}( [a-z]{1,8})?") {
            prop_assume!(KeywordReply::parse(&written(&[&keyword], "Hi", None)).is_ok());
            let replies = [reply(&[&keyword])];
            prop_assert!(matching(&replies, &keyword.to_uppercase()).is_some());
            let (quoted, longer) = (format!("«{keyword}»!"), format!("{keyword} x"));
            prop_assert!(matching(&replies, &quoted).is_some());
            prop_assert!(matching(&replies, &longer).is_none());
        }
    }
}
