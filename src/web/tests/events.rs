//! What is told while the service runs: only what is durable, in order, the same after a restart.

use super::fakes::World;
use crate::escrow::public::{EventId, PublicEvent};
use crate::service::events::Topic;
use futures::FutureExt;
use std::sync::Arc;

impl World {
    fn told(&self) -> Vec<Arc<PublicEvent>> {
        self.service.events().page(&Topic::All, EventId::default(), usize::MAX).unwrap().items
    }

    fn told_types(&self, from: usize) -> Vec<String> {
        let kind = |event: &Arc<PublicEvent>| {
            serde_json::to_value(&**event).unwrap()["type"].as_str().unwrap().to_owned()
        };
        self.told()[from..].iter().map(kind).collect()
    }
}

#[tokio::test]
async fn a_restart_tells_the_same() {
    let mut world = World::new(None, |_| {}).await;
    world.fund(1, 300_000).await;
    let told = world.told();
    assert!(world.told_types(0).contains(&"payment_credited".to_owned()));
    world.restart().await;
    assert_eq!(world.told(), told);
    assert_eq!(world.service.events().newest(), told.last().unwrap().id);
    assert_eq!(told.last().unwrap().recorded_secs, 43_200);
}

#[tokio::test]
async fn nothing_is_told_before_it_is_durable() {
    let world = World::new(None, |_| {}).await;
    let before = world.told().len();
    let (path, body) = (world.path("pledges"), world.pledge_body(1, 100_000));
    world.disk.0.hold(true);
    assert!(world.post(&path, body.clone()).now_or_never().is_none());
    tokio::task::yield_now().await;
    assert_eq!(world.told().len(), before);
    let mut watch = world.service.events().watch();
    watch.mark_unchanged();
    world.disk.0.hold(false);
    watch.changed().await.unwrap();
    assert_eq!(world.told_types(before), ["pledge_issued"]);
}

#[tokio::test]
async fn what_a_full_disk_refuses_is_never_told() {
    let mut world = World::new(None, |_| {}).await;
    let before = world.told().len();
    world.disk.0.fill(true);
    world.refused("pledges", world.pledge_body(1, 50_000), 503, "disk_full").await;
    assert_eq!(world.told().len(), before);
    world.disk.0.fill(false);
    world.sent("pledges", world.pledge_body(1, 60_000)).await;
    assert_eq!(world.told_types(before), ["pledge_issued"]);
    let told = world.told();
    world.restart().await;
    assert_eq!(world.told(), told, "what came after the refusal has the ids that the journal gave it");
}
