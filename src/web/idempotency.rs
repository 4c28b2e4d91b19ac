//! `Idempotency-Key`: the answer to a request is kept, and told again when the same client sends the same key
//! with the same request (draft-ietf-httpapi-idempotency-key-header). Others wait while the first is under
//! way. Kept in memory, bounded: after a restart a request is carried out anew, which does no harm, because
//! every request may be repeated.

use super::ApiError;
use super::clients::Client;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// An answer is kept for so long.
const KEEP: Duration = Duration::from_secs(24 * 3_600);
/// Most answers kept, and most bytes of them; the oldest make room.
const MAX_ANSWERS: usize = 10_000;
const MAX_BYTES: usize = 64 << 20;
/// Most keys of one client, so that none can push out what is kept for others.
const MAX_PER_CLIENT: usize = 1_000;
/// Longest answer kept.
pub const MAX_ANSWER_BYTES: usize = 4 << 20;
/// Longest key.
const MAX_KEY_BYTES: usize = 255;

/// A client's key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    client: Client,
    key: String,
}

impl Key {
    /// Reads the header: a structured-field string, or the bare text many clients send.
    pub fn read(client: Client, header: &str) -> Result<Key, ApiError> {
        let text = header.trim();
        let text = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
        let good = !text.is_empty()
            && text.len() <= MAX_KEY_BYTES
            && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\');
        if !good {
            let detail = "Idempotency-Key is 1 to 255 visible ASCII characters, in quotation marks or bare";
            return Err(ApiError::new("idempotency_key", detail.into()));
        }
        Ok(Key { client, key: text.to_owned() })
    }
}

/// An answer, as it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Answer {
    /// Whether it stays the answer: what is right or wrong in itself does; what may be otherwise in a moment
    /// does not.
    pub fn is_final(&self) -> bool {
        let passing = [
            StatusCode::UNAUTHORIZED,
            StatusCode::FORBIDDEN,
            StatusCode::REQUEST_TIMEOUT,
            StatusCode::CONFLICT,
            StatusCode::TOO_MANY_REQUESTS,
        ];
        !self.status.is_server_error() && !passing.contains(&self.status)
    }
}

/// Hash of everything that makes a request the same: method, path, body, identity.
pub type Fingerprint = [u8; 32];

/// What is kept.
#[derive(Default)]
pub struct Idempotency {
    kept: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    entries: HashMap<Key, Entry>,
    /// Keys of answers, oldest first; what was pushed out already may still stand here.
    order: VecDeque<(Instant, Key)>,
    by_client: HashMap<Client, usize>,
    bytes: usize,
}

struct Entry {
    fingerprint: Fingerprint,
    state: State,
}

enum State {
    UnderWay(watch::Receiver<()>),
    Done(Instant, Arc<Answer>),
}

/// What to do with a request.
pub enum Begun {
    /// Carry it out, and tell [`First::finish`].
    First(First),
    /// This is the answer.
    Known(Arc<Answer>),
}

/// The right to carry a request out, which others with its key wait for. Given up when dropped.
pub struct First {
    kept: Arc<Mutex<Kept>>,
    key: Key,
    _under_way: watch::Sender<()>,
    finished: bool,
}

fn lock(kept: &Mutex<Kept>) -> MutexGuard<'_, Kept> {
    // Every change under the lock is whole before anything that could panic.
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Idempotency {
    /// Waits while an equal request is under way.
    ///
    /// # Errors
    /// `idempotency_key_reused` where the key came with another request.
    pub async fn begin(&self, key: Key, fingerprint: Fingerprint) -> Result<Begun, ApiError> {
        loop {
            let mut waiting = {
                let mut kept = lock(&self.kept);
                kept.expire();
                match kept.entries.get(&key) {
                    Some(entry) if entry.fingerprint != fingerprint => {
                        let detail = format!("the key {:?} came with another request before", key.key);
                        return Err(ApiError::new("idempotency_key_reused", detail));
                    }
                    Some(Entry { state: State::Done(_, answer), .. }) => {
                        return Ok(Begun::Known(Arc::clone(answer)));
                    }
                    Some(Entry { state: State::UnderWay(waiting), .. }) => waiting.clone(),
                    None => return kept.start(key, fingerprint, &self.kept),
                }
            };
            // Ends when the first is done or gives up; then we look again.
            while waiting.changed().await.is_ok() {}
        }
    }
}

impl Kept {
    fn start(
        &mut self,
        key: Key,
        fingerprint: Fingerprint,
        kept: &Arc<Mutex<Kept>>,
    ) -> Result<Begun, ApiError> {
        let count = self.by_client.entry(key.client).or_default();
        if *count >= MAX_PER_CLIENT {
            let detail =
                format!("at most {MAX_PER_CLIENT} idempotency keys of one client are kept for a day");
            return Err(ApiError::new("too_many_requests", detail).retry_after(3_600));
        }
        *count += 1;
        let (sender, receiver) = watch::channel(());
        self.entries.insert(key.clone(), Entry { fingerprint, state: State::UnderWay(receiver) });
        Ok(Begun::First(First { kept: Arc::clone(kept), key, _under_way: sender, finished: false }))
    }

    fn expire(&mut self) {
        while let Some((at, _)) = self.order.front()
            && (at.elapsed() > KEEP || self.order.len() > MAX_ANSWERS || self.bytes > MAX_BYTES)
        {
            let Some((at, key)) = self.order.pop_front() else { break };
            let this = |entry: &Entry| matches!(entry.state, State::Done(done, _) if done == at);
            if self.entries.get(&key).is_some_and(this) {
                self.remove(&key);
            }
        }
    }

    fn remove(&mut self, key: &Key) {
        let Some(entry) = self.entries.remove(key) else { return };
        if let State::Done(_, answer) = entry.state {
            self.bytes = self.bytes.saturating_sub(answer.body.len());
        }
        if let Some(count) = self.by_client.get_mut(&key.client) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.by_client.remove(&key.client);
            }
        }
    }
}

impl First {
    /// Keeps the answer if it is final, and lets the others go on.
    pub fn finish(mut self, answer: &Answer) {
        if answer.is_final() && answer.body.len() <= MAX_ANSWER_BYTES {
            let mut kept = lock(&self.kept);
            let now = Instant::now();
            if let Some(entry) = kept.entries.get_mut(&self.key) {
                entry.state = State::Done(now, Arc::new(answer.clone()));
                kept.bytes += answer.body.len();
                kept.order.push_back((now, self.key.clone()));
                self.finished = true;
            }
        }
        // Dropping the sender wakes those who wait.
    }
}

impl Drop for First {
    fn drop(&mut self) {
        if !self.finished {
            lock(&self.kept).remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{IpAddr, Ipv4Addr};

    fn key(client: u32, text: &str) -> Key {
        Key::read(Client::Address(IpAddr::V4(Ipv4Addr::from_bits(client))), text).unwrap()
    }

    fn answer(status: u16, bytes: usize) -> Answer {
        let status = StatusCode::from_u16(status).unwrap();
        Answer { status, headers: HeaderMap::new(), body: Bytes::from(vec![b'x'; bytes]) }
    }

    async fn first(kept: &Idempotency, key: Key) -> First {
        match kept.begin(key, [1; 32]).await.ok().unwrap() {
            Begun::First(first) => first,
            Begun::Known(_) => panic!("it was known"),
        }
    }

    #[tokio::test]
    async fn the_first_answer_is_told_again_to_the_same_client() {
        let kept = Idempotency::default();
        first(&kept, key(1, "\"a\"")).await.finish(&answer(201, 3));
        let Ok(Begun::Known(known)) = kept.begin(key(1, "a"), [1; 32]).await else { panic!("kept") };
        assert_eq!(*known, answer(201, 3));
        let reused = kept.begin(key(1, "a"), [2; 32]).await.err().unwrap();
        assert_eq!(reused.code(), "idempotency_key_reused");
        first(&kept, key(2, "a")).await;
    }

    #[tokio::test]
    async fn what_may_be_otherwise_in_a_moment_is_not_kept() {
        let kept = Idempotency::default();
        for status in [500, 503, 401, 403, 408, 409, 429] {
            first(&kept, key(1, "a")).await.finish(&answer(status, 1));
        }
        first(&kept, key(1, "a")).await.finish(&answer(200, MAX_ANSWER_BYTES + 1));
        // Given up: by a panic, or a client that went away.
        drop(first(&kept, key(1, "a")).await);
        first(&kept, key(1, "a")).await.finish(&answer(422, 1));
        assert!(matches!(kept.begin(key(1, "a"), [1; 32]).await, Ok(Begun::Known(_))));
    }

    #[tokio::test]
    async fn memory_is_bounded_by_count_bytes_and_client() {
        let kept = Idempotency::default();
        for number in 0..40 {
            first(&kept, key(number, "a")).await.finish(&answer(200, MAX_ANSWER_BYTES));
        }
        lock(&kept.kept).expire();
        assert!(lock(&kept.kept).bytes <= MAX_BYTES);
        for number in 0..MAX_ANSWERS + 100 {
            let number = u32::try_from(number).unwrap();
            first(&kept, key(1_000 + number, "a")).await.finish(&answer(200, 0));
        }
        let _ = kept.begin(key(1, "z"), [1; 32]).await;
        {
            let now = lock(&kept.kept);
            assert!(now.entries.len() <= MAX_ANSWERS + 1 && now.order.len() <= MAX_ANSWERS);
            assert_eq!(now.by_client.values().sum::<usize>(), now.entries.len());
        }
        for number in 0..MAX_PER_CLIENT {
            first(&kept, key(7, &format!("k{number}"))).await.finish(&answer(200, 0));
        }
        assert_eq!(kept.begin(key(7, "more"), [1; 32]).await.err().unwrap().code(), "too_many_requests");
    }

    #[test]
    fn keys_are_short_and_visible() {
        let client = Client::Crowd;
        for good in ["a", "\"8e03978e-40d5-43dd-bc93-6894a57f9324\"", &"k".repeat(255)] {
            Key::read(client, good).unwrap();
        }
        for bad in ["", "\"\"", "a b", "\"", "a\"b", "a\\b", "ä", &"k".repeat(256)] {
            assert_eq!(Key::read(client, bad).unwrap_err().code(), "idempotency_key", "{bad}");
        }
    }
}
