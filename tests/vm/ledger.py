"""What the daemon told, by its journal, against what was heard outside."""

from __future__ import annotations

import json

from machine import Listener, Machine
from waiting import until

PATIENCE = 900.0  # seconds for anything that needs faces; emulation on a busy machine is slow


def told(machine: Machine) -> list[dict]:
    """Every event that the journal names, of all boots, in order."""
    lines = machine.run(
        "journalctl -t expressiond -o json --output-fields=EVENT_ID,TRACK_ID,EVENT --no-pager | grep EVENT_ID || true"
    )
    return [json.loads(line) for line in lines.splitlines()]


def events_lost(journal: list[dict], outside: Listener) -> list[dict]:
    heard = {event["id"] for event in outside.events()}
    return [entry for entry in journal if entry["EVENT_ID"] not in heard]


def nothing_lost(machine: Machine, outside: Listener, limit: float = PATIENCE) -> None:
    """Everything told so far is heard in time, and each face's story in its order."""
    journal = told(machine)
    assert journal, "the journal names no event"
    try:
        until("all events", lambda: not events_lost(journal, outside), limit)
    except AssertionError:
        raise AssertionError(f"of {len(journal)} events lost: {events_lost(journal, outside)}") from None
    last: dict[str, int] = {}
    heard = set()
    for event in outside.events():
        if event["id"] in heard:  # at least once: the same id is the same event
            continue
        heard.add(event["id"])
        assert event["sequence"] > last.get(event["track"], 0), f"out of order: {event}"
        last[event["track"]] = event["sequence"]


def first_event(outside: Listener, since: int, limit: float) -> dict:
    return until("an event", lambda: outside.events(since), limit)[0]
