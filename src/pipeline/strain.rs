//! Whether the board is slower than it could be, told without flapping: a processor
//! that works at its limit crosses it many times a minute, and each crossing would
//! otherwise be an alarm, a status and a change of rate.

use std::time::Duration;

/// Degrees below `pace.hot_c` from which the processor counts as cool again.
const COOLED_C: f32 = 5.0;
/// So long must heat be absent before it is over, and so throttling.
const RECOVERY: Duration = Duration::from_secs(60);

/// Follows heat and the firmware's throttling, each by itself: a processor that is warm, but
/// was never hot, says nothing of a supply that was weak for a moment. All times are on the
/// monotonic clock.
#[derive(Clone, Debug)]
pub(crate) struct Strain {
    /// From this temperature in °C on the processor is hot.
    hot_c: f32,
    /// When it was hot last.
    hot: Option<Duration>,
    /// Why the firmware slows it down, and when it said so last.
    throttled: Option<(String, Duration)>,
    /// The words for heat.
    heat: String,
}

impl Strain {
    pub(crate) fn new(hot_c: f32) -> Self {
        let heat = format!("the processor is hotter than {hot_c} °C");
        Self { hot_c, hot: None, throttled: None, heat }
    }

    /// Why the board is strained at `now`, if it is, by the processor's temperature in
    /// °C and by what the firmware says of throttling, which is told before heat. The words do
    /// not change with every degree: a status with other words is published at once.
    pub(crate) fn update(
        &mut self,
        now: Duration,
        temperature_c: Option<f32>,
        throttled: Option<&str>,
    ) -> Option<&str> {
        let holds = |last: Duration| now.saturating_sub(last) < RECOVERY;
        let limit = if self.hot.is_some() { self.hot_c - COOLED_C } else { self.hot_c };
        let is_hot = temperature_c.is_some_and(|degrees| degrees >= limit);
        self.hot = if is_hot { Some(now) } else { self.hot.filter(|last| holds(*last)) };
        let told = throttled.map(|why| (why.to_owned(), now));
        self.throttled = told.or(self.throttled.take().filter(|(_, last)| holds(*last)));
        let firmware = self.throttled.as_ref().map(|(why, _)| why.as_str());
        firmware.or(self.hot.map(|_| self.heat.as_str()))
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
    fn one_report_of_throttling_ends_though_the_processor_is_warm() {
        let warm = (0..600).map(|second| (77.0, (second == 10).then_some("under-voltage")));
        assert_eq!(changes(warm), 2);
    }

    #[test]
    fn heat_and_throttling_each_have_their_words_and_their_end() {
        let mut strain = Strain::new(80.0);
        let mut told = |second, degrees, throttled| {
            let why = strain.update(Duration::from_secs(second), Some(degrees), throttled);
            why.map(str::to_owned)
        };
        let hot = Some("the processor is hotter than 80 °C".to_owned());
        assert_eq!(told(0, 81.0, None), hot);
        assert_eq!(told(10, 81.0, Some("under-voltage")).as_deref(), Some("under-voltage"));
        assert_eq!(told(69, 77.0, None).as_deref(), Some("under-voltage"));
        assert_eq!(told(70, 77.0, None), hot, "that has not cooled yet");
        assert_eq!(told(120, 74.0, None), hot);
        assert_eq!(told(130, 74.0, None), None);
        assert_eq!(told(131, 77.0, None), None, "warm is not hot");
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
