use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// Who opted a contact out or in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OptOutSource {
    /// The contact, by a keyword.
    Keyword,
    /// A user of the team.
    User,
    /// A row of an import.
    Import,
    /// The carrier, by refusing a message.
    Carrier,
}

impl OptOutSource {
    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Keyword => "keyword",
            Self::User => "user",
            Self::Import => "import",
            Self::Carrier => "carrier",
        }
    }
}

/// The sources that keep an [`OptOutSubject`](super::OptOutSubject) opted out. It is opted in if there are
/// none.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OptOutState(BTreeSet<OptOutSource>);

/// A change of an [`OptOutState`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptOutChange {
    /// The state after the change.
    pub state: OptOutState,
    /// Who caused the change.
    pub source: OptOutSource,
    /// Whether the subject changed from opted in to opted out, or back. If `false`, only the set of sources
    /// changed.
    pub turned: bool,
}

impl OptOutState {
    /// The state with these sources.
    pub fn out_by(sources: impl IntoIterator<Item = OptOutSource>) -> Self {
        Self(sources.into_iter().collect())
    }

    /// Whether the subject is opted out.
    pub fn is_out(&self) -> bool {
        !self.0.is_empty()
    }

    /// Whether this source keeps the subject opted out.
    pub fn is_out_by(&self, source: OptOutSource) -> bool {
        self.0.contains(&source)
    }

    pub(super) fn opt_out(&self, source: OptOutSource) -> Option<OptOutChange> {
        let mut after = self.clone();
        after.0.insert(source).then(|| self.changed(after, source))
    }

    /// `source` lifts the opt-outs by the sources in `lifted`.
    pub(super) fn lift(&self, source: OptOutSource, lifted: &[OptOutSource]) -> Option<OptOutChange> {
        let after = Self(self.0.iter().copied().filter(|out_by| !lifted.contains(out_by)).collect());
        (after != *self).then(|| self.changed(after, source))
    }

    fn changed(&self, after: Self, source: OptOutSource) -> OptOutChange {
        OptOutChange { turned: self.is_out() != after.is_out(), state: after, source }
    }
}

/// The change when a user opts a contact out or in, or `None` if nothing changes. An opt-in by a user records
/// new consent and lifts the opt-outs by all sources.
pub fn after_user(current: &OptOutState, opt_out: bool) -> Option<OptOutChange> {
    if opt_out {
        current.opt_out(OptOutSource::User)
    } else {
        current.lift(
            OptOutSource::User,
            &[OptOutSource::Keyword, OptOutSource::User, OptOutSource::Import, OptOutSource::Carrier],
        )
    }
}

/// The change when a row of an import has a value in `OptedOut`, or `None` if nothing changes. *No* lifts
/// opt-outs by imports and users only. It is not consent of the contact: an old spreadsheet must not undo a
/// STOP or a refusal by the carrier.
pub fn after_import(current: &OptOutState, opt_out: bool) -> Option<OptOutChange> {
    if opt_out {
        current.opt_out(OptOutSource::Import)
    } else {
        current.lift(OptOutSource::Import, &[OptOutSource::User, OptOutSource::Import])
    }
}

/// The change of a number when a contact with another, `former` number gets it, or `None` if nothing changes.
/// What users and imports said goes along with the contact. Keywords and refusals by the carrier stay with
/// the number that they came from.
pub fn after_number_change(current: &OptOutState, former: &OptOutState) -> Option<OptOutChange> {
    let moved = [OptOutSource::User, OptOutSource::Import].into_iter().filter(|by| former.is_out_by(*by));
    let after = OptOutState(current.0.iter().copied().chain(moved.clone()).collect());
    let source = moved.into_iter().find(|by| !current.is_out_by(*by))?;
    Some(current.changed(after, source))
}

/// The change when the carrier refuses a message because the contact opted out (such as Twilio's error
/// 21610), or `None` if nothing changes.
pub fn after_carrier_refusal(current: &OptOutState) -> Option<OptOutChange> {
    current.opt_out(OptOutSource::Carrier)
}
