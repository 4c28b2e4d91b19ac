//! The port for outgoing HTTP, and the real one. What is connected to was looked at: a name is resolved once,
//! every address it has must be public, and exactly those addresses are connected to. Redirects are not
//! followed, proxies of the environment not used, answers hardly read.

use super::address::{Target, is_public};
use futures::future::BoxFuture;
use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use ureq::Agent;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

/// A whole delivery takes at most so long.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Longest head of an answer read; of its body nothing is.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// A request to somebody else's server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Post {
    /// Where to.
    pub url: String,
    /// Names and values.
    pub headers: Vec<(&'static str, String)>,
    /// JSON.
    pub body: String,
}

/// Somebody answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The status.
    pub status: u16,
}

/// Nobody answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PostError {
    /// Where it would have gone to is no public address, or the URL is not allowed.
    #[error("refused: {reason}")]
    Refused {
        /// In words.
        reason: String,
    },
    /// No connection, no TLS, no answer in time.
    #[error("no answer: {reason}")]
    NoAnswer {
        /// In words.
        reason: String,
    },
}

/// Outgoing HTTP.
pub trait Outgoing: Send + Sync {
    /// Posts, and says what was answered.
    fn post(&self, post: Post) -> BoxFuture<'_, Result<Answered, PostError>>;
}

/// The real one.
#[derive(Debug)]
pub struct UreqOutgoing {
    agent: Agent,
    allow: BTreeSet<String>,
}

impl UreqOutgoing {
    /// `allow` lists hosts with port that may be in any network.
    pub fn new(allow: BTreeSet<String>) -> UreqOutgoing {
        UreqOutgoing::with_resolver(allow, DefaultResolver::default())
    }

    /// With another way to resolve names.
    pub fn with_resolver(allow: BTreeSet<String>, resolver: impl Resolver) -> UreqOutgoing {
        let config = Config::builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_response_header_size(MAX_HEAD_BYTES)
            // A connection that is kept open would outlive the check of its address.
            .max_idle_connections(0)
            .proxy(None)
            .timeout_global(Some(TIMEOUT))
            .user_agent(concat!("upfront/", env!("CARGO_PKG_VERSION"), " (webhook)"))
            .build();
        let guard = Guard { inner: Arc::new(resolver), allow: allow.clone() };
        UreqOutgoing { agent: Agent::with_parts(config, DefaultConnector::default(), guard), allow }
    }
}

impl Outgoing for UreqOutgoing {
    fn post(&self, post: Post) -> BoxFuture<'_, Result<Answered, PostError>> {
        let agent = self.agent.clone();
        Box::pin(async move {
            // The operator's exceptions may have changed since the subscription.
            Target::parse(&post.url, &self.allow)
                .map_err(|error| PostError::Refused { reason: error.to_string() })?;
            let sent = tokio::task::spawn_blocking(move || {
                let mut request = agent.post(&post.url).header("content-type", "application/json");
                for (name, value) in &post.headers {
                    request = request.header(*name, value);
                }
                request.send(&post.body)
            });
            match sent.await {
                Ok(Ok(response)) => Ok(Answered { status: response.status().as_u16() }),
                Ok(Err(ureq::Error::Io(error))) if error.kind() == io::ErrorKind::PermissionDenied => {
                    Err(PostError::Refused { reason: error.to_string() })
                }
                Ok(Err(error)) => Err(PostError::NoAnswer { reason: error.to_string() }),
                Err(_) => Err(PostError::NoAnswer { reason: "it was given up".into() }),
            }
        })
    }
}

/// Lets nothing be connected to that is not public.
#[derive(Debug)]
struct Guard {
    inner: Arc<dyn Resolver>,
    allow: BTreeSet<String>,
}

impl Resolver for Guard {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let refused =
            |reason: String| ureq::Error::Io(io::Error::new(io::ErrorKind::PermissionDenied, reason));
        let target =
            Target::parse(&uri.to_string(), &self.allow).map_err(|error| refused(error.to_string()))?;
        let addresses = self.inner.resolve(uri, config, timeout)?;
        if self.allow.contains(target.host_port()) {
            return Ok(addresses);
        }
        match addresses.iter().find(|address| !is_public(address.ip())) {
            // One that is not public spoils the name: who mixes them means no good.
            Some(private) => {
                Err(refused(format!("the name leads to {}, which is no public address", private.ip())))
            }
            None => Ok(addresses),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpListener};
    use std::sync::Mutex;

    /// Gives one list of addresses after the other.
    #[derive(Debug)]
    struct Scripted(Mutex<Vec<Vec<SocketAddr>>>);

    impl Resolver for Scripted {
        fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
            let mut answer = self.empty();
            self.0.lock().unwrap().remove(0).into_iter().for_each(|address| answer.push(address));
            Ok(answer)
        }
    }

    fn post(url: &str) -> Post {
        Post { url: url.into(), headers: vec![("webhook-id", "1".into())], body: "{}".into() }
    }

    #[tokio::test]
    async fn a_name_that_turns_to_a_private_address_is_not_connected_to() {
        let loopback = TcpListener::bind("127.0.0.1:0").unwrap();
        loopback.set_nonblocking(true).unwrap();
        let inside = loopback.local_addr().unwrap();
        let public: SocketAddr = "192.0.1.1:1".parse().unwrap();
        let scripted = Scripted(Mutex::new(vec![
            vec![inside],
            vec![public, inside],
            vec!["[::ffff:127.0.0.1]:443".parse().unwrap()],
            vec!["169.254.169.254:443".parse().unwrap()],
        ]));
        let outgoing = UreqOutgoing::with_resolver(BTreeSet::new(), scripted);
        let url = format!("https://rebinding.example.org:{}/", inside.port());
        for _ in 0..4 {
            let refused = outgoing.post(post(&url)).await;
            assert!(matches!(refused, Err(PostError::Refused { .. })), "{refused:?}");
        }
        assert_eq!(loopback.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock, "nobody connected");
    }

    /// A server that answers every request with `answer` and counts them.
    fn server(answer: String) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = vec![0; 4096];
                let read = stream.read(&mut request).unwrap();
                heard.lock().unwrap().push(String::from_utf8_lossy(&request[..read]).into_owned());
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        (address, seen)
    }

    #[tokio::test]
    async fn a_redirect_is_an_answer_and_is_not_followed() {
        let (inside, reached) = server("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".into());
        let location = format!("HTTP/1.1 307 X\r\nlocation: http://{inside}/\r\ncontent-length: 0\r\n\r\n");
        let (outside, asked) = server(location);
        let outgoing = UreqOutgoing::new(BTreeSet::from([outside.to_string(), inside.to_string()]));
        let answered = outgoing.post(post(&format!("http://{outside}/hook"))).await.unwrap();
        assert_eq!(answered, Answered { status: 307 });
        assert_eq!(reached.lock().unwrap().len(), 0);
        let request = asked.lock().unwrap()[0].to_lowercase();
        assert!(
            request.starts_with("post /hook http/1.1\r\n") && request.contains("webhook-id: 1"),
            "{request}"
        );
    }

    #[tokio::test]
    async fn literal_addresses_are_refused_without_a_connection() {
        let outgoing = UreqOutgoing::new(BTreeSet::new());
        for url in [
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://10.1.2.3/",
            "https://127.1/",
            "http://example.org/",
        ] {
            let refused = outgoing.post(post(url)).await;
            assert!(matches!(refused, Err(PostError::Refused { .. })), "{url}: {refused:?}");
        }
    }
}
