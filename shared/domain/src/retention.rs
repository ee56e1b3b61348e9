//! Retention: how long a team keeps its messages and files.
//!
//! ```
//! use shared_domain::retention::RetentionDays;
//!
//! assert_eq!(RetentionDays::parse("/retentionDays", 30).unwrap().get(), 30);
//! assert!(RetentionDays::parse("/retentionDays", 0).is_err());
//! ```

use serde::{Deserialize, Serialize};

use crate::field::FieldError;

/// About a hundred years.
pub const MAX_RETENTION_DAYS: u16 = 36_500;

const DAYS: &str = "1 to 36500 days, or null";

/// A whole number of days of 24 hours, from 1 to [`MAX_RETENTION_DAYS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct RetentionDays(u16);

impl RetentionDays {
    /// Checks a number of days.
    ///
    /// # Errors
    /// [`FieldError`] at `pointer` if it is not from 1 to [`MAX_RETENTION_DAYS`].
    pub fn parse(pointer: &str, days: i64) -> Result<Self, FieldError> {
        let days = u16::try_from(days).ok().and_then(|days| Self::try_from(days).ok());
        days.ok_or_else(|| FieldError::new(pointer, DAYS))
    }

    /// Returns the number of days.
    pub fn get(self) -> u16 {
        self.0
    }
}

/// A stored number of days that is out of range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} days is not from 1 to {MAX_RETENTION_DAYS}")]
pub struct RetentionDaysError(u16);

impl TryFrom<u16> for RetentionDays {
    type Error = RetentionDaysError;

    fn try_from(days: u16) -> Result<Self, RetentionDaysError> {
        if (1..=MAX_RETENTION_DAYS).contains(&days) { Ok(Self(days)) } else { Err(RetentionDaysError(days)) }
    }
}

impl From<RetentionDays> for u16 {
    fn from(days: RetentionDays) -> Self {
        days.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_from_one_to_a_hundred_years() {
        for days in [1, 30, MAX_RETENTION_DAYS] {
            let parsed = RetentionDays::parse("/retentionDays", days.into());
            assert_eq!(parsed.map(RetentionDays::get), Ok(days));
        }
        for days in [i64::MIN, -1, 0, 36_501, 65_537, i64::MAX] {
            let error = RetentionDays::parse("/retentionDays", days).unwrap_err();
            assert_eq!(error, FieldError::new("/retentionDays", DAYS), "{days}");
        }
    }
}
