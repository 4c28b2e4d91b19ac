//! The feerates that settlements are proposed at: a fixed ladder of steps, each at most half again the one
//! before (double, between the first two). Equal terms have equal ids, so that the number of proposals that
//! anybody can make of one state of a task is the number of steps.

/// From ten on, the steps of each power of ten.
const TENTHS: [u64; 10] = [10, 12, 15, 20, 25, 30, 40, 50, 60, 80];

/// Every step, sat/vB, lowest first: 1 to 10, 12, 15, 20, 25, 30, 40, 50, 60, 80, 100, 120 and so on.
pub fn steps() -> impl Iterator<Item = u64> {
    let powers = std::iter::successors(Some(1_u64), |power| power.checked_mul(10));
    let above = powers.flat_map(|power| TENTHS.iter().map_while(move |tenth| tenth.checked_mul(power)));
    (1..10).chain(above)
}

/// The highest step that is not above `sat_per_vb`; `None` for 0.
pub fn step_at_or_below(sat_per_vb: u64) -> Option<u64> {
    steps().take_while(|step| *step <= sat_per_vb).last()
}

/// The lowest step that is not below `sat_per_vb`; `None` beyond the last that 64 bits hold.
pub fn step_at_or_above(sat_per_vb: u64) -> Option<u64> {
    steps().find(|step| *step >= sat_per_vb)
}

/// The step nearest to an estimate that signers may sign: the next above it, but within the cap.
pub fn nearest_step(estimated_sat_per_vb: u64, cap_sat_per_vb: u64) -> u64 {
    let above = step_at_or_above(estimated_sat_per_vb).unwrap_or(estimated_sat_per_vb);
    step_at_or_below(above.clamp(1, cap_sat_per_vb)).unwrap_or(1)
}

/// The steps next to what is none, within a cap, in words: `10 or 12`. `None` for what is a step.
pub fn steps_beside(given_sat_per_vb: u64, cap_sat_per_vb: u64) -> Option<String> {
    let below = step_at_or_below(given_sat_per_vb);
    if below == Some(given_sat_per_vb) {
        return None;
    }
    let above = step_at_or_above(given_sat_per_vb).filter(|above| *above <= cap_sat_per_vb);
    let beside: Vec<String> = below.into_iter().chain(above).map(|step| step.to_string()).collect();
    Some(beside.join(" or "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_rise_without_large_gaps() {
        let first: Vec<u64> = steps().take(30).collect();
        let expected = [
            1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 20, 25, 30, 40, 50, 60, 80, 100, 120, 150, 200, 250, 300,
            400, 500, 600, 800, 1_000,
        ];
        assert_eq!(first, expected);
        let all: Vec<u64> = steps().take_while(|step| *step < u64::MAX / 20).collect();
        assert!(all.windows(2).all(|pair| pair[0] < pair[1] && pair[1] <= pair[0] * 3 / 2 + 1));
    }

    #[test]
    fn what_is_between_has_two_neighbours() {
        assert_eq!((step_at_or_below(11), step_at_or_above(11)), (Some(10), Some(12)));
        assert_eq!((step_at_or_below(12), step_at_or_above(12)), (Some(12), Some(12)));
        assert_eq!((step_at_or_below(0), step_at_or_above(0)), (None, Some(1)));
        assert!(step_at_or_below(u64::MAX).is_some());
        assert_eq!(step_at_or_above(u64::MAX), None);
    }
}
