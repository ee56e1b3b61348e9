//! Keyword replies: texts that an inbox sends when a whole inbound text is one of its keywords.
//!
//! Case, accents, punctuation and surrounding spaces do not matter. A reply may add a [tag](crate::tag) to
//! the contact. Opt-out words, START and HELP cannot be keywords, and are never answered by a keyword reply.
//! Neither are automatic messages, short codes and numbers of the product, and a contact gets at most
//! [three](crate::out_of_office::MAX_AUTOMATIC_PER_HOUR) automatic replies an hour.
//!
//! ```
//! use shared_domain::keyword_reply::{KeywordReply, WrittenKeywordReply, keyword_in};
//!
//! let written = WrittenKeywordReply {
//!     keywords: vec!["Opening hours".into(), "hours".into()],
//!     text: "We are open from 9 to 5.".into(),
//!     tag: None,
//! };
//! let reply = KeywordReply::parse(&written).unwrap();
//! assert!(reply.keywords().contains(&keyword_in("HOURS?").unwrap()));
//! assert!(!reply.keywords().contains(&keyword_in("your hours").unwrap()));
//! assert_eq!(keyword_in("STOP"), None);
//! ```

use serde::{Deserialize, Serialize};

use crate::{
    field::{FieldError, FieldErrors},
    opt_out::{self, Keyword},
    out_of_office::{Inbound, loop_guard},
    tag::Tag,
    text,
};

/// The maximum number of keyword replies of an inbox.
pub const MAX_KEYWORD_REPLIES: usize = 100;
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
    entered: Vec<String>,
    keywords: Vec<String>,
    text: String,
    tag: Option<Tag>,
}

impl KeywordReply {
    /// Checks all fields: 1 to 20 keywords of 1 to 40 characters, and a text of 1 to 480 characters. A
    /// keyword that occurs twice counts once.
    ///
    /// # Errors
    /// All [`FieldError`]s.
    pub fn parse(written: &WrittenKeywordReply) -> Result<Self, Vec<FieldError>> {
        let mut errors = FieldErrors::default();
        if !(1..=MAX_KEYWORDS).contains(&written.keywords.len()) {
            errors.add("/keywords", "1 to 20 keywords");
        }
        let (mut entered, mut keywords) = (Vec::new(), Vec::new());
        for (index, phrase) in written.keywords.iter().take(MAX_KEYWORDS).enumerate() {
            match keyword(phrase) {
                Ok((_, keyword)) if keywords.contains(&keyword) => {}
                Ok((shown, keyword)) => {
                    entered.push(shown);
                    keywords.push(keyword);
                }
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
        Ok(Self { entered, keywords, text, tag })
    }

    /// Reads a stored reply. It was checked when it was written, so rules that changed since do not make it
    /// unreadable. A keyword that is reserved now is never found in a text.
    pub fn stored(written: WrittenKeywordReply) -> Self {
        let WrittenKeywordReply { keywords: entered, text, tag } = written;
        let keywords = entered.iter().map(|phrase| text::words(phrase)).collect();
        let tag = tag.and_then(|tag| Tag::parse("/tag", &tag).ok());
        Self { entered, keywords, text, tag }
    }

    /// The reply as it is in the API and in stored items, with keywords as they were entered.
    pub fn written(&self) -> WrittenKeywordReply {
        let tag = self.tag.as_ref().map(|tag| tag.as_str().to_owned());
        WrittenKeywordReply { keywords: self.entered.clone(), text: self.text.clone(), tag }
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

/// The keyword that a whole text may be, in the form of [`KeywordReply::keywords`]. `None` if the text is too
/// long, has no letter and no digit, or may be a request to opt out, to opt in, or for help.
pub fn keyword_in(text: &str) -> Option<String> {
    let words = text::words(text);
    let fits = !words.is_empty() && words.chars().count() <= MAX_KEYWORD_LENGTH;
    (fits && !is_reserved(text)).then_some(words)
}

/// What an inbox does with a message that is a keyword of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeywordAction {
    /// Send the text, and add the tag.
    Reply,
    /// Add the tag only: a text would come too late, or start a loop.
    TagOnly,
    /// Nothing, because the message is not from a person.
    Ignore,
}

/// Decides what to do with a message that is a keyword of a reply. `recent_automatic` is the number of
/// automatic replies to the contact in the last hour. A message that `is_late` was received long ago. Unlike
/// the out-of-office message, a keyword reply may come again.
pub fn action(inbound: &Inbound, recent_automatic: u32, is_late: bool) -> KeywordAction {
    let Inbound { keyword, automatic, from_own_number, short_code } = *inbound;
    if keyword || automatic || from_own_number || short_code {
        KeywordAction::Ignore
    } else if is_late || !loop_guard(recent_automatic) {
        KeywordAction::TagOnly
    } else {
        KeywordAction::Reply
    }
}

/// A keyword as it is shown and as it is compared.
fn keyword(entered: &str) -> Result<(String, String), &'static str> {
    let shown = text::clean(entered).split_whitespace().collect::<Vec<_>>().join(" ");
    let words = text::words(entered);
    let fits = |text: &str| text.chars().count() <= MAX_KEYWORD_LENGTH;
    if words.is_empty() || !fits(&words) || !fits(&shown) || entered.contains(char::is_control) {
        Err("1 to 40 characters with a letter or digit")
    } else if is_reserved(entered) {
        Err("a keyword that does not opt out, opt in, or ask for help")
    } else {
        Ok((shown, words))
    }
}

/// Whether the text has a meaning of its own. YES has one only for contacts that opted out.
fn is_reserved(text: &str) -> bool {
    match opt_out::keyword(text) {
        Some(Keyword::Stop | Keyword::Start | Keyword::Help) => true,
        Some(Keyword::Yes) => false,
        None => opt_out::wants_review(text),
    }
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

    fn answers(reply: &KeywordReply, text: &str) -> bool {
        keyword_in(text).is_some_and(|keyword| reply.keywords().contains(&keyword))
    }

    #[test]
    fn the_whole_text_has_to_be_a_keyword() {
        let hours = reply(&["hours", "Café menu"]);
        for text in ["Hours", " HOURS?! ", "cafe  MENU", "\u{200b}hours", "Cafe\u{301} menu."] {
            assert!(answers(&hours, text), "{text:?}");
        }
        for text in ["menu", "the hours", "hours please", "", "?", "👍"] {
            assert!(!answers(&hours, text), "{text:?}");
        }
        assert_eq!(keyword_in(&"x".repeat(40)), Some("x".repeat(40)));
        assert_eq!(keyword_in(&"x".repeat(41)), None);
    }

    #[test]
    fn opt_out_words_and_requests_are_no_keywords() {
        for word in ["STOP", "stop.", "opt-out", "start", "HELP", "info", "Stop texting me", "please stop"] {
            let errors = KeywordReply::parse(&written(&["ok", word], "Hi", None)).unwrap_err();
            assert_eq!(errors.len(), 1, "{word}");
            assert_eq!(errors[0].pointer, "/keywords/1");
            assert_eq!(keyword_in(word), None, "{word}");
        }
        assert!(answers(&reply(&["yes"]), "YES"));
    }

    #[test]
    fn all_errors_of_a_keyword_reply_are_reported() {
        let pointers = |written: &WrittenKeywordReply| {
            let errors = KeywordReply::parse(written).unwrap_err();
            errors.into_iter().map(|error| error.pointer).collect::<Vec<_>>()
        };
        assert_eq!(pointers(&written(&[], " ", Some("a,b"))), ["/keywords", "/text", "/tag"]);
        let (long, dotted, wide) = ("x".repeat(41), format!("a{}", ".".repeat(40)), "\u{fdfa}".repeat(3));
        let bad = ["?", &long, &dotted, &wide, "ok"];
        let expected = ["/keywords/0", "/keywords/1", "/keywords/2", "/keywords/3"];
        assert_eq!(pointers(&written(&bad, "Hi", None)), expected);
        assert_eq!(pointers(&written(&["a"; 21], "Hi", None)), ["/keywords"]);
        assert_eq!(pointers(&written(&["a"], &"x".repeat(481), None)), ["/text"]);
    }

    #[test]
    fn keywords_are_shown_as_they_were_entered_and_compared_without_case() {
        let valid =
            KeywordReply::parse(&written(&[" Café\u{200b}  Menu", "cafe menu!"], " Hi ", Some("VIP")));
        let valid = valid.unwrap();
        assert_eq!((valid.keywords(), valid.text()), (["cafe menu".to_owned()].as_slice(), "Hi"));
        assert_eq!(valid.tag().map(Tag::as_str), Some("VIP"));
        assert_eq!(valid.written(), written(&["Café Menu"], "Hi", Some("VIP")));
        assert_eq!(KeywordReply::stored(valid.written()), valid);
    }

    #[test]
    fn a_stored_keyword_that_is_reserved_since_is_readable_and_never_found() {
        let stored = KeywordReply::stored(written(&["Arret"], "Hi", None));
        assert_eq!(stored.keywords(), ["arret"]);
        assert!(!answers(&stored, "arret"));
    }

    #[test]
    fn machines_and_own_numbers_get_no_keyword_reply() {
        let person = Inbound::default();
        assert_eq!(action(&person, 2, false), KeywordAction::Reply);
        assert_eq!(action(&person, 3, false), KeywordAction::TagOnly, "two machines would answer each other");
        assert_eq!(action(&person, 0, true), KeywordAction::TagOnly);
        for inbound in [
            Inbound { keyword: true, ..person },
            Inbound { automatic: true, ..person },
            Inbound { from_own_number: true, ..person },
            Inbound { short_code: true, ..person },
        ] {
            assert_eq!(action(&inbound, 0, false), KeywordAction::Ignore, "{inbound:?}");
        }
    }

    proptest! {
        #[test]
        fn a_keyword_matches_itself_in_any_case(keyword in "[a-zA-Zé0-9]{1,8}( [a-z]{1,8})?") {
            prop_assume!(KeywordReply::parse(&written(&[&keyword], "Hi", None)).is_ok());
            let reply = reply(&[&keyword]);
            prop_assert!(answers(&reply, &keyword.to_uppercase()));
            let (quoted, longer) = (format!("«{keyword}»!"), format!("{keyword} x"));
            prop_assert!(answers(&reply, &quoted));
            prop_assert!(!answers(&reply, &longer));
        }
    }
}
