//! Settings of a function, read once at start. One error names every variable that is missing or malformed.

use std::{fmt::Display, str::FromStr, time::Duration};

use shared_domain::lock::LockPolicy;

/// Reads environment variables and collects the problems it finds.
#[derive(Debug, Default)]
pub struct Environment {
    names: Vec<String>,
    problems: Vec<String>,
}

/// Every problem found in the environment.
#[derive(Debug, thiserror::Error)]
#[error("the function's environment is incomplete: {}", .problems.join("; "))]
pub struct ConfigError {
    names: Vec<String>,
    problems: Vec<String>,
}

impl ConfigError {
    /// Returns the names of all variables that were read, including the optional ones.
    pub fn names(&self) -> &[String] {
        &self.names
    }
}

impl Environment {
    /// Returns a variable that must be set and not empty.
    pub fn required(&mut self, name: &str) -> String {
        self.optional(name).unwrap_or_else(|| {
            self.problems.push(format!("{name} is missing"));
            String::new()
        })
    }

    /// Returns a variable. `None` if it is unset or empty.
    pub fn optional(&mut self, name: &str) -> Option<String> {
        self.names.push(name.to_owned());
        std::env::var(name).ok().filter(|value| !value.is_empty())
    }

    /// Returns a whole number that must be at least `least`.
    pub fn number<N>(&mut self, name: &str, least: N) -> N
    where
        N: FromStr + PartialOrd + Copy + Display,
    {
        let text = self.required(name);
        match text.parse() {
            Ok(number) if number >= least => number,
            _ => {
                if !text.is_empty() {
                    self.problems.push(format!("{name} must be a whole number of at least {least}"));
                }
                least
            }
        }
    }

    /// Returns a duration in whole seconds, at least one.
    pub fn seconds(&mut self, name: &str) -> Duration {
        Duration::from_secs(self.number(name, 1))
    }

    /// Returns the lock settings, `LOCK_…`.
    pub fn lock_policy(&mut self) -> LockPolicy {
        LockPolicy {
            lease: self.seconds("LOCK_LEASE_SECONDS"),
            renew_after: self.seconds("LOCK_RENEW_SECONDS"),
            idle_prompt: self.seconds("LOCK_IDLE_PROMPT_SECONDS"),
            idle_release: self.seconds("LOCK_IDLE_RELEASE_SECONDS"),
            skew: Duration::from_millis(self.number("LOCK_SKEW_MILLIS", 0)),
            per_user: self.number("LOCKS_PER_USER", 1),
        }
    }

    /// Errors if any variable was missing or malformed.
    pub fn finish(self) -> Result<(), ConfigError> {
        let Self { names, problems } = self;
        if problems.is_empty() { Ok(()) } else { Err(ConfigError { names, problems }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_missing_variable_is_named() {
        let mut environment = Environment::default();
        environment.required("SHARED_INBOX_NO_SUCH_A");
        environment.seconds("SHARED_INBOX_NO_SUCH_B");
        let error = environment.finish().unwrap_err().to_string();
        assert!(error.contains("NO_SUCH_A is missing") && error.contains("NO_SUCH_B is missing"), "{error}");
    }
}
