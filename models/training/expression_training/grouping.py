"""Which pictures are the same, and which stay on one side of a split."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

from .dataset import PICTURES
from .duplicates import FACE_SLACK, Groups, near_pairs, neighbours, same_box
from .items import Item, Report
from .shown import Shown

#: a "person" or a scene with a larger share of the set is a camera or a folder's name
MOST_OF_ONE = 0.1
#: but so many pictures may be of one, however small the set is
FEW = 10
#: Roboflow names each version of a photograph so, augmented ones too: IMG_1000_jpg.rf.0a1b2c.jpg
VERSION = re.compile(r"(.+)\.rf\.[0-9A-Za-z]+")
#: folders that say which split a picture is in, and not whose it is
SPLIT_FOLDERS = {"images", "train", "training", "val", "valid", "validation", "test", "choose"}


def without_duplicates(items: list[Item], report: Report, exact: int, near: int) -> list[Item]:
    """Of pictures that are the same (up to `exact` bits) the first stays, and all that are given;
    similar ones (up to `near` bits), versions of one photograph and pictures of one person become a group.

    A picture that is left out is still a version of its photograph and one of its person: what it is the
    same as belongs to them, too."""
    gone = duplicates(items, exact, near)
    for b, a in sorted(gone.items()):
        report.dropped["duplicate"].append(f"{items[b].path} of {items[a].path}")
    versions = list(named_alike(items, range(len(items)), version_of).values())
    aside = photographs_set_aside(items, gone, versions)
    for index, given in sorted(aside.items()):
        what = f"{items[index].path} of {items[given].path}"
        report.dropped["another version is set aside"].append(what)
    stay = [index for index in range(len(items)) if index not in gone and index not in aside]
    place = {index: number for number, index in enumerate(stay) if not items[index].given}
    linked = [*people(items, report).values(), *versions]
    kept = [items[index] for index in stay]
    groups = scenes(kept, list(place.values()), report, exact, near)
    for members in linked:
        same_as = (gone.get(index, index) for index in members)
        own = [place[index] for index in same_as if index in place]
        for number in own:
            groups.join(number, own[0])
    for number, item in enumerate(kept):
        item.group = groups.find(number)
    report.groups = len({item.group for item in kept})
    return kept


def duplicates(items: list[Item], exact: int, near: int) -> dict[int, int]:
    """Pictures that are left out, and which that stays they are the same as."""
    gone = seen_again(items, exact, near)
    for a, b in near_pairs([item.hash for item in items], exact):
        fresh = not (items[a].given or items[b].given or a in gone or b in gone)
        if fresh and same(items[a], items[b], near):
            gone[b] = a
    return gone


def photographs_set_aside(
    items: list[Item], gone: dict[int, int], versions: list[list[int]]
) -> dict[int, int]:
    """Pictures beside the duplicates of which another version, or the same as one, is set aside, and which
    that is: a photograph is trained on in no version then."""
    photographs, given = Groups(len(items)), {}
    for index, same_as in gone.items():
        photographs.join(index, same_as)
    for members in versions:
        for index in members:
            photographs.join(index, members[0])
    for index, item in enumerate(items):
        if item.given:
            given.setdefault(photographs.find(index), index)
    free = (index for index, item in enumerate(items) if not item.given and index not in gone)
    found = ((index, given.get(photographs.find(index))) for index in free)
    return {index: other for index, other in found if other is not None}


def seen_again(items: list[Item], exact: int, near: int) -> dict[int, int]:
    """Pictures that are set aside as well, and as which. Of one that is set aside no face is trained on,
    whatever another's labels say of it."""
    shown, found, bits = Shown(items), {}, FACE_SLACK * near
    for index, others in neighbours([item.hash for item in items], exact):
        given = bool(items[index].given)
        across = [other for other in others.tolist() if bool(items[other].given) != given]
        again = set(shown.again(index, across, bits))
        if given:
            again |= {other for other in across if together(items[index], items[other], bits)}
            found |= {other: index for other in again - found.keys()}
        elif again:
            found.setdefault(index, min(again))
    return found


def same(a: Item, b: Item, near: int) -> bool:
    """Whether pictures whose hashes are alike are one, and labelled alike."""
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
    groups, large, shown = Groups(len(items)), max(MOST_OF_ONE * len(free), FEW), Shown(items)
    waiting, most = [free], FACE_SLACK * near
    for bits in range(most, min(exact, most) - 1, -2):
        for members in waiting:
            for index in members:
                groups.parent[index] = index
            join_alike(shown, members, groups, near, bits)
        parts = (part for members in waiting for part in groups.members(members))
        waiting = [members for members in parts if len(members) > large]
        if bits == most:
            report.taken_apart = sum(map(len, waiting))
    return groups


def join_alike(shown: Shown, members: list[int], groups: Groups, near: int, bits: int) -> None:
    items, hashes = shown.items, [shown.items[index].hash for index in members]
    for one, other in near_pairs(hashes, near):
        one, other = members[one], members[other]
        if groups.find(one) != groups.find(other) and together(items[one], items[other], bits):
            groups.join(one, other)
    for place, near_ones in neighbours(hashes, near):
        one, others = members[place], [members[other] for other in near_ones]
        apart = [other for other in others if groups.find(other) != groups.find(one)]
        for other in shown.again(one, apart, bits):
            groups.join(one, other)


def together(a: Item, b: Item, bits: int) -> bool:
    """Whether pictures that are alike share a face, each cut at its own box; without any, whether they are
    as alike as that."""
    if a.faces and b.faces:
        return any(face.like(other, bits) for face in a.faces for other in b.faces)
    return not a.faces and not b.faces and (a.hash ^ b.hash).bit_count() <= bits


def people(items: list[Item], report: Report) -> dict[str, list[int]]:
    """Indices of each person's pictures."""
    free = (index for index, item in enumerate(items) if not item.given)
    named = named_alike(items, free, person_of)
    report.no_person = [name for name, own in named.items() if len(own) > MOST_OF_ONE * len(items)]
    return {name: own for name, own in named.items() if name not in report.no_person}


def named_alike(items: list[Item], of: Iterable[int], key_of: Callable[[Path], str]) -> dict[str, list[int]]:
    """Indices by what a picture's name says of it; those whose name says nothing are left out."""
    named: dict[str, list[int]] = defaultdict(list)
    for index in of:
        if key := key_of(items[index].path):
            named[key].append(index)
    return named


def person_of(path: Path) -> str:
    """`Name_Surname_0012.jpg`: sets of people name their files so; Roboflow makes
    `Name_Surname_0012_jpg.rf.0a1b2c.jpg` of it."""
    stem = path.stem
    if found := VERSION.fullmatch(stem):
        stem, _, ending = found[1].rpartition("_")
        stem = stem if f".{ending.lower()}" in PICTURES else found[1]
    stem, _, number = stem.rpartition("_")
    return stem if number.isdigit() and stem.count("_") >= 1 else ""


def version_of(path: Path) -> str:
    """The photograph that this is a version of. Other sets may have one of that name: folders tell them
    apart, but for those of their splits."""
    found = VERSION.fullmatch(path.stem)
    folders = (part for part in path.parent.parts if part.lower() not in SPLIT_FOLDERS)
    return "/".join((*folders, found[1])) if found else ""
