//! The same way to a server for those who ask and wait: the fee wallet and the commands. Proxy and pinned
//! certificate are those of the watcher (`transport.rs`), so that there is one way out and not two.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::{ClientConnection, StreamOwned};

use super::config::Reach;
use super::connection::MAX_LINE;
use super::transport;

/// A connection that blocks, each read and write for a limited time.
pub struct BlockingStream {
    inner: Inner,
    timeout: Duration,
    /// Bytes of the line that is being read, and since when.
    line: usize,
    since: Instant,
}

enum Inner {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl BlockingStream {
    /// Connects, through the proxy if there is one. No answer may take longer than `timeout`. May be called
    /// within a runtime and outside of one.
    ///
    /// # Errors
    /// If nobody is there, or the certificate is not the one that is wanted.
    pub fn dial(reach: &Reach, timeout: Duration) -> io::Result<Self> {
        let address = &reach.server.address;
        // A runtime of its own on a thread of its own: the caller's may not be blocked upon.
        let dialled = std::thread::scope(|scope| scope.spawn(|| dial_tcp(reach, timeout)).join());
        let mut tcp = dialled.map_err(|_| io::Error::other("connecting failed"))??;
        tcp.set_read_timeout(Some(timeout))?;
        tcp.set_write_timeout(Some(timeout))?;
        let inner = if address.is_tls() {
            let config = Arc::new(transport::tls(&reach.server.trust)?);
            let name = transport::server_name(address)?;
            let mut tls = ClientConnection::new(config, name).map_err(io::Error::other)?;
            while tls.is_handshaking() {
                tls.complete_io(&mut tcp).map_err(|error| in_words(error, timeout))?;
            }
            Inner::Tls(Box::new(StreamOwned::new(tls, tcp)))
        } else {
            Inner::Plain(tcp)
        };
        Ok(Self { inner, timeout, line: 0, since: Instant::now() })
    }
}

fn dial_tcp(reach: &Reach, timeout: Duration) -> io::Result<TcpStream> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let dial = transport::dial_tcp(&reach.server.address, reach.socks5.as_deref());
    let tcp = runtime.block_on(async { tokio::time::timeout(timeout, dial).await });
    let tcp = tcp.map_err(|_| too_slow(timeout))??.into_std()?;
    tcp.set_nonblocking(false)?;
    Ok(tcp)
}

fn too_slow(timeout: Duration) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {} s", timeout.as_secs()))
}

/// What the system calls a time-out says nothing to people.
fn in_words(error: io::Error, timeout: Duration) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => too_slow(timeout),
        _ => error,
    }
}

impl Read for BlockingStream {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.inner {
            Inner::Plain(stream) => stream.read(bytes),
            Inner::Tls(stream) => stream.read(bytes),
        };
        let read = read.map_err(|error| in_words(error, self.timeout))?;
        match bytes[..read].iter().rposition(|byte| *byte == b'\n') {
            Some(end) => (self.line, self.since) = (read - end - 1, Instant::now()),
            None if self.line == 0 => (self.line, self.since) = (read, Instant::now()),
            None => self.line += read,
        }
        if self.line > MAX_LINE {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the server sent a line without an end"));
        }
        if self.line > 0 && self.since.elapsed() > self.timeout {
            return Err(too_slow(self.timeout));
        }
        Ok(read)
    }
}

impl Write for BlockingStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = match &mut self.inner {
            Inner::Plain(stream) => stream.write(bytes),
            Inner::Tls(stream) => stream.write(bytes),
        };
        written.map_err(|error| in_words(error, self.timeout))
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.inner {
            Inner::Plain(stream) => stream.flush(),
            Inner::Tls(stream) => stream.flush(),
        }
    }
}
