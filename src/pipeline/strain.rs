//! Whether the board is slower than it could be, told without flapping: a processor
//! that works at its limit crosses it many times a minute, and each crossing would
//! otherwise be an alarm, a status and a change of rate.

use std::time::Duration;

/// Degrees below `pace.hot_c` from which the processor counts as cool again.
const COOLED_C: f32 = 5.0;
/// So long must heat and throttling be absent before the strain is over.
const RECOVERY: Duration = Duration::from_secs(60);

/// Follows heat and the firmware's throttling. All times are on the monotonic clock.
#[derive(Clone, Debug)]
pub(crate) struct Strain {
    /// From this temperature in °C on the processor is hot.
    hot_c: f32,
    /// Why, and when that was last true.
    strained: Option<(String, Duration)>,
}

impl Strain {
    pub(crate) fn new(hot_c: f32) -> Self {
        Self { hot_c, strained: None }
    }

    /// Why the board is strained at `now`, if it is, by the processor's temperature in
    /// °C and by what the firmware says of throttling. The words do not change with every
    /// degree: a status with other words is published at once.
    pub(crate) fn update(
        &mut self,
        now: Duration,
        temperature_c: Option<f32>,
        throttled: Option<&str>,
    ) -> Option<&str> {
        let limit = if self.strained.is_some() { self.hot_c - COOLED_C } else { self.hot_c };
        let hot = temperature_c.is_some_and(|degrees| degrees >= limit);
        self.strained = match (self.strained.take(), throttled) {
            (_, Some(why)) => Some((why.to_owned(), now)),
            (Some((why, _)), None) if hot => Some((why, now)),
            (None, None) if hot => {
                Some((format!("the processor is hotter than {} °C", self.hot_c), now))
            }
            (before, None) => before.filter(|(_, last)| now.saturating_sub(*last) < RECOVERY),
        };
        self.strained.as_ref().map(|(why, _)| why.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One look a second; returns how often the answer changed.
    fn changes(readings: impl Iterator<Item = (f32, Option<&'static str>)>) -> usize {
        let mut strain = Strain::new(80.0);
        let mut answers: Vec<Option<String>> = readings
            .zip(0..)
            .map(|((degrees, throttled), second)| {
                let now = Duration::from_secs(second);
                strain.update(now, Some(degrees), throttled).map(str::to_owned)
            })
            .collect();
        let last = answers.last().cloned().flatten();
        assert_eq!(last, None, "it ends");
        answers.dedup();
        answers.len() - 1
    }

    #[test]
    fn a_processor_at_its_limit_is_strained_once() {
        let at_the_limit = (0..600).map(|second| (79.0 + (second % 3) as f32, None));
        let cooling = (0..120).map(|_| (70.0, None));
        assert_eq!(changes(at_the_limit.chain(cooling)), 2);
    }

    #[test]
    fn throttling_that_comes_and_goes_is_told_once() {
        let weak = (0..600).map(|second| (60.0, (second % 20 == 10).then_some("under-voltage")));
        assert_eq!(changes(weak.chain((0..120).map(|_| (60.0, None)))), 2);
    }

    #[test]
    fn between_cool_and_hot_nothing_begins_and_what_is_not_known_is_not_hot() {
        let mut strain = Strain::new(80.0);
        assert_eq!(strain.update(Duration::ZERO, Some(79.9), None), None);
        assert_eq!(strain.update(Duration::ZERO, None, None), None);
        let why = strain.update(Duration::from_secs(1), Some(80.0), None).map(str::to_owned);
        assert_eq!(why.as_deref(), Some("the processor is hotter than 80 °C"));
        assert!(strain.update(Duration::from_secs(400), Some(75.0), None).is_some());
    }
}
