//! A service before whole lives of tasks, each on a chain of its own with real headers: what it tells can be checked
//! to the last branch. It may be cut off in the middle.

use super::{WORDS, http, path};
use crate::escrow::charter::{Charter, CharterFields};
use crate::escrow::descriptor::Slot;
use crate::escrow::event::Command;
use crate::escrow::network::Network;
use crate::escrow::proof::fixture::{Life, pay, receipt};
use crate::escrow::recovery::{Origin, RecoveryFile};
use crate::escrow::refund::{LadderSignatures, RefundSignatures};
use crate::escrow::settlement::Kind;
use crate::escrow::statement::{CharterId, Move, Pledge, Role, SettlementId, Signed, Submission, Vote};
use crate::escrow::task::Refused;
use crate::escrow::testing;
use crate::keys::{Identity, Phrase, SignerKeys};
use crate::service::views::{PledgeView, ReceiptView, SettlementView, SubmissionView, TaskView};
use bitcoin::{Amount, Psbt};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

const NETWORK: Network = Network::Regtest;

/// A charter whose seats are the first three accounts of [`WORDS`], and whose leader is its identity.
pub fn charter(change: impl FnOnce(&mut CharterFields)) -> Charter {
    let mut fields = testing::fields(NETWORK);
    for (account, seat) in (0..).zip([&mut fields.developer, &mut fields.representative, &mut fields.arbiter])
    {
        seat.key = SignerKeys::from_phrase(WORDS, NETWORK, account).unwrap().expression().to_string();
    }
    let leader = Identity::new(&Phrase::from_bytes(WORDS.as_bytes()).unwrap());
    fields.leader.as_mut().unwrap().key = leader.public().to_string();
    change(&mut fields);
    Charter::from_fields(fields).unwrap()
}

/// A task under it, with pledges that are credited.
pub fn life(charter: &Charter, amounts_sat: &[u64]) -> Life {
    let keys = [0, 1, 2].map(|k| SignerKeys::from_phrase(WORDS, NETWORK, k).unwrap().statement_key());
    let mut life = Life::attested(charter, keys);
    for (index, amount) in (1..).zip(amounts_sat) {
        life.pledge(index, *amount);
        let script = life.task.pledges()[&index].output.script_pubkey.clone();
        life.mine(vec![pay(u8::try_from(index).unwrap(), &[(script, *amount)])], 600);
    }
    life
}

/// The recovery file of a pledge of a life, on the disk.
pub fn recovery(life: &Life, index: u32, dir: &Path) -> String {
    let pledge = &life.task.pledges()[&index];
    let attestations = Role::ALL.map(|role| life.task.attestations()[&role]);
    let statement: Pledge = life.task.pledge_statement(pledge);
    let signed = Signed { statement, signature: pledge.signature };
    let key = testing::sponsor(u8::try_from(index).unwrap());
    let charter = life.task.charter().clone();
    let file = RecoveryFile::new(&life.secp, charter, attestations, signed, Some(key), Origin::default());
    let file_path = path(dir, &format!("pledge-{index}.json"));
    std::fs::write(&file_path, file.unwrap().to_json()).unwrap();
    file_path
}

type Shared = Arc<Mutex<BTreeMap<CharterId, Life>>>;

pub struct Lives {
    pub url: String,
    all: Shared,
    /// So many more requests that change something are answered; the last is carried out, and its answer lost.
    left: Arc<Mutex<Option<usize>>>,
}

impl Lives {
    pub fn start(lives: impl IntoIterator<Item = Life>) -> Lives {
        let all: Shared =
            Arc::new(Mutex::new(lives.into_iter().map(|life| (life.task.id(), life)).collect()));
        let left: Arc<Mutex<Option<usize>>> = Arc::new(Mutex::new(None));
        let (shared, counted) = (Arc::clone(&all), Arc::clone(&left));
        let url = http::serve(move |request, body| {
            let mut all = shared.lock().unwrap();
            let mut left = counted.lock().unwrap();
            match &mut *left {
                Some(left) if request.starts_with("POST") => {
                    let before = *left;
                    *left = left.saturating_sub(1);
                    let answer = if before > 0 { respond(&mut all, request, body) } else { None };
                    answer.filter(|_| before > 1).unwrap_or_else(|| (502, "cut off".into()))
                }
                _ => respond(&mut all, request, body).unwrap_or((404, "{}".into())),
            }
        });
        Lives { url, all, left }
    }

    pub fn cut_after(&self, posts: Option<usize>) {
        *self.left.lock().unwrap() = posts;
    }

    pub fn with<T>(&self, id: &CharterId, then: impl FnOnce(&mut Life) -> T) -> T {
        then(self.all.lock().unwrap().get_mut(id).unwrap())
    }
}

fn give(life: &mut Life, command: &Command) -> Result<(), Refused> {
    let events = life.task.decide(command, Some(&life.tip()))?;
    events.iter().for_each(|event| life.task.apply(event).unwrap());
    Ok(())
}

fn respond(all: &mut BTreeMap<CharterId, Life>, request: &str, body: &[u8]) -> Option<(u16, String)> {
    let (method, path) = request.split_once(' ')?;
    let mut steps = path.strip_prefix("/api/v1/tasks/")?.split('/');
    let id: CharterId = steps.next()?.parse().ok()?;
    let rest: Vec<&str> = steps.collect();
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    if rest == ["charter"] {
        return Some((200, String::from_utf8(all[&id].task.charter().bytes().to_vec()).ok()?));
    }
    let answer = match method {
        "GET" => Ok(told(all, &id, &rest)?),
        _ => taken(all, &id, &rest, body),
    };
    Some(match answer {
        Ok(value) => (200, value.to_string()),
        Err(refused) => (409, json!({ "code": refused.code(), "detail": refused.to_string() }).to_string()),
    })
}

fn told(all: &BTreeMap<CharterId, Life>, id: &CharterId, rest: &[&str]) -> Option<Value> {
    let life = all.get(id)?;
    let (task, tip) = (&life.task, life.tip());
    let settlement = |id: &str| task.settlements().get(&id.parse::<SettlementId>().ok()?);
    let value = match rest {
        [] => serde_json::to_value(TaskView::new(task, Some(&tip))),
        ["proof"] => serde_json::to_value(life.document()),
        ["pledges", index] => serde_json::to_value(PledgeView::of(task, index.parse().ok()?, Some(&tip))?),
        ["settlements", id] => serde_json::to_value(SettlementView::new(task, settlement(id)?, Some(&tip))),
        ["settlements", id, "psbts"] => {
            let plan = &settlement(id)?.plan;
            let place = |((place, ..), psbt): ((crate::escrow::settlement::Place, _, _), Psbt)| json!({ "chunk": place.chunk, "form": place.form, "psbt": psbt.to_string() });
            let psbts: Vec<Value> = plan.forms().zip(plan.psbts()).map(place).collect();
            Ok(json!({ "settlement": plan.id(), "psbts": psbts }))
        }
        ["settlements", id, "prepared-refunds"] => {
            let plan = &settlement(id)?.plan;
            let holder = match plan.terms().kind() {
                Kind::Move { to } => &all.get(&to)?.task,
                _ => task,
            };
            let pair =
                |(input, made): (&crate::escrow::settlement::ChunkInput, crate::escrow::settlement::Made)| {
                    let bundle = task.prepared_for(holder, input, &made)?;
                    Some(RefundSignatures { ladder: Vec::new(), ..bundle.signatures().clone() })
                };
            Ok(json!({ "refunds": plan.made().filter_map(pair).collect::<Vec<_>>() }))
        }
        _ => return None,
    };
    value.ok()
}

fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn taken(
    all: &mut BTreeMap<CharterId, Life>,
    id: &CharterId,
    rest: &[&str],
    mut body: Value,
) -> Result<Value, Refused> {
    let others = all.clone();
    let life = all.get_mut(id).unwrap();
    let tip = life.tip();
    let value = match rest {
        ["pledges"] => {
            let index: u32 = read(body["index"].clone());
            let command = Command::IssuePledge {
                index,
                sponsor_key: read(body["sponsor_key"].clone()),
                refund_address: read(body["refund_address"].clone()),
                signature: read(body["signature"].clone()),
                amount: Amount::from_sat(read(body["amount_sat"].clone())),
            };
            give(life, &command)?;
            serde_json::to_value(PledgeView::of(&life.task, index, Some(&tip)).unwrap())
        }
        ["pledges", index, "prepared-refunds"] => {
            let index = index.parse().unwrap();
            let slot = Slot { index, generation: read(body["generation"].clone()) };
            give(life, &Command::PrepareRefund { slot, refund: read(body["refund"].clone()) })?;
            serde_json::to_value(PledgeView::of(&life.task, index, Some(&tip)).unwrap())
        }
        ["moves"] => {
            let consent: Signed<Move> = read(body);
            let index = life.task.outpoints()[&consent.statement.outpoint].slot.index;
            give(life, &Command::SignMove { consent })?;
            serde_json::to_value(PledgeView::of(&life.task, index, Some(&tip)).unwrap())
        }
        ["late-moves"] => {
            let consent: Signed<Move> = read(body["consent"].clone());
            let (outpoint, to) = (consent.statement.outpoint, consent.statement.to_charter);
            let ladder: LadderSignatures = read(body["ladder"].clone());
            let slot = Slot::pledge(consent.statement.to_index);
            for (_, rung) in life.task.late_ladder(&consent, &ladder)?.rungs() {
                let arrives = bitcoin::OutPoint { txid: rung.compute_txid(), vout: 0 };
                assert!(others[&to].task.prepared(&(slot, arrives, rung.output[0].value)).is_some());
            }
            give(life, &Command::SignLateMove { consent, ladder })?;
            let index = life.task.outpoints()[&outpoint].slot.index;
            serde_json::to_value(PledgeView::of(&life.task, index, Some(&tip)).unwrap())
        }
        ["submissions"] => {
            let submission: Signed<Submission> = read(body);
            give(life, &Command::SubmitWork { submission, block: Some((tip.hash, tip.mtp_secs)) })?;
            let latest = life.task.submissions().last().unwrap();
            serde_json::to_value(SubmissionView::new(&life.task, latest, Some(&tip)))
        }
        ["votes"] => {
            let vote: Signed<Vote> = read(body);
            let receipt = receipt(&life.secp, &vote.statement, &tip, &testing::receipt_keypair());
            give(life, &Command::CastVote { vote: vote.clone(), receipt: receipt.clone() })?;
            serde_json::to_value(ReceiptView { vote, receipt })
        }
        ["settlements"] => {
            let given = body.as_object_mut().unwrap().remove("feerate_sat_per_vb");
            let kind: Kind = read(body);
            let destination = match kind {
                Kind::Move { to } => Some(&others[&to].task),
                _ => None,
            };
            let step = given.map(read).or_else(|| life.task.prepared_step(kind, 2, destination, &tip));
            let events = life.task.propose(kind, step.unwrap_or(2), destination, &tip)?;
            events.iter().for_each(|event| life.task.apply(event).unwrap());
            let id = life.task.proposal_id(kind, step.unwrap_or(2), destination, &tip)?;
            serde_json::to_value(SettlementView::new(&life.task, &life.task.settlements()[&id], Some(&tip)))
        }
        ["settlements", id, "signatures"] => {
            let id: SettlementId = id.parse().unwrap();
            let psbts: Vec<String> = read(body["psbts"].clone());
            let psbts: Vec<Psbt> = psbts.iter().map(|psbt| psbt.parse().unwrap()).collect();
            let plan = life.task.settlements()[&id].plan.clone();
            for checked in plan.read_psbts(&life.secp, &psbts).unwrap().values() {
                let signatures = checked.signatures().clone();
                give(life, &Command::SignSettlement { settlement: id, signatures })?;
            }
            serde_json::to_value(SettlementView::new(&life.task, &life.task.settlements()[&id], Some(&tip)))
        }
        other => panic!("{other:?}"),
    };
    Ok(value.unwrap())
}
