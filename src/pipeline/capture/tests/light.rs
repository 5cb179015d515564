//! Longer exposures while it is dark.

use super::*;

/// What the inference thread has seen of the light.
fn dark(shared: &Shared, low: bool) {
    shared.view.send_modify(|view| view.conditions.low = low);
}

fn running(state: &CaptureState) -> bool {
    matches!(state, CaptureState::Running(_))
}

#[test]
fn in_the_dark_longer_exposures_are_asked_for() {
    let shared = shared();
    let capture = capture(VecDeque::from([Ok(Script { then: || Ok(()), ..script([]) })]), &shared);
    let thread = std::thread::spawn(move || capture.run());
    until(&shared.capture, running);
    dark(&shared, true);
    until(&shared.capture, |state| matches!(state, CaptureState::Running(open) if open.low_light));
    shared.stop.stop();
    thread.join().unwrap();
}

#[test]
fn what_is_tried_on_the_page_does_not_undo_low_light() {
    let (shared, live, asked, capture) = obedient();
    let thread = std::thread::spawn(move || capture.run());
    let next = || asked.recv_timeout(LIMIT).unwrap();
    until(&shared.capture, running);
    dark(&shared, true);
    assert_eq!(next(), "low light: true");
    live.camera.send_replace(Some(gain(3, 1)));
    assert_eq!([next(), next()], ["gain 3", "low light: true"]);
    dark(&shared, false);
    assert_eq!(next(), "low light: false");
    shared.stop.stop();
    thread.join().unwrap();
}

/// The camera keeps it while it has power, and another program would have it by day.
#[test]
fn low_light_is_taken_back_before_the_camera_is_closed() {
    for pause in [false, true] {
        let (shared, live, asked, capture) = obedient();
        let thread = std::thread::spawn(move || capture.run());
        let next = || asked.recv_timeout(LIMIT).unwrap();
        live.camera.send_replace(Some(gain(3, 1)));
        assert_eq!(next(), "gain 3");
        dark(&shared, true);
        assert_eq!(next(), "low light: true");
        close(&shared, pause);
        assert_eq!([next(), next()], ["low light: false", "gain 1"], "paused: {pause}");
        shared.stop.stop();
        thread.join().unwrap();
    }
}

/// Night has become day meanwhile, and the first pictures are taken with the values for light.
#[test]
fn the_darkness_before_an_opening_asks_for_nothing() {
    let (shared, live, asked, capture) = obedient();
    dark(&shared, true);
    let thread = std::thread::spawn(move || capture.run());
    until(&shared.capture, running);
    live.camera.send_replace(Some(gain(3, 1)));
    assert_eq!(asked.recv_timeout(LIMIT).unwrap(), "gain 3");
    assert!(!shared.view.borrow().conditions.low);
    shared.stop.stop();
    thread.join().unwrap();
}
