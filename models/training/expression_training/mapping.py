"""Classes renamed and merged, and how sure the labels are then."""

from __future__ import annotations

from dataclasses import replace

from .items import Item, Report
from .labels import DataError, Row, Vocabulary


def mapping_of(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """New names by old ones; of two for one the first would be forgotten."""
    mapping: dict[str, str] = {}
    for old, new in pairs:
        if old in mapping:
            raise DataError(f"--map: '{old}' is to be '{mapping[old]}' and '{new}': name it once")
        mapping[old] = new
    return mapping


def map_classes(
    words: Vocabulary, items: list[Item], mapping: dict[str, str], report: Report
) -> tuple[Vocabulary, list[Item]]:
    """Renames and merges classes (nine expressions to two). A picture with a face of a class that
    is not named is dropped: without its box the face would be background."""
    if unmapped := [name for name in mapping if name not in words.classes]:
        raise DataError(f"--map: the set has no class {', '.join(unmapped)}, only {', '.join(words.classes)}")
    kept = mapping | {name: name for name in words.names if name not in words.classes}
    groups = {}
    for name, members in words.groups.items():
        if lost := [member for member in members if member not in mapping]:
            raise DataError(f"--map: group '{name}' has '{lost[0]}', which is dropped: map it, too")
        groups[name] = tuple(dict.fromkeys(mapping[member] for member in members))
        if len(groups[name]) == 1:  # a name for one class is that class
            (kept[name],) = groups.pop(name)
    targets = list(dict.fromkeys(kept.values()))
    mapped = replace(words, names=targets, groups=groups)
    try:
        mapped.check()
    except ValueError as error:
        raise DataError(f"--map: {error}") from error
    number = {i: targets.index(kept[name]) for i, name in enumerate(words.names) if name in kept}
    good = []
    for item in items:
        if all(row.label in number for row in item.rows):
            item.rows = [
                replace(row, label=number[row.label], share=share_of(row, words, mapping))
                for row in item.rows
            ]
            good.append(item)
        else:
            report.read += 1
            report.dropped["a class that --map leaves out"].append(str(item.path))
    return mapped, good


def share_of(row: Row, words: Vocabulary, mapping: dict[str, str]) -> float:
    """How sure the new class is: as sure as the old ones that it is made of together.

    What is not the row's class is spread evenly over the others, of which some are merged into
    the same. A face of a class that is dropped would not be here: the share is of what stays.
    """
    name = words.names[row.label]
    if name not in words.classes and name not in words.groups:
        return row.share  # no class, and nothing reads it
    own = words.groups.get(name, (name,))
    if len({mapping[member] for member in own}) > 1:
        return row.share  # still one of several
    others = [other for other in words.classes if other not in own]
    part = (1 - row.share) / len(others) if others else 0.0
    ours = row.share + part * sum(mapping.get(other) == mapping[own[0]] for other in others)
    there = row.share + part * sum(other in mapping for other in others)
    return min(ours / there, 1.0) if there else row.share
