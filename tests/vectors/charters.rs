//! Four charters, one a network, with the phrases of their signers and their attestations.

use super::{AttestationCase, CharterCase};
use bip39::Mnemonic;
use bitcoin::bip32::{DerivationPath, Xpriv, Xpub};
use bitcoin::hashes::{Hash, sha256};
use bitcoin::secp256k1::{Keypair, Secp256k1};
use bitcoin::{Address, CompressedPublicKey, ScriptBuf};
use upfront::escrow::charter::{
    AcceptanceRule, Charter, CharterFields, FundingRule, Leader, Milestone, Payee, Seat, Silence,
    SubmissionsOpen, VoteOpens,
};
use upfront::escrow::network::{DAY_SECS, Network};
use upfront::escrow::statement::{Attest, Digest, Role, Statement, TaskId};

/// SHA-256 of a label: where every "random" value of the vectors comes from.
pub fn hash(label: &str) -> [u8; 32] {
    sha256::Hash::hash(label.as_bytes()).to_byte_array()
}

/// A phrase of twelve words that nobody should use.
pub fn phrase(label: &str) -> Mnemonic {
    Mnemonic::from_entropy(&hash(label)[..16]).unwrap()
}

/// The private key at `path` below the root of a phrase.
pub fn xpriv(phrase: &Mnemonic, network: Network, path: &str) -> Xpriv {
    let root = Xpriv::new_master(network.kind(), &phrase.to_seed("")).unwrap();
    root.derive_priv(&Secp256k1::new(), &path.parse::<DerivationPath>().unwrap()).unwrap()
}

pub struct Signed {
    pub charter: Charter,
    /// Phrase and account number of developer, representative and arbiter.
    pub signers: [(Mnemonic, u32); 3],
}

impl Signed {
    pub fn case(&self) -> CharterCase {
        let [developer, representative, arbiter] = Role::ALL.map(|role| self.attestation(role));
        CharterCase {
            text: String::from_utf8(self.charter.bytes().to_vec()).unwrap(),
            id: self.charter.id().to_string(),
            developer,
            representative,
            arbiter,
        }
    }

    fn attestation(&self, role: Role) -> AttestationCase {
        let secp = Secp256k1::new();
        let at = Role::ALL.into_iter().position(|other| other == role).unwrap();
        let (phrase, account) = &self.signers[at];
        let path = format!("87h/{}h/{account}h/1000/0", self.charter.network().coin_type());
        let keypair: Keypair = xpriv(phrase, self.charter.network(), &path).to_keypair(&secp);
        let statement_key = keypair.x_only_public_key().0;
        assert_eq!(statement_key, self.charter.statement_key(role));
        let signature = Attest { charter: self.charter.id() }.sign(&secp, &keypair);
        self.charter.verify_attestation(&secp, role, &signature).unwrap();
        let path = format!("87h/{}h/{account}h/0/0", self.charter.network().coin_type());
        let first: Keypair = xpriv(phrase, self.charter.network(), &path).to_keypair(&secp);
        let attest = Attest { charter: self.charter.id() };
        let bip322_signature = super::cases::by_wallet(&attest, &first);
        self.charter.verify_attestation(&secp, role, &bip322_signature).unwrap();
        AttestationCase {
            phrase: phrase.to_string(),
            account: *account,
            key: self.charter.signer(role).to_string(),
            statement_key: statement_key.to_string(),
            signature: signature.to_string(),
            bip322_key: first.x_only_public_key().0.to_string(),
            bip322_signature: bip322_signature.to_string(),
        }
    }
}

fn seat(phrase: &Mnemonic, account: u32, network: Network, nominated_by: &str) -> Seat {
    let secp = Secp256k1::new();
    let fingerprint = xpriv(phrase, network, "m").fingerprint(&secp);
    let path = format!("87h/{}h/{account}h", network.coin_type());
    let xpub = Xpub::from_priv(&secp, &xpriv(phrase, network, &path));
    Seat { key: format!("[{fingerprint}/{path}]{xpub}"), nominated_by: nominated_by.to_owned() }
}

/// A Taproot address made from a label.
pub fn taproot(label: &str, network: Network) -> String {
    let secp = Secp256k1::new();
    let key = Keypair::from_seckey_slice(&secp, &hash(label)).unwrap().x_only_public_key().0;
    Address::p2tr(&secp, key, None, network.bitcoin()).to_string()
}

pub fn public_key(label: &str) -> String {
    let secp = Secp256k1::new();
    Keypair::from_seckey_slice(&secp, &hash(label)).unwrap().x_only_public_key().0.to_string()
}

/// One address of each older kind, so that every reader is seen to take them.
fn compressed(label: &str) -> CompressedPublicKey {
    let secp = Secp256k1::new();
    CompressedPublicKey(Keypair::from_seckey_slice(&secp, &hash(label)).unwrap().public_key())
}

pub fn p2wpkh(label: &str, network: Network) -> String {
    Address::p2wpkh(&compressed(label), network.bitcoin()).to_string()
}

pub fn p2pkh(label: &str, network: Network) -> String {
    Address::p2pkh(compressed(label), network.bitcoin()).to_string()
}

pub fn p2sh(label: &str, network: Network) -> String {
    Address::p2shwpkh(&compressed(label), network.bitcoin()).to_string()
}

pub fn p2wsh(label: &str, network: Network) -> String {
    Address::p2wsh(&ScriptBuf::from_bytes(hash(label).to_vec()), network.bitcoin()).to_string()
}

/// The terms all four share; each then changes what is special to it.
fn fields(network: Network, signers: &[(Mnemonic, u32); 3], from: u32) -> CharterFields {
    let refund_time = network.grid_at_or_after(from).unwrap();
    let [developer, representative, arbiter] = signers;
    let name = network.name();
    CharterFields {
        version: 1,
        network,
        task: TaskId(hash(&format!("task {name}"))),
        text_hash: Digest(hash(&format!("text {name}"))),
        repository: "https://example.org/upfront/vectors".to_owned(),
        licence: "MIT".to_owned(),
        developer: seat(&developer.0, developer.1, network, "the developer"),
        representative: seat(&representative.0, representative.1, network, "the proposer"),
        arbiter: seat(&arbiter.0, arbiter.1, network, "both sides"),
        refund_time,
        depth: 2,
        funding_close: refund_time - 60 * DAY_SECS,
        work_deadline: refund_time - 30 * DAY_SECS,
        review_secs: 7 * DAY_SECS,
        ruling_secs: 14 * DAY_SECS,
        target_sat: 5_000_000,
        cap_sat: 20_000_000,
        minimum_pledge_sat: 10_000,
        acceptance: AcceptanceRule {
            threshold_bps: 6_667,
            quorum_bps: 2_000,
            silence: Silence::Pay,
            yes_waits: false,
        },
        milestones: vec![Milestone { share_bps: 10_000, due: refund_time - 30 * DAY_SECS }],
        payees: vec![Payee { address: taproot(&format!("payee {name}"), network), share_bps: 10_000 }],
        leader: None,
        operator: None,
        funding_rule: FundingRule::Keep,
        submissions_open: SubmissionsOpen::AtOnce,
        vote_opens: VoteOpens::None,
        pot: None,
        receipt_key: public_key(&format!("receipt {name}")),
        feerate_cap_sat_per_vb: 200,
    }
}

pub fn signed(
    network: Network,
    accounts: [u32; 3],
    from: u32,
    change: impl FnOnce(&mut CharterFields),
) -> Signed {
    let [developer, representative, arbiter] = accounts;
    let of = |role: Role, account| (phrase(&format!("{role} {network}")), account);
    let signers = [
        of(Role::Developer, developer),
        of(Role::Representative, representative),
        of(Role::Arbiter, arbiter),
    ];
    let mut fields = fields(network, &signers, from);
    change(&mut fields);
    Signed { charter: Charter::from_fields(fields).unwrap(), signers }
}

/// Mainnet, testnet4, signet, regtest, in this order.
pub fn all() -> [Signed; 4] {
    let mainnet = signed(Network::Mainnet, [0, 0, 0], 1_800_000_000, |fields| {
        fields.funding_rule = FundingRule::AllOrNothing;
        fields.submissions_open = SubmissionsOpen::WhenTargetCredited;
        fields.acceptance.yes_waits = true;
        fields.representative.nominated_by = "Zo\u{eb} \u{201c}the first sponsor\u{201d} \u{20bf}".to_owned();
    });
    let testnet4 = signed(Network::Testnet4, [1, 0, 7], 1_810_000_000, |fields| {
        let network = fields.network;
        fields.payees = vec![
            Payee { address: p2wpkh("payee 1", network), share_bps: 5_000 },
            Payee { address: p2sh("payee 2", network), share_bps: 3_000 },
            Payee { address: p2wsh("payee 3", network), share_bps: 1_000 },
        ];
        fields.leader =
            Some(Leader { address: p2pkh("leader", network), share_bps: 900, key: public_key("leader key") });
        fields.operator = Some(Payee { address: taproot("operator", network), share_bps: 100 });
        fields.pot = Some(taproot("pot", network));
        fields.vote_opens = VoteOpens::Merged;
    });
    let signet = signed(Network::Signet, [0, 12, 3], 1_820_000_000, |fields| {
        let due = fields.work_deadline;
        fields.milestones = vec![
            Milestone { share_bps: 2_500, due: due - 20 * DAY_SECS },
            Milestone { share_bps: 2_500, due: due - 10 * DAY_SECS },
            Milestone { share_bps: 5_000, due },
        ];
        fields.acceptance.silence = Silence::Hold;
        fields.acceptance.threshold_bps = 5_001;
        fields.licence = "(MIT OR Apache-2.0)".to_owned();
        fields.vote_opens = VoteOpens::Released;
    });
    let regtest = signed(Network::Regtest, [2_147_483_647, 0, 1], 1_830_000_001, |fields| {
        fields.depth = 1;
        fields.funding_close = fields.refund_time - 600;
        fields.work_deadline = fields.refund_time - 300;
        fields.milestones[0].due = fields.work_deadline;
        fields.review_secs = 60;
        fields.ruling_secs = 60;
        fields.minimum_pledge_sat = 330;
        fields.feerate_cap_sat_per_vb = 2_000;
    });
    [mainnet, testnet4, signet, regtest]
}
