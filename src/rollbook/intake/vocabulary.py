r"""A vocabulary says what a producer's events mean: one row for each event, in a plain CSV file.

    event,type,role,mode,note
    \core\event\user_loggedin,login,,,
    \core\event\course_viewed,course.viewed,,,the page of a course is not content

Events are compared as written, then without regard to case. An administrator's own file, in the same shape, is asked
first. An event that no vocabulary knows keeps its own name as type: it is kept, not counted, and reported.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

from rollbook.errors import Problem, UsageError
from rollbook.intake.headers import find_delimiter
from rollbook.model.fact import CORRECTIONS, MODES, ROLES
from rollbook.model.keys import nearest

COLUMNS = ("event", "type", "role", "mode", "note")
EVENTS_MAX = 10_000
"""Rows of a vocabulary."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an event is: a type, and where the event alone says so, a role and a mode."""

    type: str
    role: str = ""
    mode: str = ""


@dataclass(frozen=True)
class Vocabulary:
    """Events and their meanings. `own` is asked before `shipped`."""

    shipped: Mapping[str, Meaning] = field(default_factory=dict)
    own: Mapping[str, Meaning] = field(default_factory=dict)

    def __post_init__(self) -> None:
        folded = {event.casefold(): meaning for table in (self.shipped, self.own) for event, meaning in table.items()}
        object.__setattr__(self, "_folded", folded)

    def meaning(self, event: str) -> Meaning | None:
        """What an event means; None where nobody says."""
        found = self.own.get(event) or self.shipped.get(event)
        return found or vars(self)["_folded"].get(event.casefold())

    def __getitem__(self, event: str) -> Meaning:
        """What an event means; by default a type of its own name."""
        return self.meaning(event) or Meaning(event)


def shipped(name: str) -> Mapping[str, Meaning]:
    """The vocabulary of a producer, from the file of its name beside this one."""
    file = resources.files("rollbook.intake") / "vocabularies" / f"{name}.csv"
    return parse_vocabulary(file.read_text(encoding="utf-8"), f"{name}.csv")


def read_vocabulary(path: str | Path) -> Mapping[str, Meaning]:
    """An administrator's own vocabulary. Raises UsageError with every problem found."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        rule = f"the vocabulary cannot be read: {error}"
        raise UsageError(Problem(str(path), rule, "give a CSV file in UTF-8 with event and type")) from None
    return parse_vocabulary(text, str(path))


def parse_vocabulary(text: str, name: str) -> Mapping[str, Meaning]:
    """The meanings in a CSV text. Raises UsageError with every problem found."""
    problems: list[Problem] = []
    lines = text.splitlines()
    delimiter = find_delimiter(lines[0] if lines else "", {}, COLUMNS)
    rows = list(csv.reader(lines, delimiter=delimiter))
    header = [cell.strip().casefold() for cell in rows[0]] if rows else []
    missing = [column for column in ("event", "type") if column not in header]
    problems += [Problem(f"{name}:1", f"there is no column {it}", "begin with event,type,role,mode") for it in missing]
    strange = [f'there is no column "{it}"{nearest(it, COLUMNS)}' for it in header if it not in COLUMNS]
    problems += [Problem(f"{name}:1", rule, "use " + ", ".join(COLUMNS)) for rule in strange]
    if len(rows) > EVENTS_MAX:
        problems.append(Problem(name, f"it has more than {EVENTS_MAX:,} rows", "name events, not facts"))
    if problems:
        raise UsageError(problems)
    found: dict[str, Meaning] = {}
    for line, cells in enumerate(rows[1:], 2):
        if not any(cell.strip() for cell in cells) or cells[0].lstrip().startswith("#"):
            continue
        _add(found, dict(zip(header, (cell.strip() for cell in cells), strict=False)), f"{name}:{line}", problems)
    if problems:
        raise UsageError(problems)
    return found


def _add(found: dict[str, Meaning], row: Mapping[str, str], place: str, problems: list[Problem]) -> None:
    event, meaning = row.get("event", ""), Meaning(row.get("type", ""), row.get("role", ""), row.get("mode", ""))
    if meaning.type in CORRECTIONS:
        problems.append(Problem(place, f"{meaning.type} corrects other facts", "only a producer can say which"))
    if not event or not meaning.type:
        problems.append(Problem(place, "event or type is empty", "give both"))
    for column, value, known in (("role", meaning.role, ROLES), ("mode", meaning.mode, MODES)):
        if value and value not in known:
            rule = f'"{value}" is not a {column}{nearest(value, known)}'
            problems.append(Problem(place, rule, "use one of " + ", ".join(known)))
    if event in found:
        problems.append(Problem(place, f'"{event}" stands there twice', "keep one of the rows"))
    found[event] = meaning


def vocabulary(name: str, own: Sequence[str] = (), meanings: Mapping[str, Meaning] | None = None) -> Vocabulary:
    """The vocabulary of a producer, under an administrator's own files, the last of which is asked first.

    meanings  what the producer itself says, where it has no file of its name
    """
    mine: dict[str, Meaning] = {}
    for path in own:
        mine.update(read_vocabulary(path))
    if meanings is None:
        meanings = shipped(name) if name else {}
    return Vocabulary(meanings, mine)
