//! What the account has at the carrier besides messages. Lists stand in the order things were made.

use crate::campaigns::brand::Brand;
use crate::campaigns::campaign::Campaign;
use crate::events::event::EventLog;
use crate::events::sink::Sink;
use crate::events::subscription::Subscription;
use crate::numbers::number::Number;
use crate::phone_page::names::Names;
use crate::services::service::Service;

/// Numbers, services with their campaigns, brands, and who hears of events.
#[derive(Default)]
pub(crate) struct Resources {
    pub(crate) numbers: Vec<Number>,
    pub(crate) services: Vec<Service>,
    pub(crate) brands: Vec<Brand>,
    pub(crate) sinks: Vec<Sink>,
    pub(crate) subscriptions: Vec<Subscription>,
    pub(crate) events: EventLog,
    pub(crate) names: Names,
}

impl Resources {
    /// Whether a number is bought, by E.164.
    pub(crate) fn owns(&self, e164: &str) -> bool {
        self.numbers.iter().any(|number| number.e164 == e164)
    }

    /// The number of a sid.
    pub(crate) fn number(&self, sid: &str) -> Option<&Number> {
        self.numbers.iter().find(|number| number.sid == sid)
    }

    /// The number of a sid, to change it.
    pub(crate) fn number_mut(&mut self, sid: &str) -> Option<&mut Number> {
        self.numbers.iter_mut().find(|number| number.sid == sid)
    }

    /// Gives a number back, out of the service it was in.
    pub(crate) fn release(&mut self, sid: &str) -> Option<Number> {
        let at = self.numbers.iter().position(|number| number.sid == sid)?;
        for service in &mut self.services {
            service.remove(sid);
        }
        Some(self.numbers.remove(at))
    }

    /// The messaging service of a sid.
    pub(crate) fn service(&self, sid: &str) -> Option<&Service> {
        self.services.iter().find(|service| service.sid == sid)
    }

    /// The messaging service of a sid, to change it.
    pub(crate) fn service_mut(&mut self, sid: &str) -> Option<&mut Service> {
        self.services.iter_mut().find(|service| service.sid == sid)
    }

    /// The campaign of a service and a sid.
    pub(crate) fn campaign(&self, service: &str, sid: &str) -> Option<&Campaign> {
        self.service(service)?.campaign.as_ref().filter(|campaign| campaign.sid == sid)
    }

    /// The sink of a sid.
    pub(crate) fn sink(&self, sid: &str) -> Option<&Sink> {
        self.sinks.iter().find(|sink| sink.sid == sid)
    }

    /// Whether a subscription fills a sink.
    pub(crate) fn is_in_use(&self, sink: &Sink) -> bool {
        self.subscriptions.iter().any(|subscription| subscription.sink_sid == sink.sid)
    }
}
