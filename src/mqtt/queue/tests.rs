//! What goes to the broker, in which order.

use super::*;
use crate::clock::at;

fn queue() -> Queue {
    let settings = Settings { max_packet_bytes: 4096, ..Settings::default() };
    Queue::new(&settings, Outbox::new(settings.outbox.clone()))
}

fn drain(queue: &mut Queue, now: u64) -> Vec<(String, String)> {
    std::iter::from_fn(|| queue.next(at(now)))
        .map(|(_, m)| (m.topic, String::from_utf8_lossy(&m.payload).into_owned()))
        .collect()
}

fn pair(topic: &str, payload: &str) -> (String, String) {
    (topic.into(), payload.into())
}

#[test]
fn a_connection_hears_discovery_then_states_then_online_then_events() {
    let mut queue = queue();
    queue.push_event("e".into(), "1".into(), b"{\"a\":1}".to_vec(), at(0)).expect("taken");
    queue.set_retained(Class::State, "s".into(), b"old".to_vec()).expect("taken");
    queue.set_retained(Class::State, "s".into(), b"new".to_vec()).expect("taken");
    queue.set_retained(Class::Discovery, "d".into(), b"{}".to_vec()).expect("taken");
    queue.set_retained(Class::Availability, "z".into(), b"online".to_vec()).expect("taken");
    queue.connected(Protocol::V5, false);
    let expected = [pair("d", "{}"), pair("s", "new"), pair("z", "online"), pair("e", "{\"a\":1}")];
    assert_eq!(drain(&mut queue, 1), expected);
    assert_eq!(drain(&mut queue, 1), [], "nothing is sent twice");
    queue.lost(None);
    queue.connected(Protocol::V5, false);
    assert_eq!(drain(&mut queue, 1), expected, "a new connection hears all of it");
}

/// Home Assistant read the new states by the announcement of the run before.
#[test]
fn what_is_held_back_goes_in_the_same_order_when_released() {
    let held = || {
        let mut queue = queue();
        for (class, topic, payload) in [
            (Class::Discovery, "d", "{}"),
            (Class::State, "s", "1"),
            (Class::Availability, "a/door", "offline"),
            (Class::Availability, "a", "online"),
        ] {
            queue.set_retained(class, topic.into(), payload.into()).expect("taken");
        }
        queue.push_event("e".into(), "1".into(), b"{}".to_vec(), at(0)).expect("taken");
        queue.connected(Protocol::V5, true);
        queue.push_snapshot("p".into(), b"jpeg".to_vec(), at(0)).expect("taken");
        assert_eq!(drain(&mut queue, 0), [pair("a/door", "offline")]);
        queue
    };
    let rest = [pair("s", "1"), pair("a", "online"), pair("p", "jpeg"), pair("e", "{}")];
    let mut queue = held();
    queue.release();
    assert_eq!(drain(&mut queue, 0), [&[pair("d", "{}")], &rest[..]].concat());
    let mut queue = held();
    queue.leave();
    assert_eq!(drain(&mut queue, 0), rest, "at a stop nothing is lost but the announcement");
    queue.lost(None);
    queue.connected(Protocol::V5, false);
    queue.leave();
    assert_eq!(drain(&mut queue, 0)[1], pair("d", "{}"), "on another connection");
}

#[test]
fn an_unchanged_state_is_not_sent_again() {
    let mut queue = queue();
    queue.set_retained(Class::State, "s".into(), b"1".to_vec()).expect("taken");
    queue.connected(Protocol::V5, false);
    drain(&mut queue, 0);
    queue.set_retained(Class::State, "s".into(), b"1".to_vec()).expect("taken");
    assert_eq!(queue.next(at(0)), None);
    queue.set_retained(Class::State, "s".into(), b"2".to_vec()).expect("taken");
    assert!(queue.next(at(0)).is_some());
}

#[test]
fn an_oversized_message_is_refused_and_counted() {
    let mut queue = queue();
    let refused = queue.push_event("e".into(), "1".into(), vec![b'x'; 4096], at(0));
    assert!(matches!(refused, Err(MessageError::Oversized { limit: 4096, .. })));
    let refused = queue.set_retained(Class::State, "s".into(), vec![b'x'; 4096]);
    assert!(refused.is_err());
    let stats = queue.stats();
    assert_eq!((stats.dropped.oversized, stats.states_refused, stats.waiting), (1, 1, 0));
}

#[test]
fn a_late_event_says_so() {
    let mut queue = queue();
    queue.push_event("e".into(), "1".into(), b"{\"a\":1}".to_vec(), at(0)).expect("taken");
    let (_, message) = queue.next(at(60)).expect("waiting");
    let value: serde_json::Value = serde_json::from_slice(&message.payload).expect("JSON");
    assert_eq!(value, serde_json::json!({"late": true, "a": 1}));
}

#[test]
fn what_the_broker_refuses_is_not_delivered() {
    let mut queue = queue();
    queue.connected(Protocol::V5, false);
    for number in 1..=2 {
        let payload = format!("{{\"n\":{number}}}").into_bytes();
        queue.push_event("e".into(), "1".into(), payload, at(0)).expect("taken");
    }
    let (ticket, message) = queue.next(at(1)).expect("an event");
    assert_eq!(message.expiry, Some(Duration::from_secs(7 * 86_400 - 1)));
    assert!(queue.refused(ticket, "not authorized".into()));
    queue.set_retained(Class::State, "s".into(), b"1".to_vec()).expect("taken");
    queue.push_event("other".into(), "2".into(), b"{}".to_vec(), at(0)).expect("taken");
    let others = [pair("s", "1"), pair("other", "{}")];
    assert_eq!(drain(&mut queue, 1), others, "what goes there waits, all else does not");
    let stats = queue.stats();
    assert_eq!((stats.waiting, stats.delivered, stats.refused_by_broker), (3, 0, 1));
    assert_eq!(stats.last_error.as_deref(), Some("not authorized"));
    queue.offer_again();
    assert_eq!(drain(&mut queue, 1), [pair("e", "{\"n\":1}"), pair("e", "{\"n\":2}")]);
}

/// A device whose `online` met a quota that was used up for a moment used to be unavailable for
/// as long as the connection lasted.
#[test]
fn what_the_broker_refuses_to_keep_is_offered_again() {
    let mut queue = queue();
    for (class, topic, payload) in [
        (Class::Discovery, "d", &b""[..]),
        (Class::State, "s", b"1"),
        (Class::Availability, "a", b"online"),
    ] {
        queue.set_retained(class, topic.into(), payload.to_vec()).expect("taken");
    }
    queue.connected(Protocol::V5, false);
    for (topic, taken) in [("d", false), ("s", true), ("a", false)] {
        let (ticket, message) = queue.next(at(0)).expect("it waits");
        assert_eq!(message.topic, topic);
        match taken {
            true => queue.acknowledged(ticket),
            false => assert!(queue.refused(ticket, "a quota is used up".into())),
        }
    }
    assert_eq!(drain(&mut queue, 1), [], "not at once");
    queue.offer_again();
    assert_eq!(drain(&mut queue, 1), [pair("d", ""), pair("a", "online")]);
    queue.offer_again();
    assert_eq!(drain(&mut queue, 1), [], "they were not refused again");
    queue.push_snapshot("p".into(), vec![1], at(0)).expect("taken");
    let (ticket, _) = queue.next(at(0)).expect("the picture");
    assert!(!queue.refused(ticket, "a quota is used up".into()), "its moment is over");
}

#[test]
fn what_the_broker_is_too_small_for_is_dropped_and_counted() {
    let mut queue = queue();
    queue.connected(Protocol::V5, false);
    queue.set_retained(Class::State, "s".into(), b"1".to_vec()).expect("taken");
    queue.push_event("e".into(), "1".into(), b"{}".to_vec(), at(0)).expect("taken");
    while let Some((ticket, _)) = queue.next(at(0)) {
        queue.too_large(&ticket, "the packet is too large".into());
    }
    let stats = queue.stats();
    assert_eq!((stats.dropped.oversized, stats.states_refused, stats.waiting), (1, 1, 0));
}

#[test]
fn a_picture_is_sent_once_or_never() {
    let mut queue = queue();
    let topic = || "d/snapshot".to_owned();
    assert_eq!(queue.push_snapshot(topic(), vec![1], at(0)), Err(MessageError::NotConnected));
    queue.connected(Protocol::V5, false);
    assert!(matches!(
        queue.push_snapshot(topic(), vec![0; 4096], at(0)),
        Err(MessageError::Oversized { .. })
    ));
    queue.push_snapshot(topic(), vec![1], at(0)).expect("taken");
    let (ticket, message) = queue.next(at(0)).expect("the picture");
    assert_eq!((ticket, message.class.retained()), (Ticket::Snapshot, false));
    queue.push_snapshot(topic(), vec![2], at(0)).expect("taken");
    queue.lost(None);
    queue.connected(Protocol::V5, false);
    assert_eq!(queue.next(at(0)), None, "not kept for another connection");
    queue.push_snapshot(topic(), vec![3], at(0)).expect("taken");
    assert!(queue.withdraw_snapshot() && !queue.withdraw_snapshot());
    assert_eq!(queue.next(at(0)), None, "taken back");
    queue.push_snapshot(topic(), vec![4], at(0)).expect("taken");
    assert_eq!(queue.next(at(11)), None, "the moment is over");
    assert_eq!(queue.stats().commands_refused, 2, "this one and the one that was lost");
}

#[test]
fn a_removed_topic_is_forgotten_once_the_broker_knows() {
    let mut queue = queue();
    queue.set_retained(Class::Discovery, "d".into(), vec![]).expect("taken");
    let (ticket, _) = queue.next(at(0)).expect("the removal");
    assert_eq!(ticket, Ticket::Removed(Class::Discovery, "d".into()));
    queue.acknowledged(ticket);
    queue.lost(None);
    assert_eq!(queue.next(at(0)), None);
}

/// It was made for `mqtt.max_packet_bytes` alone, then thrown away without a word.
#[test]
fn a_picture_is_made_for_the_smaller_limit_and_counted_where_it_does_not_go() {
    let mut queue = queue();
    queue.limited(usize::MAX);
    queue.connected(Protocol::V311, false);
    assert_eq!(queue.largest_packet(), 4096);
    queue.lost(None);
    queue.limited(1000);
    queue.connected(Protocol::V5, false);
    assert_eq!(queue.largest_packet(), 1000);
    queue.push_snapshot("d/snapshot".into(), vec![1], at(0)).expect("taken");
    let (ticket, _) = queue.next(at(0)).expect("the picture");
    queue.too_large(&ticket, "the broker takes less".into());
    assert_eq!(queue.stats().commands_refused, 1);
    queue.lost(None);
    assert_eq!(queue.largest_packet(), 4096, "the next broker may take more");
}
