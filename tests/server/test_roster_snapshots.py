"""A roster as a file over the API: shown first, done once, and what the library makes of the same files."""

from __future__ import annotations

import gzip
import io
import os
import struct
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rollbook.intake.rosters import RosterOptions, read_roster
from rollbook.model.instants import from_us
from rollbook.roster import snapshots
from rollbook.roster.view import roster_of
from rollbook.server import clock
from rollbook.server.billing import closing
from rollbook.server.live import roster as rosters
from rollbook.server.models import Customer, Organisation, Person, Statement, Throttle
from rollbook.server.operation import jobs
from rollbook.server.receiving import roster_files
from rollbook.server.receiving.roster import confirm, foresee
from tests.server.callers import administrator, by_key, code
from tests.server.test_roster_actions import NOW, PLAN, WELDING, admin, enrolled
from tests.server.test_roster_laws import as_it_follows, as_it_is
from tests.server.world import active, at, customer, send, subscribe

pytestmark = pytest.mark.usefixtures("ledger")

EXAMPLES = 300 if os.environ.get("ROLLBOOK_LAWS") == "long" else 20
DAY_US = 86_400_000_000


def packed(**files: str) -> bytes:
    """A zip archive of files of OneRoster."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(f"{name}.csv", text)
    return held.getvalue()


def with_folders(n: int) -> bytes:
    """A roster of OneRoster in an archive that lists so many folders beside its file."""
    held = io.BytesIO(
        packed(users="sourcedId,status,enabledUser,orgSourcedIds,role,username\nu1,active,true,north,student,a\n")
    )
    with zipfile.ZipFile(held, "a") as archive:
        for it in range(n):
            archive.writestr(f"folder {it}/", "")
    return held.getvalue()


def directory_of(entries: int, *, is_zip64: bool) -> bytes:
    """An archive of nothing but its directory, whose end says that it has one entry (APPNOTE 4.3.12 to 4.3.16)."""
    listed = (b"PK\x01\x02" + bytes(24) + b"\x01" + bytes(17) + b"a") * entries
    size, start = len(listed), 0
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, size, start, 0)
    if is_zip64:
        record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, size, start)
        locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, size, 1)
        end = record + locator + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, 2**32 - 1, 2**32 - 1, 0)
    return listed + end


def packed_again() -> bytes:
    """An archive with a file in it that is far longer than it seems."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("roster.csv", gzip.compress(b"learner\n" + b"ana\n" * 250_000, mtime=0))
    return held.getvalue()


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "source_ns", lambda: at(NOW) * 1000)


def test_a_file_is_shown_first_and_becomes_facts_once():
    """Whole: cy is missing and ends, eve is new, and has nothing enabled (W-05). February had 3 and has 2: 3 EUR less."""
    mine = customer()
    subscribe(mine, PLAN)
    send(enrolled(*WELDING), "2026-01-03T00:00")
    caller = by_key("roster:write", customer=mine)
    file = "learner,course\nana,Welding\nbo,Welding\neve,Welding\n"
    found = caller.upload("/roster/snapshots/preview?complete=true", file).json()
    assert found["problems"] == []
    assert {found["decided"][it] for it in ("enrolment.ended", "enrolment.created", "account.deleted")} == {1}
    february = found["effects"][0]["windows"][1]
    assert (february["before"]["active"], february["after"]["active"]) == (3, 2)
    assert not Person.objects.filter(learner="eve").exists()
    address = f"/roster/snapshots?complete=true&digest={found['digest']}"
    other = caller.upload(f"/roster/snapshots?digest={found['digest']}", file)
    assert (other.status_code, code(other)) == (409, "preview-outdated")
    other = caller.upload(address, f"{file}zoe,Welding\n")
    assert (other.status_code, code(other)) == (409, "preview-outdated")
    assert [caller.upload(address, file).json()["new"] for _ in range(2)] == [sum(found["decided"].values()), 0]
    lines = {it.learner: it.enabled for it in rosters.page(mine, now_us=at("2026-01-21T00:00")).lines}
    assert lines == {"ana": 1, "bo": 1, "eve": 0}


def test_a_set_of_oneroster_is_read_from_its_archive():
    mine = customer()
    users = "sourcedId,status,enabledUser,orgSourcedIds,role,username\nu1,active,true,north,student,ana\n"
    content = packed(users=users, orgs="sourcedId,status,name,type\nnorth,active,Northern School,school\n")
    caller = administrator(mine)
    found = caller.upload("/roster/snapshots/preview?organisation=north", content, "application/zip")
    assert found.status_code == 200, found.json()
    assert found.json()["decided"] == {"account.created": 1}


def test_bad_rows_are_told_by_their_lines_and_then_nobody_is_taken_to_be_missing():
    mine = customer()
    send(enrolled(*WELDING), "2026-01-03T00:00")
    file = "learner,course,start\nana,Welding,\n,Welding,\nbo,Welding,31/31/2026\n"
    found = administrator(mine).upload("/roster/snapshots/preview?complete=true", file).json()
    assert found["decided"] == {}
    assert [it["place"] for it in found["problems"]] == ["roster.csv:3", "roster.csv:4", "roster"]
    assert found["problems"][0]["rule"] == "learner is empty"


@pytest.mark.parametrize(
    ("content", "kind", "status", "said"),
    [
        (b"", "text/csv", 422, "there is no file, or nothing in it"),
        (b"\x1f\x8b whatever", "text/csv", 422, "it is compressed"),
        (b"{}", "application/json", 415, "rosters are not read from content of this kind"),
        (b"learner,course\n" + b"a,b\n" * roster_files.ROWS_MAX, "text/csv", 413, "it has more than 200,000 rows"),
        (packed(users="\n" * roster_files.ROWS_MAX * 2), "application/zip", 413, "it has more than 200,000 rows"),
        (packed(users="x" * (64 * 2**20 + 1)), "application/zip", 413, "it unpacks to more than 67,108,864 bytes"),
        (packed(**{f"f{n}": "" for n in range(51)}), "application/zip", 413, "it holds 51 files, more than 50"),
        (with_folders(500), "application/zip", 413, "it lists 501 files and folders, more than 500"),
        (packed(users="a,b\n1,2\n" * 99)[:-90], "application/zip", 422, ""),
        (packed_again(), "application/zip", 422, "a file in it is compressed again"),
        (b"name,age\nana,7\n", "text/csv", 422, ""),
        (b"learner,course\n", "text/csv", 422, ""),
        (b"organisation,learner\nsouth,ana\n", "text/csv", 422, "it tells of an organisation that is none of this"),
    ],
    ids=[
        "nothing",
        "gzip",
        "json",
        "rows",
        "packed-rows",
        "bomb",
        "members",
        "folders",
        "cut",
        "packed-again",
        "columns",
        "empty",
        "not-theirs",
    ],
)
def test_what_is_no_roster_is_refused_in_words_and_names_no_folder(content: bytes, kind: str, status: int, said: str):
    answer = administrator(customer()).upload("/roster/snapshots/preview?complete=true", content, kind)
    problems = answer.json()["problems"]
    assert answer.status_code == status, problems
    assert problems[0]["rule"].startswith(said)
    assert tempfile.gettempdir() not in str(problems)
    assert all(it["rule"] and it["remedy"] for it in problems)


@pytest.mark.parametrize("form", ["zip", "zip64"])
def test_a_directory_of_very_many_entries_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch, form: str):
    content = directory_of(80_000, is_zip64=form == "zip64")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:  # what its end says of their number keeps nobody from it
        assert len(archive.infolist()) == 80_000
    monkeypatch.setattr(roster_files.zipfile, "ZipFile", lambda *_: pytest.fail("it was read"))
    answer = administrator(customer()).upload("/roster/snapshots/preview", content, "application/zip")
    assert answer.status_code == 413
    [problem] = answer.json()["problems"]
    assert problem["rule"] == "it lists 80,000 files and folders, more than 500"


def test_an_archive_with_as_many_entries_as_it_may_have_is_read():
    answer = administrator(customer()).upload(
        "/roster/snapshots/preview?organisation=north", with_folders(499), "application/zip"
    )
    assert answer.status_code == 200, answer.json()


def test_a_roster_of_another_customer_is_not_there_for_one():
    theirs = customer("Others", ["south"])
    caller = by_key("roster:write", customer=customer())
    answer = caller.upload(f"/roster/snapshots/preview?customer={theirs.pk}", "learner\nana\n")
    assert answer.status_code == 404


def test_a_digest_that_was_never_given_is_refused_before_the_file_is_read(monkeypatch: pytest.MonkeyPatch):
    mine = customer()
    caller = administrator(mine)
    monkeypatch.setattr(roster_files, "read_roster", lambda *_: pytest.fail("it was read"))
    answer = caller.upload(f"/roster/snapshots?digest=0-{'0' * 96}", "learner\nana\n")
    assert (answer.status_code, code(answer)) == (409, "preview-outdated")


def test_no_order_within_a_sync_changes_a_window_that_is_closed(monkeypatch: pytest.MonkeyPatch):
    """January is closed with 3. The rosters of February, with rows in two orders, say the same and leave it as it is."""
    rows = ["ana,Welding,enabled", "eve,Welding,enabled", "bo,Welding,disabled", "ana,Cooking,enabled"]
    after = []
    for number, order in enumerate((rows, rows[::-1])):
        name = f"north {number}"
        mine = customer(f"customer {number}", [name])
        term = subscribe(mine, PLAN)
        send(enrolled(*WELDING, organisation=name), "2026-01-03T00:00")
        monkeypatch.setattr(clock, "source_ns", lambda: at("2026-02-20T00:00") * 1000)
        closing.close_due(at("2026-02-20T00:00"))
        [closed] = Statement.objects.filter(subscription=term)
        file = "\n".join(("learner,course,status", *order))
        found = administrator(mine).upload("/roster/snapshots/preview?complete=true", file).json()
        address = f"/roster/snapshots?complete=true&digest={found['digest']}"
        assert administrator(mine).upload(address, file).json()["new"] > 0
        [same] = Statement.objects.filter(subscription=term)
        assert (same.digest, same.pk) == (closed.digest, closed.pk)
        jobs.begin_windows(from_us(at("2026-03-01T00:00")))
        after.append((found["decided"], active(term, "2026-03-02T00:00")))
    assert after[0] == after[1]
    # February had bo and cy until the 20th. March has ana and eve: cy has left, and bo is disabled.
    assert after[0][1] == {1: 3, 2: 4, 3: 2}


ROWS = st.lists(
    st.tuples(
        st.sampled_from(("ana", "bo", "cy")),
        st.sampled_from(("", "Welding", "Cooking")),
        st.sampled_from(("enabled", "disabled")),
        st.sampled_from(("yes", "no")),
        st.sampled_from(("", "Sales", "Sales / North;Ops")),
    ),
    max_size=6,
)
FILES = st.lists(
    st.tuples(ROWS, st.sets(st.sampled_from(("status", "active", "groups"))), st.booleans()), min_size=1, max_size=4
)


def written(rows: list[tuple[str, ...]], columns: set[str]) -> str:
    """A plain roster that has some of the columns."""
    names = ("learner", "course", "status", "active", "groups")
    kept = [n for n, name in enumerate(names) if name in ("learner", "course", *columns)]
    # Where there is no course, a status would be of nothing.
    of_nobody = [tuple(text if row[1] or n != 2 else "" for n, text in enumerate(row)) for row in rows]
    return "\n".join(",".join(line[n] for n in kept) for line in (names, *of_nobody))


@given(FILES)
@settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
def test_any_sequence_of_files_gives_the_roster_that_the_library_makes_of_them(files: list[Any]):
    Throttle.objects.all().delete()  # all examples are of one minute
    number = Customer.objects.count()
    mine = Customer.objects.create(name=f"customer {number}")
    name = f"north {number}"
    Organisation.objects.create(name=name, customer=mine)
    facts: list[Any] = []
    now_us = at(NOW)
    for rows, columns, complete in files:
        now_us += DAY_US
        day = from_us(now_us).date()
        text = written(rows, columns)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "roster.csv"
            path.write_text(text)
            reading = read_roster(path, RosterOptions(day=day, organisation=name, complete=complete))
        view = roster_of(facts, now_us)
        if reading.snapshot.roster.learners or reading.snapshot.roster.enrolments:
            ours = snapshots.diff(view, reading.over(view), now_us)
            asked = roster_files.asked(text.encode(), roster_files.How(day=day, organisation=name, complete=complete))
            found = foresee(admin(mine), mine, asked, now_us)
            assert sum(found.decided.values()) == len(ours)
            assert confirm(admin(mine), mine, asked, found.digest, now_us).new == len(ours)
            facts += ours
        assert as_it_is(mine, now_us + 1) == as_it_follows(roster_of(facts, now_us + 1))


def test_the_day_of_a_roster_is_today_in_the_zone_that_is_named():
    """At noon of the 20th in UTC it is the 21st in Auckland: an enrolment of OneRoster that begins then is on there."""
    mine = customer()
    users = "sourcedId,status,enabledUser,orgSourcedIds,role,username\nu1,active,true,north,student,ana\n"
    classes = "sourcedId,status,title,classCode,courseSourcedId,schoolSourcedId,termSourcedIds,classType\n"
    content = packed(
        users=users,
        classes=f"{classes}c1,active,Knots,k,k,north,t1,scheduled\n",
        academicSessions="sourcedId,status,title,type,startDate,endDate\nt1,active,Term,term,2026-01-21,2026-06-30\n",
        enrollments="sourcedId,status,classSourcedId,schoolSourcedId,userSourcedId,role\ne1,active,c1,north,u1,student\n",
    )
    for zone, enabled in (("UTC", 0), ("Pacific/Auckland", 1)):
        found = administrator(mine).upload(f"/roster/snapshots/preview?zone={zone}", content, "application/zip").json()
        assert found["decided"].get("enrolment.enabled", 0) == enabled, found
        assert found["decided"]["enrolment.created"] == 1
    wrong = administrator(mine).upload("/roster/snapshots/preview?zone=Mars", "learner\nana\n")
    assert (wrong.status_code, code(wrong)) == (422, "invalid")
