//! Deliveries, with a scripted receiver and a journal in memory.

use super::*;
use crate::escrow::public::{At, PublicEvent, Repository, What};
use crate::store::journal::{MemoryJournal, OpenError, Recorded, Ticket};
use bitcoin::secp256k1::{Keypair, Secp256k1};
use futures::future::BoxFuture;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// Counts up, so that nothing is the same twice.
#[derive(Default)]
struct Counting(AtomicU8);

impl Randomness for Counting {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
        bytes.fill(self.0.fetch_add(1, Ordering::SeqCst));
        Ok(())
    }
}

/// A clock that tests move.
#[derive(Default)]
struct Hands(AtomicU64);

impl Clock for Hands {
    fn now_secs(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// A receiver: answers as scripted, then 204; keeps what it got.
#[derive(Default)]
struct Receiver {
    got: Mutex<Vec<Post>>,
    script: Mutex<VecDeque<Result<u16, PostError>>>,
}

impl Outgoing for Receiver {
    fn post(&self, post: Post) -> BoxFuture<'_, Result<Answered, PostError>> {
        self.got.lock().unwrap().push(post);
        let next = self.script.lock().unwrap().pop_front().unwrap_or(Ok(204));
        Box::pin(async move { next.map(|status| Answered { status }) })
    }
}

impl Receiver {
    fn ids(&self) -> Vec<String> {
        let got = self.got.lock().unwrap();
        let id = |post: &Post| {
            let body: serde_json::Value = serde_json::from_str(&post.body).unwrap();
            body["id"].as_str().unwrap().to_owned()
        };
        got.iter().map(id).collect()
    }
}

/// A journal that outlives the webhooks on top of it.
#[derive(Clone, Default)]
struct Disk(Arc<MemoryJournal>);

impl Journal<HookRecord> for Disk {
    fn append(&self, next_seq: u64, at_secs: u64, events: &[HookRecord]) -> Result<Ticket, AppendError> {
        self.0.append(next_seq, at_secs, events)
    }
    fn next_seq(&self) -> u64 {
        Journal::<HookRecord>::next_seq(&*self.0)
    }
    fn read_from(&self, seq: u64) -> Result<Vec<Recorded<HookRecord>>, OpenError> {
        self.0.read_from(seq)
    }
}

struct World {
    journal: Disk,
    events: Arc<EventLog>,
    receiver: Arc<Receiver>,
    clock: Arc<Hands>,
    webhooks: Arc<Webhooks>,
    job: tokio::task::JoinHandle<()>,
}

fn me(n: u8) -> Owner {
    Owner(Keypair::from_seckey_slice(&Secp256k1::new(), &[n; 32]).unwrap().x_only_public_key().0)
}

fn event(seq: u64, task: u8, reached: bool) -> PublicEvent {
    let funding = crate::escrow::public::Funding { raised_sat: seq, target_sat: 9 };
    PublicEvent {
        id: EventId { seq, place: 0 },
        what: if reached { What::TargetReached(funding) } else { What::TargetLost(funding) },
        charter: Some(CharterId([task; 32])),
        wish: None,
        pledge: None,
        signed_by: None,
        project: ProjectId::of("https://example.org/repository"),
        repository: Repository::new("https://example.org/repository"),
        at: Some(At { height: 1, mtp_secs: 2 }),
        recorded_secs: 3,
    }
}

fn start(journal: Disk, events: &Arc<EventLog>, receiver: &Arc<Receiver>) -> World {
    let clock = Arc::new(Hands::default());
    let records = journal.read_from(0).unwrap().into_iter().map(|recorded| recorded.event).collect();
    let limits = Limits {
        per_owner: 2,
        backoff: vec![Duration::from_millis(5)],
        give_up: Duration::from_secs(100),
        ..Limits::default()
    };
    let webhooks = Webhooks::new(Parts {
        journal: Box::new(journal.clone()),
        records,
        events: Arc::clone(events),
        outgoing: Arc::clone(receiver) as Arc<dyn Outgoing>,
        clock: Arc::clone(&clock) as Arc<dyn Clock>,
        randomness: Arc::new(Counting::default()),
        metrics: Arc::new(Metrics::default()),
        limits,
    });
    let job = tokio::spawn(run(Arc::clone(&webhooks)));
    World { journal, events: Arc::clone(events), receiver: Arc::clone(receiver), clock, webhooks, job }
}

fn world() -> World {
    let events = Arc::new(EventLog::new(1_000, 1, 1));
    start(Disk::default(), &events, &Arc::default())
}

impl World {
    async fn subscribe(&self, scope: Scope, types: &[&str]) -> (WebhookView, Secret) {
        let types = types.iter().map(|name| (*name).to_owned()).collect();
        self.webhooks.create(me(1), "https://example.org/hook", scope, types).await.unwrap()
    }

    async fn until(&self, what: &str, done: impl Fn(&World) -> bool) {
        for _ in 0..2_000 {
            if done(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("waited in vain: {what}; got {:?}", self.receiver.ids());
    }

    async fn got(&self, ids: &[&str]) {
        self.until(&format!("{ids:?}"), |world| world.receiver.ids().len() >= ids.len()).await;
        assert_eq!(self.receiver.ids(), ids);
    }
}

#[tokio::test]
async fn what_happens_from_now_on_is_told_in_order_and_signed() {
    let world = world();
    world.events.tell(vec![event(1, 1, true)]);
    let (hook, secret) = world.subscribe(Scope::default(), &[]).await;
    world.events.tell(vec![event(2, 1, true), event(3, 2, false)]);
    world.events.tell(vec![event(4, 1, true)]);
    world.got(&["2-0", "3-0", "4-0"]).await;
    let got = world.receiver.got.lock().unwrap().clone();
    for post in &got {
        let header = |name: &str| post.headers.iter().find(|(given, _)| *given == name).unwrap().1.clone();
        let (id, at) = (header("webhook-id"), header("webhook-timestamp").parse().unwrap());
        assert!(id.starts_with(&format!("{}-", hook.id)), "{id}");
        verify(&secret, &id, at, &header("webhook-signature"), post.body.as_bytes(), at).unwrap();
    }
    assert_eq!(serde_json::from_str::<PublicEvent>(&got[0].body).unwrap(), event(2, 1, true));
}

#[tokio::test]
async fn scopes_and_types_leave_the_rest_out() {
    let world = world();
    let task = Scope { task: Some(CharterId([2; 32])), ..Scope::default() };
    let (hook, _) = world.subscribe(task, &["target_reached"]).await;
    world.events.tell(vec![event(1, 1, true), event(2, 2, false), event(3, 2, true), event(4, 1, true)]);
    world.got(&["3-0"]).await;
    world
        .until("the rest is passed over", |world| {
            world.webhooks.view(me(1), hook.id).unwrap().delivered == EventId { seq: 4, place: 0 }
        })
        .await;
}

#[tokio::test]
async fn a_wish_is_a_scope_of_its_own() {
    let world = world();
    let wish = TaskId([7; 32]);
    let (hook, _) = world.subscribe(Scope { wish: Some(wish), ..Scope::default() }, &[]).await;
    assert_eq!(hook.wish, Some(wish));
    let said = |seq, wish| PublicEvent { charter: None, wish: Some(wish), ..event(seq, 1, true) };
    let chartered = PublicEvent { wish: Some(wish), ..event(4, 1, true) };
    world.events.tell(vec![event(1, 1, true), said(2, wish), said(3, TaskId([8; 32])), chartered]);
    world.got(&["2-0", "4-0"]).await;
    let both = Scope { project: Some(ProjectId::of("x")), wish: Some(wish), ..Scope::default() };
    let refused = world.webhooks.create(me(1), "https://example.org/", both, Vec::new()).await;
    assert!(matches!(refused, Err(WebhookError::TwoScopes)));
    // Subscriptions of before are read as they were written.
    let before: Scope = serde_json::from_str("{}").unwrap();
    assert_eq!((before, serde_json::to_string(&before).unwrap().as_str()), (Scope::default(), "{}"));
}

#[tokio::test]
async fn a_failure_is_tried_again_and_holds_the_order() {
    let world = world();
    let refused = PostError::NoAnswer { reason: "down".into() };
    *world.receiver.script.lock().unwrap() = [Err(refused), Ok(500), Ok(302), Ok(200)].into();
    let (hook, _) = world.subscribe(Scope::default(), &[]).await;
    world.events.tell(vec![event(1, 1, true), event(2, 1, true)]);
    world.got(&["1-0", "1-0", "1-0", "1-0", "2-0"]).await;
    world
        .until("all tries are shown", |world| {
            world.webhooks.view(me(1), hook.id).unwrap().attempts.len() == 5
        })
        .await;
    let attempts = world.webhooks.view(me(1), hook.id).unwrap().attempts;
    let statuses: Vec<_> =
        attempts.iter().rev().map(|attempt| (attempt.status, attempt.error.is_some())).collect();
    assert_eq!(
        statuses,
        [(None, true), (Some(500), true), (Some(302), true), (Some(200), false), (Some(204), false)]
    );
}

#[tokio::test]
async fn a_restart_goes_on_where_it_was_and_loses_nothing() {
    let mut world = world();
    let (hook, secret) = world.subscribe(Scope::default(), &[]).await;
    world.events.tell(vec![event(1, 1, true)]);
    world.got(&["1-0"]).await;
    world
        .until("the cursor is durable", |world| {
            world
                .journal
                .read_from(0)
                .unwrap()
                .iter()
                .any(|r| matches!(r.event, HookRecord::Delivered { .. }))
        })
        .await;
    // The next is told while nobody delivers, and the receiver fails at first.
    world.job.abort();
    let _ = (&mut world.job).await;
    world.events.tell(vec![event(2, 1, true)]);
    let again = start(world.journal.clone(), &world.events, &world.receiver);
    again.got(&["1-0", "2-0"]).await;
    assert_eq!(again.webhooks.view(me(1), hook.id).unwrap().url, "https://example.org/hook");
    // Without the durable cursor it would have come twice, under the same id.
    let post = again.receiver.got.lock().unwrap()[1].clone();
    assert_eq!(post.headers[0].1, format!("{}-2-0", hook.id));
    let at = post.headers[1].1.parse().unwrap();
    verify(&secret, &post.headers[0].1, at, &post.headers[2].1, post.body.as_bytes(), at).unwrap();
}

#[tokio::test]
async fn what_fails_for_too_long_is_disabled_and_resumed_by_its_owner() {
    let world = world();
    *world.receiver.script.lock().unwrap() = std::iter::repeat_n(Ok(503), 10_000).collect();
    let (hook, _) = world.subscribe(Scope::default(), &[]).await;
    world.events.tell(vec![event(1, 1, true)]);
    world.until("it was tried twice", |world| world.receiver.ids().len() >= 2).await;
    assert!(matches!(world.webhooks.resume(me(1), hook.id).await, Err(WebhookError::NotDisabled)));
    world.clock.0.store(101, Ordering::SeqCst);
    world
        .until("it is disabled", |world| world.webhooks.view(me(1), hook.id).unwrap().disabled.is_some())
        .await;
    world.receiver.script.lock().unwrap().clear();
    let tried = world.receiver.ids().len();
    world.events.tell(vec![event(2, 1, true)]);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(world.receiver.ids().len(), tried, "nothing is sent while it is disabled");
    world.webhooks.resume(me(1), hook.id).await.unwrap();
    world.until("both arrive", |world| world.receiver.ids().len() == tried + 2).await;
    assert_eq!(world.receiver.ids()[tried..], ["1-0", "2-0"]);
}

/// A service that is restarted every day would otherwise try for ever.
#[tokio::test]
async fn a_restart_does_not_begin_the_count_anew() {
    let mut world = world();
    let fail = |world: &World| {
        *world.receiver.script.lock().unwrap() = std::iter::repeat_n(Ok(503), 10_000).collect();
    };
    let (hook, _) = world.subscribe(Scope::default(), &[]).await;
    world.events.tell(vec![event(1, 1, true)]);
    world.got(&["1-0"]).await;
    fail(&world);
    world.clock.0.store(10, Ordering::SeqCst);
    world.events.tell(vec![event(2, 1, true)]);
    world.until("it was tried", |world| world.receiver.ids().len() >= 3).await;
    // Killed: nothing is flushed.
    world.job.abort();
    let at = |secs, world: World| {
        let next = start(world.journal.clone(), &world.events, &world.receiver);
        next.clock.0.store(secs, Ordering::SeqCst);
        next
    };
    world = at(60, world);
    let tried = world.receiver.ids().len();
    world.until("it is tried again", |world| world.receiver.ids().len() > tried + 1).await;
    assert_eq!(world.receiver.ids()[tried], "2-0", "what was delivered before is not delivered again");
    assert_eq!(world.webhooks.view(me(1), hook.id).unwrap().disabled, None, "50 s of 100");
    world.job.abort();
    world = at(111, world);
    world
        .until("it is disabled", |world| world.webhooks.view(me(1), hook.id).unwrap().disabled.is_some())
        .await;
    // A delivery ends the count: later failures begin their own.
    world.receiver.script.lock().unwrap().clear();
    world.webhooks.resume(me(1), hook.id).await.unwrap();
    world.until("it arrives", |world| world.webhooks.view(me(1), hook.id).unwrap().delivered.seq == 2).await;
    fail(&world);
    world.events.tell(vec![event(3, 1, true)]);
    let tried = world.receiver.ids().len();
    world.until("it fails", |world| world.receiver.ids().len() > tried + 1).await;
    assert_eq!(world.webhooks.view(me(1), hook.id).unwrap().disabled, None);
}

#[tokio::test]
async fn many_who_subscribe_at_once_do_not_pass_the_limit() {
    let world = world();
    world.journal.0.hold(true);
    let ask = |webhooks: Arc<Webhooks>| async move {
        webhooks.create(me(1), "https://example.org/hook", Scope::default(), Vec::new()).await
    };
    let asked: Vec<_> = (0..5).map(|_| tokio::spawn(ask(Arc::clone(&world.webhooks)))).collect();
    tokio::time::sleep(Duration::from_millis(50)).await;
    world.journal.0.hold(false);
    let mut made = 0;
    for answer in asked {
        match answer.await.unwrap() {
            Ok(_) => made += 1,
            Err(error) => assert!(matches!(error, WebhookError::TooManyOfOwner { max: 2 }), "{error}"),
        }
    }
    assert_eq!((made, world.webhooks.list(me(1)).len()), (2, 2));
}

#[tokio::test]
async fn a_full_disk_is_told_as_such_and_over_with_the_next_record() {
    let world = world();
    assert_eq!(world.webhooks.trouble(), None);
    world.journal.0.fill(true);
    let refused =
        world.webhooks.create(me(1), "https://example.org/hook", Scope::default(), Vec::new()).await;
    assert_eq!(refused.unwrap_err().code(), "disk_full");
    assert!(matches!(world.webhooks.trouble(), Some(AppendError::NoSpace { .. })));
    assert!(world.webhooks.list(me(1)).is_empty(), "nothing was changed");
    world.journal.0.fill(false);
    world.subscribe(Scope::default(), &[]).await;
    assert_eq!(world.webhooks.trouble(), None);
    let failed = WebhookError::Journal(AppendError::SyncFailed { detail: "no".into() });
    assert_eq!(failed.code(), "journal_failed");
}

#[tokio::test]
async fn a_receiver_that_is_gone_is_not_asked_again() {
    let world = world();
    world.receiver.script.lock().unwrap().push_back(Ok(410));
    let (hook, _) = world.subscribe(Scope::default(), &[]).await;
    world.events.tell(vec![event(1, 1, true), event(2, 1, true)]);
    world
        .until("it is disabled", |world| world.webhooks.view(me(1), hook.id).unwrap().disabled.is_some())
        .await;
    assert_eq!(world.receiver.ids(), ["1-0"]);
}

#[tokio::test]
async fn a_webhook_is_its_owners_alone_and_there_are_not_too_many() {
    let world = world();
    let (hook, _) = world.subscribe(Scope::default(), &[]).await;
    assert!(matches!(world.webhooks.view(me(2), hook.id), Err(WebhookError::Unknown)));
    assert!(matches!(world.webhooks.remove(me(2), hook.id).await, Err(WebhookError::Unknown)));
    assert!(matches!(world.webhooks.test(me(2), hook.id).await, Err(WebhookError::Unknown)));
    assert!(world.webhooks.list(me(2)).is_empty());
    world.subscribe(Scope::default(), &[]).await;
    let url = "https://example.org/";
    let third = world.webhooks.create(me(1), url, Scope::default(), Vec::new()).await;
    assert!(matches!(third, Err(WebhookError::TooManyOfOwner { max: 2 })));
    world.webhooks.create(me(2), url, Scope::default(), Vec::new()).await.unwrap();
    world.webhooks.remove(me(1), hook.id).await.unwrap();
    world.events.tell(vec![event(1, 1, true)]);
    world.until("the two left are told", |world| world.receiver.ids().len() == 2).await;
    let both = Scope { task: Some(CharterId([1; 32])), project: Some(ProjectId::of("x")), wish: None };
    let refused = world.webhooks.create(me(1), url, both, Vec::new()).await;
    assert!(matches!(refused, Err(WebhookError::TwoScopes)));
    let unknown = world.webhooks.create(me(1), url, Scope::default(), vec!["money".into()]).await;
    assert!(matches!(unknown, Err(WebhookError::UnknownType { .. })));
    let private = world.webhooks.create(me(1), "https://10.0.0.1/", Scope::default(), Vec::new()).await;
    assert!(matches!(private, Err(WebhookError::Target(_))));
}

#[tokio::test]
async fn a_test_is_signed_and_marked_as_one() {
    let world = world();
    let (hook, secret) = world.subscribe(Scope::default(), &[]).await;
    world.receiver.script.lock().unwrap().push_back(Ok(404));
    let attempt = world.webhooks.test(me(1), hook.id).await.unwrap();
    assert_eq!((attempt.status, attempt.error.is_some()), (Some(404), true));
    let post = world.receiver.got.lock().unwrap()[0].clone();
    let body: serde_json::Value = serde_json::from_str(&post.body).unwrap();
    assert_eq!(body["type"], "webhook_test");
    let at = post.headers[1].1.parse().unwrap();
    verify(&secret, &post.headers[0].1, at, &post.headers[2].1, post.body.as_bytes(), at).unwrap();
}

#[test]
fn no_secret_is_shown() {
    let secret = Secret::generate(&Counting(AtomicU8::new(65))).unwrap();
    let record = HookRecord::Created {
        id: HookId([1; 16]),
        owner: me(1),
        url: "https://example.org/".into(),
        scope: Scope::default(),
        types: Vec::new(),
        secret: secret.clone(),
        after: EventId::default(),
    };
    assert!(!format!("{record:?}").contains(&secret.expose()[6..20]));
    assert_eq!(serde_json::from_str::<HookRecord>(&serde_json::to_string(&record).unwrap()).unwrap(), record);
}
