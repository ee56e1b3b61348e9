use super::state::{OptOutChange, OptOutSource, OptOutState};
use crate::text;

/// The meaning of a keyword.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keyword {
    /// Opts out.
    Stop,
    /// Opts in.
    Start,
    /// YES: like [`Keyword::Start`] if the contact opted out by keyword, else an ordinary message.
    Yes,
    /// Asks who sends the messages.
    Help,
}

/// The longest text that can be a keyword with its punctuation, in bytes.
const MAX_KEYWORD_LENGTH: usize = 40;

/// The keywords in uppercase, with spaces instead of hyphens.
const WORDS: [(Keyword, &[&str]); 4] = [
    (
        Keyword::Stop,
        &[
            "STOP",
            "STOPALL",
            "STOP ALL",
            "UNSUBSCRIBE",
            "CANCEL",
            "END",
            "QUIT",
            "REVOKE",
            "OPTOUT",
            "OPT OUT",
            "REMOVE",
            "ARRET",
            "ARRÊT",
        ],
    ),
    (Keyword::Start, &["START", "UNSTOP"]),
    (Keyword::Yes, &["YES"]),
    (Keyword::Help, &["HELP", "INFO"]),
];

/// The keyword that makes up the whole text, or `None`. Case does not matter, nor do spaces, punctuation and
/// emoji around it, nor invisible characters.
///
/// ```
/// use shared_domain::opt_out::{Keyword, keyword};
/// assert_eq!(keyword(" Stop. "), Some(Keyword::Stop));
/// assert_eq!(keyword("opt-out"), Some(Keyword::Stop));
/// assert_eq!(keyword("stop by tomorrow"), None);
/// ```
pub fn keyword(text: &str) -> Option<Keyword> {
    let text = text::clean(text);
    let core = text.trim_matches(|c: char| !c.is_alphanumeric());
    if core.len() > MAX_KEYWORD_LENGTH {
        return None;
    }
    let words = core.split(is_separator).filter(|word| !word.is_empty()).map(str::to_uppercase);
    let core = words.collect::<Vec<_>>().join(" ");
    WORDS.iter().find(|(_, words)| words.contains(&core.as_str())).map(|(keyword, _)| *keyword)
}

/// The keywords that opt out, in uppercase.
pub(super) fn stop_words() -> impl Iterator<Item = &'static str> {
    WORDS.iter().filter(|(keyword, _)| *keyword == Keyword::Stop).flat_map(|(_, words)| words.iter().copied())
}

/// Whether the character may separate the words of `OPT-OUT`: a space, or any hyphen or dash that phones
/// insert.
fn is_separator(c: char) -> bool {
    c.is_whitespace() || matches!(c, '-' | '\u{2010}'..='\u{2014}')
}

/// Who replies to keywords. A setting of the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeywordReplies {
    /// The carrier. The product records the keyword and sends nothing.
    #[default]
    Carrier,
    /// The product, unless the carrier reports that it has replied.
    Product,
}

impl KeywordReplies {
    /// Parses the value of the setting. Returns `None` for an unknown value.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "carrier" => Some(Self::Carrier),
            "product" => Some(Self::Product),
            _ => None,
        }
    }
}

/// The automatic reply to a keyword.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeywordReply {
    /// [`stop_text`](super::stop_text).
    Stopped,
    /// [`start_text`](super::start_text).
    Started,
    /// [`help_text`](super::help_text). The caller sends it at most once an hour.
    Help,
}

/// What to do with an inbound message whose text is a keyword.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeywordDecision {
    /// It is a YES that does not act. Treat it like any other message.
    Ordinary,
    /// The keyword acts. No other automatic reply is sent.
    Keyword {
        /// The change to store, if there is one.
        change: Option<OptOutChange>,
        /// The reply to send, if there is one.
        reply: Option<KeywordReply>,
    },
}

/// Decides what a keyword does.
///
/// - STOP opts out. It is confirmed if the contact was opted in before.
/// - START lifts an opt-out by keyword if it was sent to the `same_number` of the product as STOP, because
///   carriers block pairs of numbers. It is confirmed if the contact is then opted in.
/// - HELP is always answered.
///
/// If the carrier replies to keywords (`replies`), or has replied to this one (the webhook's `OptOutType`),
/// or it is too late for a reply (both `silent`), the change is stored and nothing is sent.
pub fn after_keyword(
    current: &OptOutState,
    keyword: Keyword,
    same_number: bool,
    replies: KeywordReplies,
    silent: bool,
) -> KeywordDecision {
    let (change, reply) = match keyword {
        Keyword::Help => (None, Some(KeywordReply::Help)),
        Keyword::Stop => (current.opt_out(OptOutSource::Keyword), Some(KeywordReply::Stopped)),
        Keyword::Yes if !(same_number && current.is_out_by(OptOutSource::Keyword)) => {
            return KeywordDecision::Ordinary;
        }
        Keyword::Start | Keyword::Yes if same_number => {
            (current.lift(OptOutSource::Keyword, &[OptOutSource::Keyword]), Some(KeywordReply::Started))
        }
        Keyword::Start | Keyword::Yes => (None, None),
    };
    let is_answered = keyword == Keyword::Help || change.as_ref().is_some_and(|change| change.turned);
    let product_replies = replies == KeywordReplies::Product && !silent;
    KeywordDecision::Keyword { change, reply: reply.filter(|_| is_answered && product_replies) }
}
