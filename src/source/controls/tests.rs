use v4l::control::MenuItem;

use super::*;

pub(in crate::source) fn control(
    id: u32,
    name: &str,
    typ: Type,
    items: Option<Vec<(u32, MenuItem)>>,
) -> Description {
    Description {
        id,
        typ,
        name: name.into(),
        minimum: 3,
        maximum: 2047,
        step: 1,
        default: 250,
        flags: Flags::empty(),
        items,
    }
}

pub(in crate::source) fn known() -> Vec<Description> {
    let line = MenuItem::Name("50 Hz".into());
    vec![
        control(1, "Exposure Time, Absolute", Type::Integer, None),
        control(2, "Power Line Frequency", Type::Menu, Some(vec![(1, line)])),
        control(3, "White Balance, Automatic", Type::Boolean, None),
    ]
}

#[test]
fn names_are_those_of_v4l2_ctl() {
    assert_eq!(name_of("Exposure Time, Absolute"), "exposure_time_absolute");
    assert_eq!(name_of("White Balance, Automatic"), "white_balance_automatic");
}

#[test]
fn a_camera_offers_its_own_ranges() {
    let [exposure, line, balance] = &known()[..] else { panic!("three controls") };
    let none = ControlValues::new();
    let offered = offer(exposure, &Value::Integer(300), &none).expect("a number");
    let range = ControlRange::Number { least: 3, most: 2047, step: 1 };
    assert_eq!((offered.value, offered.range), (ControlValue::Number(300), range));
    let offered = offer(line, &Value::Integer(1), &none).expect("a menu");
    assert_eq!(offered.range, ControlRange::Menu { entries: vec![(1, "50 Hz".into())] });
    let offered = offer(balance, &Value::Integer(1), &none).expect("a switch");
    assert_eq!(
        (&*offered.name, offered.value),
        ("white_balance_automatic", ControlValue::Switch(true))
    );
    assert_eq!(offer(exposure, &Value::None, &none), None);
    let dead = Description {
        flags: Flags::READ_ONLY,
        ..control(1, "Exposure Time, Absolute", Type::Integer, None)
    };
    assert!(!is_usable(&dead) && is_usable(exposure));
}

/// What the settings have set by then was not the camera's own.
#[test]
fn what_the_settings_have_set_goes_back_to_the_drivers_default() {
    let [exposure, _, balance] = &known()[..] else { panic!("three controls") };
    let set = [
        ("exposure_time_absolute", ControlValue::Number(300)),
        ("white_balance_automatic", ControlValue::Switch(false)),
    ];
    let set = set.map(|(name, value)| (name.to_owned(), value)).into();
    let offered = |control, value| offer(control, &Value::Integer(value), &set).expect("offered");
    assert_eq!(offered(exposure, 300).value, ControlValue::Number(250));
    assert_eq!(offered(balance, 0).value, ControlValue::Switch(true));
    let none = Description { default: 57343, ..control(1, "Gain", Type::Integer, None) };
    let gain = [("gain".to_owned(), ControlValue::Number(30))].into();
    let offered = offer(&none, &Value::Integer(30), &gain).expect("offered");
    assert_eq!(offered.value, ControlValue::Number(30), "the driver tells none that can be");
}

#[test]
fn what_is_wanted_becomes_the_drivers_values() {
    let value = |name: &str, wanted| {
        resolve(&known(), "camera.controls", name, &wanted).map(|control| control.value)
    };
    let exposure = value("exposure_time_absolute", ControlValue::Number(300));
    assert_eq!(exposure, Ok(Value::Integer(300)));
    let line = value("power_line_frequency", ControlValue::Entry("50 Hz".into()));
    assert_eq!(line, Ok(Value::Integer(1)));
    assert_eq!(value("power_line_frequency", ControlValue::Number(1)), Ok(Value::Integer(1)));
    let balance = value("white_balance_automatic", ControlValue::Switch(false));
    assert_eq!(balance, Ok(Value::Boolean(false)));
}

#[test]
fn what_cannot_be_names_the_key_and_what_is_taken() {
    let refused = |name: &str, wanted| {
        resolve(&known(), "camera.controls", name, &wanted).map(|_| ()).unwrap_err()
    };
    let error = refused("exposure_time_absolute", ControlValue::Number(5000));
    assert_eq!(error, "camera.controls.exposure_time_absolute is 5000, it takes 3 to 2047");
    let error = refused("power_line_frequency", ControlValue::Entry("55 Hz".into()));
    assert!(error.ends_with("it takes 1 (50 Hz)"), "{error}");
    let error = refused("white_balance_automatic", ControlValue::Number(1));
    assert!(error.ends_with("true or false"), "{error}");
    let error = refused("gain", ControlValue::Number(1));
    assert!(error.contains("power_line_frequency"), "{error}");
}

#[test]
fn what_waits_for_another_control_is_set_after_it_and_what_no_longer_counts_is_told() {
    let values = |automatic: bool, exposure: i64| -> ControlValues {
        [
            ("exposure_time_absolute", ControlValue::Number(exposure)),
            ("white_balance_automatic", ControlValue::Switch(automatic)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    };
    // As uvcvideo does: the time is refused while the switch is on.
    let camera = |wanted: &ControlValues| {
        let (mut automatic, mut taken) = (true, Vec::new());
        let refused = settle(&known(), "camera.low_light", wanted, |control| {
            match control.value {
                Value::Boolean(on) => automatic = on,
                _ if automatic => return Err(io::ErrorKind::PermissionDenied.into()),
                _ => {}
            }
            taken.push(control.id);
            Ok(())
        });
        (refused.expect("all are known"), taken)
    };
    assert_eq!(camera(&values(false, 1000)), (vec![], vec![3, 1]));
    let (refused, taken) = camera(&values(true, 250));
    assert_eq!(taken, [3]);
    let [refused] = &refused[..] else { panic!("one: {refused:?}") };
    assert_eq!(refused.name, "exposure_time_absolute");
    assert!(refused.failure.contains("it refuses 250: permission denied"), "{refused:?}");
    let mut now = known();
    assert!(!is_inactive(&now, &refused.name));
    now[0].flags = Flags::INACTIVE;
    assert!(is_inactive(&now, &refused.name) && !is_inactive(&now, "gain"));
}

#[test]
fn a_menu_of_numbers_is_offered() {
    let numbers = [(0, MenuItem::Value(-1000)), (4, MenuItem::Value(1000))];
    let bias = control(1, "Exposure, Bias", Type::IntegerMenu, Some(numbers.into()));
    let bias = Description { default: 4, ..bias };
    let value = reading(&bias, |_| Err(io::Error::other("not of this kind"))).expect("its default");
    let offered = offer(&bias, &value, &ControlValues::new()).expect("a menu");
    assert_eq!(offered.value, ControlValue::Number(4));
    let entries = vec![(0, "-1000".to_owned()), (4, "1000".to_owned())];
    assert_eq!(offered.range, ControlRange::Menu { entries });
}
