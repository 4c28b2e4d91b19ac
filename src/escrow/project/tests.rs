//! Claims to projects: who stands, what is refused.

use super::*;
use crate::escrow::statement::Digest;
use crate::escrow::testing::{self, World};
use crate::escrow::wish::{Lead, LeadChoice, Promise, Wish, Word};
use bitcoin::secp256k1::Secp256k1;

const NET: Network = Network::Regtest;
const REPOSITORY: &str = "https://example.org/parser";

fn project(n: u8, counter: u32) -> Project {
    Project {
        network: NET,
        repository: REPOSITORY.into(),
        name: "Parser".into(),
        description: "Reads dates, and says where they are wrong".into(),
        licence: "MIT OR Apache-2.0".into(),
        arbiter: Some("the foundation of the parser".into()),
        leader_address: Some(testing::address(NET, 1).to_string()),
        leader_share_bps: 300,
        minimum_pledge_sat: 20_000,
        donations: Some("https://example.org/donate".into()),
        likes: true,
        published: Some("https://example.org/parser/blob/main/UPFRONT".into()),
        by: testing::sponsor(n).x_only_public_key().0,
        counter,
    }
}

fn signed(project: Project, n: u8) -> Signed<Project> {
    Signed::new(&Secp256k1::new(), project, &testing::sponsor(n))
}

fn set(world: &mut World, project: Project, n: u8) -> Result<usize, WishRefused> {
    let (_, records) = world.book.set_project(NET, &signed(project, n))?;
    for record in &records {
        let line = serde_json::to_string(record).unwrap();
        let again: Record = serde_json::from_str(&line).unwrap();
        world.book.apply(&again).unwrap();
    }
    Ok(records.len())
}

fn world() -> World {
    let mut world = World::bare(&testing::fields(NET));
    world.sync();
    world
}

#[test]
fn the_first_claim_stands_and_later_ones_are_kept_beside_it() {
    let mut world = world();
    assert_eq!(world.book.leader(REPOSITORY), None);
    assert!(world.book.takes_likes(REPOSITORY), "where nobody leads, nobody has switched them off");
    assert_eq!(set(&mut world, project(5, 1), 5), Ok(1));
    assert_eq!(set(&mut world, project(5, 1), 5), Ok(0), "twice is once");
    assert_eq!(set(&mut world, Project { likes: false, ..project(6, 9) }, 6), Ok(1));
    let leader = world.book.leader(REPOSITORY).unwrap();
    assert_eq!((leader.key, leader.charter), (project(5, 0).by, None));
    assert!(world.book.takes_likes(REPOSITORY));
    let claims = world.book.projects().claims(&ProjectId::of(REPOSITORY));
    assert_eq!(claims.iter().map(|claim| claim.by).collect::<Vec<_>>(), [project(5, 0).by, project(6, 0).by]);
    // The highest counter counts, whichever comes last.
    set(&mut world, Project { name: "Third".into(), ..project(5, 3) }, 5).unwrap();
    set(&mut world, Project { name: "Second".into(), ..project(5, 2) }, 5).unwrap();
    assert_eq!(world.book.settings(REPOSITORY).unwrap().name, "Third");
    let used = set(&mut world, Project { name: "Other".into(), ..project(5, 2) }, 5).unwrap_err();
    assert_eq!(used.to_string(), "this key has said something else under counter 2: sign again with 4");
}

fn withdraw(world: &mut World, n: u8, counter: u32) -> Result<usize, WishRefused> {
    let repository = REPOSITORY.to_owned();
    let statement = ProjectWithdrawal { network: NET, repository, by: project(n, 0).by, counter };
    let signed = Signed::new(&Secp256k1::new(), statement, &testing::sponsor(n));
    let (_, records) = world.book.withdraw_project(NET, &signed)?;
    records.iter().for_each(|record| world.book.apply(record).unwrap());
    Ok(records.len())
}

#[test]
fn a_claim_is_withdrawn_by_its_key_and_whoever_comes_back_stands_last() {
    let mut world = world();
    assert_eq!(withdraw(&mut world, 5, 1).unwrap_err().code(), "no_claim");
    set(&mut world, project(5, 1), 5).unwrap();
    set(&mut world, Project { likes: false, ..project(6, 1) }, 6).unwrap();
    assert_eq!(withdraw(&mut world, 5, 1).unwrap_err().code(), "counter_used", "as of its settings");
    let forged = ProjectWithdrawal {
        network: NET,
        repository: REPOSITORY.to_owned(),
        by: project(5, 0).by,
        counter: 2,
    };
    let forged = Signed::new(&Secp256k1::new(), forged, &testing::sponsor(6));
    assert_eq!(world.book.withdraw_project(NET, &forged).unwrap_err().code(), "bad_signature");
    let event = ProjectEvent::ProjectWithdrawn { withdrawal: forged, at_mtp_secs: 0 };
    assert!(world.book.apply(&Record::Project { project: ProjectId::of(REPOSITORY), event }).is_err());

    assert_eq!(withdraw(&mut world, 5, 3), Ok(1));
    assert_eq!(withdraw(&mut world, 5, 3), Ok(0), "twice is once");
    assert_eq!(world.book.leader(REPOSITORY).unwrap().key, project(6, 0).by, "the next leads");
    assert!(!world.book.takes_likes(REPOSITORY));
    // What comes late under a lower counter brings nothing back.
    assert_eq!(set(&mut world, project(5, 2), 5), Ok(1));
    assert_eq!(world.book.leader(REPOSITORY).unwrap().key, project(6, 0).by);
    assert_eq!(set(&mut world, project(5, 3), 5).unwrap_err().code(), "counter_used");
    assert_eq!(set(&mut world, project(5, 4), 5), Ok(1));
    let claims = world.book.projects().claims(&ProjectId::of(REPOSITORY));
    assert_eq!(claims.iter().map(|claim| claim.by).collect::<Vec<_>>(), [project(6, 0).by, project(5, 0).by]);
    assert!(claims.iter().all(|claim| claim.withdrawn().is_none()));
    assert_eq!(world.book.leader(REPOSITORY).unwrap().key, project(6, 0).by);
    withdraw(&mut world, 6, 2).unwrap();
    assert_eq!(world.book.leader(REPOSITORY).unwrap().key, project(5, 0).by);
    // However often a key has spoken, it can take its claim back.
    for counter in 5..=MAX_SETTINGS_OF_KEY {
        let counter = u32::try_from(counter).unwrap();
        if set(&mut world, project(5, counter), 5).is_err() {
            break;
        }
    }
    assert_eq!(set(&mut world, project(5, 900), 5).unwrap_err().code(), "too_many_claims");
    assert_eq!(withdraw(&mut world, 5, 901), Ok(1));
    assert_eq!(world.book.leader(REPOSITORY), None);
    assert_eq!(withdraw(&mut world, 5, 902).unwrap_err().code(), "too_many_claims");
    assert_eq!(world.book.settings(REPOSITORY), None);
}

#[test]
fn a_field_that_cannot_be_shown_or_used_is_refused() {
    let world = world();
    let code = |project: Project| world.book.set_project(NET, &signed(project, 5)).unwrap_err().code();
    let good = || project(5, 1);
    assert!(world.book.set_project(NET, &signed(good(), 5)).is_ok());
    for wrong in [
        Project { name: String::new(), ..good() },
        Project { name: "x".repeat(101), ..good() },
        Project { description: "two\nlines".into(), ..good() },
        Project { licence: "GPL; DROP".into(), ..good() },
        Project { arbiter: Some("none".into()), ..good() },
        Project { arbiter: Some("x".repeat(201)), ..good() },
        Project { leader_share_bps: 10_000, ..good() },
        Project { leader_address: None, ..good() },
        Project { minimum_pledge_sat: 329, ..good() },
        Project { minimum_pledge_sat: u64::MAX, ..good() },
        Project { donations: Some("http://example.org".into()), ..good() },
        Project { published: Some("ftp://example.org".into()), ..good() },
        Project { repository: " padded".into(), ..good() },
    ] {
        assert_eq!(code(wrong.clone()), "statement_field", "{wrong:?}");
    }
    let mainnet = testing::address(Network::Mainnet, 1).to_string();
    assert_eq!(code(Project { leader_address: Some(mainnet), ..good() }), "charter_address_network");
    assert_eq!(code(Project { leader_address: Some("bc1".into()), ..good() }), "charter_address");
    assert_eq!(code(Project { network: Network::Signet, ..good() }), "other_network");
    assert_eq!(code(Project { counter: u32::MAX, ..good() }), "counter_too_high");
    let stolen = world.book.set_project(NET, &signed(good(), 6)).unwrap_err();
    assert_eq!(stolen.code(), "bad_signature");
}

#[test]
fn a_crowd_of_claims_does_not_keep_out_the_key_that_a_charter_names() {
    let mut world = world();
    let key = |n: u8| bitcoin::secp256k1::Keypair::from_seckey_slice(&Secp256k1::new(), &[n; 32]).unwrap();
    for n in 1..=50_u8 {
        let project = Project { by: key(n).x_only_public_key().0, ..project(0, 1) };
        let claim = Signed::new(&Secp256k1::new(), project, &key(n));
        let (_, records) = world.book.set_project(NET, &claim).unwrap();
        records.iter().for_each(|record| world.book.apply(record).unwrap());
    }
    // The charter of the tests names person 90 as its leader.
    assert_eq!(set(&mut world, project(90, 1), 90).unwrap_err().code(), "too_many_claims");
    world.draft(&testing::fields(NET));
    world.attest_all();
    assert_eq!(set(&mut world, project(90, 1), 90), Ok(1));
    let leader = world.book.leader(REPOSITORY).unwrap();
    assert_eq!((leader.key, leader.charter), (project(90, 0).by, Some(world.id)));
    assert_eq!(world.book.settings(REPOSITORY).unwrap().counter, 1);
}

#[test]
fn wishes_stand_in_the_leaders_order() {
    let mut world = world();
    set(&mut world, project(5, 1), 5).unwrap();
    let leader = testing::sponsor(5);
    let mut ids = Vec::new();
    for n in 0..6_u8 {
        let text = format!("Wish {n}");
        let wish = Wish {
            network: NET,
            repository: REPOSITORY.into(),
            link: None,
            text_hash: Digest::of(text.as_bytes()),
            by: project(9, 0).by,
        };
        let wish = Signed::new(&Secp256k1::new(), wish, &testing::sponsor(9));
        let (id, records) = world.book.write_wish(NET, &wish, &text).unwrap();
        records.iter().for_each(|record| world.book.apply(record).unwrap());
        ids.push(id);
    }
    let mut say = |word: Word| {
        let records = world.book.say(NET, &word.task(), &word).unwrap();
        records.iter().for_each(|record| world.book.apply(record).unwrap());
    };
    let lead = |task, choice, place| {
        let lead = Lead { network: NET, task, by: project(5, 0).by, choice, place, counter: 1 };
        Word::Lead(Signed::new(&Secp256k1::new(), lead, &leader))
    };
    say(lead(ids[0], LeadChoice::Decline, Some(1)));
    say(lead(ids[1], LeadChoice::Accept, Some(2)));
    say(lead(ids[2], LeadChoice::Accept, None));
    say(lead(ids[3], LeadChoice::None, Some(1)));
    let promise = Promise { network: NET, task: ids[5], by: project(9, 0).by, amount_sat: 1, counter: 1 };
    say(Word::Promise(Signed::new(&Secp256k1::new(), promise, &testing::sponsor(9))));
    let order: Vec<_> = world.book.wishes_for(REPOSITORY).iter().map(|wish| wish.id()).collect();
    assert_eq!(order, [ids[3], ids[1], ids[2], ids[5], ids[4], ids[0]]);
    assert_eq!(world.book.wishes_for("elsewhere").len(), 0);
}
