//! Opt-out: the words that act by themselves, whom they hold for, and who opened or closed what.
//!
//! Sources: the carriers' word lists (`tests/fixtures/common/opt_out_keywords.json`), CTIA's *Messaging Principles*, and
//! 47 CFR 64.1200(a)(10): revocation by any reasonable means, honored at once, one confirmation allowed.
//!
//! - A word [alone in the text](keyword) acts. Other wording is put up [for review](wants_review), never acted upon.
//! - An opt-out holds for a [`OptOutSubject`]: a number, within a [`Scope`] of one organization.
//! - Each [`OptOutSource`] closes for itself. START opens what STOP closed on the same number, and nothing that a user, an
//!   import or the carrier closed; a user's opt-in is new consent and opens all.
//! - Every change is an [`LedgerEntry`] of the ledger. What changes nothing leaves no entry and gets no confirmation.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{
    ids::{ContactId, MessageId, OrganizationId, TeamId, UserId},
    inbox::{Inbox, InboxKind},
    keys::TeamKey,
    phone::PhoneNumber,
    segment::{Encoding, Segments},
    time::Timestamp,
};

mod review;

pub use review::{OptOutReview, ReviewOutcome, ReviewResolution, wants_review};

/// A word that acts when it stands alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keyword {
    /// Wants no more texts.
    Stop,
    /// Wants texts again.
    Start,
    /// YES: [`Keyword::Start`] from somebody who opted out by keyword, an answer like any other from everybody else.
    Yes,
    /// Wants to know who writes.
    Help,
}

/// The words, as they stand once hyphens are spaces and letters capitals.
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

/// The keyword that a text is, whatever the case and whatever spaces, punctuation or emoji stand around it.
///
/// ```
/// use shared_domain::opt_out::{Keyword, keyword};
/// assert_eq!(keyword(" Stop. "), Some(Keyword::Stop));
/// assert_eq!(keyword("opt-out"), Some(Keyword::Stop));
/// assert_eq!(keyword("stop by tomorrow"), None);
/// ```
pub fn keyword(text: &str) -> Option<Keyword> {
    let core = text.trim_matches(|c: char| !c.is_alphanumeric());
    if core.len() > 40 {
        return None;
    }
    let words = core.split(is_joint).filter(|word| !word.is_empty()).map(str::to_uppercase);
    let core = words.collect::<Vec<_>>().join(" ");
    WORDS.iter().find(|(_, words)| words.contains(&core.as_str())).map(|(keyword, _)| *keyword)
}

/// What may stand between the halves of `OPT-OUT`: spaces and hyphens, also those that phones put in.
fn is_joint(c: char) -> bool {
    c.is_whitespace() || matches!(c, '-' | '\u{2010}'..='\u{2014}')
}

/// How far an opt-out reaches within an organization.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Every inbox of the team, its users' personal ones among them.
    Team(TeamId),
    /// Every personal inbox of the organization, whatever its team.
    Personal,
}

impl Scope {
    /// Where an opt-out goes that was texted to this inbox.
    pub fn of(inbox: &Inbox) -> Self {
        match inbox.kind {
            InboxKind::Shared => Self::Team(inbox.team.clone()),
            InboxKind::Personal => Self::Personal,
        }
    }

    /// The word of the API.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Team(_) => "team",
            Self::Personal => "personal",
        }
    }
}

/// What an opt-out holds for: a number, for it is phones that are texted, within a scope.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OptOutSubject {
    /// The tenant.
    pub organization: OrganizationId,
    /// How far it reaches.
    pub scope: Scope,
    /// The contact's number.
    pub number: PhoneNumber,
}

impl OptOutSubject {
    /// What a keyword from this number to this inbox is about.
    pub fn of(inbox: &Inbox, number: &PhoneNumber) -> Self {
        Self { organization: inbox.organization.clone(), scope: Scope::of(inbox), number: number.clone() }
    }

    /// What a user, or an import, of a team closes and opens.
    pub fn of_team(organization: &OrganizationId, team: &TeamId, number: &PhoneNumber) -> Self {
        Self { organization: organization.clone(), scope: Scope::Team(team.clone()), number: number.clone() }
    }

    /// Every subject whose opt-out stops a message to this number from an inbox of this team and kind.
    pub fn all_that_stop(team: TeamKey<'_>, kind: InboxKind, number: &PhoneNumber) -> Vec<Self> {
        let of_team = Self::of_team(team.organization, team.team, number);
        match kind {
            InboxKind::Shared => vec![of_team],
            InboxKind::Personal => vec![of_team.clone(), Self { scope: Scope::Personal, ..of_team }],
        }
    }
}

/// Who opted a contact out or in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OptOutSource {
    /// The contact, by a word.
    Keyword,
    /// Somebody of the team.
    User,
    /// A row of an import.
    Import,
    /// The carrier, by refusing a text.
    Carrier,
}

impl OptOutSource {
    /// The word of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Keyword => "keyword",
            Self::User => "user",
            Self::Import => "import",
            Self::Carrier => "carrier",
        }
    }
}

/// A line of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerEntry {
    /// When.
    pub at: Timestamp,
    /// Who was opted out or in.
    pub contact: ContactId,
    /// The contact's number at that time.
    pub number: PhoneNumber,
    /// Where the contact stands after it.
    pub opted_out: bool,
    /// How far it reaches.
    pub scope: Scope,
    /// Who did it.
    pub source: OptOutSource,
    /// The text that did it: the contact's, or ours that the carrier refused.
    pub message: Option<MessageId>,
    /// The user who did it.
    pub user: Option<UserId>,
}

/// Where a [`OptOutSubject`] stands: opted out by each of these, opted in when there are none.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OptOutState(BTreeSet<OptOutSource>);

/// What a decision makes of a [`OptOutState`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptOutChange {
    /// Where it stands afterwards.
    pub state: OptOutState,
    /// Who did it.
    pub source: OptOutSource,
    /// Whether opted in became opted out or back: this is told by e-mail and in the ledger. Otherwise one more source, or
    /// one fewer, keeps closed what was closed; that is stored, and stands in the ledger as still opted out.
    pub turned: bool,
}

impl OptOutChange {
    /// Its line of the ledger.
    pub fn entry(
        &self,
        subject: &OptOutSubject,
        contact: ContactId,
        message: Option<MessageId>,
        user: Option<UserId>,
        at: Timestamp,
    ) -> LedgerEntry {
        LedgerEntry {
            at,
            contact,
            number: subject.number.clone(),
            opted_out: self.state.is_out(),
            scope: subject.scope.clone(),
            source: self.source,
            message,
            user,
        }
    }
}

impl OptOutState {
    /// Opted out by these; opted in by none.
    pub fn out_by(sources: impl IntoIterator<Item = OptOutSource>) -> Self {
        Self(sources.into_iter().collect())
    }

    /// Wants no texts.
    pub fn is_out(&self) -> bool {
        !self.0.is_empty()
    }

    /// Whether this source is among those that closed.
    pub fn is_out_by(&self, source: OptOutSource) -> bool {
        self.0.contains(&source)
    }

    fn close(&self, source: OptOutSource) -> Option<OptOutChange> {
        let mut after = self.clone();
        after.0.insert(source).then(|| self.changed(after, source))
    }

    fn open(&self, source: OptOutSource, opens: &[OptOutSource]) -> Option<OptOutChange> {
        let after = Self(self.0.iter().copied().filter(|closed| !opens.contains(closed)).collect());
        (after != *self).then(|| self.changed(after, source))
    }

    fn changed(&self, after: Self, source: OptOutSource) -> OptOutChange {
        OptOutChange { turned: self.is_out() != after.is_out(), state: after, source }
    }
}

/// Who answers keywords: a setting of the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeywordReplies {
    /// The carrier; we record and stay silent.
    #[default]
    Carrier,
    /// We do, unless the carrier says that it already has.
    Product,
}

impl KeywordReplies {
    /// The setting as the stack writes it.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "carrier" => Some(Self::Carrier),
            "product" => Some(Self::Product),
            _ => None,
        }
    }
}

/// The automatic text that a keyword gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeywordReply {
    /// [`stop_text`].
    Stopped,
    /// [`start_text`].
    Started,
    /// [`help_text`]; at most one an hour is the caller's to see to.
    Help,
}

/// What an inbound text with a keyword leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeywordDecision {
    /// YES from somebody who did not opt out by keyword: a text like any other.
    Ordinary,
    /// A keyword: no other automatic answer goes out.
    Keyword {
        /// What is stored, where it changes anything.
        change: Option<OptOutChange>,
        /// What is answered.
        reply: Option<KeywordReply>,
    },
}

/// What a keyword does.
///
/// STOP closes and is confirmed once, when it turns opted in to opted out. START opens what a keyword closed, on the
/// `same_number` (the pair of the contact's number and ours to which STOP was texted: that is what carriers close), and is
/// confirmed when it turns opted out to opted in. HELP always gets the help text. `carrier_answered` is that the webhook
/// says so (`OptOutType`): then we are silent, whatever the setting, and record all the same.
pub fn after_keyword(
    current: &OptOutState,
    keyword: Keyword,
    same_number: bool,
    answers: KeywordReplies,
    carrier_answered: bool,
) -> KeywordDecision {
    let (change, reply) = match keyword {
        Keyword::Help => (None, Some(KeywordReply::Help)),
        Keyword::Stop => (current.close(OptOutSource::Keyword), Some(KeywordReply::Stopped)),
        Keyword::Yes if !(same_number && current.is_out_by(OptOutSource::Keyword)) => {
            return KeywordDecision::Ordinary;
        }
        Keyword::Start | Keyword::Yes if same_number => {
            (current.open(OptOutSource::Keyword, &[OptOutSource::Keyword]), Some(KeywordReply::Started))
        }
        Keyword::Start | Keyword::Yes => (None, None),
    };
    let news = keyword == Keyword::Help || change.as_ref().is_some_and(|change| change.turned);
    let ours = answers == KeywordReplies::Product && !carrier_answered;
    KeywordDecision::Keyword { change, reply: reply.filter(|_| news && ours) }
}

/// What somebody of the team does by hand. Opting in is the record of new consent and opens everything.
pub fn after_user(current: &OptOutState, opt_out: bool) -> Option<OptOutChange> {
    if opt_out {
        current.close(OptOutSource::User)
    } else {
        current.open(
            OptOutSource::User,
            &[OptOutSource::Keyword, OptOutSource::User, OptOutSource::Import, OptOutSource::Carrier],
        )
    }
}

/// What the `OptedOut` cell of a row does. *No* opens what an import or a user closed. It is not consent of the person: a
/// spreadsheet from before a STOP must not undo it, nor what the carrier refuses.
pub fn after_import(current: &OptOutState, opt_out: bool) -> Option<OptOutChange> {
    if opt_out {
        current.close(OptOutSource::Import)
    } else {
        current.open(OptOutSource::Import, &[OptOutSource::User, OptOutSource::Import])
    }
}

/// What a refusal by the carrier does, if its error code says that the contact opted out (such as Twilio's 21610).
pub fn after_carrier_refusal(current: &OptOutState) -> Option<OptOutChange> {
    current.close(OptOutSource::Carrier)
}

/// Confirms an opt-out: one segment in GSM-7, however the team is called.
pub fn stop_text(team: &str) -> String {
    signed(team, "You are unsubscribed and will get no more messages. Reply START to resubscribe.")
}

/// Confirms that texts come again: one segment in GSM-7.
pub fn start_text(team: &str) -> String {
    signed(
        team,
        "You are subscribed again. Reply HELP for help, STOP to unsubscribe. Msg & data rates may apply.",
    )
}

/// Says who writes and how to make it stop: one segment in GSM-7.
pub fn help_text(team: &str) -> String {
    signed(
        team,
        "Reply here to reach our staff, or STOP to unsubscribe. Msg frequency varies. Msg & data rates may apply.",
    )
}

const ONE_SEGMENT: usize = 160;

fn signed(team: &str, text: &str) -> String {
    let room = ONE_SEGMENT - text.len() - 2;
    let name: String = team.chars().filter_map(plain).collect();
    let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
    let name = if name.is_empty() { "Team texting" } else { name.as_str() };
    if name.chars().count() <= room {
        format!("{name}: {text}")
    } else {
        let short: String = name.chars().take(room - 3).collect();
        format!("{}...: {text}", short.trim_end())
    }
}

/// A character of one septet that says the same, or nothing.
fn plain(c: char) -> Option<char> {
    let like = match c {
        '’' | '‘' | '`' | '´' => '\'',
        '“' | '”' | '„' => '"',
        '‐'..='—' | '|' | '~' => '-',
        '[' | '{' => '(',
        ']' | '}' => ')',
        'á' | 'â' | 'ã' | 'ā' | 'ă' | 'ą' => 'a',
        'Á' | 'À' | 'Â' | 'Ã' | 'Ā' | 'Ă' | 'Ą' => 'A',
        'ç' | 'ć' | 'č' => 'c',
        'Ć' | 'Č' => 'C',
        'ê' | 'ë' | 'ē' | 'ę' | 'ě' => 'e',
        'È' | 'Ê' | 'Ë' | 'Ē' | 'Ę' | 'Ě' => 'E',
        'í' | 'î' | 'ï' | 'ī' => 'i',
        'Í' | 'Ì' | 'Î' | 'Ï' | 'Ī' | 'İ' => 'I',
        'ł' => 'l',
        'Ł' => 'L',
        'ń' | 'ň' => 'n',
        'Ń' | 'Ň' => 'N',
        'ó' | 'ô' | 'õ' | 'ő' | 'ō' => 'o',
        'Ó' | 'Ò' | 'Ô' | 'Õ' | 'Ő' | 'Ō' => 'O',
        'ś' | 'š' => 's',
        'Ś' | 'Š' => 'S',
        'ú' | 'û' | 'ű' | 'ū' => 'u',
        'Ú' | 'Ù' | 'Û' | 'Ű' | 'Ū' => 'U',
        'ź' | 'ż' | 'ž' => 'z',
        'Ź' | 'Ż' | 'Ž' => 'Z',
        c if c.is_whitespace() => ' ',
        c => c,
    };
    let alone = Segments::of(like.encode_utf8(&mut [0; 4]));
    (alone.encoding == Encoding::Gsm7 && alone.units == 1).then_some(like)
}

#[cfg(test)]
mod tests;
