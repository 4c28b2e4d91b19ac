//! For tests: the life of a task on a chain mined on the spot, from pledges to a payout, as a service
//! would live it: only by decide and apply.

use super::{Evidence, ProofDocument, mtp_secs, needs};
use crate::escrow::charter::{Charter, VoteOpens};
use crate::escrow::event::Command;
use crate::escrow::facts::{Confirmation, Deposit, ScriptView, Spend, SpendPath, Tip};
use crate::escrow::network::{DAY_SECS, Network};
use crate::escrow::refund::{Ladder, RefundBundle};
use crate::escrow::settlement::{self, Kind, Plan};
use crate::escrow::statement::{
    Acceptance, Attest, CharterId, Choice, Confirmed, Digest, Evidence as Words, EvidenceKind,
    MergeConfirmation, Move, Party, Pledge, Receipt, Role, Ruling, SettlementId, Signed, Statement,
    Submission, SubmissionId, Vote,
};
use crate::escrow::task::{self, Task};
use crate::escrow::testing;
use bitcoin::absolute::LockTime;
use bitcoin::block::{Header, Version};
use bitcoin::hashes::Hash;
use bitcoin::secp256k1::{All, Keypair, Secp256k1};
use bitcoin::transaction::Version as TxVersion;
use bitcoin::{
    Amount, BlockHash, OutPoint, Script, ScriptBuf, Sequence, Transaction, TxIn, TxMerkleNode, TxOut, Txid,
    Witness,
};

pub const NETWORK: Network = Network::Regtest;

/// A header with work on top of `prev`.
pub fn mine_header(prev: BlockHash, merkle_root: TxMerkleNode, time: u32) -> Header {
    let bits = NETWORK.params().max_attainable_target.to_compact_lossy();
    let mut header =
        Header { version: Version::TWO, prev_blockhash: prev, merkle_root, time, bits, nonce: 0 };
    while header.validate_pow(header.target()).is_err() {
        header.nonce += 1;
    }
    header
}

/// The root over `txids`, and the branch of the one at `position`.
pub fn merkle(txids: &[Txid], mut position: usize) -> (TxMerkleNode, Vec<TxMerkleNode>) {
    let mut level: Vec<[u8; 32]> = txids.iter().map(|txid| txid.to_byte_array()).collect();
    let mut branch = Vec::new();
    while level.len() > 1 {
        if level.len() % 2 == 1 {
            level.push(level[level.len() - 1]);
        }
        branch.push(TxMerkleNode::from_byte_array(level[position ^ 1]));
        position /= 2;
        level = level.chunks(2).map(|pair| crate::escrow::merkle::hash_pair(&pair[0], &pair[1])).collect();
    }
    (TxMerkleNode::from_byte_array(level[0]), branch)
}

/// A transaction from nowhere that pays `outputs`.
pub fn pay(salt: u8, outputs: &[(ScriptBuf, u64)]) -> Transaction {
    let input = TxIn {
        previous_output: OutPoint { txid: Txid::from_byte_array([salt; 32]), vout: 0 },
        script_sig: ScriptBuf::new(),
        sequence: Sequence::MAX,
        witness: Witness::from_slice(&[[salt; 64]]),
    };
    let output = |(script, sat): &(ScriptBuf, u64)| TxOut {
        value: Amount::from_sat(*sat),
        script_pubkey: script.clone(),
    };
    Transaction {
        version: TxVersion::TWO,
        lock_time: LockTime::ZERO,
        input: vec![input],
        output: outputs.iter().map(output).collect(),
    }
}

#[derive(Clone)]
pub struct Block {
    pub header: Header,
    pub txs: Vec<Transaction>,
}

/// A chain and the one task on it.
#[derive(Clone)]
pub struct Life {
    pub secp: Secp256k1<All>,
    pub blocks: Vec<Block>,
    pub mempool: Vec<Transaction>,
    pub task: Task,
}

fn height_of(at: usize) -> u32 {
    u32::try_from(at).unwrap()
}

impl Life {
    /// A task with all attestations, on a chain of a dozen blocks.
    pub fn open() -> Life {
        Life::open_under(testing::charter(NETWORK))
    }

    /// The same under other terms.
    pub fn open_under(charter: Charter) -> Life {
        Life::attested(&charter, Role::ALL.map(|role| testing::statement_keypair(NETWORK, role)))
    }

    /// The same, attested with other keys, those of the charter's seats.
    pub fn attested(charter: &Charter, keys: [Keypair; 3]) -> Life {
        let genesis = bitcoin::constants::genesis_block(NETWORK.bitcoin());
        let blocks = vec![Block { header: genesis.header, txs: genesis.txdata }];
        let (_, _) = task::draft(charter.bytes(), testing::TEXT, None).unwrap();
        let task = Task::draft(std::str::from_utf8(charter.bytes()).unwrap(), testing::TEXT).unwrap();
        let mut life = Life { secp: Secp256k1::new(), blocks, mempool: Vec::new(), task };
        life.mine_empty(12, 600);
        for (role, key) in Role::ALL.into_iter().zip(keys) {
            let signature = Attest { charter: life.task.id() }.sign(&life.secp, &key);
            life.command(&Command::Attest { role, signature });
        }
        life
    }

    /// Five pledges: 1 with two payments, 2 in the same transaction, 3 and 4 alone, 5 too little; a gift.
    pub fn funded() -> Life {
        let mut life = Life::open();
        for (index, amount) in [(1, 300_000), (2, 200_000), (3, 100_000), (4, 400_000), (5, 10_000)] {
            life.pledge(index, amount);
        }
        let script = |life: &Life, index: u32| life.task.pledges()[&index].output.script_pubkey.clone();
        let batch = pay(1, &[(script(&life, 1), 300_000), (script(&life, 2), 200_000)]);
        let third =
            pay(2, &[(testing::address(NETWORK, 70).script_pubkey(), 5_000), (script(&life, 3), 100_000)]);
        life.mine(vec![batch, third], 600);
        let open = life.task.open_output().script_pubkey.clone();
        let fourth = pay(3, &[(script(&life, 4), 400_000)]);
        let fifth = pay(4, &[(script(&life, 5), 5_000)]);
        let again = pay(5, &[(script(&life, 1), 60_000), (open, 50_000)]);
        life.mine(vec![fourth, fifth, again], 600);
        let first = life.outpoint_of(2);
        let held = &life.task.outpoints()[&first];
        let target = life.task.refund_target(held).unwrap();
        let bundle = RefundBundle::sign(&life.secp, target, &testing::sponsor(2)).unwrap();
        life.command(&Command::SecureRefund { refund: bundle.signatures().clone() });
        life
    }

    /// Funded, work submitted, 1 and 4 voted yes (1 changed its mind), 2 no, 3 is silent.
    pub fn voted() -> Life {
        let mut life = Life::funded();
        life.mine_empty(2, 600);
        life.submit(None);
        life.vote(1, Choice::No, 1);
        life.vote(4, Choice::Yes, 1);
        life.mine_empty(1, 600);
        life.vote(1, Choice::Yes, 2);
        life.vote(2, Choice::No, 1);
        life
    }

    /// Voted, and disputed by the leader; the sponsor of pledge 2 gives evidence, twice.
    pub fn disputed() -> Life {
        let mut life = Life::voted();
        life.say(EvidenceKind::Dispute, Party::Leader, 0);
        life.say(EvidenceKind::Evidence, Party::Pledge(2), 0);
        life.say(EvidenceKind::Evidence, Party::Pledge(2), 3);
        life
    }

    fn say(&mut self, kind: EvidenceKind, by: Party, counter: u32) {
        let key = match by {
            Party::Signer(role) => testing::statement_keypair(NETWORK, role),
            Party::Leader => testing::leader_keypair(),
            Party::Pledge(index) => testing::sponsor(u8::try_from(index).unwrap()),
        };
        let (text, attachments) = ("The tests fail".into(), vec![Digest::of(b"log")]);
        let (network, charter, submission) = (NETWORK, self.task.id(), self.submission());
        let words = Words { network, charter, submission, kind, by, text, attachments, counter };
        self.command(&Command::GiveEvidence { evidence: Signed::new(&self.secp, words, &key) });
    }

    /// Under a charter whose vote waits for a merge: submitted, and confirmed two days later; nobody has voted.
    pub fn confirmed() -> Life {
        let mut fields = testing::fields(NETWORK);
        fields.vote_opens = VoteOpens::Merged;
        let mut life = Life::open_under(Charter::from_fields(fields).unwrap());
        life.pledge(1, 300_000);
        let script = life.task.pledges()[&1].output.script_pubkey.clone();
        life.mine(vec![pay(1, &[(script, 300_000)])], 600);
        life.mine_empty(2, 600);
        life.submit(None);
        life.mine_empty(12, 14_400);
        let tip = life.tip();
        let statement = MergeConfirmation {
            network: NETWORK,
            charter: life.task.id(),
            submission: life.submission(),
            confirmed: Confirmed::Merged,
            block_height: tip.height,
            block_hash: tip.hash,
        };
        let confirmation = Signed::new(&life.secp, statement, &testing::leader_keypair());
        life.command(&Command::ConfirmMerge { confirmation, block: Some((tip.hash, tip.mtp_secs)) });
        life
    }

    /// Voted, voting closed, accepted by the representative, ruled half and half by the arbiter.
    pub fn judged() -> Life {
        let mut life = Life::voted();
        life.mine_empty(1, 8 * DAY_SECS);
        life.mine_empty(10, 600);
        let (network, charter, submission) = (NETWORK, life.task.id(), life.submission());
        let words = Acceptance { network, charter, submission, accepted: true };
        let key = testing::statement_keypair(NETWORK, Role::Representative);
        let acceptance = Signed::new(&life.secp, words, &key);
        life.command(&Command::JudgeWork { acceptance });
        let words = Ruling { network, charter, submission, pay_bps: 5_000 };
        let key = testing::statement_keypair(NETWORK, Role::Arbiter);
        let ruling = Signed::new(&life.secp, words, &key);
        life.command(&Command::RuleNoes { ruling });
        life
    }

    /// Judged, the payout mined, and the ruling proposed with the arbiter's signature.
    pub fn paid() -> Life {
        let mut life = Life::judged();
        let submission = life.submission();
        let payout = life.propose(Kind::Payout { submission }, 2);
        life.sign(payout, Role::Developer);
        life.sign(payout, Role::Representative);
        let state = &life.task.settlements()[&payout];
        let transaction = state.plan.finalize(0, 1, &state.signatures).unwrap();
        life.mine(vec![transaction], 600);
        let ruling = life.propose(Kind::Ruling { submission }, 3);
        life.sign(ruling, Role::Arbiter);
        life
    }

    /// Funded, T past: the sponsor of pledge 4 moved it alone to another charter, that of pledge 3 signed the same and
    /// was refunded in its place, that of pledge 2 signed it and nothing was sent.
    pub fn moved_alone() -> Life {
        let mut life = Life::funded();
        for index in [2, 3, 4] {
            let (consent, ladder) = life.late_move(index);
            life.command(&Command::SignLateMove { consent, ladder: ladder.signatures().clone() });
        }
        let refund_time = life.task.charter().refund_time_secs();
        life.mine_empty(1, refund_time.saturating_sub(life.tip().mtp_secs) + DAY_SECS);
        life.mine_empty(11, 600);
        let (_, rung) = life.late_move(4).1.rungs().swap_remove(2);
        let held = &life.task.outpoints()[&life.outpoint_of(3)];
        let target = life.task.refund_target(held).unwrap();
        let refund = RefundBundle::sign(&life.secp, target, &testing::sponsor(3)).unwrap();
        let (_, home) = refund.ladder().swap_remove(0);
        life.mine(vec![rung, home], 600);
        life
    }

    /// What the sponsor of a pledge signs to have its outpoint sent to another charter from T on.
    pub fn late_move(&self, index: u32) -> (Signed<Move>, Ladder) {
        let statement = Move {
            network: NETWORK,
            charter: self.task.id(),
            outpoint: self.outpoint_of(index),
            to_charter: CharterId([0xab; 32]),
            to_index: index,
            to_address: testing::address(NETWORK, 80 + index).to_string(),
        };
        let key = testing::sponsor(u8::try_from(index).unwrap());
        let consent = Signed::new(&self.secp, statement, &key);
        let target = self.task.late_target(&consent).unwrap();
        let ladder = Ladder::sign(&self.secp, target, &key).unwrap();
        (consent, ladder)
    }

    /// The developer submits work, for a milestone where there are several.
    pub fn submit(&mut self, milestone: Option<u32>) {
        let tip = self.tip();
        let statement = Submission {
            network: NETWORK,
            charter: self.task.id(),
            number: u32::try_from(self.task.submissions().len()).unwrap(),
            link: "https://example.org/parser/pull/7".into(),
            content: Digest::of(b"the work"),
            block_height: tip.height,
            block_hash: tip.hash,
            milestone,
            named: None,
        };
        let key = testing::statement_keypair(NETWORK, Role::Developer);
        let submission = Signed::new(&self.secp, statement, &key);
        self.command(&Command::SubmitWork { submission, block: Some((tip.hash, tip.mtp_secs)) });
    }

    pub fn submission(&self) -> SubmissionId {
        self.task.submissions()[0].id
    }

    pub fn propose(&mut self, kind: Kind, feerate_sat_per_vb: u64) -> SettlementId {
        let id = self.task.proposal_id(kind, feerate_sat_per_vb, None, &self.tip()).unwrap();
        self.command(&Command::ProposeSettlement { kind, feerate_sat_per_vb });
        id
    }

    pub fn plan(&self, id: SettlementId) -> Plan {
        self.task.settlements()[&id].plan.clone()
    }

    pub fn sign(&mut self, id: SettlementId, role: Role) {
        let account = testing::account(NETWORK, role);
        let signatures = settlement::sign(&self.secp, &self.plan(id), role, &account).unwrap();
        self.command(&Command::SignSettlement { settlement: id, signatures });
    }

    pub fn pledge(&mut self, index: u32, amount_sat: u64) {
        let key = testing::sponsor(u8::try_from(index).unwrap());
        let statement = Pledge {
            network: NETWORK,
            charter: self.task.id(),
            index,
            sponsor_key: key.x_only_public_key().0,
            refund_address: testing::address(NETWORK, 100 + index),
        };
        let signature = statement.sign(&self.secp, &key);
        self.command(&Command::IssuePledge {
            index,
            sponsor_key: statement.sponsor_key,
            refund_address: statement.refund_address.to_string(),
            signature,
            amount: Amount::from_sat(amount_sat),
        });
    }

    pub fn vote(&mut self, pledge: u32, choice: Choice, counter: u32) {
        let key = testing::sponsor(u8::try_from(pledge).unwrap());
        let (network, charter, submission) = (NETWORK, self.task.id(), self.submission());
        let vote = Vote { network, charter, submission, pledge, choice, counter };
        let receipt = receipt(&self.secp, &vote, &self.tip(), &testing::receipt_keypair());
        self.command(&Command::CastVote { vote: Signed::new(&self.secp, vote, &key), receipt });
    }

    pub fn command(&mut self, command: &Command) {
        let events = self.task.decide(command, Some(&self.tip())).unwrap();
        assert!(!events.is_empty(), "{command:?}");
        events.iter().for_each(|event| self.task.apply(event).unwrap());
    }

    /// Mines `txs` on top, `secs` after the last block, and tells the task.
    pub fn mine(&mut self, txs: Vec<Transaction>, secs: u32) {
        let height = self.blocks.len();
        let mut coinbase = pay(0, &[(testing::address(NETWORK, 71).script_pubkey(), 5_000_000_000)]);
        coinbase.input[0].previous_output = OutPoint::null();
        coinbase.input[0].script_sig = ScriptBuf::from_bytes(height.to_le_bytes().to_vec());
        let all: Vec<Transaction> = std::iter::once(coinbase).chain(txs).collect();
        let txids: Vec<Txid> = all.iter().map(Transaction::compute_txid).collect();
        let prev = self.blocks[height - 1].header;
        let header = mine_header(prev.block_hash(), merkle(&txids, 0).0, prev.time + secs);
        self.blocks.push(Block { header, txs: all });
        self.observe();
    }

    pub fn mine_empty(&mut self, count: usize, secs: u32) {
        (0..count).for_each(|_| self.mine(Vec::new(), secs));
    }

    pub fn observe(&mut self) {
        self.task.apply_tip(&self.tip());
        for (script, slot) in self.task.scripts() {
            let events = self.task.observe(slot, &self.view(&script));
            events.iter().for_each(|event| self.task.apply(event).unwrap());
        }
    }

    pub fn header(&self, height: u32) -> Option<Header> {
        self.blocks.get(usize::try_from(height).unwrap()).map(|block| block.header)
    }

    pub fn tip(&self) -> Tip {
        self.tip_at(height_of(self.blocks.len() - 1))
    }

    fn tip_at(&self, height: u32) -> Tip {
        let hash = self.header(height).unwrap().block_hash();
        Tip { height, hash, mtp_secs: mtp_secs(height, |at| self.header(at)).unwrap() }
    }

    /// Every transaction with the place it is mined at.
    fn transactions(&self) -> impl Iterator<Item = (&Transaction, Option<Confirmation>)> {
        let mined = self.blocks.iter().enumerate().skip(1).flat_map(|(height, block)| {
            let tip = self.tip_at(height_of(height));
            block.txs.iter().enumerate().map(move |(position, tx)| {
                let at = Confirmation {
                    height: tip.height,
                    block_hash: tip.hash,
                    position: height_of(position),
                    mtp_secs: tip.mtp_secs,
                };
                (tx, Some(at))
            })
        });
        mined.chain(self.mempool.iter().map(|tx| (tx, None)))
    }

    /// What a server would say of a script.
    pub fn view(&self, script: &Script) -> ScriptView {
        let mut view = ScriptView::default();
        for (tx, confirmation) in self.transactions() {
            let txid = tx.compute_txid();
            for (vout, output) in (0u32..).zip(&tx.output) {
                if output.script_pubkey.as_script() == script {
                    let outpoint = OutPoint { txid, vout };
                    let coinbase = tx.is_coinbase();
                    view.deposits.push(Deposit { outpoint, amount: output.value, coinbase, confirmation });
                }
            }
        }
        for (tx, confirmation) in self.transactions() {
            for (vin, input) in (0u32..).zip(&tx.input) {
                let prevout = input.previous_output;
                if view.deposits.iter().any(|deposit| deposit.outpoint == prevout) {
                    let path = match input.witness.len() {
                        5 => SpendPath::Cooperative,
                        3 => SpendPath::Refund,
                        _ => SpendPath::Key,
                    };
                    view.spends.push(Spend { prevout, txid: tx.compute_txid(), vin, path, confirmation });
                }
            }
        }
        view
    }

    pub fn outpoint_of(&self, pledge: u32) -> OutPoint {
        self.task.outpoints().values().find(|held| held.slot.index == pledge).unwrap().outpoint
    }

    pub fn evidence(&self) -> Evidence {
        let needs = needs(&self.task, &self.tip());
        let mut evidence = Evidence::default();
        for height in needs.headers {
            evidence.headers.insert(height, self.header(height).unwrap());
        }
        for (tx, at) in self.transactions() {
            if !needs.transactions.contains_key(&tx.compute_txid()) {
                continue;
            }
            let branch = at.map_or(Vec::new(), |at| {
                let block = &self.blocks[usize::try_from(at.height).unwrap()];
                let txids: Vec<Txid> = block.txs.iter().map(Transaction::compute_txid).collect();
                merkle(&txids, usize::try_from(at.position).unwrap()).1
            });
            evidence.transactions.insert(tx.compute_txid(), (tx.clone(), branch));
        }
        evidence
    }

    pub fn document(&self) -> ProofDocument {
        ProofDocument::build(&self.task, &self.tip(), &self.evidence()).unwrap()
    }
}

/// A receipt for `vote`, signed by `key`.
pub fn receipt(secp: &Secp256k1<All>, vote: &Vote, tip: &Tip, key: &Keypair) -> Signed<Receipt> {
    let words = Receipt {
        network: NETWORK,
        charter: vote.charter,
        vote: vote.digest(),
        tip_height: tip.height,
        tip_hash: tip.hash,
        tip_mtp_secs: tip.mtp_secs,
    };
    Signed::new(secp, words, key)
}

/// A key that is nobody's.
pub fn attacker() -> Keypair {
    Keypair::from_seckey_slice(&Secp256k1::new(), &[0x66; 32]).unwrap()
}

/// The document of a funded life in which the payment of pledge 4 is larger, with everything recomputed
/// down to the proof of work.
pub fn forged_amount(life: &Life) -> ProofDocument {
    let mut life = life.clone();
    let last = life.blocks.len() - 1;
    let mut txs = life.blocks[last].txs.clone();
    txs[1].output[0].value += Amount::from_sat(100_000);
    life.blocks.truncate(last);
    life.observe();
    life.mine(txs.split_off(1), 600);
    life.document()
}
