//! In what a transaction differs from the one that was proposed, field by field.

use super::super::Form;
use bitcoin::absolute::LockTime;
use bitcoin::transaction::Version;
use bitcoin::{Amount, OutPoint, Sequence, Transaction};
use std::collections::BTreeSet;

/// One field that is not as proposed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Difference {
    /// `nVersion`.
    #[error("its version is {given}, not {expected}")]
    Version {
        /// In what came.
        given: Version,
        /// Proposed.
        expected: Version,
    },
    /// `nLockTime`.
    #[error("its locktime is {given}, not {expected}")]
    LockTime {
        /// In what came.
        given: LockTime,
        /// Proposed.
        expected: LockTime,
    },
    /// An input is missing.
    #[error("it does not spend {outpoint}")]
    MissingInput {
        /// What should be spent.
        outpoint: OutPoint,
    },
    /// An input too many.
    #[error("it spends {outpoint}, which is not part of this transaction")]
    ExtraInput {
        /// What is spent.
        outpoint: OutPoint,
    },
    /// The same inputs in another order.
    #[error("its input {position} is {given}, not {expected}")]
    InputOrder {
        /// From 0.
        position: usize,
        /// In what came.
        given: OutPoint,
        /// Proposed.
        expected: OutPoint,
    },
    /// An unsigned transaction has no `scriptSig`.
    #[error("its input {outpoint} has a script_sig")]
    ScriptSig {
        /// Which input.
        outpoint: OutPoint,
    },
    /// `nSequence`.
    #[error("the sequence of {outpoint} is {given}, not {expected}")]
    Sequence {
        /// Which input.
        outpoint: OutPoint,
        /// In what came.
        given: Sequence,
        /// Proposed.
        expected: Sequence,
    },
    /// An output is missing.
    #[error("output {position} ({what}) is missing")]
    MissingOutput {
        /// From 0.
        position: usize,
        /// What it should be for.
        what: String,
    },
    /// An output too many.
    #[error("output {position} is not part of this transaction")]
    ExtraOutput {
        /// From 0.
        position: usize,
    },
    /// An output pays another script.
    #[error("output {position} ({what}) pays another address")]
    OutputScript {
        /// From 0.
        position: usize,
        /// What it should be for.
        what: String,
    },
    /// An output has another value.
    #[error("output {position} ({what}) has {given}, not {expected}")]
    OutputAmount {
        /// From 0.
        position: usize,
        /// What it is for.
        what: String,
        /// In what came.
        given: Amount,
        /// Proposed.
        expected: Amount,
    },
}

/// Every difference between a form and a transaction, in the order of its fields.
pub(super) fn differences(form: &Form, given: &Transaction) -> Vec<Difference> {
    let expected = &form.transaction;
    let mut found = Vec::new();
    if given.version != expected.version {
        found.push(Difference::Version { given: given.version, expected: expected.version });
    }
    inputs(expected, given, &mut found);
    outputs(form, given, &mut found);
    if given.lock_time != expected.lock_time {
        found.push(Difference::LockTime { given: given.lock_time, expected: expected.lock_time });
    }
    found
}

fn inputs(expected: &Transaction, given: &Transaction, found: &mut Vec<Difference>) {
    let set = |tx: &Transaction| -> BTreeSet<OutPoint> {
        tx.input.iter().map(|input| input.previous_output).collect()
    };
    let (wanted, mut unseen) = (set(expected), set(expected));
    for input in &given.input {
        let outpoint = input.previous_output;
        // Named twice is one too many as well.
        if !wanted.contains(&outpoint) || !unseen.remove(&outpoint) {
            found.push(Difference::ExtraInput { outpoint });
        }
    }
    found.extend(unseen.into_iter().map(|outpoint| Difference::MissingInput { outpoint }));
    let in_place = expected.input.len() == given.input.len() && found.is_empty();
    for (position, (expected, given)) in expected.input.iter().zip(&given.input).enumerate() {
        let outpoint = given.previous_output;
        if outpoint != expected.previous_output {
            if in_place {
                let expected = expected.previous_output;
                found.push(Difference::InputOrder { position, given: outpoint, expected });
            }
            continue;
        }
        if !given.script_sig.is_empty() {
            found.push(Difference::ScriptSig { outpoint });
        }
        if given.sequence != expected.sequence {
            let (given, expected) = (given.sequence, expected.sequence);
            found.push(Difference::Sequence { outpoint, given, expected });
        }
    }
}

fn outputs(form: &Form, given: &Transaction, found: &mut Vec<Difference>) {
    let expected = &form.transaction.output;
    let what = |position: usize| form.outputs[position].to_string();
    for (position, (expected, given)) in expected.iter().zip(&given.output).enumerate() {
        if given.script_pubkey != expected.script_pubkey {
            found.push(Difference::OutputScript { position, what: what(position) });
        }
        if given.value != expected.value {
            let (given, expected) = (given.value, expected.value);
            found.push(Difference::OutputAmount { position, what: what(position), given, expected });
        }
    }
    for position in given.output.len()..expected.len() {
        found.push(Difference::MissingOutput { position, what: what(position) });
    }
    for position in expected.len()..given.output.len() {
        found.push(Difference::ExtraOutput { position });
    }
}
