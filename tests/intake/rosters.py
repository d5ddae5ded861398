"""What the tests of rosters share: a small school in OneRoster, and reading it back."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from rollbook.errors import Problem
from rollbook.intake.csv_rows import CsvRecords
from rollbook.intake.lines import Lines
from rollbook.intake.rosters import RosterOptions, RosterReading, read_roster
from rollbook.intake.rosters.plain import COLUMNS
from rollbook.intake.streams import FileFaultError, Stream

_FOLDER = re.compile(r"\S*/(?=\w+\.csv)")

DAY = date(2026, 10, 1)
"""The local day for which rosters are read here."""

SCHOOL: Mapping[str, str] = {
    "manifest.csv": "propertyName,value\nmanifest.version,1.0\noneroster.version,1.1\nfile.academicSessions,bulk\n"
    "file.categories,absent\nfile.classes,bulk\nfile.courses,bulk\nfile.enrollments,bulk\nfile.orgs,bulk\n"
    "file.users,bulk\n",
    "orgs.csv": "sourcedId,status,dateLastModified,name,type\ns1,,,North,school\ns2,,,South,school\n",
    "academicSessions.csv": "sourcedId,status,dateLastModified,title,type,startDate,endDate\n"
    "autumn,,,Autumn,term,2026-09-01,2026-12-21\nspring,,,Spring,term,2027-01-04,2027-04-01\n",
    "courses.csv": "sourcedId,status,dateLastModified,schoolYearSourcedId,title\nmaths,,,autumn,Maths\n",
    "classes.csv": "sourcedId,status,dateLastModified,title,courseSourcedId,schoolSourcedId,termSourcedIds\n"
    'm7,,,Maths 7,maths,s1,"autumn,spring"\nm8,,,Maths 8,maths,s1,\n',
    "users.csv": "sourcedId,status,dateLastModified,enabledUser,orgSourcedIds,role,username\n"
    'ann,,,true,"s1,s2",student,ann\nbob,,,false,s1,student,bob\ntom,,,true,s1,teacher,tom\n',
    "enrollments.csv": "sourcedId,status,dateLastModified,classSourcedId,schoolSourcedId,userSourcedId,role,primary,"
    "beginDate,endDate\n"
    "e1,,,m7,s1,ann,student,,,\ne2,,,m8,s1,ann,student,,2026-10-02,2026-11-01\n"
    "e3,,,m7,s1,bob,student,,2026-09-01,2026-10-01\ne4,,,m7,s1,tom,teacher,true,,\n",
}
"""Ann is in two classes, of which the second begins tomorrow; Bob, who is switched off, left today; Tom teaches."""


PLAIN = """organisation,learner,course,unit,start,end,status,active,id
north,ann,welding,arc,2026-09-01,2026-12-01,enabled,yes,
north,ann,welding,,01/02/2026,,disabled,yes,
south,"zoë, the second",first-aid,,,2026-10-01,on,,E-7
south,bob,,,,,,no,
"""
"""A plain roster with everything that one may have."""


def records_of(path: Path) -> int:
    """How many records a CSV file has under its header, blank ones left out; 0 where it has no header."""
    try:
        stream = Stream(path)
        try:
            records = CsvRecords(Lines(stream), {}, COLUMNS)
            return sum(1 for _ in records.records())
        finally:
            stream.close()
    except FileFaultError:
        return 0


def school(folder: Path, *without: str, **changed: str) -> Path:
    """The school as a folder, without some files, and with the text of others (`enrollments=…`) changed."""
    folder.mkdir(exist_ok=True)
    files = {**SCHOOL, **{f"{name}.csv": text for name, text in changed.items()}}
    for name, text in files.items():
        if name.removesuffix(".csv") not in without:
            (folder / name).write_bytes(text.encode("utf-8", "surrogatepass"))
    return folder


def zipped(path: Path, files: Mapping[str, str | bytes]) -> Path:
    """A zip archive of files whose names are taken as they are."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name), text, zipfile.ZIP_DEFLATED)
    return path


def read(path: Path, **options: Any) -> RosterReading:
    """What is read of a roster; every row of it has to be accounted for."""
    reading = read_roster(path, RosterOptions(**{"day": DAY, **options}))
    assert reading.fates.get("rejected", 0) <= reading.problems.total
    assert min(reading.fates.values(), default=1) > 0
    return reading


def plain(folder: Path, text: str, **options: Any) -> RosterReading:
    """What is read of a plain roster."""
    path = folder / "roster.csv"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    return read(path, **options)


def enrolled(reading: RosterReading) -> dict[str, tuple[str, str, str, str, bool]]:
    """object → (learner, course, start, end, enabled)."""
    return {
        it.object: (it.learner, it.course, str(it.start or ""), str(it.end or ""), it.enabled)
        for it in reading.snapshot.roster.enrolments.values()
    }


def told(reading: RosterReading) -> list[str]:
    """Every problem, without the folder of its file."""
    return [str(Problem(Path(it.place).name, _FOLDER.sub("", it.rule), it.remedy)) for it in reading.problems]
