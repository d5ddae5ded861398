"""A roster in OneRoster 1.1 or 1.2: a set of CSV files under a manifest that says which are there, and how whole.

An enrolment is on from its beginDate until its endDate, which no longer belongs to it; where it has no days, those of
its class's terms hold, else those of its course's school year. Records to be deleted, and enrolments of users, classes
or courses that are, stand there as disabled: with the next whole roster, which has them no more, they end.
The course of an enrolment is its class, which every file of enrolments names: what learners are offered and leave.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from rollbook.intake.producers.oneroster import NO, OFF, YES
from rollbook.intake.rosters.orgs import Orgs
from rollbook.intake.rosters.taking import INFORMS, OTHERS, REJECTED, Row, Taking
from rollbook.intake.streams import Source
from rollbook.intake.times import shown
from rollbook.intake.vocabulary import Vocabulary, shipped
from rollbook.model.groups import too_many
from rollbook.model.roster import Enrolment, EnrolmentKey, LearnerKey, LearnerRecord

BULK, DELTA, ABSENT = "bulk", "delta", "absent"
MANIFEST = "manifest.csv"
READ = ("orgs", "academicsessions", "courses", "classes", "roles", "users", "enrollments")
"""The files that are read, case folded, each before those that refer to it."""

FILES = frozenset(f"{name}.csv" for name in READ)

_COMMON = ("sourcedId", "status")
_UNDATED: tuple[date | None, date | None] = (None, None)


@dataclass(slots=True)
class _Lesson:
    """A course or a class: whether it is to be deleted, where it is held, and its days."""

    off: bool
    school: str = ""
    days: tuple[date | None, date | None] = _UNDATED


@dataclass(slots=True)
class _Role:
    """What a user is, by the file of roles; the lower the rank, the more it says."""

    rank: int
    role: str
    organisation: str


class OneRoster:
    """Reads a set of files into `taking`, for a local day.

    modes    file, case folded and without its ending → bulk, delta or absent, as the manifest says; empty without one
    version  of the standard, as the manifest says
    undated  enrolments of whose days nothing is said, not even by their class
    """

    def __init__(self, taking: Taking, files: Mapping[str, Source], day: date, organisation: str) -> None:
        self._taking, self._files, self._day, self._organisation = taking, files, day, organisation
        self.modes: dict[str, str] = {}
        self.version = ""
        self._orgs = Orgs()
        self._sessions: dict[str, tuple[date | None, date | None]] = {}
        self._courses: dict[str, _Lesson] = {}
        self._classes: dict[str, _Lesson] = {}
        self._roles: dict[str, _Role] = {}
        self._users: dict[str, LearnerKey | None] = {}
        self._off_users: set[str] = set()
        self._users_read = False
        self._user_words = Vocabulary(shipped("oneroster-users"))
        self._enrolment_words = Vocabulary(shipped("oneroster-enrollments"))
        self.undated: set[EnrolmentKey] = set()

    @property
    def is_whole(self) -> bool | None:
        """Whether it holds everybody, as the manifest says; None where there is no manifest."""
        if not self.modes:
            return None
        return all(self.modes.get(name) == BULK for name in ("users", "enrollments"))

    @property
    def is_delta(self) -> bool:
        """Whether the manifest says that it holds changes only."""
        return DELTA in (self.modes.get("users"), self.modes.get("enrollments"))

    @property
    def has_users(self) -> bool:
        """Whether there is a file of users that could be read."""
        return self._users_read

    @property
    def says_groups(self) -> bool:
        """Whether there are groups, and everything that is said of them could be used."""
        return self._users_read and self._orgs.are_groups

    def read(self) -> None:
        """Takes every row of every file."""
        if MANIFEST in self._files:
            self._read_manifest(self._files[MANIFEST])
        reads = {
            "orgs": self._read_orgs,
            "academicsessions": self._read_sessions,
            "courses": self._read_courses,
            "classes": self._read_classes,
            "roles": self._read_roles,
            "users": self._read_users,
            "enrollments": self._read_enrolments,
        }
        for name in READ:
            source = self._files.get(f"{name}.csv")
            if source and self.modes.get(name) != ABSENT:
                reads[name](source)
        if self.undated:
            rule = f"{len(self.undated):,} enrolments keep what days they had: they say none, nor does their class"
            remedy = "export classes.csv and academicSessions.csv with it, or beginDate and endDate"
            self._taking.note(self._files["enrollments.csv"].name, rule, remedy)

    def _read_manifest(self, source: Source) -> None:
        taking = self._taking
        for place, row in taking.table(source, ("propertyName", "value"), ("propertyName", "value")):
            name, value = row["propertyName"], row["value"].casefold()
            taking.fates[INFORMS] += 1
            if name.casefold() == "oneroster.version":
                self.version = row["value"]
            if not name.casefold().startswith("file."):
                continue
            if value not in (BULK, DELTA, ABSENT):
                taking.fates[INFORMS] -= 1
                taking.reject(place, (f"{name} is {shown(row['value'])}", "use bulk, delta or absent"))
                continue
            file = name[len("file.") :].casefold()
            self.modes[file] = value
            if file not in READ:
                continue
            if value != ABSENT and f"{file}.csv" not in self._files:
                taking.fault(source.name, f"it says that there is a file {name[5:]}.csv", "add it, or say absent")
            if value == ABSENT and f"{file}.csv" in self._files:
                remedy = "say bulk or delta: it was not read"
                taking.fault(source.name, f"it says that {name[5:]}.csv is absent", remedy)

    def _read_orgs(self, source: Source) -> None:
        columns, rejected = (*_COMMON, "name", "type", "parentSourcedId"), self._taking.fates[REJECTED]
        for place, row in self._taking.table(source, columns, ("sourcedId",)):
            faults: list[tuple[str, str]] = []
            off = _off(row, faults)
            if self._informs(place, row, faults):
                self._taking.organisations.add(row["sourcedId"])
                if not off:
                    said = (row.get(it, "") for it in ("name", "type", "parentSourcedId"))
                    self._orgs.take(row["sourcedId"], *said)
        for rule, remedy in self._orgs.faults(rejected=self._taking.fates[REJECTED] - rejected):
            self._taking.note(source.name, rule, remedy)

    def _read_sessions(self, source: Source) -> None:
        columns = (*_COMMON, "startDate", "endDate")
        for place, row in self._taking.table(source, columns, ("sourcedId", "startDate", "endDate")):
            faults: list[tuple[str, str]] = []
            off, days = _off(row, faults), self._days(row, "startDate", "endDate", faults)
            if self._informs(place, row, faults) and not off:
                self._sessions[row["sourcedId"]] = days

    def _read_courses(self, source: Source) -> None:
        for place, row in self._taking.table(source, (*_COMMON, "schoolYearSourcedId"), ("sourcedId",)):
            faults: list[tuple[str, str]] = []
            lesson = _Lesson(_off(row, faults), days=self._terms(row.get("schoolYearSourcedId", "")))
            if self._informs(place, row, faults):
                self._courses[row["sourcedId"]] = lesson

    def _read_classes(self, source: Source) -> None:
        columns = (*_COMMON, "courseSourcedId", "schoolSourcedId", "termSourcedIds")
        for place, row in self._taking.table(source, columns, ("sourcedId",)):
            faults: list[tuple[str, str]] = []
            off, terms = _off(row, faults), self._terms(row.get("termSourcedIds", ""))
            course = self._courses.get(row.get("courseSourcedId", ""), _Lesson(off=False))
            days = terms if terms != _UNDATED else course.days
            if self._informs(place, row, faults):
                school = row.get("schoolSourcedId", "")
                self._classes[row["sourcedId"]] = _Lesson(off or course.off, school=school, days=days)

    def _read_roles(self, source: Source) -> None:
        columns = (*_COMMON, "userSourcedId", "roleType", "role", "orgSourcedId")
        for place, row in self._taking.table(source, columns, ("sourcedId", "userSourcedId", "role")):
            faults: list[tuple[str, str]] = []
            off, user = _off(row, faults), row["userSourcedId"]
            if not self._informs(place, row, faults):
                continue
            # Who is to be deleted was somebody: a role that is off still says who.
            rank = 2 if off else 0 if row.get("roleType", "").casefold() == "primary" else 1
            known = self._roles.get(user)
            if known is None or rank < known.rank:
                self._roles[user] = _Role(rank, row["role"], row.get("orgSourcedId", ""))

    def _read_users(self, source: Source) -> None:
        taking = self._taking
        columns = (*_COMMON, "enabledUser", "role", "orgSourcedIds", "primaryOrgSourcedId")
        for place, row in taking.table(source, columns, ("sourcedId",)):
            self._users_read = True
            faults: list[tuple[str, str]] = []
            user, off, enabled = row["sourcedId"], _off(row, faults), row.get("enabledUser", "").casefold()
            self._users[user] = None
            if not user:
                faults.append(("sourcedId is empty", "export it: nothing else names a user for ever"))
            if enabled not in YES | NO:
                faults.append((f"enabledUser is {shown(enabled)}", "use true or false"))
            by_file = self._roles.get(user)
            role = row.get("role") or (by_file.role if by_file else "")
            learns = _learns(self._user_words, role, faults, "add roles.csv: since OneRoster 1.2 roles stand there")
            if faults:
                taking.reject(place, *faults)
                continue
            first = row.get("orgSourcedIds", "").partition(",")[0].strip()
            by_role = by_file.organisation if by_file else ""
            organisation = row.get("primaryOrgSourcedId") or first or by_role or self._organisation
            listed = [it.strip() for it in row.get("orgSourcedIds", "").split(",")]
            groups = self._orgs.groups(organisation, [*listed, by_role])
            if fault := too_many(groups):
                taking.reject(place, fault)
                continue
            record = LearnerRecord(
                organisation=organisation, learner=user, active=not off and enabled in YES, groups=groups
            )
            self._users[user] = record.key
            if off:
                self._off_users.add(user)
            if learns:
                taking.record(place, record)
            else:
                taking.fates[OTHERS] += 1

    def _read_enrolments(self, source: Source) -> None:
        columns = (*_COMMON, "classSourcedId", "schoolSourcedId", "userSourcedId", "role", "beginDate", "endDate")
        needed = ("sourcedId", "classSourcedId", "userSourcedId", "role")
        for place, row in self._taking.table(source, columns, needed):
            faults: list[tuple[str, str]] = []
            off, user, class_ = _off(row, faults), row["userSourcedId"], row["classSourcedId"]
            faults.extend((f"{name} is empty", "export it") for name in needed[:3] if not row[name])
            learns = _learns(self._enrolment_words, row["role"], faults, "export it")
            if self._users_read and self.modes.get("users") != DELTA and user and user not in self._users:
                faults.append((f"no row of users.csv has the user {shown(user)}", "add the user, or take this row out"))
            days = self._days(row, "beginDate", "endDate", faults, class_)
            if faults:
                self._taking.reject(place, *faults)
            elif learns:
                self._enrol(place, row, days, off=off)
            else:
                self._taking.fates[OTHERS] += 1

    def _enrol(self, place: str, row: Row, days: tuple[date | None, date | None], *, off: bool) -> None:
        taking, user = self._taking, row["userSourcedId"]
        class_ = self._classes.get(row["classSourcedId"], _Lesson(off=False))
        record = self._users.get(user)
        start, end = days
        off = off or class_.off or user in self._off_users
        on = (start is None or start <= self._day) and (end is None or self._day < end)
        enrolment = Enrolment(
            organisation=row.get("schoolSourcedId")
            or class_.school
            or (record[0] if record else "")
            or self._organisation,
            learner=user,
            object=row["sourcedId"],
            course=row["classSourcedId"],
            start=start,
            end=end,
            enabled=on and not off,
        )
        if days == _UNDATED and row["classSourcedId"] not in self._classes:
            self.undated.add(enrolment.key)
        rejected = taking.fates[REJECTED]
        taking.enrol(place, enrolment)
        if taking.fates[REJECTED] == rejected and not self._users_read:
            key = (enrolment.organisation, user)
            taking.learners.setdefault(key, LearnerRecord(organisation=key[0], learner=user))

    def _informs(self, place: str, row: Row, faults: list[tuple[str, str]]) -> bool:
        """Whether a row that is no learner's can be used, which is counted."""
        if not row["sourcedId"]:
            faults.append(("sourcedId is empty", "export it: others refer to the row by it"))
        if faults:
            self._taking.reject(place, *faults)
            return False
        self._taking.fates[INFORMS] += 1
        return True

    def _terms(self, ids: str) -> tuple[date | None, date | None]:
        """From the first day of the first of some terms until the end of the last."""
        known = [self._sessions[it.strip()] for it in ids.split(",") if it.strip() in self._sessions]
        starts, ends = [start for start, _ in known if start], [end for _, end in known if end]
        return (min(starts, default=None), max(ends, default=None))

    def _days(
        self, row: Row, begin: str, end: str, faults: list[tuple[str, str]], class_: str = ""
    ) -> tuple[date | None, date | None]:
        """The days of a row, where it has none those of its class."""
        starts, ends = self._taking.day(row, begin, faults), self._taking.day(row, end, faults)
        of_class = self._classes[class_].days if class_ in self._classes else _UNDATED
        days = (starts or of_class[0], ends or of_class[1])
        if days[0] and days[1] and days[1] < days[0]:
            whose = "" if starts and ends else " of its term"
            faults.append((f"{end} {days[1]} is before {begin} {days[0]}{whose}", "correct one of them"))
        return days


def _off(row: Row, faults: list[tuple[str, str]]) -> bool:
    """Whether a record holds no longer. In bulk files the status is blank, which means that it does."""
    status = row.get("status", "").casefold()
    if status not in OFF | {"", "active"}:
        faults.append((f"status is {shown(row['status'])}", "use active or tobedeleted, and nothing in bulk files"))
    return status in OFF


def _learns(words: Vocabulary, role: str, faults: list[tuple[str, str]], missing: str) -> bool:
    """Whether somebody in a role is a learner."""
    meaning = words.meaning(f"enabled:{role}") if role else None
    if not role:
        faults.append(("nothing says the role", missing))
    elif meaning is None:
        faults.append((f"the role {shown(role)} is none of OneRoster", "use student, teacher, aide, parent or another"))
    return meaning is not None and meaning.role == "learner"
