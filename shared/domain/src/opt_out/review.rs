//! Reviews: messages that may be opt-out requests without being a keyword.
//!
//! A request that is missed risks a fine. A message that is wrongly opened for review costs a user a moment.
//! The patterns are therefore broad and exclude only what clearly means something else, such as *stop by* or
//! *please don't stop*.

use super::keyword::stop_words;
use crate::{
    automatic::{self, Automatic},
    ids::{ConversationId, MessageId, ReviewId},
    phone::PhoneNumber,
    text,
    time::Timestamp,
    user::UserRef,
};

/// The review of a message that [may be an opt-out request](wants_review).
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the other names say it all")]
pub struct OptOutReview {
    /// Derived from the id of the message, so a message has at most one review.
    pub id: ReviewId,
    pub message: MessageId,
    pub conversation: ConversationId,
    /// The number that sent the message.
    pub number: PhoneNumber,
    pub text: String,
    /// When the message was received.
    pub at: Timestamp,
    /// The resolution. `None` while the review is open.
    pub decided: Option<ReviewResolution>,
}

/// The outcome of a review.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReviewOutcome {
    /// The message was an opt-out request. The contact is opted out.
    OptedOut,
    /// The message meant something else.
    Dismissed,
}

impl ReviewOutcome {
    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OptedOut => "opted_out",
            Self::Dismissed => "dismissed",
        }
    }
}

/// How and by whom a review was resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it all")]
pub struct ReviewResolution {
    pub outcome: ReviewOutcome,
    pub by: UserRef,
    pub at: Timestamp,
}

/// Verbs of sending, in the form that follows *stop* or *quit*.
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
/// Words for messages.
const TEXTS: &[&str] =
    &["texts", "messages", "msgs", "sms", "txts", "notifications", "spam", "updates", "alerts", "reminders"];
/// Verbs of sending, in the form that follows *don't*.
const WRITE: &[&str] = &["text", "txt", "message", "msg", "contact", "write", "sms", "send"];
/// Negations, without apostrophes.
const NOT: &[&str] = &["dont", "dnt", "not", "never", "cant", "cannot", "wont", "didnt", "doesnt"];
/// What a contact asks to be removed from.
const LISTS: &[&str] = &[
    "list", "lists", "texts", "messages", "msgs", "database", "contacts", "system", "group", "thread",
    "chat", "this",
];
/// Words that do not change the meaning of a request.
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
    "por",
    "favor",
    "ya",
    "gracias",
];
/// Words that are a request if only fillers surround them.
const ALONE: &[&str] = &[
    "stop",
    "stopall",
    "unsubscribe",
    "unsub",
    "revoke",
    "quit",
    "cancel",
    "end",
    "optout",
    "remove",
    "alto",
    "parar",
    "pare",
    "paren",
    "baja",
    "cancelar",
    "detener",
    "basta",
    "стоп",
];
/// Phrases that are a request anywhere in a text.
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
    "no quiero recibir",
    "no quiero mas mensajes",
    "no mas mensajes",
    "no deseo recibir",
    "dar de baja",
    "darme de baja",
    "dame de baja",
    "deme de baja",
    "denme de baja",
    "quiteme de",
    "quitenme de",
    "quitame de",
    "saqueme de",
    "saquenme de",
    "sacame de",
    "borre mi numero",
    "borren mi numero",
    "borra mi numero",
    "elimine mi numero",
    "eliminen mi numero",
    "elimina mi numero",
];
/// How Spanish verbs of sending begin.
const WRITING_IN_SPANISH: &[&str] = &["envi", "mand", "escrib", "contact", "molest", "texte"];
/// Forms of *to stop* before a Spanish verb.
const STOP_IN_SPANISH: &[&str] = &["deje", "dejen", "deja", "dejar", "dejes", "pare", "paren", "para"];

/// Whether a text may be an opt-out request. A [keyword](super::keyword) needs no review, because it acts by
/// itself.
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
    if automatic::automatic(text) == Some(Automatic::Reaction) {
        return false;
    }
    if resembles_stop(text) {
        return true;
    }
    let text = text::folded(&text::clean(&automatic::without_quotes(text)));
    let text: String = text.chars().filter(|c| !matches!(c, '\'' | '’' | '‘' | '`')).collect();
    let sentences = text.split(['.', '!', '?', '\n', ';', ',']).map(words).filter(|words| !words.is_empty());
    let sentences: Vec<Vec<&str>> = sentences.collect();
    let all: Vec<&str> = sentences.iter().flatten().copied().collect();
    let joined = format!(" {} ", all.join(" "));
    PHRASES.iter().any(|phrase| joined.contains(&format!(" {phrase} ")))
        || sentences
            .iter()
            .any(|words| is_word_alone(words) || asks_to_stop(words) || asks_to_be_removed(words))
        || asks_not_to_write(&all)
        || asks_in_spanish(&all)
}

/// The longest text that is compared with keywords letter by letter, in bytes.
const MAX_RESEMBLING_LENGTH: usize = 60;

/// Matches a keyword that is misspelled by repeated letters (`STOPP`), separated (`S.T.O.P.`), followed by a
/// number (`STOP 12345`), or written with letters and digits that look alike (`ST0P`).
fn resembles_stop(text: &str) -> bool {
    if text.len() > MAX_RESEMBLING_LENGTH {
        return false;
    }
    let text = text::folded(&text::clean(text)).to_uppercase();
    let letters: String = text.chars().filter(|c| c.is_alphabetic()).map(look_alike).collect();
    let with_digits: String = text
        .split_whitespace()
        .filter(|word| !word.chars().all(|c| c.is_ascii_digit()))
        .flat_map(str::chars)
        .map(look_alike)
        .filter(|c| c.is_alphabetic())
        .collect();
    stop_words().any(|word| {
        let word = single_letters(&word.replace(' ', ""));
        word == single_letters(&letters) || word == single_letters(&with_digits)
    })
}

/// The Latin capital letter that an uppercase character looks like, or the character itself.
fn look_alike(c: char) -> char {
    match c {
        '0' | 'О' | 'Ο' => 'O',
        '1' | '|' | 'І' | 'Ι' => 'I',
        '3' | 'Е' | 'Ε' => 'E',
        '5' | '$' | 'Ѕ' => 'S',
        'А' | 'Α' | '@' => 'A',
        'В' | 'Β' => 'B',
        'С' => 'C',
        'К' | 'Κ' => 'K',
        'М' | 'Μ' => 'M',
        'Н' | 'Ν' => 'N',
        'Р' | 'Ρ' => 'P',
        'Т' | 'Τ' => 'T',
        'У' | 'Υ' => 'Y',
        _ => c,
    }
}

/// The text with each run of one letter reduced to a single one.
fn single_letters(text: &str) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    letters.dedup();
    letters.into_iter().collect()
}

fn words(sentence: &str) -> Vec<&str> {
    sentence.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect()
}

/// Matches *please stop*, *stop it now* and *stop stop stop*.
fn is_word_alone(words: &[&str]) -> bool {
    let rest: Vec<_> = words.iter().filter(|word| !FILLERS.contains(word)).collect();
    !rest.is_empty() && rest.iter().all(|word| ALONE.contains(word))
}

/// Matches *stop texting me*, *quit sending me these messages* and *stop these texts*, but not *don't stop
/// texting*.
fn asks_to_stop(words: &[&str]) -> bool {
    words.iter().enumerate().any(|(place, word)| {
        let next = &words[(place + 1).min(words.len())..(place + 5).min(words.len())];
        let is_other_meaning = next.first().is_none_or(|next| {
            ["by", "at", "in", "over", "for", "off", "if", "when", "on", "of", "near"].contains(next)
        });
        let is_about_texts = next.iter().any(|next| WRITING.contains(next) || TEXTS.contains(next));
        ["stop", "quit", "cease", "end", "cancel"].contains(word)
            && !is_other_meaning
            && is_about_texts
            && !is_negated(&words[..place])
    })
}

/// Whether the words before *stop* negate it, as in *please don't ever*, *did you* and *I do not want you
/// to*. The question *can't you* does not.
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

/// Matches *remove me from your list* and *take me off*.
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

/// Matches *don't text me again*, *do not ever contact us* and *I no longer want to receive these messages*.
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
        let addressed =
            rest.iter().take(2).any(|word| ["me", "us", "again", "anymore", "this"].contains(word));
        let what =
            rest.iter().any(|word| TEXTS.contains(word) || ["anymore", "more", "these"].contains(word));
        let wants = ["want", "wish", "need", "like", "care"].contains(verb) && !rest.contains(&"stop");
        let sends = *verb == "send" || *verb == "sending";
        not && ((writes && !sends && addressed)
            || (sends && what)
            || (wants && rest.iter().any(|word| TEXTS.contains(word) || WRITING.contains(word))))
    })
}

/// Matches *dejen de enviarme mensajes* and *no me escriban*.
fn asks_in_spanish(words: &[&str]) -> bool {
    words.windows(3).any(|window| {
        let [first, second, third] = window else { return false };
        let stops = STOP_IN_SPANISH.contains(first) && *second == "de";
        let refuses = *first == "no" && *second == "me";
        (stops || refuses) && WRITING_IN_SPANISH.iter().any(|verb| third.starts_with(verb))
    })
}
