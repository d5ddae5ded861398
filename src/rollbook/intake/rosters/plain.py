"""A roster as plain CSV: a row for each enrolment, or for a learner who has none.

Only `learner` is needed. Where there is no column `status`, or no column `active`, the roster does not say it, and
what is known stays as it is. An empty status is disabled, as a new enrolment is (W-05); an empty `active` is active,
as a new learner is (W-25). The first row that tells of a learner decides whether they are active; a row that says
otherwise is rejected.
"""

from __future__ import annotations

from collections.abc import Mapping

from rollbook.intake.rosters.taking import REJECTED, REPEATED, TAKEN, Row, Taking
from rollbook.intake.streams import Source
from rollbook.intake.times import shown
from rollbook.model.groups import read_paths, settled, too_many
from rollbook.model.keys import nearest
from rollbook.model.roster import Enrolment, LearnerKey, LearnerRecord, object_of

COLUMNS = ("organisation", "learner", "course", "unit", "start", "end", "status", "active", "groups", "id")
"""What a plain roster may have; `id` is the enrolment's own, where there is one."""

_STATUSES: Mapping[str, bool] = {
    **dict.fromkeys(("enabled", "on", "true", "yes", "1"), True),
    **dict.fromkeys(("disabled", "off", "false", "no", "0", ""), False),
}
_ACTIVE: Mapping[str, bool] = {
    **dict.fromkeys(("active", "yes", "true", "1", ""), True),
    **dict.fromkeys(("inactive", "no", "false", "0"), False),
}


class PlainRoster:
    """Reads plain rosters into `taking`. `says_enabled`, `says_active`, `says_groups`: whether they have the column."""

    def __init__(self, taking: Taking, mapping: Mapping[str, str], organisation: str) -> None:
        self._taking = taking
        self._mapping = mapping
        self._organisation = organisation
        self._told: dict[LearnerKey, str] = {}
        self.says_enabled = self.says_active = self.says_groups = True

    def read(self, source: Source) -> None:
        """Takes every row of a file."""
        for place, row in self._taking.table(source, COLUMNS, (), self._mapping):
            self.says_enabled = self.says_enabled and "status" in row
            self.says_active = self.says_active and "active" in row
            self.says_groups = self.says_groups and "groups" in row
            self._take(place, row)

    def _take(self, place: str, row: Row) -> None:
        taking, faults = self._taking, list[tuple[str, str]]()
        organisation = row.get("organisation") or self._organisation
        learner, course, unit = row["learner"], row.get("course", ""), row.get("unit", "")
        enabled = _word(row, "status", _STATUSES, "enabled or disabled", faults)
        active = _word(row, "active", _ACTIVE, "yes or no", faults)
        start, end = taking.day(row, "start", faults), taking.day(row, "end", faults)
        if not learner:
            faults.append(("learner is empty", "give the learner's id, as the facts write it"))
        if not course and (unit or row.get("id") or row.get("status") or row.get("start") or row.get("end")):
            faults.append(("course is empty", "name the course; leave the whole enrolment out where there is none"))
        if start and end and end < start:
            faults.append((f"end {end} is before start {start}", "correct one of them; end is the first day after"))
        known = taking.learners.get((organisation, learner))
        # A learner has several rows, and each may name another group: they are in all of them.
        groups, wrong = read_paths(row.get("groups", ""))
        groups = settled((*groups, *(known.groups if known else ())))
        faults.extend(wrong)
        if fault := too_many(groups):
            faults.append(fault)
        record = LearnerRecord(organisation=organisation, learner=learner, active=active, groups=groups)
        if known and known.active != active:
            said = "active" if known.active else "inactive"
            rule = f"the learner {shown(learner)} is {said} at {self._told[record.key]}"
            faults.append((rule, "say the same of one learner in every row"))
        if faults:
            taking.reject(place, *faults)
            return
        if course:
            enrolment = Enrolment(
                organisation=organisation,
                learner=learner,
                object=row.get("id") or object_of(course, unit),
                course=course,
                unit=unit,
                start=start,
                end=end,
                enabled=enabled,
            )
            rejected = taking.fates[REJECTED]
            taking.enrol(place, enrolment)
            if taking.fates[REJECTED] > rejected:
                return
        else:
            taking.fates[REPEATED if known == record else TAKEN] += 1
        taking.learners[record.key] = record
        taking.organisations.add(organisation)
        self._told.setdefault(record.key, place)


def _word(row: Row, column: str, known: Mapping[str, bool], use: str, faults: list[tuple[str, str]]) -> bool:
    """What a word of a row says."""
    word = row.get(column, "").casefold()
    if word in known:
        return known[word]
    faults.append((f"{column} is {shown(row[column])}{nearest(word, [it for it in known if it])}", f"use {use}"))
    return False
