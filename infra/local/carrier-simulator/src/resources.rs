//! The resources of the account, except messages. Each list is in order of creation.

use crate::campaigns::brand::Brand;
use crate::campaigns::campaign::Campaign;
use crate::events::event::EventLog;
use crate::events::sink::Sink;
use crate::events::subscription::Subscription;
use crate::numbers::number::Number;
use crate::phone_page::names::Names;
use crate::services::service::Service;

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
    /// Whether the account owns a number in E.164 format.
    pub(crate) fn owns(&self, e164: &str) -> bool {
        self.numbers.iter().any(|number| number.e164 == e164)
    }

    pub(crate) fn number(&self, sid: &str) -> Option<&Number> {
        self.numbers.iter().find(|number| number.sid == sid)
    }

    pub(crate) fn number_mut(&mut self, sid: &str) -> Option<&mut Number> {
        self.numbers.iter_mut().find(|number| number.sid == sid)
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
