//! The charter: parties, terms and T, agreed before the first address is shown and never edited.
//!
//! A [`Charter`] that exists is a valid one: the only ways to make one are [`Charter::parse`], which
//! takes the canonical bytes, and [`Charter::from_fields`]. Its id commits to every byte, and every
//! pledge address commits to the id (`descriptor.rs`).

pub mod canonical;
mod check;
mod error;
mod fields;

pub use check::{address, inert, unseen};
pub use error::CharterError;
pub use fields::{
    AcceptanceRule, CharterFields, FundingRule, Leader, Milestone, Payee, Seat, Silence, SubmissionsOpen,
    VoteOpens,
};

use super::keys::SignerKey;
use super::network::Network;
use super::signature::{Speaker, StatementSignature};
use super::statement::{
    Attest, BadSignature, CharterId, NamedBy, Party, Role, Submission, TaskId, tagged_hash,
};
use bitcoin::absolute::LockTime;
use bitcoin::secp256k1::{Secp256k1, Verification, XOnlyPublicKey};
use bitcoin::{Address, Amount, FeeRate};

/// Longest charter accepted, in bytes. A charter with twenty payees and ten milestones has under 8 kB.
pub const MAX_CHARTER_BYTES: usize = 32_768;

/// A share in basis points, 0 to 10000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bps(u16);

impl Bps {
    /// All.
    pub const ALL: Bps = Bps(10_000);
    /// Nothing.
    pub const NONE: Bps = Bps(0);

    /// `None` above 10000.
    pub const fn new(bps: u16) -> Option<Bps> {
        if bps <= 10_000 { Some(Bps(bps)) } else { None }
    }

    /// The number.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// This share of `amount`, rounded down to a satoshi.
    pub fn of(self, amount: Amount) -> Amount {
        let sat = u128::from(amount.to_sat()) * u128::from(self.0) / 10_000;
        Amount::from_sat(u64::try_from(sat).expect("a share of a u64 is a u64"))
    }

    /// Whether `part` is at least this share of `whole`, without rounding.
    pub fn reached(self, part: Amount, whole: Amount) -> bool {
        u128::from(part.to_sat()) * 10_000 >= u128::from(whole.to_sat()) * u128::from(self.0)
    }
}

/// Where a share of a payout goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// Who, for people: `payee 1`, `leader`, `operator`.
    pub name: String,
    /// Address on the charter's network.
    pub address: Address,
    /// Share of what is paid out; never 0.
    pub share: Bps,
}

/// A valid charter with its canonical bytes and id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charter {
    fields: CharterFields,
    bytes: Vec<u8>,
    id: CharterId,
    signers: [SignerKey; 3],
    shares: Vec<Share>,
    receipt_key: XOnlyPublicKey,
    pot: Option<Address>,
}

impl Charter {
    /// Reads the canonical bytes of a charter and checks every value. See [`CharterError`] for what is
    /// refused.
    pub fn parse(bytes: &[u8]) -> Result<Charter, CharterError> {
        if bytes.len() > MAX_CHARTER_BYTES {
            return Err(CharterError::TooLong { bytes: bytes.len(), max: MAX_CHARTER_BYTES });
        }
        let not_json = |detail: String| CharterError::NotJson { detail };
        let text = std::str::from_utf8(bytes).map_err(|e| not_json(e.to_string()))?;
        if let Some(key) = canonical::first_duplicate_key(text).map_err(|e| not_json(e.to_string()))? {
            return Err(CharterError::DuplicateKey { key });
        }
        let given: serde_json::Value = serde_json::from_str(text).map_err(|e| not_json(e.to_string()))?;
        let fields = CharterFields::deserialize_from(&given)?;
        let known =
            serde_json::to_value(&fields).map_err(|e| CharterError::Shape { detail: e.to_string() })?;
        if let Some(path) = canonical::first_unknown_key(&given, &known) {
            return Err(CharterError::UnknownKey { path });
        }
        let charter = Charter::from_fields(fields)?;
        if charter.bytes != bytes {
            let same = charter.bytes.iter().zip(bytes).take_while(|(a, b)| a == b).count();
            return Err(CharterError::NotCanonical { position: same });
        }
        Ok(charter)
    }

    /// Checks every field and computes the canonical bytes and the id.
    pub fn from_fields(fields: CharterFields) -> Result<Charter, CharterError> {
        let signers = check::signers(&fields)?;
        check::texts(&fields)?;
        check::times(&fields)?;
        check::amounts(&fields)?;
        check::rules(&fields)?;
        let shares = check::shares(&fields)?;
        let receipt_key = check::public_key("receipt_key", &fields.receipt_key)?;
        let pot = match &fields.pot {
            None => None,
            Some(address) => Some(check::address("pot", address, fields.network)?),
        };
        let bytes =
            canonical::to_bytes(&fields).map_err(|e| CharterError::Shape { detail: e.to_string() })?;
        if bytes.len() > MAX_CHARTER_BYTES {
            return Err(CharterError::TooLong { bytes: bytes.len(), max: MAX_CHARTER_BYTES });
        }
        let id = CharterId(tagged_hash("upfront/charter", &bytes));
        Ok(Charter { fields, bytes, id, signers, shares, receipt_key, pot })
    }

    /// What is wrong with the fields: the first error of each group of them, for whoever fills in a form. Without
    /// any, [`Charter::from_fields`] makes a charter.
    pub fn problems(fields: &CharterFields) -> Vec<CharterError> {
        let groups = [
            check::signers(fields).map(drop),
            check::texts(fields),
            check::times(fields),
            check::amounts(fields),
            check::rules(fields),
            check::shares(fields).map(drop),
            check::public_key("receipt_key", &fields.receipt_key).map(drop),
        ];
        let pot = fields.pot.iter().map(|address| check::address("pot", address, fields.network).map(drop));
        groups.into_iter().chain(pot).filter_map(Result::err).collect()
    }

    /// BIP340 tagged hash `upfront/charter` of the canonical bytes.
    pub fn id(&self) -> CharterId {
        self.id
    }

    /// The canonical bytes (RFC 8785).
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The document as written.
    pub fn fields(&self) -> &CharterFields {
        &self.fields
    }

    /// The chain.
    pub fn network(&self) -> Network {
        self.fields.network
    }

    /// The task it belongs to.
    pub fn task(&self) -> TaskId {
        self.fields.task
    }

    /// Key expressions of developer, representative and arbiter, in the order of [`Role::ALL`].
    pub fn signers(&self) -> &[SignerKey; 3] {
        &self.signers
    }

    /// One signer's key expression.
    pub fn signer(&self, role: Role) -> &SignerKey {
        role.of(&self.signers)
    }

    /// The key a signer attests, accepts and rules with: `1000/0` below their account.
    pub fn statement_key(&self, role: Role) -> XOnlyPublicKey {
        self.signer(role).statement_key()
    }

    /// Under which keys a signer's statements verify.
    pub fn speaker(&self, role: Role) -> Speaker {
        self.signer(role).speaker()
    }

    /// Under which keys the leader's statements verify, where there is one.
    pub fn leader_speaker(&self) -> Option<Speaker> {
        let key = self.fields.leader.as_ref()?.key.parse().ok()?;
        Some(Speaker::sponsor(key))
    }

    /// Who signs a submission: the developer, or whoever names other payees. `None` where there is no such leader.
    pub fn submitter(&self, submission: &Submission) -> Option<Speaker> {
        match submission.named.as_ref().map(|named| named.by) {
            None => Some(self.speaker(Role::Developer)),
            Some(NamedBy::Representative) => Some(self.speaker(Role::Representative)),
            Some(NamedBy::Leader) => self.leader_speaker(),
        }
    }

    /// Under which keys a party's words about a submission verify; `None` if there is no such party. `sponsor` knows
    /// the sponsor keys of pledges.
    pub fn party_speaker(
        &self,
        party: Party,
        sponsor: impl FnOnce(u32) -> Option<XOnlyPublicKey>,
    ) -> Option<Speaker> {
        match party {
            Party::Signer(role) => Some(self.speaker(role)),
            Party::Leader => self.leader_speaker(),
            Party::Pledge(index) => sponsor(index).map(Speaker::sponsor),
        }
    }

    /// Under which key the service's receipts verify.
    pub fn receipts(&self) -> Speaker {
        Speaker::service(self.receipt_key)
    }

    /// Everybody who is paid, payees first, then leader and operator; shares make 10000.
    pub fn shares(&self) -> &[Share] {
        &self.shares
    }

    /// Everybody who is paid where a submission names `payees` in place of the charter's; the charter's own
    /// shares where it names none.
    ///
    /// # Errors
    /// Where an address or a share is none, or the shares do not make 10000 with the leader's and the operator's.
    pub fn shares_for(&self, payees: &[Payee]) -> Result<Vec<Share>, CharterError> {
        if payees.is_empty() { Ok(self.shares.clone()) } else { check::shares_with(&self.fields, payees) }
    }

    /// How many parts the work has.
    pub fn milestones(&self) -> u32 {
        u32::try_from(self.fields.milestones.len()).expect("checked: at most twenty")
    }

    /// A part of the work, from 0.
    pub fn milestone(&self, number: u32) -> Option<&Milestone> {
        self.fields.milestones.get(usize::try_from(number).ok()?)
    }

    /// Key under which the service signs receipts.
    pub fn receipt_key(&self) -> &XOnlyPublicKey {
        &self.receipt_key
    }

    /// Where gifts go when the task fails.
    pub fn pot(&self) -> Option<&Address> {
        self.pot.as_ref()
    }

    /// T in Unix seconds.
    pub fn refund_time_secs(&self) -> u32 {
        self.fields.refund_time
    }

    /// T as a transaction's locktime.
    pub fn refund_lock_time(&self) -> LockTime {
        LockTime::from_time(self.fields.refund_time).expect("checked: T is a time")
    }

    /// Nothing new is started from here on: three days before T (a grid step on regtest).
    pub fn cutoff_secs(&self) -> u32 {
        self.fields.refund_time - self.fields.network.cutoff_secs()
    }

    /// Last median time past at which a merge or release is confirmed: review and ruling still end before the
    /// cut-off then. Never before the work deadline.
    pub fn confirmation_deadline_secs(&self) -> u32 {
        let windows = self.fields.review_secs.saturating_add(self.fields.ruling_secs);
        self.cutoff_secs().saturating_sub(windows)
    }

    /// Last median time past of any ruling, where there are several milestones: what waits for one keeps the rest of a
    /// pledge from being paid, and that has to be signed before the cut-off. As long before it as it is before T.
    pub fn last_ruling_secs(&self) -> Option<u32> {
        let several = self.milestones() > 1;
        several.then(|| self.cutoff_secs().saturating_sub(self.fields.network.cutoff_secs()))
    }

    /// What is credited at most.
    pub fn cap(&self) -> Amount {
        Amount::from_sat(self.fields.cap_sat)
    }

    /// What the work needs.
    pub fn target(&self) -> Amount {
        Amount::from_sat(self.fields.target_sat)
    }

    /// Least amount that is credited.
    pub fn minimum_pledge(&self) -> Amount {
        Amount::from_sat(self.fields.minimum_pledge_sat)
    }

    /// Part of the weight cast that yes must reach.
    pub fn threshold(&self) -> Bps {
        Bps(self.fields.acceptance.threshold_bps)
    }

    /// Part of the credited weight that must have been cast.
    pub fn quorum(&self) -> Bps {
        Bps(self.fields.acceptance.quorum_bps)
    }

    /// Highest feerate a signer may sign.
    pub fn feerate_cap(&self) -> FeeRate {
        FeeRate::from_sat_per_vb(self.fields.feerate_cap_sat_per_vb).expect("checked: at most 2000 sat/vB")
    }

    /// Checks one signer's attestation of this charter.
    pub fn verify_attestation<C: Verification>(
        &self,
        secp: &Secp256k1<C>,
        role: Role,
        signature: &StatementSignature,
    ) -> Result<(), BadSignature> {
        self.speaker(role).verify(secp, &Attest { charter: self.id }, signature)
    }
}

#[cfg(test)]
mod tests;
