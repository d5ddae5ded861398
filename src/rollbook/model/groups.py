r"""Groups of learners within an organisation: departments, branches, classes of staff; each a path of names.

`Sales / North` is the group North within the group Sales, and whoever is in it is in Sales. A learner may be in
several. Names are told apart as they are read: in Unicode's composed form (NFC), white space as one blank, and without
the invisible marks that turn the direction of writing, so no two groups look alike and differ.

As text, names stand between ` / ` and paths between `;`. A slash, a semicolon or a backslash within a name has a
backslash before it.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

Group: TypeAlias = tuple[str, ...]
"""Names from the outside in, at least one."""

Fault: TypeAlias = tuple[str, str]
"""(rule, remedy) of what cannot be read."""

DEPTH_MAX = 8
"""Names of one path."""

NAME_LENGTH_MAX = 200
"""Characters of one name."""

GROUPS_MAX = 50
"""Groups of one learner, of which none is within another."""

TEXT_LENGTH_MAX = 3_900
"""Characters of all groups of a learner as JSON: one fact tells them, in a field of 4,096."""

_INVISIBLE = dict.fromkeys(
    (0x061C, 0x200B, 0x200E, 0x200F, *range(0x202A, 0x202F), 0x2060, *range(0x2066, 0x206A), 0xFEFF)
)
"""Marks that turn the direction of writing, and blanks of no width."""


def written(group: Group) -> str:
    """A path as text: `read_path` gives the path again."""
    return " / ".join(name.replace("\\", "\\\\").replace("/", "\\/").replace(";", "\\;") for name in group)


def read_path(text: str) -> tuple[Group, tuple[Fault, ...]]:
    """The path in a text; empty, with everything that is wrong with it, where it cannot be used."""
    faults: list[Fault] = []
    names = tuple(_name(part, faults) for part in _parted(text, "/"))
    if len(names) > DEPTH_MAX:
        faults.append((f"a group has {len(names)} levels, and at most {DEPTH_MAX} are kept", "leave the lowest out"))
    return (() if faults else names, tuple(dict.fromkeys(faults)))


def read_paths(text: str) -> tuple[tuple[Group, ...], tuple[Fault, ...]]:
    """The paths in a text, settled; none, with everything that is wrong, where one of them cannot be used."""
    groups: list[Group] = []
    faults: dict[Fault, None] = {}
    for part in _parted(text, ";", keep=True):
        if part.strip():
            group, wrong = read_path(part)
            faults |= dict.fromkeys(wrong)
            groups.append(group)
    return (() if faults else settled(groups), tuple(faults))


def settled(groups: Iterable[Group]) -> tuple[Group, ...]:
    """Groups in order, without those in which somebody is already by being in a group within them."""
    found = sorted({group for group in groups if group})
    # In order, whatever lies within a group follows it at once.
    followed = zip(found, [*found[1:], None], strict=True) if found else ()
    return tuple(group for group, other in followed if other is None or other[: len(group)] != group)


def too_many(groups: Sequence[Group]) -> Fault | None:
    """What is wrong with so many groups of one learner; None where they can be kept."""
    if len(groups) > GROUPS_MAX:
        return (f"the learner is in {len(groups):,} groups, and at most {GROUPS_MAX} are kept", "name fewer of them")
    if (length := len(_json(groups))) > TEXT_LENGTH_MAX:
        rule = f"the learner's groups take {length:,} characters, and at most {TEXT_LENGTH_MAX:,} are kept"
        return (rule, "name fewer of them, or shorten the names")
    return None


def in_one(groups: Iterable[Group]) -> str:
    """Paths as one text: `read_paths` gives them again."""
    return "; ".join(map(written, groups))


def values(groups: Iterable[Group]) -> list[str]:
    """As `attributes` of a fact hold them."""
    return [written(group) for group in groups]


def told(value: object) -> tuple[Group, ...] | None:
    """The groups that a value of `attributes` tells; None where it tells nothing. What cannot be used is left out."""
    if not isinstance(value, list):
        return None
    paths = [read_path(it)[0] for it in value if isinstance(it, str)]
    found = settled(paths)[:GROUPS_MAX]
    while too_many(found):
        found = found[:-1]
    return found


def and_above(group: Group) -> Iterator[Group]:
    """Every group in which somebody is who is in this one, the outermost first."""
    return (group[:depth] for depth in range(1, len(group) + 1))


def _json(groups: Iterable[Group]) -> str:
    return json.dumps(values(groups), ensure_ascii=False)


def _parted(text: str, mark: str, *, keep: bool = False) -> list[str]:
    """The parts between marks that have no backslash before them.

    keep  whether backslashes stay, for whoever reads the parts
    """
    parts, now, escaped = list[str](), "", False
    for letter in text:
        if escaped:
            now += f"\\{letter}" if keep or letter not in "\\/;" else letter
            escaped = False
        elif letter == "\\":
            escaped = True
        elif letter == mark:
            parts.append(now)
            now = ""
        else:
            now += letter
    return [*parts, f"{now}\\" if escaped else now]


def _name(text: str, faults: list[Fault]) -> str:
    name = " ".join(unicodedata.normalize("NFC", text.translate(_INVISIBLE)).split())
    if not name:
        faults.append(("a group has an empty name", "write Sales / North, or Sales\\/North where the slash is its own"))
    elif len(name) > NAME_LENGTH_MAX:
        faults.append(
            (f"a group's name has {len(name):,} characters, and at most {NAME_LENGTH_MAX} are kept", "shorten it")
        )
    elif any(unicodedata.category(letter) in ("Cc", "Cs") for letter in name):
        faults.append(("a group's name holds control characters", "take them out"))
    return name
