//! How much of a pledge moves in one go. Whatever may arrive needs a refund of its own in the recovery file and with the
//! service, and both have an end.

use bitcoin::Amount;
use std::cmp::Reverse;

/// Refunds that one move signs at most: so many fit into the recovery file, and twice as many are taken by the service.
const MOST_REFUNDS: usize = 500;

/// Which parts move, of each the amount and how many refunds it needs: the largest first.
pub fn at_once(parts: &[(Amount, usize)]) -> Vec<bool> {
    let mut largest: Vec<usize> = (0..parts.len()).collect();
    largest.sort_by_key(|&at| Reverse(parts.get(at).map(|(amount, _)| *amount)));
    let mut chosen = vec![false; parts.len()];
    let mut left = MOST_REFUNDS;
    for at in largest {
        let (Some((_, refunds)), Some(chosen)) = (parts.get(at), chosen.get_mut(at)) else { continue };
        let Some(rest) = left.checked_sub(*refunds) else { break };
        left = rest;
        *chosen = true;
    }
    chosen
}

/// Why the others stay. Alone everything moves at the same time: there is no later.
pub fn too_many(alone: bool) -> &'static str {
    if alone {
        "too many at once: let two signers move it; else it comes back to you at T"
    } else {
        "too many at once: move these first, then again"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_move_and_no_more_than_can_be_kept() {
        let sized = |refunds| move |amount| (Amount::from_sat(amount), refunds);
        assert_eq!(at_once(&[]), Vec::<bool>::new());
        let chosen = at_once(&(1..=166).map(sized(3)).collect::<Vec<_>>());
        assert!(chosen.iter().all(|chosen| *chosen));
        let chosen = at_once(&(1..=200).map(sized(3)).collect::<Vec<_>>());
        assert_eq!(chosen.iter().position(|chosen| *chosen), Some(34));
        assert!(chosen.iter().skip(34).all(|chosen| *chosen));
        let chosen = at_once(&(1..=100).rev().map(sized(7)).collect::<Vec<_>>());
        assert_eq!(chosen.iter().filter(|chosen| **chosen).count(), 71);
        assert!(chosen.iter().take(71).all(|chosen| *chosen));
    }
}
