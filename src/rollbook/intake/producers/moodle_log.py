"""Moodle's log report as CSV, in any of several languages: minutes, names, and ids only within descriptions.

Who did what to whom is in the description (`moodle_languages`), which Moodle writes in English in every language of
the page. An event is known by its translated name, and where several events share one name, by the description.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from rollbook.intake.batches import Refused
from rollbook.intake.producers.moodle import SITE_COURSE, Done, RoleTable, concerns_another, facts_of, is_nobody
from rollbook.intake.producers.moodle_languages import Language, Languages, Said, read_languages, shipped
from rollbook.intake.producers.moodle_times import read_moodle_time
from rollbook.intake.producers.producer import CSV, Convert, Producer, Reading, Row
from rollbook.intake.streams import FileFaultError
from rollbook.intake.times import shown
from rollbook.intake.vocabulary import Meaning, Vocabulary

READ = ("course", "time", "user", "event", "description", "origin", "ip")
"""The columns that are read."""

TIMES_MAX = 4096
"""Times that are remembered."""

_NOBODY_NAMED = Said("", "", "", "")


class MoodleLog(Producer):
    """Site administration, Reports, Logs, or Reports, Logs of one course: downloaded as comma separated values."""

    name = "moodle-log"
    title = "Moodle log report"
    kind = CSV
    encoding = "cp1252"

    def recognises(self, sample: Mapping[str, Any]) -> bool:
        """By the time, the event and the description under the names of one language."""
        return shipped().of_header(tuple(sample)) is not None

    def converter(self, reading: Reading) -> Convert:
        """Rows by the language of their header."""
        return _Report(reading).facts


class _Report:
    """One export: its language, and what the caller said of it."""

    def __init__(self, reading: Reading) -> None:
        self._languages = _languages(reading)
        code = self._languages.of_header(reading.columns)
        if code is None:
            rule = "has no header in a language that is known here"
            raise FileFaultError(rule, "describe its language in a file, and name it: --table languages=FILE")
        self._code = code
        self._language: Language = self._languages[code]
        fields = self._language.fields(reading.columns)
        self._names = {name: fields[name] for name in READ if name in fields}
        months, order = self._languages.months, self._language.order
        # Many rows share a minute.
        self._time = lru_cache(TIMES_MAX)(lambda text: read_moodle_time(text, months, reading.date_order, order))
        self._joins = [f" {word} " for word in self._language.joins]
        self._vocabulary: Vocabulary = reading.vocabulary
        self._roles = RoleTable(reading.extra.get("roles"))
        self._zone = ZoneInfo(reading.zone) if reading.zone else None

    def facts(self, row: Mapping[str, Any]) -> Iterator[Row | Refused]:
        """The facts of one row."""
        texts = {name: str(row.get(column) or "").strip() for name, column in self._names.items()}
        at = self._time(texts["time"])
        if isinstance(at, Refused):
            yield at
            return
        user, description = texts.get("user", ""), texts["description"]
        said = self._languages.said(self._code, description)
        if said is None and not is_nobody(user):
            rule = f"the description names no user by an id: {shown(description)}"
            yield Refused(rule, "describe it with a pattern: --table languages=FILE")
            return
        yield from facts_of(self._done(texts, at, said or _NOBODY_NAMED))

    def _done(self, texts: Mapping[str, str], at: str, said: Said) -> Done:
        meaning = self._meaning(texts["event"], said.event)
        learner, actor = said.learner, said.actor
        if not is_nobody(actor) and not concerns_another(meaning.type):
            learner, actor = actor, ""
        origin = texts.get("origin", "").casefold()
        course = said.course if said.course not in ("0", SITE_COURSE) else ""
        return Done(
            at=at,
            meaning=meaning,
            event=texts["event"] or "the event",
            learner=learner,
            actor=actor,
            impersonator=self._impersonator(texts.get("user", "")),
            role=self._role(learner, course, at),
            course=_unless_a_dash(texts.get("course", "")) or course,
            origin=origin,
            address=texts.get("ip", ""),
            source=MoodleLog.name,
            attributes={"origin": origin} if origin not in ("", "web") else {},
        )

    def _meaning(self, name: str, decided: str) -> Meaning:
        """What an event means: by its name in the administrator's own table, by its description, by its name."""
        own = self._vocabulary.own.get(name)
        return own or self._vocabulary[decided or name]

    def _impersonator(self, user: str) -> str:
        """Of "Ada Admin as Sam Student", Ada: Moodle writes so while one is logged in as the other."""
        for join in self._joins:
            real, found, other = user.partition(join)
            if found and real.strip() and other.strip():
                return real.strip()
        return ""

    def _role(self, learner: str, course: str, at: str) -> str:
        if not self._roles or self._zone is None:
            return ""
        seconds = datetime.fromisoformat(at).replace(tzinfo=self._zone).timestamp()
        return self._roles.role(learner, course, "", seconds)


def _unless_a_dash(text: str) -> str:
    return "" if text == "-" else text


def _languages(reading: Reading) -> Languages:
    """What the caller added, before what is shipped."""
    own = reading.extra.get("languages")
    return read_languages(own, shipped()) if own else shipped()
