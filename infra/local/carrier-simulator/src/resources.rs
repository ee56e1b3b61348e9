//! The resources of the account, except messages. Each list is in order of creation.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::campaigns::brand::Brand;
use crate::campaigns::campaign::Campaign;
use crate::events::event::EventLog;
use crate::events::sink::Sink;
use crate::events::subscription::Subscription;
use crate::failure::Failure;
use crate::numbers::number::Number;
use crate::phone_page::names::Names;
use crate::services::service::Service;
use crate::webhook::Endpoint;

/// Twilio refuses messages of a number whose queue is longer.
const MAX_QUEUE: SignedDuration = SignedDuration::from_hours(10);

#[derive(Default)]
pub(crate) struct Resources {
    pub(crate) numbers: Vec<Number>,
    pub(crate) services: Vec<Service>,
    pub(crate) brands: Vec<Brand>,
    pub(crate) sinks: Vec<Sink>,
    pub(crate) subscriptions: Vec<Subscription>,
    pub(crate) events: EventLog,
    pub(crate) names: Names,
    /// Pairs of a sender (a number or a messaging service) and a phone that opted out of it.
    opt_outs: HashSet<(String, String)>,
    /// When each queue is empty, by the sid of its messaging service or by its number.
    queues: HashMap<String, Timestamp>,
}

impl Resources {
    /// Whether the account owns a number in E.164 format.
    pub(crate) fn owns(&self, e164: &str) -> bool {
        self.number_by_e164(e164).is_some()
    }

    pub(crate) fn number(&self, sid: &str) -> Option<&Number> {
        self.numbers.iter().find(|number| number.sid == sid)
    }

    pub(crate) fn number_mut(&mut self, sid: &str) -> Option<&mut Number> {
        self.numbers.iter_mut().find(|number| number.sid == sid)
    }

    fn number_by_e164(&self, e164: &str) -> Option<&Number> {
        self.numbers.iter().find(|number| number.e164 == e164)
    }

    /// The messaging service that contains a number.
    fn service_of(&self, number: &Number) -> Option<&Service> {
        self.services.iter().find(|service| service.member(&number.sid).is_some())
    }

    /// The service of an owned number and the endpoint of messages to it. Errors if the number is not owned.
    pub(crate) fn inbound_route(&self, e164: &str) -> Result<(Option<&str>, Option<Endpoint>), Failure> {
        let number = self.owned(e164)?;
        let service = self.service_of(number);
        let endpoint = match service {
            Some(service) if !service.is_set("use_inbound_webhook_on_number") => service.message_endpoint(),
            Some(_) | None => number.message_endpoint(),
        };
        Ok((service.map(|service| service.sid.as_str()), endpoint))
    }

    /// The endpoint of calls to an owned number.
    pub(crate) fn voice_route(&self, e164: &str) -> Result<Option<Endpoint>, Failure> {
        Ok(self.owned(e164)?.voice_endpoint())
    }

    fn owned(&self, e164: &str) -> Result<&Number, Failure> {
        self.number_by_e164(e164)
            .ok_or_else(|| Failure::parameter("To must be a phone number of the account".to_owned()))
    }

    /// Opts a phone out of a number of the account and of the number's messaging service, or in again.
    pub(crate) fn set_opt_out(&mut self, e164: &str, phone: &str, opted_out: bool) -> Result<(), Failure> {
        let service = self.service_of(self.owned(e164)?).map(|service| service.sid.clone());
        for sender in [Some(e164.to_owned()), service].into_iter().flatten() {
            let pair = (sender, phone.to_owned());
            if opted_out {
                self.opt_outs.insert(pair);
            } else {
                self.opt_outs.remove(&pair);
            }
        }
        Ok(())
    }

    /// Whether a phone has opted out of a sender.
    pub(crate) fn has_opted_out(&self, sender: &str, phone: &str) -> bool {
        self.opt_outs.contains(&(sender.to_owned(), phone.to_owned()))
    }

    /// Whether the carriers block a sender: its messaging service has a campaign that is not verified.
    pub(crate) fn is_unregistered(&self, sender: &str) -> bool {
        self.service_of_sender(sender)
            .is_some_and(|service| service.campaign.is_some() && service.verified().is_none())
    }

    fn service_of_sender(&self, sender: &str) -> Option<&Service> {
        let of_number = self.number_by_e164(sender).and_then(|number| self.service_of(number));
        of_number.or_else(|| self.service(sender))
    }

    /// Puts a message into the queue of its sender. Returns how long it waits there, or `None` if the queue
    /// is too long. All numbers of a verified campaign share a queue and the campaign's rate. Another number
    /// sends one segment per second.
    pub(crate) fn enqueue(&mut self, sender: &str, segments: usize, now: Timestamp) -> Option<Duration> {
        let service = self.service_of_sender(sender);
        let campaign = service.and_then(|service| Some((&service.sid, service.verified()?)));
        let (queue, rate) = match campaign {
            Some((service, campaign)) => (service.clone(), campaign.segments_per_second),
            None => (sender.to_owned(), 1),
        };
        let start = self.queues.get(&queue).copied().unwrap_or(now).max(now);
        let wait = start.duration_since(now);
        if wait > MAX_QUEUE {
            return None;
        }
        let segments = i64::try_from(segments).unwrap_or(i64::MAX);
        let busy = SignedDuration::from_millis(segments.saturating_mul(1000) / i64::from(rate.max(1)));
        self.queues.insert(queue, start + busy);
        wait.try_into().ok()
    }

    /// Releases a number and removes it from its service.
    pub(crate) fn release(&mut self, sid: &str) -> Option<Number> {
        let at = self.numbers.iter().position(|number| number.sid == sid)?;
        for service in &mut self.services {
            service.remove(sid);
        }
        Some(self.numbers.remove(at))
    }

    pub(crate) fn service(&self, sid: &str) -> Option<&Service> {
        self.services.iter().find(|service| service.sid == sid)
    }

    pub(crate) fn service_mut(&mut self, sid: &str) -> Option<&mut Service> {
        self.services.iter_mut().find(|service| service.sid == sid)
    }

    pub(crate) fn campaign(&self, service: &str, sid: &str) -> Option<&Campaign> {
        self.service(service)?.campaign.as_ref().filter(|campaign| campaign.sid == sid)
    }

    pub(crate) fn sink(&self, sid: &str) -> Option<&Sink> {
        self.sinks.iter().find(|sink| sink.sid == sid)
    }

    /// Whether a sink has a subscription.
    pub(crate) fn is_in_use(&self, sink: &Sink) -> bool {
        self.subscriptions.iter().any(|subscription| subscription.sink_sid == sink.sid)
    }
}
