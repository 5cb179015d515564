//! Chance, from the operating system (getrandom(2)).

/// So many random bytes.
///
/// # Panics
///
/// Where the system has no source of randomness, which no supported kernel lacks.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("Linux has getrandom(2) since 3.17");
    bytes
}

/// From 0 to 1, by chance: what spreads a fleet over time.
pub fn jitter() -> f64 {
    f64::from(u32::from_ne_bytes(bytes())) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_stays_in_its_range_and_varies() {
        let values: Vec<f64> = (0..100).map(|_| jitter()).collect();
        assert!(values.iter().all(|value| (0.0..=1.0).contains(value)));
        assert!(values.windows(2).any(|pair| pair[0] != pair[1]));
    }
}
