//! When to stop: told by a signal, or because the journal failed. A second signal ends the process at once.

use crate::service::Service;
use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Status of a process that was told twice to end.
const AT_ONCE: i32 = 1;

/// The signals that end the service, listened to from the start.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Listens to SIGTERM and SIGINT.
    pub fn listen() -> io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "terminated",
            _ = self.interrupt.recv() => "interrupted",
        }
    }

    /// Resolves when the service is told to stop, or has to. From then on another signal ends the process.
    pub async fn stop(mut self, service: &Service) {
        tokio::select! {
            how = self.next() => tracing::info!(how, "stopping: requests under way are finished; another signal ends at once"),
            reason = service.failed() => tracing::error!(reason, "stopping: the journal failed"),
        }
        tokio::spawn(async move {
            let how = self.next().await;
            tracing::error!(how, "ended at once, by a second signal");
            std::process::exit(AT_ONCE);
        });
    }
}
