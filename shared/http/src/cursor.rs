//! Cursors: a position in a list, authenticated so that it cannot be changed or used by another caller.

use std::sync::Arc;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use shared_aws::clients::SigningSecret;
use shared_domain::{signing::SigningKeys, time::Timestamp};

use crate::problem::Problem;

const SEAL_BYTES: usize = 16;

/// Creates and verifies cursors with the signing keys of the deployment, which are read at the first list.
#[derive(Debug, Clone)]
pub struct Cursors {
    keys: SigningSecret,
}

/// The cursors of one list for one caller.
#[derive(Debug)]
pub struct ListCursors {
    pub keys: Arc<SigningKeys>,
    pub now: Timestamp,
    pub principal: String,
    pub list: String,
}

impl Cursors {
    pub fn new(keys: SigningSecret) -> Self {
        Self { keys }
    }

    /// Signs with one key, which never changes.
    pub fn fixed(key: &str) -> Self {
        Self::new(SigningSecret::fixed(SigningKeys::single(key)))
    }

    /// Returns the cursors of a list, and the position in `cursor`. Errors as [`ListCursors::open`], or with
    /// `503` if the keys cannot be read.
    pub async fn of_list(
        &self,
        now: Timestamp,
        principal: &str,
        list: &str,
        cursor: Option<&str>,
    ) -> Result<(ListCursors, Option<String>), Problem> {
        let read =
            |keys: &SigningKeys| cursor.map(|cursor| open(keys, now, principal, list, cursor)).transpose();
        let (keys, place) = self.keys.check(now, read).await?;
        Ok((ListCursors { keys, now, principal: principal.to_owned(), list: list.to_owned() }, place))
    }
}

impl ListCursors {
    /// Returns the cursor of a position.
    pub fn seal(&self, place: &str) -> String {
        let mac = mac(self.keys.signing(self.now), &self.principal, &self.list, place);
        let mut sealed = mac.finalize().into_bytes()[..SEAL_BYTES].to_vec();
        sealed.extend_from_slice(place.as_bytes());
        BASE64_URL_SAFE_NO_PAD.encode(sealed)
    }

    /// Returns the position in a cursor. Errors with `400` if the cursor was changed, or belongs to another
    /// caller or another list, or its key is no longer accepted.
    pub fn open(&self, cursor: &str) -> Result<String, Problem> {
        open(&self.keys, self.now, &self.principal, &self.list, cursor)
    }
}

fn open(
    keys: &SigningKeys,
    now: Timestamp,
    principal: &str,
    list: &str,
    cursor: &str,
) -> Result<String, Problem> {
    let refused = || {
        Problem::new(400, "bad_cursor", "This cursor is not valid for this list. Start from the first page.")
    };
    let sealed = BASE64_URL_SAFE_NO_PAD.decode(cursor).map_err(|_| refused())?;
    let (seal, place) = sealed.split_at_checked(SEAL_BYTES).ok_or_else(refused)?;
    let place = std::str::from_utf8(place).map_err(|_| refused())?;
    let is_sealed = |key: &str| mac(key, principal, list, place).verify_truncated_left(seal).is_ok();
    if keys.accepted(now).any(is_sealed) { Ok(place.to_owned()) } else { Err(refused()) }
}

fn mac(key: &str, principal: &str, list: &str, place: &str) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("HMAC takes a key of any length");
    for part in ["cursor", principal, list, place] {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part.as_bytes());
    }
    mac
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use shared_domain::signing::{ACCEPTED_FOR, SIGNS_AFTER};

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn cursors(key: &str, principal: &str, list: &str) -> ListCursors {
        let keys = Arc::new(SigningKeys::single(key));
        ListCursors { keys, now: NOW, principal: principal.into(), list: list.into() }
    }

    #[test]
    fn a_cursor_is_valid_only_for_its_caller_and_its_list() {
        let cursor = cursors("secret", "ada", "inbox").seal("place");
        assert_eq!(cursors("secret", "ada", "inbox").open(&cursor).unwrap(), "place");
        assert!(cursors("secret", "ben", "inbox").open(&cursor).is_err());
        assert!(cursors("secret", "ada", "archived").open(&cursor).is_err());
        assert!(cursors("other", "ada", "inbox").open(&cursor).is_err());
    }

    #[test]
    fn a_cursor_survives_a_rotation_until_its_key_is_no_longer_accepted() {
        let old = cursors("old", "ada", "inbox");
        let keys = Arc::new(old.keys.rotated("new", NOW, false).unwrap());
        let at = |time: Duration| ListCursors {
            keys: keys.clone(),
            now: NOW + time,
            ..cursors("", "ada", "inbox")
        };
        let cursor = old.seal("place");
        let end = SIGNS_AFTER + ACCEPTED_FOR;
        assert_eq!(at(SIGNS_AFTER).open(&cursor).unwrap(), "place");
        assert_eq!(at(end).open(&cursor).unwrap_err().code, "bad_cursor");
        let early = at(Duration::ZERO).seal("place");
        assert_eq!(
            old.open(&early).unwrap(),
            "place",
            "environments that have not read the new key accept it"
        );
        assert_eq!(at(end).open(&at(SIGNS_AFTER).seal("place")).unwrap(), "place");
    }

    #[test]
    fn a_cursor_that_was_changed_is_refused() {
        let cursors = cursors("secret", "ada", "inbox");
        let cursor = cursors.seal("place");
        for index in 0..cursor.len() {
            let mut changed = cursor.clone().into_bytes();
            changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(cursors.open(&changed).is_err(), "{index}");
        }
        for text in ["", "AAAA", "%%%", "é"] {
            assert!(cursors.open(text).is_err());
        }
    }

    #[test]
    fn a_cursor_starts_with_a_code_of_sixteen_bytes() {
        let cursors = cursors("secret", "ada", "inbox");
        let sealed = BASE64_URL_SAFE_NO_PAD.decode(cursors.seal("place")).unwrap();
        assert_eq!((sealed.len(), &sealed[SEAL_BYTES..]), (21, &b"place"[..]));
        assert_eq!(cursors.open(&cursors.seal("")).unwrap(), "");
        let cut = BASE64_URL_SAFE_NO_PAD.encode(&sealed[..SEAL_BYTES - 1]);
        assert_eq!(cursors.open(&cut).unwrap_err().status, 400);
    }

    #[test]
    fn moving_a_letter_from_the_caller_to_the_list_invalidates_the_cursor() {
        let cursor = cursors("secret", "user org_1 ada", "inbox").seal("place");
        assert!(cursors("secret", "user org_1 adai", "nbox").open(&cursor).is_err());
    }

    #[test]
    fn the_secret_is_not_shown() {
        let shown = format!("{:?} {:?}", Cursors::fixed("hidden"), cursors("hidden", "ada", "inbox"));
        assert!(!shown.contains("hidden"), "{shown}");
    }
}
