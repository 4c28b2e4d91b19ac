//! Tells systemd how the service fares (`sd_notify(3)`): a datagram to the socket that `NOTIFY_SOCKET` names.
//! Without the variable, nothing.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The way to the service manager, if one listens.
#[derive(Debug)]
pub struct Notifier(Option<(UnixDatagram, SocketAddr)>);

impl Notifier {
    /// Where `NOTIFY_SOCKET` says.
    pub fn from_environment() -> Notifier {
        let Some(place) = crate::config::environment("NOTIFY_SOCKET") else { return Notifier(None) };
        match Notifier::to(&place) {
            Ok(notifier) => notifier,
            Err(error) => {
                tracing::warn!(%error, "the service manager cannot be told anything");
                Notifier(None)
            }
        }
    }

    /// To a path, or to a name of the abstract namespace (`@name`).
    pub fn to(place: &str) -> io::Result<Notifier> {
        let address = match place.strip_prefix('@') {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(place)?,
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        Ok(Notifier(Some((socket, address))))
    }

    /// Sends `lines`, as `READY=1`. A manager that does not listen costs nothing.
    pub fn tell(&self, lines: &str) {
        if let Some((socket, address)) = &self.0
            && let Err(error) = socket.send_to_addr(lines.as_bytes(), address)
        {
            tracing::debug!(%error, lines, "the service manager was not told");
        }
    }
}

/// How often the manager wants a sign of life: half of the time it waits for one (`WATCHDOG_USEC`), if it does
/// for this process (`WATCHDOG_PID`).
pub fn watchdog_interval(usec: Option<&str>, pid: Option<&str>) -> Option<Duration> {
    if pid.is_some_and(|pid| pid != std::process::id().to_string()) {
        return None;
    }
    let usec: u64 = usec?.parse().ok()?;
    (usec > 0).then(|| Duration::from_micros(usec) / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manager_hears_what_it_is_told_by_path_and_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        Notifier::to(path.to_str().unwrap()).unwrap().tell("READY=1\nSTATUS=serving");
        let mut heard = [0; 64];
        let length = manager.recv(&mut heard).unwrap();
        assert_eq!(&heard[..length], b"READY=1\nSTATUS=serving");

        let name = format!("upfront-test-{}", std::process::id());
        let manager = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        Notifier::to(&format!("@{name}")).unwrap().tell("STOPPING=1");
        let length = manager.recv(&mut heard).unwrap();
        assert_eq!(&heard[..length], b"STOPPING=1");
        // Nobody there is no failure.
        drop(manager);
        Notifier::to(&format!("@{name}")).unwrap().tell("STOPPING=1");
        Notifier(None).tell("READY=1");
    }

    #[test]
    fn the_watchdog_is_fed_at_half_its_time_and_only_if_it_is_ours() {
        let pid = std::process::id().to_string();
        assert_eq!(watchdog_interval(Some("30000000"), Some(&pid)), Some(Duration::from_secs(15)));
        assert_eq!(watchdog_interval(Some("30000000"), None), Some(Duration::from_secs(15)));
        assert_eq!(watchdog_interval(Some("30000000"), Some("1")), None);
        assert_eq!(watchdog_interval(Some("0"), None), None);
        assert_eq!(watchdog_interval(None, None), None);
    }
}
