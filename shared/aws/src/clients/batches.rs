//! Messages that are sent to a queue or topic in batches.

use std::collections::BTreeSet;

/// The limit of `SendMessageBatch` and `PublishBatch`.
const BATCH_LIMIT: usize = 10;

/// The code of an error, or what else happened.
type Reason = String;

/// Sends messages, each named by its index. Messages of one group stay in their order: if one of them is not
/// accepted, the later ones are not sent. A batch contains at most one of them, because the second entry of a
/// batch can be accepted and the first one not.
#[derive(Debug)]
pub(crate) struct Batches<'a> {
    /// The group of each message. `None` if it has no order.
    groups: Vec<Option<&'a str>>,
    waiting: Vec<usize>,
    results: Vec<Result<(), Reason>>,
}

impl<'a> Batches<'a> {
    pub(crate) fn of(groups: Vec<Option<&'a str>>) -> Self {
        let (waiting, results) = ((0..groups.len()).collect(), vec![Ok(()); groups.len()]);
        Self { groups, waiting, results }
    }

    /// Returns the messages of the next batch. `None` if no message waits.
    pub(crate) fn next(&mut self) -> Option<Vec<usize>> {
        let mut groups = BTreeSet::new();
        let (mut batch, mut later) = (Vec::new(), Vec::new());
        for &index in &self.waiting {
            // A group that has a message in this batch or before it in `later` waits.
            let first_of_group = self.groups[index].is_none_or(|group| groups.insert(group));
            if first_of_group && batch.len() < BATCH_LIMIT { batch.push(index) } else { later.push(index) }
        }
        self.waiting = later;
        (!batch.is_empty()).then_some(batch)
    }

    /// Records the outcome of a batch: the ids of the entries that were not accepted, or why none was. The id
    /// of an entry is the index of its message.
    pub(crate) fn sent<'r>(
        &mut self,
        batch: &[usize],
        outcome: Result<impl IntoIterator<Item = (&'r str, &'r str)>, Reason>,
    ) {
        match outcome {
            Ok(failed) => {
                for (id, code) in failed {
                    if let Some(index) = batch.iter().find(|index| index.to_string() == id) {
                        self.results[*index] = Err(code.to_owned());
                    }
                }
            }
            Err(reason) => batch.iter().for_each(|index| self.results[*index] = Err(reason.clone())),
        }
        let failed = batch.iter().filter(|index| self.results[**index].is_err());
        let held: BTreeSet<_> = failed.filter_map(|index| self.groups[*index]).collect();
        let is_held = |index: &usize| self.groups[*index].is_some_and(|group| held.contains(group));
        for index in self.waiting.extract_if(.., |index| is_held(index)) {
            self.results[index] = Err("an earlier message of its group was not accepted".into());
        }
    }

    /// Returns the result of each message.
    pub(crate) fn results(self) -> Vec<Result<(), Reason>> {
        self.results
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCEPTED: Result<[(&str, &str); 0], Reason> = Ok([]);

    #[test]
    fn a_batch_has_ten_messages_at_most_and_one_of_each_group() {
        let groups = ["a", "a", "b", "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
        let mut batches = Batches::of(groups.map(Some).to_vec());
        assert_eq!(batches.next().unwrap(), [0, 2, 5, 6, 7, 8, 9, 10, 11, 12]);
        batches.sent(&[0, 2, 5, 6, 7, 8, 9, 10, 11, 12], ACCEPTED);
        assert_eq!(batches.next().unwrap(), [1, 4, 13, 14]);
        assert_eq!(batches.next().unwrap(), [3]);
        assert_eq!(batches.next(), None);
        let mut batches = Batches::of(vec![None; 12]);
        let sizes = [batches.next(), batches.next()].map(|batch| batch.unwrap().len());
        assert_eq!(sizes, [10, 2], "standard queues have no groups");
    }

    #[test]
    fn a_message_that_is_not_accepted_holds_those_of_its_group_and_no_others() {
        let mut batches = Batches::of(["a", "b", "a", "b", "a"].map(Some).to_vec());
        let first = batches.next().unwrap();
        batches.sent(&first, Ok([("0", "InternalError")]));
        assert_eq!(batches.next().unwrap(), [3]);
        batches.sent(&[3], ACCEPTED);
        assert_eq!(batches.next(), None);
        let held = || Err("an earlier message of its group was not accepted".to_owned());
        assert_eq!(batches.results(), [Err("InternalError".to_owned()), Ok(()), held(), Ok(()), held()]);
    }

    #[test]
    fn a_batch_that_is_not_accepted_holds_all_its_groups() {
        let mut batches = Batches::of(vec![Some("a"), None, None, Some("a")]);
        let first = batches.next().unwrap();
        batches.sent(&first, Err::<[(&str, &str); 0], _>("no response".into()));
        assert_eq!(batches.next(), None);
        assert!(batches.results().iter().all(Result::is_err));
    }
}
