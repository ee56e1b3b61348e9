//! Recognizes messages that a phone wrote by itself: reactions to a message, and automatic replies.
//!
//! Phones send a reaction as a message that quotes the other one (`Liked “…”`), and some answer while their
//! user drives. Neither gets an automatic reply, because two machines would answer each other, and words that
//! are only quoted are not a request.
//!
//! ```
//! use shared_domain::automatic::{Automatic, automatic};
//!
//! assert_eq!(automatic("Liked “Reply STOP to opt out.”"), Some(Automatic::Reaction));
//! assert_eq!(automatic("I like it"), None);
//! ```

use crate::text;

/// What a phone wrote by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Automatic {
    /// A reaction to a message, which it quotes.
    Reaction,
    /// An answer while the user is busy.
    Reply,
}

/// How reactions begin, before the quoted message.
const REACTIONS: &[&str] = &[
    "liked",
    "loved",
    "disliked",
    "laughed at",
    "emphasized",
    "emphasised",
    "questioned",
    "removed a like from",
    "removed a heart from",
    "removed a dislike from",
    "removed a laugh from",
    "removed an exclamation from",
    "removed an exclamation mark from",
    "removed a question mark from",
];
/// What reactions name instead of a quote.
const ATTACHMENTS: &[&str] = &[
    "an image",
    "a photo",
    "a picture",
    "a video",
    "a movie",
    "an attachment",
    "an audio message",
    "a message",
];
/// How automatic replies begin.
const REPLIES: &[&str] = &[
    "auto reply",
    "autoreply",
    "automatic reply",
    "automated reply",
    "auto response",
    "autoresponse",
    "automatic response",
    "automated response",
    "automated message",
    "this is an automated",
    "this is an automatic",
    "im driving with",
    "im driving right now",
    "im driving now",
    "im driving at the moment",
    "i am driving right now",
    "im currently driving",
    "i am currently driving",
    "im not receiving notifications",
];
/// What automatic replies of phones and cars say somewhere.
const REPLY_PHRASES: &[&str] =
    &["do not disturb while driving", "driving focus", "see your message when i get"];
const QUOTES: [(char, char); 4] = [('“', '”'), ('"', '"'), ('«', '»'), ('„', '“')];
/// A quote of fewer words can be a user's emphasis, as in *please "stop" this*.
const MIN_QUOTED_WORDS: usize = 3;

/// What a phone wrote by itself, or `None` for a message that may be from a person.
pub fn automatic(text: &str) -> Option<Automatic> {
    let text = text::clean(text);
    let text = text.trim();
    if is_reaction(text) {
        return Some(Automatic::Reaction);
    }
    let words = words(text);
    let starts = REPLIES.iter().any(|start| starts_with_words(&words, start));
    let is_reply = starts || REPLY_PHRASES.iter().any(|phrase| words.contains(phrase));
    is_reply.then_some(Automatic::Reply)
}

/// Matches `Liked “…”`, `Reacted 👍 to “…”`, `👍 to “…”`, and `Loved an image`.
fn is_reaction(text: &str) -> bool {
    let quote = QUOTES.iter().find_map(|(open, close)| {
        let (before, rest) = text.split_once(*open)?;
        rest.ends_with(*close).then_some(before)
    });
    let lower = text.to_lowercase();
    let attachment = ATTACHMENTS.iter().find_map(|name| lower.strip_suffix(name));
    quote.into_iter().chain(attachment).any(|before| {
        let before = words(before);
        REACTIONS.contains(&before.as_str()) || is_emoji_reaction(text, &before)
    })
}

/// Whether the words before the quote are those of a reaction with an emoji, which has no letters.
fn is_emoji_reaction(text: &str, before: &str) -> bool {
    match before {
        "reacted to" => true,
        "to" => text.starts_with(|c: char| !c.is_alphanumeric() && !c.is_ascii()),
        _ => before == "removed from" && !text.is_ascii(),
    }
}

/// The text without longer quotes and quoted lines, which are somebody else's words.
pub fn without_quotes(text: &str) -> String {
    let mut own: String =
        text.lines().filter(|line| !line.trim_start().starts_with('>')).collect::<Vec<_>>().join("\n");
    for (open, close) in QUOTES {
        let mut from = 0;
        while let Some(start) = own[from..].find(open).map(|start| from + start) {
            let inner = start + open.len_utf8();
            let Some(length) = own[inner..].find(close) else { break };
            let end = inner + length + close.len_utf8();
            if own[inner..inner + length].split_whitespace().count() >= MIN_QUOTED_WORDS {
                own.replace_range(start..end, " ");
                from = start;
            } else {
                from = end;
            }
        }
    }
    own
}

/// The words in lowercase, without apostrophes, separated by one space.
fn words(text: &str) -> String {
    let text = text.to_lowercase().replace(['\'', '’'], "");
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn starts_with_words(words: &str, start: &str) -> bool {
    words.strip_prefix(start).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reactions_of_phones_are_recognized() {
        for text in [
            "Liked “Reply STOP to opt out.”",
            "Loved \"See you at 3pm\"",
            "Laughed at “ha “quoted” ha”",
            "Emphasized “Bring the form”",
            "Disliked «No»",
            "Questioned “3pm?”",
            "Removed a heart from “See you”",
            "Reacted 👍 to “Reply STOP to opt out”",
            "\u{200b}👍\u{200b} to “\u{200b}See you at 3pm\u{200b}”",
            "❤️ to \"See you\"",
            "Liked an image",
            "Laughed at a video",
        ] {
            assert_eq!(automatic(text), Some(Automatic::Reaction), "{text:?}");
        }
        for text in [
            "Liked it",
            "I liked “Dune”",
            "Loved “Dune” but please stop texting me",
            "Go to “Main Street”",
            "to “you”",
            "👍",
            "I sent a photo",
            "",
        ] {
            assert_eq!(automatic(text), None, "{text:?}");
        }
    }

    #[test]
    fn automatic_replies_are_recognized() {
        for text in [
            "Auto-reply: I am away until Monday.",
            "[Auto Reply] Back at 5",
            "Automatic reply - out of the office",
            "I'm driving with Do Not Disturb While Driving turned on. I'll see your message when I get where I'm going.",
            "I’m driving with Driving Focus turned on. I’ll see your message when I get where I’m going.",
            "(I'm not receiving notifications. If this is urgent, reply \"urgent\" to send a notification.)",
            "I'm driving right now - sent from my car",
        ] {
            assert_eq!(automatic(text), Some(Automatic::Reply), "{text:?}");
        }
        for text in ["I'm driving to you, be there at 3", "Autoreplying is fun", "I reply automatically"] {
            assert_eq!(automatic(text), None, "{text:?}");
        }
    }

    #[test]
    fn longer_quotes_are_removed_and_emphasis_stays() {
        assert_eq!(without_quotes("You wrote “Reply STOP to opt out” why?"), "You wrote   why?");
        assert_eq!(without_quotes("> Reply STOP to opt out\nok"), "ok");
        for kept in ["please \"stop\" this", "an “open quote of many words"] {
            assert_eq!(without_quotes(kept), kept);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_judged(text in "(\"|“|”|«|„|>|\n|liked|to|👍| |[a-z]){0,12}") {
            let _ = automatic(&text);
            prop_assert!(without_quotes(&text).len() <= text.len());
        }
    }
}
