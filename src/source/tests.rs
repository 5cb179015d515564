//! Which camera a name means, and what a list of them says.

#[path = "../../tests/reference/mod.rs"]
mod reference;

use super::modes::{Interval, Mode, Offer, Rates};
use super::*;

const PAGE: &str = include_str!("../../docs/ref/cameras.md");

/// What `expressiond cameras --json` prints: docs/ref/cameras.md is a contract.
#[test]
fn the_page_names_every_key_and_state_and_no_other() {
    let mut camera = node(0, "C920", "usb-0000:00:14.0-1", State::Usable);
    camera.formats = vec![Offer {
        fourcc: "YUYV".into(),
        description: "YUYV 4:2:2".into(),
        readable: true,
        sizes: vec![Mode::new(640, 480, Rates::Listed(vec![Interval::of_fps(30)]))],
        range: None,
    }];
    reference::names_the_keys(PAGE, &serde_json::to_value(camera).expect("JSON"));
    let all = [State::Usable, State::Unavailable, State::Busy, State::NotACamera];
    let told = all.map(|state| serde_json::to_value(state).expect("JSON"));
    let rows = reference::table(PAGE, "## States").into_iter();
    let documented: Vec<_> = rows.map(|mut row| row.remove(0)).collect();
    assert_eq!(serde_json::json!(documented), serde_json::json!(told));
}

fn node(number: u32, card: &str, bus: &str, state: State) -> Node {
    Node {
        path: format!("/dev/video9{number}").into(),
        link: None,
        link_note: None,
        driver: "uvcvideo".into(),
        card: card.into(),
        bus: bus.into(),
        formats: Vec::new(),
        state,
        unusable: (state != State::Usable).then(|| "no permission".to_owned()),
    }
}

fn found(nodes: &[Node], part: &str) -> Option<String> {
    let node = meant(nodes, Some(part), None)?;
    Some(node.path.to_string_lossy().into_owned())
}

#[test]
fn a_port_is_that_port_and_no_other() {
    let on = |number, port: &str, state| {
        node(number, "Webcam", &format!("usb-0000:00:14.0-{port}"), state)
    };
    let nodes = [
        on(0, "10", State::Usable),
        on(1, "1", State::Busy),
        on(2, "1", State::NotACamera),
        on(3, "1.3", State::Usable),
    ];
    let one = found(&nodes, "usb-0000:00:14.0-1");
    assert_eq!(one.as_deref(), Some("/dev/video91"), "though others are free");
    assert_eq!(found(&nodes, "usb-0000:00:14.0-1.3").as_deref(), Some("/dev/video93"));
    let others = [&nodes[0], &nodes[3]].map(Clone::clone);
    assert_eq!(found(&others, "usb-0000:00:14.0-1"), None, "it was unplugged");
    assert_eq!(found(&others, "usb-0000:00:14.0").as_deref(), Some("/dev/video90"));
    assert_eq!(found(&others, "14.0-1").as_deref(), Some("/dev/video90"), "a part");
}

/// Which is busy because the daemon reads it.
#[test]
fn the_daemons_own_camera_is_meant_before_a_free_one() {
    let nodes = [
        node(0, "C920", "usb-a-1", State::Busy),
        node(1, "C920", "usb-a-2", State::Usable),
        node(2, "C920", "usb-a-3", State::Busy),
    ];
    let path = |own: Option<&str>| meant(&nodes, None, own.map(Path::new)).unwrap().path.clone();
    assert_eq!(path(None), Path::new("/dev/video91"));
    assert_eq!(path(Some("/dev/video90")), Path::new("/dev/video90"));
    assert_eq!(path(Some("/dev/video92")), Path::new("/dev/video91"), "what a new start takes");
    let settings = |source: &str| Settings { source: source.into(), ..Settings::default() };
    let (bus, card) = ("usb-a-3".to_owned(), "C920".to_owned());
    let opened = Opened::Device { node: "/dev/video92".into(), bus, card };
    let own = own_device(&settings("auto"), Some(&opened));
    assert_eq!(own.as_deref(), Some(Path::new("/dev/video92")));
    let same = |other| mean_the_same(&settings("auto"), &settings(other), Some(&opened));
    assert!(same("/dev/video92") && !same("/dev/video91"));
}

#[test]
fn a_whole_name_comes_before_a_part_of_one() {
    let nodes =
        [node(0, "Cam Pro", "usb-a-1", State::Usable), node(1, "Cam", "usb-a-2", State::Busy)];
    assert_eq!(found(&nodes, "cam").as_deref(), Some("/dev/video91"));
    assert_eq!(found(&nodes, "pro").as_deref(), Some("/dev/video90"));
    assert_eq!(found(&nodes[..1], "cam").as_deref(), Some("/dev/video90"));
}

#[test]
fn a_camera_that_could_not_be_asked_for_its_bus_is_told() {
    let open = node(0, "Webcam", "usb-a-1", State::Usable);
    let closed = node(1, "Webcam", "", State::Unavailable);
    let why = |nodes: &[Node]| find(nodes, Some("usb-b-2")).expect_err("none").to_string();
    let unknown = why(std::slice::from_ref(&open));
    assert!(unknown.ends_with("contains 'usb-b-2' (camera.source)"), "{unknown}");
    let asked = why(&[open, closed]);
    assert!(asked.ends_with("/dev/video91: no permission"), "{asked}");
}
