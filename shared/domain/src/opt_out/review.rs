//! Free wording of a wish to be left alone: noticed, and judged by people.
//!
//! What is missed costs a person's patience and a fine; what is noticed wrongly costs a glance. So patterns are broad, and
//! only what plainly means something else (*stop by*, *please don't stop*) is let pass.

use crate::{
    ids::{ConversationId, MessageId, ReviewId},
    phone::PhoneNumber,
    time::Timestamp,
    user::UserRef,
};

/// A text that [may be a wish for no more texts](wants_review), as the members of its inbox judge it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptOutReview {
    /// Made of the text's own id: a text is up for review once.
    pub id: ReviewId,
    /// The text.
    pub message: MessageId,
    /// Where it stands.
    pub conversation: ConversationId,
    /// Who wrote it.
    pub number: PhoneNumber,
    /// What it says.
    pub text: String,
    /// When it came in.
    pub at: Timestamp,
    /// What became of it; nothing while it waits.
    pub decided: Option<ReviewResolution>,
}

/// What people make of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReviewOutcome {
    /// It was a wish for no more texts, and is honored.
    OptedOut,
    /// It meant something else.
    Dismissed,
}

impl ReviewOutcome {
    /// The word of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OptedOut => "opted_out",
            Self::Dismissed => "dismissed",
        }
    }
}

/// A decision about a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewResolution {
    /// What it was.
    pub verdict: ReviewOutcome,
    /// Whose.
    pub by: UserRef,
    /// When.
    pub at: Timestamp,
}

/// Verbs of writing to somebody, as they follow *stop* or *quit*; and what is written.
const WRITING: &[&str] = &[
    "texting",
    "messaging",
    "msging",
    "contacting",
    "sending",
    "spamming",
    "bothering",
    "harassing",
    "bugging",
    "writing",
    "smsing",
    "pestering",
];
const TEXTS: &[&str] =
    &["texts", "messages", "msgs", "sms", "txts", "notifications", "spam", "updates", "alerts", "reminders"];
const WRITE: &[&str] = &["text", "txt", "message", "msg", "contact", "write", "sms", "send"];
const NOT: &[&str] = &["dont", "dnt", "not", "never", "cant", "cannot", "wont", "didnt", "doesnt"];
const LISTS: &[&str] = &[
    "list", "lists", "texts", "messages", "msgs", "database", "contacts", "system", "group", "thread",
    "chat", "this",
];
const FILLERS: &[&str] = &[
    "please",
    "pls",
    "plz",
    "just",
    "now",
    "ok",
    "okay",
    "thanks",
    "thank",
    "you",
    "hi",
    "hello",
    "hey",
    "it",
    "this",
    "immediately",
    "already",
    "all",
    "everything",
    "me",
    "and",
    "i",
    "said",
];
const ALONE: &[&str] =
    &["stop", "stopall", "unsubscribe", "unsub", "revoke", "quit", "cancel", "end", "optout", "remove"];
const PHRASES: &[&str] = &[
    "unsubscribe",
    "unsub",
    "unsubscribed",
    "optout",
    "opt out",
    "opt me out",
    "opting out",
    "opted out",
    "leave me alone",
    "lose my number",
    "lose this number",
    "delete my number",
    "remove my number",
    "remove this number",
    "delete this number",
    "take my number off",
    "take this number off",
    "take my name off",
    "remove my name",
    "no more texts",
    "no more messages",
    "no more text messages",
    "no more msgs",
    "no more sms",
    "no more texting",
    "revoke my consent",
    "withdraw my consent",
    "do not consent",
    "dont consent",
    "off your list",
    "off the list",
    "off this list",
];

/// Whether a text may be a wish for no more texts, in words that do not act by themselves. A text that
/// [is a keyword](super::keyword) needs no review.
///
/// ```
/// use shared_domain::opt_out::wants_review;
/// assert!(wants_review("Please stop texting me!"));
/// assert!(!wants_review("I'll stop by tomorrow"));
/// ```
pub fn wants_review(text: &str) -> bool {
    if super::keyword(text).is_some() {
        return false;
    }
    let text: String = text.to_lowercase().chars().filter(|c| !matches!(c, '\'' | '’' | '‘' | '`')).collect();
    let sentences = text.split(['.', '!', '?', '\n', ';', ',']).map(words).filter(|words| !words.is_empty());
    let sentences: Vec<Vec<&str>> = sentences.collect();
    let all: Vec<&str> = sentences.iter().flatten().copied().collect();
    let said = format!(" {} ", all.join(" "));
    PHRASES.iter().any(|phrase| said.contains(&format!(" {phrase} ")))
        || sentences
            .iter()
            .any(|words| is_word_alone(words) || asks_to_stop(words) || asks_to_be_removed(words))
        || asks_not_to_write(&all)
}

fn words(sentence: &str) -> Vec<&str> {
    sentence.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect()
}

/// *Please stop*, *stop it now*, *stop stop stop*.
fn is_word_alone(words: &[&str]) -> bool {
    let rest: Vec<_> = words.iter().filter(|word| !FILLERS.contains(word)).collect();
    !rest.is_empty() && rest.iter().all(|word| ALONE.contains(word))
}

/// *Stop texting me*, *quit sending me these messages*, *stop these texts*; not *don't stop texting*.
fn asks_to_stop(words: &[&str]) -> bool {
    words.iter().enumerate().any(|(place, word)| {
        let next = &words[(place + 1).min(words.len())..(place + 5).min(words.len())];
        let elsewhere = next.first().is_none_or(|next| {
            ["by", "at", "in", "over", "for", "off", "if", "when", "on", "of", "near"].contains(next)
        });
        let meant = next.iter().any(|next| WRITING.contains(next) || TEXTS.contains(next));
        ["stop", "quit", "cease", "end", "cancel"].contains(word)
            && !elsewhere
            && meant
            && !is_negated(&words[..place])
    })
}

/// Whether what was said before turns *stop* round: *please don't ever*, *did you*, *I do not want you to*; but not the
/// question *can't you*.
fn is_negated(before: &[&str]) -> bool {
    let unwanted = |pair: &[&str]| NOT.contains(&pair[0]) && ["want", "need"].contains(&pair[1]);
    if before.windows(2).any(unwanted) {
        return true;
    }
    let polite = ["please", "ever", "just", "really", "to", "want", "need", "like", "would"];
    let mut before = before.iter().rev().filter(|word| !polite.contains(word)).take(2);
    match (before.next(), before.next()) {
        (Some(one), _) if NOT.contains(one) => true,
        (Some(&("you" | "u" | "i" | "we" | "they" | "he" | "she")), Some(other)) => {
            ["did", "if", "didnt", "not"].contains(other)
        }
        _ => false,
    }
}

/// *Remove me from your list*, *take me off*.
fn asks_to_be_removed(words: &[&str]) -> bool {
    ["remove me", "delete me", "take me off", "take us off", "remove us"].iter().any(|phrase| {
        let phrase: Vec<&str> = phrase.split(' ').collect();
        let place = words.windows(phrase.len()).position(|window| window == phrase);
        place.is_some_and(|place| {
            let rest: Vec<_> =
                words[place + phrase.len()..].iter().filter(|word| !FILLERS.contains(word)).collect();
            rest.is_empty() || rest.iter().take(6).any(|word| LISTS.contains(word))
        })
    })
}

/// *Don't text me again*, *do not ever contact us*, *I no longer want to receive these messages*.
fn asks_not_to_write(words: &[&str]) -> bool {
    words.iter().enumerate().any(|(place, word)| {
        let not = NOT[..4].contains(word) || (*word == "longer" && place > 0 && words[place - 1] == "no");
        let next: Vec<&str> = words[place + 1..]
            .iter()
            .filter(|word| !["ever", "please", "keep", "to", "bother"].contains(word))
            .take(6)
            .copied()
            .collect();
        let [verb, rest @ ..] = &next[..] else { return false };
        let writes = WRITE.contains(verb) || WRITING.contains(verb);
        let whom = rest.iter().take(2).any(|word| ["me", "us", "again", "anymore", "this"].contains(word));
        let what =
            rest.iter().any(|word| TEXTS.contains(word) || ["anymore", "more", "these"].contains(word));
        let wants = ["want", "wish", "need", "like", "care"].contains(verb) && !rest.contains(&"stop");
        let sends = *verb == "send" || *verb == "sending";
        not && ((writes && !sends && whom)
            || (sends && what)
            || (wants && rest.iter().any(|word| TEXTS.contains(word) || WRITING.contains(word))))
    })
}
