//! Measures of a detector on a labelled set.
