"""Which pictures are the same, and which stay on one side of a split."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from .duplicates import FACE_SLACK, Groups, near_pairs, same_box
from .items import Item, Report

#: a "person" or a scene with a larger share of the set is a camera or a folder's name
MOST_OF_ONE = 0.1
#: but so many pictures may be of one, however small the set is
FEW = 10


def without_duplicates(items: list[Item], report: Report, exact: int, near: int) -> list[Item]:
    """Of pictures that are the same (up to `exact` bits) the first stays, and all that are given;
    similar ones (up to `near` bits) and those of one person become a group."""
    gone: set[int] = set()
    for a, b in near_pairs([item.hash for item in items], exact):
        # what is given stays, and so does the one before it
        if not items[b].given and a not in gone and b not in gone and same(items[a], items[b], near):
            report.dropped["duplicate"].append(f"{items[b].path} of {items[a].path}")
            gone.add(b)
    kept = [item for index, item in enumerate(items) if index not in gone]
    free = [index for index, item in enumerate(kept) if not item.given]
    groups = scenes(kept, free, report, exact, near)
    for members in people(kept, report).values():
        for index in members:
            groups.join(index, members[0])
    for index, item in enumerate(kept):
        item.group = groups.find(index)
    report.groups = len({item.group for item in kept})
    return kept


def same(a: Item, b: Item, near: int) -> bool:
    """Whether pictures whose hashes are alike are one, and labelled alike. Of one that is set aside no
    face is trained on, whatever another's labels say of it."""
    if a.given:
        return together(a, b, FACE_SLACK * near)
    left = list(b.rows)
    for row in a.rows:
        found = (other for other in left if other.label == row.label and same_box(other.box, row.box))
        if (other := next(found, None)) is None:
            return False
        left.remove(other)
    return not left and all(any(face.like(other, near) for other in b.faces) for face in a.faces)


def scenes(items: list[Item], free: list[int], report: Report, exact: int, near: int) -> Groups:
    """Of the `free` ones, those that are alike and share a face.

    Pictures of one camera may be alike one after the other, until all of them are one group that is
    never split. So a group that is most of a set is taken apart: fewer bits make a face the same.
    """
    groups, large = Groups(len(items)), max(MOST_OF_ONE * len(free), FEW)
    waiting, most = [free], FACE_SLACK * near
    for bits in range(most, min(exact, most) - 1, -2):
        for members in waiting:
            for index in members:
                groups.parent[index] = index
            join_alike(items, members, groups, near, bits)
        parts = (part for members in waiting for part in groups.members(members))
        waiting = [members for members in parts if len(members) > large]
        if bits == most:
            report.taken_apart = sum(map(len, waiting))
    return groups


def join_alike(items: list[Item], members: list[int], groups: Groups, near: int, bits: int) -> None:
    for one, other in near_pairs([items[index].hash for index in members], near):
        one, other = members[one], members[other]
        if groups.find(one) != groups.find(other) and together(items[one], items[other], bits):
            groups.join(one, other)


def together(a: Item, b: Item, bits: int) -> bool:
    """Whether pictures that are alike share a face; without any, whether they are as alike as that."""
    if a.faces and b.faces:
        return any(face.like(other, bits) for face in a.faces for other in b.faces)
    return not a.faces and not b.faces and (a.hash ^ b.hash).bit_count() <= bits


def people(items: list[Item], report: Report) -> dict[str, list[int]]:
    """Indices of each person's pictures."""
    named: dict[str, list[int]] = defaultdict(list)
    for index, item in enumerate(items):
        if not item.given and (person := person_of(item.path)):
            named[person].append(index)
    report.no_person = [name for name, own in named.items() if len(own) > MOST_OF_ONE * len(items)]
    return {name: own for name, own in named.items() if name not in report.no_person}


def person_of(path: Path) -> str:
    """`Name_Surname_0012.jpg`: sets of people name their files so."""
    stem, _, number = path.stem.rpartition("_")
    return stem if number.isdigit() and stem.count("_") >= 1 else ""
