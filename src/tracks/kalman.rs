//! Where a face will be: a constant-velocity Kalman filter on centre and size, of which only
//! the centre is foreseen.
//!
//! The four numbers move independently, so four filters of two states (value,
//! velocity) replace one of eight: the same result with nothing to invert.

use std::time::Duration;

use crate::geometry::Rect;

/// Standard deviation of a measured edge, in shares of the face's size.
const MEASUREMENT: f32 = 0.05;
/// Standard deviation of acceleration, in face sizes per second squared: a head
/// that turns away quickly.
const ACCELERATION: f32 = 4.0;
/// A face that is not seen stops being extrapolated after this time.
const COAST: f32 = 0.5;

/// One number and its velocity, with their covariance.
#[derive(Clone, Copy, Debug)]
struct Axis {
    value: f32,
    velocity: f32,
    /// Variance of the value, covariance, variance of the velocity.
    p: [f32; 3],
}

impl Axis {
    fn new(value: f32, size: f32) -> Self {
        let measured = (MEASUREMENT * size).powi(2);
        // the velocity is unknown: about one face size a second either way
        Self { value, velocity: 0.0, p: [measured, 0.0, size.powi(2)] }
    }

    fn predict(&mut self, dt: f32, size: f32) {
        let q = (ACCELERATION * size).powi(2);
        let [a, b, c] = self.p;
        self.value += self.velocity * dt;
        self.p = [
            a + dt * (2.0 * b + dt * c) + q * dt.powi(4) / 4.0,
            b + dt * c + q * dt.powi(3) / 2.0,
            c + q * dt.powi(2),
        ];
    }

    /// The same for a number that stays as it is and is only less certain.
    fn wait(&mut self, dt: f32, size: f32) {
        let value = self.value;
        self.predict(dt, size);
        self.value = value;
    }

    /// `since` is the time since it was measured last, in seconds. However sudden a step, its
    /// velocity changes by no more than going at one pace all that time would have taken: of
    /// two looks a second that show somebody shift and stand still, the second would else find
    /// nobody where the first foresaw them.
    fn correct(&mut self, measured: f32, size: f32, since: f32) {
        let [a, b, c] = self.p;
        let total = a + (MEASUREMENT * size).powi(2);
        let (gain, velocity_gain) = (a / total, b / total);
        let error = measured - self.value;
        self.value += gain * error;
        let most = error.abs() / since.max(f32::EPSILON);
        self.velocity += (velocity_gain * error).clamp(-most, most);
        self.p = [(1.0 - gain) * a, (1.0 - gain) * b, c - velocity_gain * b];
    }
}

/// The state of one face's box.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Motion {
    /// Centre x, centre y, width, height.
    axes: [Axis; 4],
    at: Duration,
    seen: Duration,
    /// How far from where it was foreseen it was then, in pixels; of a face that was seen once
    /// nothing was foreseen.
    off: f32,
}

impl Motion {
    /// At rest at `rect`, seen at monotonic time `now`.
    pub(crate) fn new(rect: Rect, now: Duration) -> Self {
        let size = scale(rect);
        Self {
            axes: numbers(rect).map(|value| Axis::new(value, size)),
            at: now,
            seen: now,
            off: f32::INFINITY,
        }
    }

    /// The box as believed now.
    pub(crate) fn rect(&self) -> Rect {
        let [x, y, width, height] = self.axes.map(|axis| axis.value);
        let (width, height) = (width.max(1.0), height.max(1.0));
        Rect::new(x - width / 2.0, y - height / 2.0, width, height)
    }

    /// Where a whole face would be looked for. What sinks behind a desk leaves a box that is
    /// low and wide, and a look that shows such a box would not count as large enough to find it.
    pub(crate) fn place(&self) -> Rect {
        let rect = self.rect();
        let height = rect.height.max(rect.width);
        Rect { y: rect.centre().1 - height / 2.0, height, ..rect }
    }

    /// Moves on to `now`; only as far as the last sight of the face allows. Its size stays: of
    /// a face that something hides more and more the box would soon be a line.
    pub(crate) fn predict(&mut self, now: Duration) {
        let size = scale(self.rect());
        let until = now.min(self.seen + Duration::from_secs_f32(COAST));
        let dt = until.saturating_sub(self.at).as_secs_f32();
        if dt > 0.0 {
            let [x, y, width, height] = &mut self.axes;
            [x, y].into_iter().for_each(|axis| axis.predict(dt, size));
            [width, height].into_iter().for_each(|axis| axis.wait(dt, size));
        }
        self.at = self.at.max(now);
    }

    /// How far from its box the face may be, in pixels: as far as it was the last time, or as a
    /// head that turns away quickly comes until now.
    pub(crate) fn unsure(&self) -> f32 {
        let [x, y] = [self.axes[0].p[0], self.axes[1].p[0]];
        self.off.max(x.max(y).sqrt())
    }

    /// Takes in where the face was seen, after `predict` to that moment.
    pub(crate) fn correct(&mut self, rect: Rect) {
        let (size, since) = (scale(rect), self.at.saturating_sub(self.seen).as_secs_f32());
        if since > 0.0 {
            let (was, is) = (self.rect().centre(), rect.centre());
            self.off = (is.0 - was.0).abs().max((is.1 - was.1).abs());
        }
        for (axis, measured) in self.axes.iter_mut().zip(numbers(rect)) {
            axis.correct(measured, size, since);
        }
        self.seen = self.at;
    }
}

fn numbers(rect: Rect) -> [f32; 4] {
    let (x, y) = rect.centre();
    [x, y, rect.width, rect.height]
}

fn scale(rect: Rect) -> f32 {
    rect.width.max(rect.height).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seconds(s: f32) -> Duration {
        Duration::from_secs_f32(s)
    }

    #[test]
    fn learns_a_velocity_and_foresees_the_next_box() {
        let mut motion = Motion::new(Rect::new(0.0, 0.0, 50.0, 50.0), Duration::ZERO);
        for step in 1..=20 {
            motion.predict(seconds(step as f32 * 0.1));
            motion.correct(Rect::new(step as f32 * 10.0, 0.0, 50.0, 50.0));
        }
        motion.predict(seconds(2.1));
        assert!((motion.rect().x - 210.0).abs() < 3.0, "{:?}", motion.rect());
    }

    /// By three quarters of its size, at two looks a second and at one in two seconds.
    #[test]
    fn who_shifts_once_and_stands_still_is_foreseen_near() {
        for interval in [0.33, 0.5, 1.0, 2.0] {
            let mut motion = Motion::new(Rect::new(0.0, 0.0, 100.0, 100.0), Duration::ZERO);
            for step in 1..=5 {
                motion.predict(seconds(step as f32 * interval));
                motion.correct(Rect::new(0.0, 0.0, 100.0, 100.0));
            }
            motion.predict(seconds(6.0 * interval));
            motion.correct(Rect::new(75.0, 0.0, 100.0, 100.0));
            motion.predict(seconds(7.0 * interval));
            let off = (motion.rect().x - 75.0).abs();
            assert!(off < 80.0, "{off} at one look in {interval} s");
        }
    }

    #[test]
    fn an_unseen_face_does_not_fly_away() {
        let mut motion = Motion::new(Rect::new(0.0, 0.0, 50.0, 50.0), Duration::ZERO);
        motion.predict(seconds(0.1));
        motion.correct(Rect::new(20.0, 0.0, 50.0, 50.0));
        motion.predict(seconds(60.0));
        assert!(motion.rect().x < 200.0, "{:?}", motion.rect());
    }

    #[test]
    fn a_face_that_is_hidden_from_below_keeps_its_size() {
        let mut motion = Motion::new(Rect::new(0.0, 0.0, 80.0, 100.0), Duration::ZERO);
        for step in 1..=4 {
            motion.predict(seconds(step as f32 / 15.0));
            let sunk = step as f32 * 15.0;
            motion.correct(Rect::new(0.0, sunk, 80.0, 100.0 - sunk));
        }
        let seen = motion.rect();
        motion.predict(seconds(60.0));
        let believed = motion.rect();
        assert_eq!((believed.width, believed.height), (seen.width, seen.height));
        assert!(believed.centre().1 > seen.centre().1, "it goes on sinking: {believed:?}");
        let place = motion.place();
        assert_eq!((place.width, place.height, place.centre()), (80.0, 80.0, believed.centre()));
    }

    #[test]
    fn how_far_off_a_face_may_be_is_learned_from_how_far_off_it_was() {
        let step = seconds(1.0 / 15.0);
        let mut motion = Motion::new(Rect::new(0.0, 0.0, 50.0, 50.0), Duration::ZERO);
        motion.correct(Rect::new(0.0, 0.0, 50.0, 50.0));
        assert!(motion.unsure() > 50.0, "seen once");
        let mut unsure = Vec::new();
        for frame in 1..=12 {
            motion.predict(step * frame);
            // Somebody who walks by at 4 m, and then stands.
            motion.correct(Rect::new(14.0 * frame.min(8) as f32, 0.0, 50.0, 50.0));
            unsure.push(motion.unsure() / 50.0);
        }
        assert!(unsure[0] > 0.2, "{unsure:?}");
        assert!(unsure[7] < 0.1, "it goes where it is foreseen: {unsure:?}");
        assert!(unsure[8] > 0.2, "it stops: {unsure:?}");
        motion.predict(step * 24);
        assert!(motion.unsure() > 0.4 * 50.0, "not seen for 0.8 s");
    }

    proptest! {
        #[test]
        fn any_sequence_stays_finite(
            steps in proptest::collection::vec(
                (0f32..100.0, -100f32..2000.0, -100f32..2000.0, 0f32..3000.0, 0f32..3000.0), 1..60),
        ) {
            let mut now = 0.0;
            let mut motion = Motion::new(Rect::new(1.0, 1.0, 10.0, 10.0), Duration::ZERO);
            for (dt, x, y, w, h) in steps {
                now += dt;
                motion.predict(seconds(now));
                motion.correct(Rect::new(x, y, w, h));
                let rect = motion.rect();
                prop_assert!([rect.x, rect.y, rect.width, rect.height].iter().all(|v| v.is_finite()));
                prop_assert!(motion.axes.iter().all(|axis| axis.p[0] >= 0.0 && axis.p[2] >= 0.0));
            }
        }
    }
}
