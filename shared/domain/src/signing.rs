//! The keys that sign list cursors and the URLs of status callbacks.
//!
//! A deployment has a current key and, after a rotation, the previous one. Both are accepted. Functions run
//! in many execution environments, which read the keys again at different times, so the current key signs
//! only when all of them have read it. Until then the previous key signs. No signature is refused in a
//! rotation.
//!
//! ```
//! use std::time::Duration;
//! use shared_domain::{signing::{SIGNS_AFTER, SigningKeys}, time::Timestamp};
//!
//! let now = Timestamp::from_millis(1_800_000_000_000);
//! let keys = SigningKeys::single("old").rotated("new", now, false).unwrap();
//! assert_eq!(keys.signing(now), "old");
//! assert_eq!(keys.signing(now + SIGNS_AFTER), "new");
//! assert_eq!(keys.accepted(now).collect::<Vec<_>>(), ["new", "old"]);
//! ```

use std::{fmt, time::Duration};

use crate::time::Timestamp;

/// How old a key must be to sign. Functions read the keys every five minutes; the rest is for clocks that
/// differ and for reads that fail.
pub const SIGNS_AFTER: Duration = Duration::from_mins(15);
/// How long the previous key is accepted after it last signed. A carrier reports the delivery of a message
/// within days, and clients keep cursors for less than that.
pub const ACCEPTED_FOR: Duration = Duration::from_hours(7 * 24);

/// A key and its age.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey {
    /// The secret of the HMAC.
    pub key: String,
    /// `None` for the first key, which was generated with the stack.
    pub created_at: Option<Timestamp>,
}

/// The keys of a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningKeys {
    /// The newest key.
    pub current: SigningKey,
    /// The key before the last rotation.
    pub previous: Option<SigningKey>,
}

/// Why keys are not rotated: the previous key is still accepted, and a rotation would end that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooEarly {
    /// When the keys can be rotated.
    pub until: Timestamp,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("created_at", &self.created_at).finish_non_exhaustive()
    }
}

impl SigningKeys {
    /// A single key.
    pub fn single(key: impl Into<String>) -> Self {
        Self { current: SigningKey { key: key.into(), created_at: None }, previous: None }
    }

    /// When the current key begins to sign. `None` if it is the first key.
    pub fn signs_from(&self) -> Option<Timestamp> {
        self.previous.as_ref()?;
        self.current.created_at.map(|created_at| created_at + SIGNS_AFTER)
    }

    /// When the previous key is no longer accepted. `None` if there is no previous key.
    pub fn previous_until(&self) -> Option<Timestamp> {
        self.signs_from().map(|from| from + ACCEPTED_FOR)
    }

    /// The key that signs.
    pub fn signing(&self, now: Timestamp) -> &str {
        &self.signing_key(now).key
    }

    fn signing_key(&self, now: Timestamp) -> &SigningKey {
        let waits = self.signs_from().is_some_and(|from| now < from);
        self.previous.as_ref().filter(|_| waits).unwrap_or(&self.current)
    }

    /// The previous key, while it is accepted.
    pub fn accepted_previous(&self, now: Timestamp) -> Option<&SigningKey> {
        self.previous.as_ref().filter(|_| self.previous_until().is_none_or(|until| now < until))
    }

    /// The keys whose signatures are accepted.
    pub fn accepted(&self, now: Timestamp) -> impl Iterator<Item = &str> {
        std::iter::once(&self.current).chain(self.accepted_previous(now)).map(|key| key.key.as_str())
    }

    /// Returns the keys with a new current one. The key that signs now becomes the previous one, so a current
    /// key that has not signed yet is replaced. Errors if the previous key is still accepted, unless `force`.
    pub fn rotated(&self, key: impl Into<String>, now: Timestamp, force: bool) -> Result<Self, TooEarly> {
        if let Some(until) = self.previous_until().filter(|until| now < *until && !force) {
            return Err(TooEarly { until });
        }
        Ok(Self {
            current: SigningKey { key: key.into(), created_at: Some(now) },
            previous: Some(self.signing_key(now).clone()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 24 * 60;

    fn at(minutes: u64) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000) + Duration::from_mins(minutes)
    }

    fn accepted(keys: &SigningKeys, minutes: u64) -> Vec<&str> {
        keys.accepted(at(minutes)).collect()
    }

    #[test]
    fn a_new_key_is_accepted_at_once_and_signs_when_all_functions_have_read_it() {
        let keys = SigningKeys::single("old").rotated("new", at(0), false).unwrap();
        assert_eq!((keys.signing(at(0)), keys.signing(at(14)), keys.signing(at(15))), ("old", "old", "new"));
        assert_eq!(accepted(&keys, 0), ["new", "old"]);
    }

    #[test]
    fn the_previous_key_is_accepted_for_a_week_after_it_last_signed() {
        let keys = SigningKeys::single("old").rotated("new", at(0), false).unwrap();
        assert_eq!(accepted(&keys, 14 + 7 * DAY), ["new", "old"]);
        assert_eq!(accepted(&keys, 15 + 7 * DAY), ["new"]);
    }

    #[test]
    fn a_second_rotation_is_refused_while_the_previous_key_is_accepted() {
        let keys = SigningKeys::single("old").rotated("new", at(0), false).unwrap();
        let until = at(15 + 7 * DAY);
        assert_eq!(keys.rotated("newer", at(14 + 7 * DAY), false), Err(TooEarly { until }));
        let again = keys.rotated("newer", until, false).unwrap();
        assert_eq!((again.signing(until), accepted(&again, 15 + 7 * DAY)), ("new", vec!["newer", "new"]));
    }

    #[test]
    fn a_forced_rotation_ends_the_previous_key_but_never_the_one_that_signs() {
        let keys = SigningKeys::single("old").rotated("new", at(0), false).unwrap();
        let waiting = keys.rotated("newer", at(14), true).unwrap();
        assert_eq!((waiting.signing(at(14)), accepted(&waiting, 14)), ("old", vec!["newer", "old"]));
        let signing = keys.rotated("newer", at(15), true).unwrap();
        assert_eq!((signing.signing(at(15)), accepted(&signing, 15)), ("new", vec!["newer", "new"]));
    }

    #[test]
    fn a_single_key_signs_at_any_time_and_keys_are_not_shown() {
        let keys = SigningKeys::single("secret-key");
        assert_eq!(
            (keys.signing(Timestamp::default()), accepted(&keys, 0)),
            ("secret-key", vec!["secret-key"])
        );
        assert_eq!((keys.signs_from(), keys.previous_until()), (None, None));
        assert!(!format!("{keys:?}").contains("secret-key"));
    }
}
