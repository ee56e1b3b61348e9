//! Faults on demand: what happens to the next sends.
//!
//! | kind | the send is | the answer is |
//! |---|---|---|
//! | `refuse`, `refuse:<code>` | refused | Twilio's failure of that code, 21211 if none is named |
//! | `rate-limit` | refused | 429, code 20429 |
//! | `error-before` | lost | 500 |
//! | `error-after` | accepted, and goes its way | 500 |
//! | `timeout-after` | accepted, and goes its way | none for 30 seconds |
//! | `silent` | accepted, ends as `sent` | 201, but no status callback ever comes |
//!
//! `none` clears. A new fault replaces the old one.

use super::failure::Failure;

/// One way to go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Not accepted, with the code that says why.
    Refuse(u32),
    /// Accepted, yet answered with 500.
    ErrorAfter,
    /// Accepted, yet not answered in time.
    TimeoutAfter,
    /// Accepted and never heard of again.
    Silent,
}

impl Fault {
    /// The kind as the control route names it; `none` is no fault.
    pub(super) fn parse(kind: &str) -> Result<Option<Self>, Failure> {
        let code = kind.strip_prefix("refuse:").and_then(|code| code.parse().ok());
        Ok(Some(match (kind, code) {
            ("none", _) => return Ok(None),
            ("refuse", _) => Self::Refuse(21211),
            ("rate-limit", _) => Self::Refuse(20429),
            ("error-before", _) => Self::Refuse(20500),
            ("error-after", _) => Self::ErrorAfter,
            ("timeout-after", _) => Self::TimeoutAfter,
            ("silent", _) => Self::Silent,
            (_, Some(code)) => Self::Refuse(code),
            (_, None) => return Err(Failure::parameter("Kind is not a fault".to_owned())),
        }))
    }

    /// The failure of a send that is not accepted.
    pub(super) fn refusal(self) -> Option<Failure> {
        match self {
            Self::Refuse(code) => Some(Failure::of(code)),
            Self::ErrorAfter | Self::TimeoutAfter | Self::Silent => None,
        }
    }
}

/// The fault in force and the number of sends it still applies to.
#[derive(Debug, Default)]
pub(super) struct Faults(Option<(Fault, u32)>);

impl Faults {
    /// Replaces what was in force.
    pub(super) fn set(&mut self, fault: Option<Fault>, count: u32) {
        self.0 = fault.filter(|_| count > 0).map(|fault| (fault, count));
    }

    /// The fault of this send.
    pub(super) fn take(&mut self) -> Option<Fault> {
        let (fault, count) = self.0.take()?;
        self.set(Some(fault), count - 1);
        Some(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_applies_to_the_next_count_sends() {
        let mut faults = Faults::default();
        faults.set(Some(Fault::Silent), 2);
        assert_eq!(
            [faults.take(), faults.take(), faults.take()],
            [Some(Fault::Silent), Some(Fault::Silent), None]
        );
    }

    #[test]
    fn none_clears_and_an_unknown_kind_is_refused() {
        let mut faults = Faults::default();
        faults.set(Some(Fault::Silent), 2);
        faults.set(Fault::parse("none").unwrap(), 1);
        assert_eq!(faults.take(), None);
        assert!(Fault::parse("refuse:").is_err());
        assert!(Fault::parse("explode").is_err());
        assert_eq!(Fault::parse("refuse:21610").unwrap(), Some(Fault::Refuse(21610)));
    }
}
