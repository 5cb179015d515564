//! Who watches: counted, limited, and told.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts those who watch the live picture.
#[derive(Debug)]
pub(super) struct Viewers {
    count: Arc<AtomicUsize>,
    most: usize,
}

/// One who watches, until this is dropped.
pub(super) struct Viewer {
    count: Arc<AtomicUsize>,
    name: String,
}

impl Viewers {
    pub(super) fn new(most: usize) -> Self {
        Self { count: Arc::default(), most }
    }

    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// One more, called `name`; none when there are as many as may be.
    pub(super) fn enter(&self, name: String) -> Option<Viewer> {
        let more = |now| (now < self.most).then_some(now + 1);
        self.count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        log::info!("page: {name} watches the live picture");
        Some(Viewer { count: Arc::clone(&self.count), name })
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        let left = self.count.fetch_sub(1, Ordering::Relaxed) - 1;
        log::info!("page: {} watches no more; {left} left", self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_never_more_than_may_be() {
        let viewers = Viewers::new(2);
        let first = viewers.enter("a".into()).expect("room");
        let second = viewers.enter("b".into()).expect("room");
        assert!(viewers.enter("c".into()).is_none());
        assert_eq!(viewers.count(), 2);
        drop(first);
        assert!(viewers.enter("c".into()).is_some());
        drop(second);
        assert_eq!(viewers.count(), 0);
    }
}
