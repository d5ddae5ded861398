"""The languages of Moodle's log report: its columns, its months, and who is who in its descriptions.

They are rows of `languages/moodle-log.csv`; `--table languages=FILE` adds rows in the same shape, which come first.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources

from rollbook.errors import Problem, UsageError
from rollbook.intake.options import DATE_ORDERS

FIELDS = ("course", "time", "user", "affected", "context", "component", "event", "description", "origin", "ip")
NEEDED = ("time", "event", "description")
KINDS = ("column", "order", "month", "as", "pattern")
ENGLISH = "en"
"""The language in which Moodle writes descriptions, whatever the language of the page."""

DESCRIPTION_MAX = 2000
"""How much of a description is looked at, in characters."""

PATTERN_MAX = 500
"""Longest pattern, in characters."""

PATTERNS_MAX = 1000
"""Patterns of one language."""

_PLACES = ("actor", "learner", "course")
_CURLY = "\N{RIGHT SINGLE QUOTATION MARK}"
_QUOTE = r"['\"\u2018\u2019\u201c\u201d\u00ab\u00bb]"
_TOKEN = re.compile(rf"(\{{[^{{}}]*\}}|\*|\s+|['{_CURLY}])")
_NO_DIGIT = re.compile(r"[^\d-]")
_MONTHS = 12


@dataclass(frozen=True, slots=True)
class Said:
    """What a description says: numbers of users and of the course, and the event that it can only be."""

    learner: str
    actor: str
    course: str
    event: str


@dataclass(slots=True)
class Language:
    """One language of the report, as its rows say.

    columns   folded name in the header → field
    order     of day and month; empty where the language has several
    months    folded name → number
    joins     words between two names where one acts as the other
    patterns  of descriptions, with the event they can only be
    """

    columns: dict[str, str] = field(default_factory=dict)
    order: str = ""
    months: dict[str, int] = field(default_factory=dict)
    joins: list[str] = field(default_factory=list)
    patterns: list[tuple[re.Pattern[str], str]] = field(default_factory=list)

    def fields(self, header: Iterable[str]) -> dict[str, str]:
        """Field → name in the header, of the columns that this language knows."""
        found: dict[str, str] = {}
        for name in header:
            known = self.columns.get(folded(name))
            if known:
                found.setdefault(known, name)
        return found


class Languages(dict[str, Language]):
    """Languages by their code, those that were added first."""

    @property
    def months(self) -> Mapping[str, int]:
        """The months of all languages: none means another month elsewhere."""
        return {name: number for language in self.values() for name, number in language.months.items()}

    def of_header(self, header: Sequence[str]) -> str | None:
        """The language of a header: the one that knows the most columns, those needed among them; None without one."""
        known = {code: language.fields(header) for code, language in self.items()}
        fitting = [code for code, fields in known.items() if all(name in fields for name in NEEDED)]
        return max(fitting, key=lambda code: len(known[code]), default=None)

    def said(self, code: str, description: str) -> Said | None:
        """What a description says in this language, or in Moodle's own; None where no pattern fits."""
        description = " ".join(description[:DESCRIPTION_MAX].split())
        for language in dict.fromkeys((code, ENGLISH)):
            for pattern, event in self[language].patterns if language in self else ():
                match = pattern.match(description)
                if match:
                    numbers = {name: _NO_DIGIT.sub("", text or "") for name, text in match.groupdict().items()}
                    learner, actor, course = (numbers.get(name, "") for name in ("learner", "actor", "course"))
                    return Said(learner, actor, course, event)
        return None


def folded(text: str) -> str:
    """A name as names are compared: without case, with plain blanks and apostrophes."""
    return " ".join(text.replace(_CURLY, "'").split()).casefold()


@cache
def shipped() -> Languages:
    """The languages of the table beside the vocabularies."""
    file = resources.files("rollbook.intake") / "languages" / "moodle-log.csv"
    lines = file.read_text(encoding="utf-8").splitlines()
    return read_languages(csv.DictReader(line for line in lines if not line.startswith("#")))


def read_languages(rows: Iterable[Mapping[str, str]], under: Languages | None = None) -> Languages:
    """The languages that some rows describe, before those `under` them. Raises UsageError."""
    found = Languages()
    for number, row in enumerate(rows, 2):
        code, kind, key, text = (str(row.get(name) or "").strip() for name in ("language", "kind", "key", "text"))
        if code.startswith("#") or not any((code, kind, key, text)):
            continue
        fault = _fault(code, kind, key, text)
        if fault:
            raise UsageError(Problem(f"--table languages: row {number}", *fault))
        language = found.setdefault(code, Language())
        _add(language, kind, key, text)
        if len(language.patterns) > PATTERNS_MAX:
            rule = f"{code} has more than {PATTERNS_MAX:,} patterns"
            raise UsageError(Problem(f"--table languages: row {number}", rule, "put * for what differs between them"))
    for code, language in (under or {}).items():
        _put_under(found.setdefault(code, Language()), language)
    return found


def _fault(code: str, kind: str, key: str, text: str) -> tuple[str, str] | None:
    """(rule, remedy) of what is wrong with a row; None where nothing is."""
    strange = [name for name in re.findall(r"\{([^{}]*)\}", text) if name not in _PLACES]
    twice = any(text.count(f"{{{name}}}") > 1 for name in _PLACES)
    faults = (
        (
            not code or kind not in KINDS,
            f'it is of the kind "{kind}"',
            "give a language and one of " + ", ".join(KINDS),
        ),
        (kind == "column" and key not in FIELDS, f'"{key}" is no column of the report', "use " + ", ".join(FIELDS)),
        (kind == "order" and key not in DATE_ORDERS, f'"{key}" is no order of days', "use " + ", ".join(DATE_ORDERS)),
        (kind == "month" and not _is_month(key), f'"{key}" is no month', "use 1 to 12"),
        (kind != "order" and not text, "its text is empty", "write what stands in the export"),
        (
            kind == "pattern" and (bool(strange) or twice),
            "a pattern takes {actor}, {learner} and {course}, each once",
            "put * for anything else",
        ),
        (
            len(text) > PATTERN_MAX,
            f"its text has {len(text):,} characters, more than {PATTERN_MAX}",
            "put * for what differs from one description to the next",
        ),
    )
    return next(((rule, remedy) for holds, rule, remedy in faults if holds), None)


def _is_month(key: str) -> bool:
    return key.isascii() and key.isdigit() and 1 <= int(key[:4]) <= _MONTHS


def _add(language: Language, kind: str, key: str, text: str) -> None:
    names = [folded(name) for name in text.split("|") if name.strip()]
    if kind == "column":
        language.columns.update(dict.fromkeys(names, key))
    elif kind == "order":
        language.order = key
    elif kind == "month":
        language.months.update(dict.fromkeys(names, int(key)))
    elif kind == "as":
        language.joins.append(text)
    else:
        language.patterns.append((_pattern(text), key))


def _put_under(language: Language, shipped_one: Language) -> None:
    language.columns = {**shipped_one.columns, **language.columns}
    language.order = language.order or shipped_one.order
    language.months = {**shipped_one.months, **language.months}
    language.joins += shipped_one.joins
    language.patterns += shipped_one.patterns


def _pattern(text: str) -> re.Pattern[str]:
    """A pattern of descriptions: numbers of users and courses may stand in any quotes, and be missing within them.

    What follows a `*` is taken where it comes first, for good. Nothing is lost by that, because the end is open; and
    the time is in proportion to the description, however many `*` there are.
    """
    parts = []
    opened = ""
    for part in _TOKEN.split(text):
        if part.startswith("{"):
            parts.append(rf"(?P<{part[1:-1]}>{_QUOTE}\s*(?:-?\d+)?\s*{_QUOTE}|-?\d+\b)")
        elif part == "*":
            parts.append(f"{opened}(?>.*?")
            opened = ")"
        elif part in ("'", _CURLY):
            parts.append(f"['{_CURLY}]")
        else:
            parts.append(r"\s+" if part.isspace() else re.escape(part))
    return re.compile("".join((*parts, opened)), re.IGNORECASE | re.DOTALL)
