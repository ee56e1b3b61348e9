//! The messages in order of arrival. Beyond a limit, the oldest are removed.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

use crate::messages::message::{Message, Status};

/// Maximum number of messages: more than a broadcast to 100,000 has.
const CAPACITY: usize = 150_000;

#[derive(Debug, Default)]
pub(crate) struct MessageLog {
    by_number: BTreeMap<u64, Message>,
    numbers: HashMap<String, u64>,
    next: u64,
}

impl MessageLog {
    /// Adds a message whose sid is new.
    pub(crate) fn add(&mut self, message: Message) {
        self.numbers.insert(message.sid.clone(), self.next);
        self.by_number.insert(self.next, message);
        self.next += 1;
        if self.by_number.len() > CAPACITY
            && let Some((_, oldest)) = self.by_number.pop_first()
        {
            self.numbers.remove(&oldest.sid);
        }
    }

    pub(crate) fn get(&self, sid: &str) -> Option<&Message> {
        self.by_number.get(self.numbers.get(sid)?)
    }

    /// The messages, newest first.
    pub(crate) fn newest(&self) -> impl Iterator<Item = &Message> {
        self.by_number.values().rev()
    }

    /// The messages before the one with this sid, newest first. `None` if the sid is unknown.
    pub(crate) fn older_than(&self, sid: &str) -> Option<impl Iterator<Item = &Message>> {
        let number = *self.numbers.get(sid)?;
        Some(self.by_number.range(..number).rev().map(|(_, message)| message))
    }

    /// Takes a message to its next status. `None` if it was removed or a control route has set its status.
    pub(crate) fn step(
        &mut self,
        sid: &str,
        status: Status,
        code: Option<u32>,
        now: Timestamp,
    ) -> Option<&Message> {
        let message = self.get_mut(sid).filter(|message| !message.is_status_set)?;
        message.set_status(status, code, now);
        Some(message)
    }

    /// Sets the status of an outbound message and ends its steps. `None` if the sid is unknown.
    pub(crate) fn set_status(
        &mut self,
        sid: &str,
        status: Status,
        code: Option<u32>,
        now: Timestamp,
    ) -> Option<&Message> {
        let message = self.get_mut(sid).filter(|message| !message.is_inbound())?;
        message.is_status_set = true;
        message.set_status(status, code, now);
        Some(message)
    }

    fn get_mut(&mut self, sid: &str) -> Option<&mut Message> {
        self.by_number.get_mut(self.numbers.get(sid)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::message::Direction;

    fn message(number: usize) -> Message {
        Message {
            sid: format!("SM{number:032x}"),
            direction: Direction::Outbound { status_callback: None },
            from: Some("+12025550100".to_owned()),
            to: "+12025550143".to_owned(),
            body: "Hello".to_owned(),
            media_urls: Vec::new(),
            messaging_service_sid: None,
            status: Status::Queued,
            error_code: None,
            created: Timestamp::UNIX_EPOCH,
            updated: Timestamp::UNIX_EPOCH,
            sent: None,
            is_status_set: false,
        }
    }

    #[test]
    fn the_oldest_message_is_removed_beyond_the_limit() {
        let mut log = MessageLog::default();
        (0..=CAPACITY).for_each(|number| log.add(message(number)));
        assert!(log.get(&message(0).sid).is_none());
        assert!(log.get(&message(1).sid).is_some());
        assert_eq!(log.newest().count(), CAPACITY);
        assert_eq!(log.numbers.len(), CAPACITY);
    }

    #[test]
    fn setting_a_status_ends_the_steps() {
        let mut log = MessageLog::default();
        log.add(message(1));
        let (sid, now) = (message(1).sid, Timestamp::UNIX_EPOCH);
        assert!(log.step(&sid, Status::Sending, None, now).is_some());
        assert!(log.set_status(&sid, Status::Undelivered, Some(30003), now).is_some());
        assert!(log.step(&sid, Status::Delivered, None, now).is_none());
        assert_eq!(log.get(&sid).unwrap().status, Status::Undelivered);
    }
}
