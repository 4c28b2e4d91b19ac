//! How often a client may ask: token buckets by client and class of request, in bounded memory.

use super::ApiError;
use super::classes::Class;
use super::clients::Client;
use crate::config::api::ApiLimits;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};

/// Clients told apart; from there on those that are new share one bucket until old ones are forgotten.
const MAX_CLIENTS: usize = 100_000;
/// Forgets clients whose buckets are full again so often, counted in requests.
const SWEEP_EVERY: u64 = 10_000;

type Buckets = RateLimiter<Client, DefaultKeyedStateStore<Client>, DefaultClock, StateInformationMiddleware>;

/// The buckets of all clients.
pub struct Rates {
    classes: [(Class, Option<Bucket>); 3],
    clock: DefaultClock,
    max_clients: usize,
}

struct Bucket {
    per_minute: u32,
    buckets: Buckets,
    asked: AtomicU64,
}

/// What is left, for the headers of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    class: Class,
    per_minute: u32,
    remaining: u32,
}

impl Rates {
    /// Full buckets.
    pub fn new(limits: &ApiLimits) -> Rates {
        let bucket = |per_minute| {
            Some(Bucket {
                per_minute,
                buckets: RateLimiter::keyed(Quota::per_minute(NonZeroU32::new(per_minute)?))
                    .with_middleware(),
                asked: AtomicU64::new(0),
            })
        };
        Rates {
            classes: [
                (Class::Read, bucket(limits.reads_per_minute)),
                (Class::Write, bucket(limits.writes_per_minute)),
                (Class::Costly, bucket(limits.costly_per_minute)),
            ],
            clock: DefaultClock::default(),
            max_clients: MAX_CLIENTS,
        }
    }

    /// Counts a request; says what is left, or that it is too much. Nothing to say where nothing is limited.
    pub fn count(&self, client: Client, class: Class) -> Result<Option<Left>, ApiError> {
        let bucket = self.classes.iter().find(|(of, _)| *of == class).and_then(|(_, bucket)| bucket.as_ref());
        let Some(Bucket { per_minute, buckets, asked }) = bucket else { return Ok(None) };
        let full = buckets.len() >= self.max_clients;
        if asked.fetch_add(1, Ordering::Relaxed) % SWEEP_EVERY == SWEEP_EVERY - 1 {
            buckets.retain_recent();
            buckets.shrink_to_fit();
        }
        let client = if full { Client::Crowd } else { client };
        match buckets.check_key(&client) {
            Ok(state) => {
                let remaining = state.remaining_burst_capacity();
                Ok(Some(Left { class, per_minute: *per_minute, remaining }))
            }
            Err(until) => {
                let wait = until.wait_time_from(self.clock.now());
                let secs = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1);
                let left = Left { class, per_minute: *per_minute, remaining: 0 };
                let (name, whom) = (class.name(), words(client));
                let detail = format!("{whom} has {per_minute} {name} a minute; the next in {secs} s");
                Err(ApiError::new("too_many_requests", detail).retry_after(secs).rate(left))
            }
        }
    }
}

fn words(client: Client) -> &'static str {
    match client {
        Client::Address(_) => "your address",
        Client::Identity(_) => "your identity",
        Client::Crowd => "everybody together",
    }
}

impl Left {
    /// `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers).
    pub fn write(&self, headers: &mut HeaderMap) {
        let Left { class, per_minute, remaining } = self;
        let name = class.name();
        let mut put = |header: &'static str, value: String| {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(HeaderName::from_static(header), value);
            }
        };
        put("ratelimit-policy", format!("\"{name}\";q={per_minute};w=60"));
        put("ratelimit", format!("\"{name}\";r={remaining}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{IpAddr, Ipv4Addr};

    fn client(number: u32) -> Client {
        Client::Address(IpAddr::V4(Ipv4Addr::from_bits(number)))
    }

    fn limits(per_minute: u32) -> ApiLimits {
        ApiLimits {
            reads_per_minute: 0,
            writes_per_minute: per_minute,
            costly_per_minute: 1,
            ..ApiLimits::default()
        }
    }

    #[test]
    fn each_client_and_class_has_a_bucket_of_its_own() {
        let rates = Rates::new(&limits(3));
        for left in [2, 1, 0] {
            assert_eq!(rates.count(client(1), Class::Write).unwrap().unwrap().remaining, left);
        }
        let refused = rates.count(client(1), Class::Write).unwrap_err();
        assert_eq!(refused.code(), "too_many_requests");
        assert!(rates.count(client(2), Class::Write).is_ok(), "another client");
        assert!(rates.count(client(1), Class::Costly).is_ok(), "another class");
        for _ in 0..10_000 {
            assert_eq!(rates.count(client(1), Class::Read).unwrap(), None, "0 is any number");
        }
    }

    /// Clients beyond the bound share one bucket: memory does not grow, and those known keep theirs.
    #[test]
    fn memory_is_bounded() {
        let mut rates = Rates::new(&limits(1));
        rates.max_clients = 50;
        let passed = (0..1_000).filter(|number| rates.count(client(*number), Class::Write).is_ok()).count();
        assert_eq!(passed, 51, "fifty, and one for all the others");
        let buckets = rates.classes[1].1.as_ref().unwrap();
        assert_eq!(buckets.buckets.len(), 51);
    }
}
