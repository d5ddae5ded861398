"""What a form of the roster asks for, read as an action of `receiving.roster`.

A form names a person by number and never by id, so that nothing of them stands in a log; the rows of a file travel on
in the form that confirms them, as the bytes that were sent, packed.
"""

from __future__ import annotations

import base64
import binascii
import re
import tempfile
import zlib
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

from django.http import HttpRequest

from rollbook.errors import Problem
from rollbook.intake.rosters.actions import read_actions
from rollbook.model.instants import from_us
from rollbook.roster.changes import ACTIONS, DISABLE, ENABLE
from rollbook.server.live.snapshots import FOLDER
from rollbook.server.pages.office.forms import whole
from rollbook.server.receiving import roster as doing
from rollbook.server.receiving import roster_files
from rollbook.server.receiving.roster import Asked
from rollbook.server.refusals import refused

LIST, CLEAN_UP, ROSTER = "list", "clean-up", "roster"
ACTS = (*ACTIONS, CLEAN_UP, LIST, ROSTER)

FILE_BYTES_MAX = 2 * 1024 * 1024
ROWS_MAX = 10_000
"""Lines of one file, after the first."""

TOO_MANY_ROWS = f"there are more than {ROWS_MAX:,} rows"

KEPT = ("act", "person", "organisation", "object", "course", "complete", "keeps_status")
"""Fields of a form that the form which confirms has as well."""

YES = "yes"
"""What a box says that is ticked."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for: the action, the act in the form's word, and the file that came along, packed; '' for none.

    unread  what could not be read of the file
    """

    asked: Asked
    act: str
    packed: str = ""
    unread: tuple[Problem, ...] = ()


def read(request: HttpRequest, organisations: list[str], zone: str, now_us: int) -> Wish:
    """The form of a request. Raises RefusedError 422 for what is no act."""
    act = request.POST.get("act", "")
    if act not in ACTS:
        raise refused(422, "invalid", "act", "it is not said what is to be done", "choose it on the roster")
    if act == LIST:
        return _listed(request, organisations)
    if act == ROSTER:
        return _roster(request, organisations, from_us(now_us).astimezone(ZoneInfo(zone)).date())
    organisation, course = (request.POST.get(name, "") for name in ("organisation", "course"))
    if act == CLEAN_UP:
        return Wish(Asked(kind=doing.CLEAN_UP, organisation=organisation, zone=zone), act)
    if course:
        return Wish(Asked(kind=doing.COURSE, do=act, organisation=organisation, course=course), act)
    person = whole(request.POST.get("person", ""))
    if act in (ENABLE, DISABLE):
        named = ((organisation, person, request.POST.get("object", "")),)
        return Wish(Asked(kind=doing.ENROLMENTS, do=act, enrolments=named), act)
    return Wish(Asked(kind=doing.LEARNERS, do=act, learners=((organisation, person),)), act)


def _listed(request: HttpRequest, organisations: list[str]) -> Wish:
    content = _content(request)
    if content.startswith(roster_files.PACKED):
        raise _unusable("it is compressed", "unpack it first")
    if max(content.count(b"\n"), content.count(b"\r")) > ROWS_MAX + 1:
        raise _unusable(TOO_MANY_ROWS, "give them in several files")
    with tempfile.TemporaryDirectory(prefix=FOLDER) as folder:
        path = Path(folder) / "list.csv"
        path.write_bytes(content)
        rows, problems = read_actions(path, organisations[0] if len(organisations) == 1 else "")
    unread = tuple(replace(it, place=_line(it.place)) for it in problems)
    if not rows:
        rule = unread[0].rule if unread else "there is no row in it"
        raise _unusable(rule, unread[0].remedy if unread else "write a row for each thing to be done")
    asked = Asked(kind=doing.ROWS, rows=tuple(replace(it, place=_line(it.place)) for it in rows))
    return Wish(asked, LIST, _packed(content), unread)


def _roster(request: HttpRequest, organisations: list[str], day: date) -> Wish:
    """The roster of a file, as of a day."""
    content = _content(request)
    how = roster_files.How(
        day=day,
        organisation=request.POST.get("organisation", "") or (organisations[0] if len(organisations) == 1 else ""),
        complete=request.POST.get("complete") == YES,
        keeps_status=request.POST.get("keeps_status") == YES,
    )
    return Wish(roster_files.asked(content, how), ROSTER, _packed(content))


def _packed(content: bytes) -> str:
    return base64.b64encode(zlib.compress(content)).decode()


def _content(request: HttpRequest) -> bytes:
    """The bytes of the file that is sent now, or that the form has kept. Raises RefusedError 422."""
    sent = request.FILES.get("file")
    if sent is not None:
        content = sent.read(FILE_BYTES_MAX + 1)
    else:
        try:
            packed = base64.b64decode(request.POST.get("list", ""), validate=True)
            content = zlib.decompressobj().decompress(packed, FILE_BYTES_MAX + 1)
        except (binascii.Error, zlib.error, ValueError):
            content = b""
    if not content:
        raise _unusable("there is no file, or nothing in it", "choose a file")
    if len(content) > FILE_BYTES_MAX:
        raise _unusable(f"it has more than {FILE_BYTES_MAX:,} bytes", "give it in several files")
    return bytes(content)


def _line(place: str) -> str:
    """The number of the line, in no language: what is confirmed is what was shown, also in another one."""
    found = re.search(r":(\d+)$", place)
    return found[1] if found else ""


def _unusable(rule: str, remedy: str) -> Exception:
    return refused(422, "unusable-file", "file", rule, remedy)
