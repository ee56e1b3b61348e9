//! Cursors: a position in a list, authenticated so that it cannot be changed or used by another caller.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::problem::Problem;

const SEAL_BYTES: usize = 16;

/// Creates and verifies cursors with a secret of the deployment.
#[derive(Clone)]
pub struct Cursors {
    key: Vec<u8>,
}

impl std::fmt::Debug for Cursors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cursors(…)")
    }
}

impl Cursors {
    pub fn new(secret: &str) -> Self {
        Self { key: secret.as_bytes().to_vec() }
    }

    /// Returns the cursor of a position for one caller and one list.
    pub fn seal(&self, principal: &str, list: &str, place: &str) -> String {
        let mut sealed = self.mac(principal, list, place).finalize().into_bytes()[..SEAL_BYTES].to_vec();
        sealed.extend_from_slice(place.as_bytes());
        BASE64_URL_SAFE_NO_PAD.encode(sealed)
    }

    /// Returns the position in a cursor. Errors with `400` if the cursor was changed, or belongs to another
    /// caller or another list.
    pub fn open(&self, principal: &str, list: &str, cursor: &str) -> Result<String, Problem> {
        let refused = || {
            Problem::new(
                400,
                "bad_cursor",
                "This cursor is not valid for this list. Start from the first page.",
            )
        };
        let sealed = BASE64_URL_SAFE_NO_PAD.decode(cursor).map_err(|_| refused())?;
        let (seal, place) = sealed.split_at_checked(SEAL_BYTES).ok_or_else(refused)?;
        let place = std::str::from_utf8(place).map_err(|_| refused())?;
        self.mac(principal, list, place).verify_truncated_left(seal).map_err(|_| refused())?;
        Ok(place.to_owned())
    }

    fn mac(&self, principal: &str, list: &str, place: &str) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes a key of any length");
        for part in ["cursor", principal, list, place] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_valid_only_for_its_caller_and_its_list() {
        let cursors = Cursors::new("secret");
        let cursor = cursors.seal("ada", "inbox", "place");
        assert_eq!(cursors.open("ada", "inbox", &cursor).unwrap(), "place");
        assert!(cursors.open("ben", "inbox", &cursor).is_err());
        assert!(cursors.open("ada", "archived", &cursor).is_err());
        assert!(Cursors::new("other").open("ada", "inbox", &cursor).is_err());
    }

    #[test]
    fn a_cursor_that_was_changed_is_refused() {
        let cursors = Cursors::new("secret");
        let cursor = cursors.seal("ada", "inbox", "place");
        for index in 0..cursor.len() {
            let mut changed = cursor.clone().into_bytes();
            changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(cursors.open("ada", "inbox", &changed).is_err(), "{index}");
        }
        for text in ["", "AAAA", "%%%", "é"] {
            assert!(cursors.open("ada", "inbox", text).is_err());
        }
    }

    #[test]
    fn a_cursor_starts_with_a_code_of_sixteen_bytes() {
        let cursors = Cursors::new("secret");
        let sealed = BASE64_URL_SAFE_NO_PAD.decode(cursors.seal("ada", "inbox", "place")).unwrap();
        assert_eq!((sealed.len(), &sealed[SEAL_BYTES..]), (21, &b"place"[..]));
        let of_the_end = cursors.seal("ada", "inbox", "");
        assert_eq!(cursors.open("ada", "inbox", &of_the_end).unwrap(), "");
        let cut = BASE64_URL_SAFE_NO_PAD.encode(&sealed[..SEAL_BYTES - 1]);
        assert_eq!(cursors.open("ada", "inbox", &cut).unwrap_err().status, 400);
    }

    #[test]
    fn moving_a_letter_from_the_caller_to_the_list_invalidates_the_cursor() {
        let cursors = Cursors::new("secret");
        let cursor = cursors.seal("user org_1 ada", "inbox", "place");
        assert!(cursors.open("user org_1 adai", "nbox", &cursor).is_err());
    }

    #[test]
    fn the_secret_is_not_shown() {
        assert_eq!(format!("{:?}", Cursors::new("secret")), "Cursors(…)");
    }
}
