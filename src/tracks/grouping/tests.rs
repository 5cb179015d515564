use super::*;

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn named(groups: &str, classes: &str) -> Result<Grouping, String> {
    Grouping::resolve(&Groups::Named(words(groups)), &words(classes), &BTreeMap::new())
}

const SEVEN: &str = "neutral happy sad surprise fear disgust anger";
/// Of the published study.
const NINE: &str = "Angry Contempt Disgust Fear Happy Natural Sad Sleepy Surprised";

#[test]
fn the_same_groups_come_out_of_two_seven_and_nine_classes() {
    for (classes, of_class) in [
        ("happy not_happy", vec![0, 1]),
        (SEVEN, vec![1, 0, 1, 1, 1, 1, 1]),
        (NINE, vec![1, 1, 1, 1, 0, 1, 1, 1, 1]),
    ] {
        let grouping = named("happy not_happy", classes).unwrap();
        assert_eq!(grouping.told(), ["happy", "not_happy"]);
        assert_eq!(grouping.of_class(), of_class, "{classes}");
    }
    let valence = named("positive neutral negative", NINE).unwrap();
    assert_eq!(valence.of_class(), [2, 2, 2, 2, 0, 1, 2, 1, 1]);
    assert_eq!(named("", SEVEN).unwrap(), Grouping::none(&words(SEVEN)));
}

#[test]
fn what_no_group_has_is_told_as_itself() {
    let grouping = named("negative", SEVEN).unwrap();
    assert_eq!(grouping.told(), ["negative", "neutral", "happy", "surprise"]);
    let scores = grouping.scores(&[0.1, 0.2, 0.3, 0.05, 0.1, 0.1, 0.1]);
    assert!((scores[0] - 0.6).abs() < 1e-6 && (scores[2] - 0.2).abs() < 1e-6, "{scores:?}");
}

#[test]
fn the_owners_and_the_side_cars_groups_come_first() {
    let classes = words(SEVEN);
    let defined = |text: &str| {
        let groups: Groups =
            toml::from_str::<BTreeMap<String, Groups>>(text).unwrap()["groups"].clone();
        Grouping::resolve(&groups, &classes, &BTreeMap::new())
    };
    let own = defined("[groups]\nother = ['*']\nsmiling = ['Happy', 'SURPRISE']").unwrap();
    assert_eq!(
        (own.told().join(" "), own.of_class()),
        ("other smiling".into(), &[0, 1, 0, 1, 0, 0, 0][..])
    );
    let offered = BTreeMap::from([("awake".to_owned(), words("surprise fear"))]);
    let groups = Groups::Named(words("Awake"));
    let awake = Grouping::resolve(&groups, &classes, &offered).unwrap();
    assert_eq!((awake.told()[0].as_str(), awake.of_class()[3]), ("Awake", 0));
    for (text, words) in [
        ("[groups]\na = ['joyful']", "put joyful into a; the model's classes are neutral"),
        ("[groups]\na = ['sad']\nb = ['SAD']", "put sad into both a and b"),
        ("[groups]\nnone = ['sad']", "no expression"),
        ("[groups]\nA = ['sad']\na = ['fear']", "a for the second time"),
        ("[groups]\na = []", "have a without a class"),
        ("[groups]\na = ['sad', 'SAD']", "put sad into a twice"),
        ("[groups]\na = ['anger', 'angry']", "put anger into a twice"),
        ("[groups]\na = ['anger']\nb = ['angry']", "put anger into both a and b"),
        ("[groups]\na = ['*']\nb = ['sad', '*']", "put * into both a and b"),
        ("[groups]\n'a ' = ['sad']", "blanks"),
        ("[groups]\nhappy = ['sad']", "lacks the model's class happy"),
        ("groups = ['cheerful']", "name cheerful, which is neither"),
    ] {
        let refused = defined(text).expect_err(text);
        assert!(refused.contains(words), "{text}: {refused}");
    }
    let refused = named("positive negative", "happy not_happy").expect_err("no negative class");
    assert!(refused.contains("negative without a class"), "{refused}");
}

/// A side-car is checked when it is read; what came here otherwise must not panic.
#[test]
fn a_side_cars_group_with_a_class_twice_is_refused() {
    let offered = BTreeMap::from([("tense".to_owned(), words("anger Anger"))]);
    let groups = Groups::Named(words("tense"));
    let refused = Grouping::resolve(&groups, &words(SEVEN), &offered).expect_err("twice");
    assert!(refused.contains("put anger into tense twice"), "{refused}");
}

/// Groups that were written for one model fit another that says the same otherwise.
#[test]
fn a_word_of_the_same_meaning_stands_for_the_class() {
    let own = |items: &str, classes: &str| {
        let groups = Groups::parse(&words(items)).expect("groups");
        Grouping::resolve(&groups, &words(classes), &BTreeMap::new())
    };
    let tense = own("tense=angry+Fearful", SEVEN).expect("they mean anger and fear");
    assert_eq!(tense.of_class(), [1, 2, 3, 4, 0, 5, 0]);
    let study = own("tense=anger+fear open=neutral+surprise", NINE).expect("the study's");
    assert_eq!(study.told()[..2], ["open", "tense"]);
    assert_eq!(study.of_class(), [1, 2, 3, 1, 4, 0, 5, 6, 0]);
    assert_eq!(named("angry", SEVEN).expect("a class").told()[0], "angry");
    // Which of two is meant is for the owner to say.
    let refused = own("a=happiness", "smile joy").expect_err("either");
    assert!(refused.contains("put happiness into a; the model's classes are smile, joy"));
    assert_eq!(named("", "smile joy").expect("no groups").place("happiness"), None);
    assert_eq!(own("a=smile+joy", "smile joy sad").unwrap().place("happiness"), Some(0));
}

#[test]
fn an_option_has_names_or_groups_of_ones_own() {
    let parsed = |text: &str| {
        let items: Vec<String> = text.split(',').map(str::to_owned).collect();
        Groups::parse(&items)
    };
    assert_eq!(parsed(" happy, not_happy,"), Ok(Groups::Named(words("happy not_happy"))));
    for none in ["", " , "] {
        assert!(parsed(none).expect("nothing").is_empty(), "{none:?}");
    }
    let own = BTreeMap::from([
        ("other".to_owned(), words("*")),
        ("smiling".to_owned(), words("happy surprise")),
    ]);
    assert_eq!(parsed("smiling = happy + surprise, other=*"), Ok(Groups::Defined(own)));
    for (text, why) in [
        ("a=sad,happy", "have a with classes and happy without"),
        ("a=sad,a=fear", "name a for the second time"),
    ] {
        let refused = parsed(text).expect_err(text);
        assert!(refused.contains(why), "{refused}");
    }
    assert!(parsed("a=").expect("seen later").check().is_err());
}

#[test]
fn the_classes_of_other_sets_find_their_place() {
    let grouping = named("happy not_happy", SEVEN).unwrap();
    for (class, place) in [
        ("NOT_HAPPY", Some(1)),
        ("Angry", Some(1)),
        ("smile", Some(0)),
        ("contempt", Some(1)),
        ("face", None),
    ] {
        assert_eq!(grouping.place(class), place, "{class}");
    }
}
