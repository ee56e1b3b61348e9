//! Hosts whose requests wait until a test lets them pass. So a test decides what happens between any two
//! requests of a host, and after which of them the host dies.

use tokio::sync::{mpsc, oneshot};

/// Where the requests of hosts wait. Clones are one gate.
#[derive(Debug, Clone)]
pub struct Gate(mpsc::UnboundedSender<Arrival>);

/// The requests that come to a gate, in their order.
#[derive(Debug)]
pub struct Arrivals(mpsc::UnboundedReceiver<Arrival>);

/// A request that waits at the gate. It passes when this is dropped.
#[derive(Debug)]
pub struct Arrival {
    operation: String,
    passes: oneshot::Sender<()>,
}

/// Returns a gate, and what comes to it.
pub fn gate() -> (Gate, Arrivals) {
    let (gate, arrivals) = mpsc::unbounded_channel();
    (Gate(gate), Arrivals(arrivals))
}

impl Gate {
    /// Waits until the test lets this request pass. Returns at once if nobody watches the gate.
    pub(crate) async fn pass(&self, operation: String) {
        let (passes, passed) = oneshot::channel();
        if self.0.send(Arrival { operation, passes }).is_ok() {
            let _ = passed.await; // an error is an arrival that was dropped
        }
    }
}

impl Arrivals {
    /// Waits for the next request. Requests of hosts that died in the meantime are left out.
    pub async fn next(&mut self) -> Arrival {
        loop {
            match self.0.recv().await {
                Some(arrival) if arrival.passes.is_closed() => {}
                Some(arrival) => return arrival,
                None => std::future::pending().await, // no host has the gate
            }
        }
    }
}

impl Arrival {
    /// Returns the operation of the request, for example `Query`.
    pub fn operation(&self) -> &str {
        &self.operation
    }

    /// Lets the request pass.
    pub fn pass(self) {
        let _ = self.passes.send(());
    }
}
