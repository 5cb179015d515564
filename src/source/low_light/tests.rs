use v4l::control::{MenuItem, Type};

use super::super::controls::tests::{control, known};
use super::*;

#[test]
fn low_light_goes_back_to_the_settings_or_the_default() {
    let values = |pairs: &[(&str, ControlValue)]| -> ControlValues {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    };
    let exposure = "exposure_time_absolute";
    let balance = "white_balance_automatic";
    let dark =
        values(&[(exposure, ControlValue::Number(1000)), (balance, ControlValue::Switch(false))]);
    let light = without(&known(), &dark, &ControlValues::new(), |_| None, &mut Vec::new()).unwrap();
    assert_eq!(
        light,
        values(&[(exposure, ControlValue::Number(250)), (balance, ControlValue::Switch(true))])
    );
    let settings = values(&[(exposure, ControlValue::Number(300))]);
    let light = without(&known(), &dark, &settings, |_| None, &mut Vec::new()).unwrap();
    assert_eq!(light[exposure], ControlValue::Number(300));
    let other = values(&[(exposure, ControlValue::Number(300)), ("gain", ControlValue::Number(5))]);
    let all = without(&known(), &dark, &other, |_| None, &mut Vec::new()).unwrap();
    assert_eq!(
        all["gain"],
        ControlValue::Number(5),
        "what another control may have changed in the dark"
    );
    let mut low_light = LowLight::of(dark.clone(), all.clone());
    low_light.follow(&ControlValues::new());
    assert_eq!(low_light.light, all);
    let mut low_light = LowLight::of(dark.clone(), light.clone());
    low_light.follow(&values(&[
        (exposure, ControlValue::Number(400)),
        ("gain", ControlValue::Number(3)),
    ]));
    let tried = values(&[(exposure, ControlValue::Number(400))]);
    assert_eq!(low_light.light, light.clone().into_iter().chain(tried).collect());
    low_light.follow(&ControlValues::new());
    assert_eq!(low_light.light, light, "tried no more");
    let impossible = values(&[(exposure, ControlValue::Number(9999))]);
    let error = without(&known(), &impossible, &settings, |_| None, &mut Vec::new()).unwrap_err();
    assert!(error.starts_with("camera.low_light.exposure_time_absolute is 9999"), "{error}");
}

/// As many UVC cameras: gain from 0 to 255 with a default of 57343, and automatic exposure with
/// the entries 1 and 3 and a default of 0.
#[test]
fn a_default_that_cannot_be_is_none_and_the_camera_is_opened_all_the_same() {
    let entries = [1, 3].map(|index| (index, MenuItem::Name(format!("mode {index}"))));
    let numbers = [(0, MenuItem::Value(8))];
    let known = [
        Description { maximum: 255, default: 57343, ..control(1, "Gain", Type::Integer, None) },
        Description {
            default: 0,
            ..control(2, "Exposure, Auto", Type::Menu, Some(entries.into()))
        },
        Description { default: 7, ..control(3, "ISO", Type::IntegerMenu, Some(numbers.into())) },
    ];
    let dark = [("gain", 200), ("exposure_auto", 1), ("iso", 0)]
        .map(|(name, value)| (name.to_owned(), ControlValue::Number(value)))
        .into();
    let light = |has: &dyn Fn(&Description) -> Option<ControlValue>| {
        let mut notes = Vec::new();
        let light = without(&known, &dark, &ControlValues::new(), has, &mut notes);
        assert_eq!(notes.len(), 3, "{notes:?}");
        let light = light.expect("opened");
        for (name, value) in &light {
            assert!(resolve(&known, "camera.low_light", name, value).is_ok(), "{name}: {value}");
        }
        light
    };
    assert_eq!(light(&|_| None), ControlValues::new(), "left alone");
    assert_eq!(light(&|control| Some(ControlValue::Number(control.default))), ControlValues::new());
    let had = light(&|control| (control.id == 1).then_some(ControlValue::Number(16)));
    assert_eq!(had, [("gain".to_owned(), ControlValue::Number(16))].into());
    let mut low_light = LowLight::of(dark.clone(), had);
    let tried = [("exposure_auto".to_owned(), ControlValue::Number(3))];
    low_light.follow(&tried.clone().into());
    assert_eq!(low_light.light.get("exposure_auto"), Some(&tried[0].1), "tried on the page");
}

#[test]
fn it_is_in_force_only_where_something_was_set() {
    let values = |gain, iso| -> ControlValues {
        let numbers = [("gain", gain), ("iso", iso)];
        numbers.map(|(name, value)| (name.to_owned(), ControlValue::Number(value))).into()
    };
    let low_light = LowLight::of(values(200, 1), values(16, 0));
    let overruled = |names: &[&str]| -> Overruled {
        names.iter().map(|name| ((*name).to_owned(), "another decides".to_owned())).collect()
    };
    assert_eq!(low_light.set_by(true, |_| Ok(overruled(&[]))), Ok(true));
    assert_eq!(low_light.set_by(true, |_| Ok(overruled(&["gain"]))), Ok(true));
    assert_eq!(low_light.set_by(true, |_| Ok(overruled(&["gain", "iso"]))), Ok(false));
    assert_eq!(low_light.set_by(false, |_| Ok(overruled(&[]))), Ok(false));
    // It is asked again, at dusk as at dawn.
    let busy = |_: &ControlValues| Err("it tells no controls".to_owned());
    assert!(low_light.set_by(true, busy).is_err() && low_light.set_by(false, busy).is_err());
    let none = LowLight::of(ControlValues::new(), ControlValues::new());
    assert_eq!(none.set_by(true, |_| Ok(Overruled::new())), Ok(false));
}
