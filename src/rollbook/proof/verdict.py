"""What was checked, what holds and what differs: a verdict is a list of checks, and each check a line for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

DIFFERENCES_MAX = 100
"""Differences of one check told one by one; the rest by number."""

_NAMES = ("window", "windows", "pool", "kind")
"""What charges and consumption are told apart by; places in lists are told by them."""

_SHOWN_LENGTH = 120


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked.

    name         `facts`, `charges`, …
    says         what was compared, in words
    differences  each in words; none where it holds
    more         differences beyond those
    """

    name: str
    says: str
    differences: tuple[str, ...] = ()
    more: int = 0

    @property
    def holds(self) -> bool:
        """Whether nothing differs."""
        return not self.differences


@dataclass(frozen=True, slots=True)
class Verdict:
    """Everything that was checked, in order.

    title    what was verified
    digests  of statements, by their names: to be compared with what was handed over at the time
    """

    title: str
    digests: Mapping[str, str]
    checks: tuple[Check, ...]

    @property
    def holds(self) -> bool:
        """Whether all checks hold."""
        return all(check.holds for check in self.checks)


def check(name: str, says: str, differences: Iterable[str]) -> Check:
    """A check; of very many differences the first are kept."""
    found = list(differences)
    return Check(name, says, tuple(found[:DIFFERENCES_MAX]), max(len(found) - DIFFERENCES_MAX, 0))


def unlike(stated: object, found: object, place: str) -> Iterator[str]:
    """Where two plain values differ, leaf by leaf, in words."""
    if isinstance(stated, Mapping) and isinstance(found, Mapping):
        for key in sorted({*stated, *found}, key=str):
            yield from unlike(stated.get(key), found.get(key), f"{place}.{key}" if place else str(key))
    elif _is_list(stated) and _is_list(found):
        ones, others = _by_name(stated), _by_name(found)
        for name in dict.fromkeys((*ones, *others)):
            yield from unlike(ones.get(name), others.get(name), f"{place} {name}")
    elif isinstance(stated, Mapping) and found is None:
        yield f"{place}: only in the statement"
    elif isinstance(found, Mapping) and stated is None:
        yield f"{place}: only in the recount"
    elif stated != found or type(stated) is not type(found):
        yield f"{place}: the statement says {_shown(stated)}, the recount {_shown(found)}"


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _by_name(items: Any) -> dict[str, Any]:
    """The things in a list by what tells them apart, or else by their place."""
    named = [_name(item) for item in items]
    if "" in named or len(set(named)) != len(named):
        named = [str(number) for number in range(1, len(items) + 1)]
    return dict(zip(named, items, strict=True))


def _name(item: object) -> str:
    if not isinstance(item, Mapping):
        return ""
    known = [key for key in _NAMES if item.get(key)]
    words = [f"{key} {item[key]}" if key.startswith("window") else str(item[key]) for key in known]
    return f"({', '.join(words)})" if words else ""


def _shown(value: object) -> str:
    if value is None:
        return "nothing"
    text = str(value)
    return text if len(text) <= _SHOWN_LENGTH else text[: _SHOWN_LENGTH - 1] + "…"
