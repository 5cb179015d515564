//! Which faults were told already: one that lasts is one line of the journal, not one at every
//! try.

use std::collections::HashSet;

/// So many faults are told until all is well. Some are in the broker's own words, which may be
/// others at every try; what is not told any more still stands in the status.
const MOST: usize = 64;

/// What was told since a connection that had lasted broke.
#[derive(Debug, Default)]
pub(in crate::mqtt) struct Told(HashSet<String>);

impl Told {
    /// Whether this is to be told: for the first time.
    pub(super) fn is_new(&mut self, fault: String) -> bool {
        self.0.len() < MOST && self.0.insert(fault)
    }

    /// All is well: what goes wrong from now on is told again.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_that_take_turns_are_told_once_each_until_all_is_well() {
        let mut told = Told::default();
        let mut turns = |faults: [&str; 4]| faults.map(|fault| told.is_new(fault.into()));
        assert_eq!(turns(["a", "b", "a", "b"]), [true, true, false, false]);
        told.forget();
        assert!(told.is_new("a".into()));
    }

    #[test]
    fn a_fault_in_other_words_every_time_does_not_fill_the_journal_nor_the_memory() {
        let mut told = Told::default();
        let new = (0..1000).filter(|number| told.is_new(number.to_string())).count();
        assert_eq!((new, told.0.len()), (MOST, MOST));
    }
}
