"""A roster is read whole or not at all believed to be whole: nobody is missing from one that could not all be read.

It may be a folder, a zip archive, one file, or standard input (`-`). A set of files with the names of OneRoster is
one; any other CSV file is a plain roster. Archives are never unpacked to disk, so what their members are called does
no harm; each file is bounded by what it unpacks to.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

from rollbook.errors import Problem, UsageError
from rollbook.intake.csv_rows import CsvRecords
from rollbook.intake.inputs import MEMBERS_MAX, expanded
from rollbook.intake.lines import Lines
from rollbook.intake.options import DATE_ORDERS
from rollbook.intake.problems import Problems
from rollbook.intake.producers.oneroster import OneRosterEnrollments, OneRosterUsers
from rollbook.intake.rosters.one_roster import FILES, MANIFEST, OneRoster
from rollbook.intake.rosters.plain import COLUMNS, PlainRoster
from rollbook.intake.rosters.taking import FATES, Taking
from rollbook.intake.streams import FileFaultError, Source, Stream
from rollbook.model.keys import nearest
from rollbook.model.roster import EnrolmentKey, Roster, Snapshot

_LISTED_MAX = 20
"""Names of files that are listed; there may be as many as an archive has."""


@dataclass(frozen=True, slots=True)
class RosterOptions:
    """What the caller says about a roster.

    day           the local day for which it stands: enrolments of OneRoster are on from their first day until their end
    organisation  whose it is, where it does not say; also where nobody of them is left in it
    date_order    one of `DATE_ORDERS`, for days written with the year last; None refuses what could be either
    mapping       column of a plain roster → what it is called there
    complete      whether it holds everybody; None believes what it says itself
    keeps_status  enrolments stay enabled or disabled as they are, whatever it says: people and rules decide
    """

    day: date
    organisation: str = ""
    date_order: str | None = None
    mapping: Mapping[str, str] = field(default_factory=dict)
    complete: bool | None = None
    keeps_status: bool = False

    def __post_init__(self) -> None:
        problems = [
            Problem(f"--map {it}", f'there is no column "{it}"{nearest(it, COLUMNS)}', "columns: " + ", ".join(COLUMNS))
            for it in self.mapping
            if it not in COLUMNS
        ]
        if self.date_order is not None and self.date_order not in DATE_ORDERS:
            rule = f'there is no date order "{self.date_order}"'
            problems.append(Problem("--date-order", rule, "use one of " + ", ".join(DATE_ORDERS)))
        if problems:
            raise UsageError(problems)


@dataclass(frozen=True, slots=True)
class RosterReading:
    """What was read.

    snapshot     who and what stands in it; complete only where it says so, and everything could be read
    kind         what it is, for people: `OneRoster 1.2`, `CSV`
    problems     what was wrong with rows and files
    fates        what became of the rows, by `FATES`; they add up to `rows`
    why_partial  why nobody is taken to be missing, in words; '' where the snapshot is complete
    undated      enrolments of whose days nothing is said, as in a delta without its classes
    """

    snapshot: Snapshot
    kind: str
    problems: Problems
    fates: Mapping[str, int]
    why_partial: str
    undated: frozenset[EnrolmentKey] = frozenset()

    def over(self, view: Roster) -> Snapshot:
        """The snapshot, in which enrolments of whose days it says nothing keep those that they have in a view."""
        if not self.undated:
            return self.snapshot
        enrolments = dict(self.snapshot.roster.enrolments)
        for key in self.undated & enrolments.keys() & view.enrolments.keys():
            known = view.enrolments[key]
            enrolments[key] = replace(enrolments[key], start=known.start, end=known.end)
        return replace(self.snapshot, roster=replace(self.snapshot.roster, enrolments=enrolments))

    @property
    def rows(self) -> int:
        """How many rows were read."""
        return sum(self.fates.values())


@dataclass(frozen=True, slots=True)
class Says:
    """Of what a roster says anything at all: see `Snapshot`."""

    enabled: bool
    active: bool
    groups: bool


def read_roster(path: str | os.PathLike[str], options: RosterOptions) -> RosterReading:
    """The snapshot in a roster, with everything that is wrong with it.

    Never raises for what is in it; raises UsageError where it is said to be complete and says itself that it is not.
    """
    taking = Taking(options.date_order)
    with _files(os.fspath(path), taking) as files:
        if files.keys() & (FILES | {MANIFEST}):
            return _one_roster(taking, files, options)
        plain = PlainRoster(taking, options.mapping, options.organisation)
        for source in files.values():
            plain.read(source)
    why = _why_partial(taking, options, "")
    says = Says(enabled=plain.says_enabled, active=plain.says_active, groups=plain.says_groups)
    return _reading(taking, options, "CSV", why, says)


def _one_roster(taking: Taking, files: Mapping[str, Source], options: RosterOptions) -> RosterReading:
    read = OneRoster(taking, files, options.day, options.organisation)
    read.read()
    if options.complete and read.is_delta:
        rule = "the manifest says that this roster is a delta: it holds changes only"
        raise UsageError(Problem("--complete", rule, "leave it out, or export the roster whole"))
    if read.is_whole is None:
        why = "no manifest.csv says that it is whole; say --complete if it is"
    elif read.is_delta:
        why = "it says itself that it holds changes only (delta)"
    elif not read.is_whole or not read.has_users:
        why = "it does not hold both users.csv and enrollments.csv"
    else:
        why = ""
    kind = f"OneRoster {read.version}".strip()
    why = _why_partial(taking, options, why)
    says = Says(enabled=True, active=read.has_users, groups=read.says_groups)
    return replace(_reading(taking, options, kind, why, says), undated=frozenset(read.undated))


def _why_partial(taking: Taking, options: RosterOptions, by_itself: str) -> str:
    """Why nobody is missing. What could not be read decides, whatever was said."""
    if not taking.unbroken:
        return "not all of it could be read, and whoever seems to be missing may stand there"
    if options.complete is not None:
        return "" if options.complete else "it is said to be partial"
    if not by_itself and not taking.learners and not taking.enrolments:
        return "nobody is in it, as where an export failed; say --complete if nobody is left"
    return by_itself


def _reading(taking: Taking, options: RosterOptions, kind: str, why_partial: str, says: Says) -> RosterReading:
    organisations = taking.organisations | ({options.organisation} if options.organisation else set())
    snapshot = Snapshot(
        roster=Roster(learners=taking.learners, enrolments=taking.enrolments),
        organisations=frozenset(organisations),
        complete=not why_partial,
        says_enabled=says.enabled and not options.keeps_status,
        says_active=says.active,
        says_groups=says.groups and bool(taking.learners),
    )
    fates = {fate: taking.fates[fate] for fate in FATES if taking.fates[fate]}
    return RosterReading(snapshot, kind, taking.problems, fates, why_partial)


@contextmanager
def _files(path: str, taking: Taking) -> Iterator[dict[str, Source]]:
    """The files of a roster by name, case folded, without their folders; what cannot be read twice is copied."""
    with tempfile.TemporaryDirectory(prefix="rollbook-") as folder:
        found: dict[str, Source] = {}
        for source in _sources(path, Path(folder), taking):
            name = source.name.replace("\\", "/").rpartition("/")[2].casefold()
            if name.startswith("."):
                continue
            if name in found:
                taking.fault(source.name, f"{found[name].name} is called so, too", "give one file of each name")
            else:
                found[name] = source
        yield _chosen(path, found, taking)


def _sources(path: str, folder: Path, taking: Taking) -> Iterator[Source]:
    inputs: list[object] = [path]
    if Path(path).is_dir():
        names = sorted(it for it in Path(path).iterdir() if it.is_file())
        if len(names) > MEMBERS_MAX:
            taking.fault(path, f"the folder holds more than {MEMBERS_MAX:,} files", "name the folder of one roster")
        inputs = [Source(str(name), name) for name in names[:MEMBERS_MAX]]
    for source in expanded(inputs, folder):
        if isinstance(source, Source):
            yield source
        elif isinstance(source, Problem):
            taking.problems.add_file(source)


def _chosen(path: str, found: dict[str, Source], taking: Taking) -> dict[str, Source]:
    """The files of OneRoster where there are some, else the one file that is a plain roster."""
    known = {name: source for name, source in found.items() if name in FILES or name == MANIFEST}
    if known:
        spare = sorted(found.keys() - known.keys())
        if spare:
            rule = "some files say nothing of who is there, and were not read: " + ", ".join(spare[:_LISTED_MAX])
            taking.note(path, rule, "nothing need be done")
        return known
    if len(found) == 1:
        [(name, source)] = found.items()
        return {_oneroster_name(source) or name: source}
    tables = {name: source for name, source in found.items() if name.endswith(".csv")}
    if len(tables) == 1:
        return tables
    rule = f"it holds {len(found):,} files, and none with the name of a file of OneRoster"
    taking.fault(path, rule, "give a set with manifest.csv, users.csv and enrollments.csv, or one CSV file")
    return {}


def _oneroster_name(source: Source) -> str:
    """What a lone file of OneRoster is called in a set, by its columns; '' where it is none."""
    try:
        stream = Stream(source)
    except FileFaultError:
        return ""
    try:
        names = dict.fromkeys(CsvRecords(Lines(stream), {}, ()).names, "") if stream.kind == "csv" else {}
    except FileFaultError:
        return ""
    finally:
        stream.close()
    if OneRosterEnrollments("csv").recognises(names):
        return "enrollments.csv"
    return "users.csv" if OneRosterUsers("csv").recognises(names) else ""
