//! What sponsors do to move a pledge to another charter of the same service, now or from T on.

use super::World;
use crate::escrow::charter::CharterFields;
use crate::escrow::descriptor::Slot;
use crate::escrow::event::{Command, Event, Record};
use crate::escrow::pledge::{LateMove, Totals};
use crate::escrow::refund::{Ladder, RefundBundle, RefundTarget};
use crate::escrow::statement::{CharterId, Move, Signed};
use crate::escrow::task::{Refused, Task};
use bitcoin::{Amount, OutPoint, Txid};

impl World {
    /// Another task, open, under other terms; calls stay about the one they were about. The sponsor of pledge `index`
    /// pledges there with the same key, and gets the same index.
    pub fn elsewhere(&mut self, index: u32, change: impl FnOnce(&mut CharterFields)) -> (CharterId, u32) {
        let here = self.id;
        let mut fields = self.task().charter().fields().clone();
        fields.licence = "MIT".into();
        change(&mut fields);
        let there = self.draft(&fields);
        self.attest_all();
        while self.task().next_index() <= index {
            self.issue(Amount::from_sat(20_000));
        }
        self.id = here;
        (there, index)
    }

    /// Another task of the book.
    pub fn other(&self, charter: &CharterId) -> &Task {
        self.book.task(charter).expect("it was drafted")
    }

    /// Sums of another task of the book.
    pub fn other_totals(&self, charter: &CharterId) -> Totals {
        self.other(charter).totals(self.book.tip().expect("synced"))
    }

    /// Gives another task of the book a command.
    pub fn give_to(&mut self, charter: CharterId, command: &Command) -> Result<usize, Refused> {
        let here = std::mem::replace(&mut self.id, charter);
        let given = self.give(command);
        self.id = here;
        given
    }

    /// Writes down what an earlier version decided.
    pub fn record(&mut self, event: Event) {
        let charter = self.id;
        self.keep(vec![Record::Task { charter, event }]);
    }

    /// The sponsor's consent that an outpoint moves.
    pub fn consent(&self, outpoint: OutPoint, to: (CharterId, u32)) -> Signed<Move> {
        let statement = Move {
            network: self.network,
            charter: self.id,
            outpoint,
            to_charter: to.0,
            to_index: to.1,
            to_address: self.other(&to.0).pledges()[&to.1].output.address.to_string(),
        };
        let index = self.task().outpoints()[&outpoint].slot.index;
        Signed::new(&self.secp, statement, &self.sponsor(index))
    }

    /// What the sponsor signs for T: the consent and the ladder.
    pub fn late_move(&self, outpoint: OutPoint, to: (CharterId, u32)) -> (Signed<Move>, Ladder) {
        let consent = self.consent(outpoint, to);
        let target = self.task().late_target(&consent).expect("a pledge's outpoint");
        let index = self.task().outpoints()[&outpoint].slot.index;
        let ladder = Ladder::sign(&self.secp, target, &self.sponsor(index)).expect("it bears a fee");
        (consent, ladder)
    }

    /// The refunds of what each rung of a ladder brings, for the other task.
    pub fn arrivals(&self, ladder: &Ladder, to: (CharterId, u32)) -> Vec<Command> {
        let pledge = &self.other(&to.0).pledges()[&to.1];
        let command = |(_, rung): (_, bitcoin::Transaction)| {
            let arrives = OutPoint { txid: rung.compute_txid(), vout: 0 };
            let value = rung.output[0].value;
            let target = RefundTarget::new(pledge.output.clone(), arrives, value, &pledge.refund_address)
                .expect("a pledge");
            let refund = RefundBundle::sign(&self.secp, target, &self.sponsor(to.1)).expect("the same key");
            Command::PrepareRefund { slot: Slot::pledge(to.1), refund: refund.signatures().clone() }
        };
        ladder.rungs().into_iter().map(command).collect()
    }

    /// Everything a sponsor hands in to move an outpoint from T on.
    pub fn move_late(&mut self, outpoint: OutPoint, to: (CharterId, u32)) -> Result<usize, Refused> {
        let (consent, ladder) = self.late_move(outpoint, to);
        for command in self.arrivals(&ladder, to) {
            self.give_to(to.0, &command)?;
        }
        self.give(&Command::SignLateMove { consent, ladder: ladder.signatures().clone() })
    }

    /// Sends a rung of the ladder that an outpoint's sponsor handed in.
    pub fn send_rung(&mut self, outpoint: OutPoint, at: usize) -> Txid {
        let late = self.task().outpoints()[&outpoint].late_move.as_ref();
        let ladder = late.and_then(LateMove::ladder).expect("a ladder was handed in");
        let (_, rung) = ladder.rungs().swap_remove(at);
        let txid = self.chain.broadcast(&rung).expect("nodes take it");
        self.sync();
        txid
    }
}
