//! The reader's positions, as the cursor holds them: `last|inb_a=5,team_b=12`.
//!
//! `last` is the inbox or team that was read last. The next page begins with the one after it, so that a busy
//! inbox does not keep the others waiting.

use std::collections::BTreeMap;

/// The number of the last event that was returned, by the id of the inbox or team.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Positions {
    pub(crate) last: String,
    pub(crate) by_id: BTreeMap<String, u64>,
}

impl Positions {
    /// Parses a sealed position. `None` if it is not one.
    pub(crate) fn parse(place: &str) -> Option<Self> {
        let (last, list) = place.split_once('|')?;
        let entries = list.split(',').filter(|entry| !entry.is_empty());
        let entries = entries.map(|entry| {
            let (id, sequence) = entry.split_once('=')?;
            Some((id.to_owned(), sequence.parse().ok()?))
        });
        Some(Self { last: last.to_owned(), by_id: entries.collect::<Option<_>>()? })
    }

    pub(crate) fn place(&self) -> String {
        let entries: Vec<_> = self.by_id.iter().map(|(id, sequence)| format!("{id}={sequence}")).collect();
        format!("{}|{}", self.last, entries.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_parsed_from_their_own_text() {
        let by_id = BTreeMap::from([("inb_a".to_owned(), 5), ("team_b@x".to_owned(), u64::MAX)]);
        for positions in [
            Positions::default(),
            Positions { last: "inb_a".into(), by_id: by_id.clone() },
            Positions { last: String::new(), by_id },
        ] {
            assert_eq!(Positions::parse(&positions.place()), Some(positions));
        }
        for text in ["", "inb_a=5", "|inb_a", "|inb_a=x", "|inb_a=-1"] {
            assert_eq!(Positions::parse(text), None, "{text}");
        }
    }
}
