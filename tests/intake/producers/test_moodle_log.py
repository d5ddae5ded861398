"""Moodle's log report, in four languages and with all that goes wrong in it."""

from __future__ import annotations

import csv
import re
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollbook.errors import UsageError
from rollbook.intake import readings
from rollbook.intake.producers import moodle_languages
from rollbook.intake.producers.moodle_languages import FIELDS, Said, read_languages, shipped
from rollbook.intake.vocabulary import vocabulary
from tests.cli.calls import meter
from tests.documentation import ROOT
from tests.intake.producers.fixtures import expected, found
from tests.intake.reading import Read

FIXTURES = sorted((Path(__file__).parent / "moodle_log").glob("*.csv"))


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_each_fixture_gives_what_a_person_expects(path: Path) -> None:
    options, facts, problems = expected(path)
    assert found(path, **options) == (facts, problems)


HEADER = (
    "Time", "User full name", "Affected user", "Event context", "Component", "Event name", "Description", "Origin",
    "IP address",
)  # fmt: skip
ROW = (
    "31/03/24, 14:05", "Sam Student", "-", "Page: FAQ", "Page", "Course module viewed",
    "The user with id '123' viewed the 'page' activity with course module id '643'.", "web", "192.0.2.7",
)  # fmt: skip


def write(path: Path, *lines: Sequence[str]) -> Path:
    """A CSV file of these lines."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(lines)
    return path


PORTUGUESE = """language,kind,key,text
# Brazil
pt,column,time,Hora
pt,column,user,Nome completo
pt,column,event,Nome do evento
pt,column,description,Descrição
pt,order,dmy,
pt,month,2,fevereiro
pt,pattern,User enrolled in course,O usuário {actor} inscreveu {learner} no curso {course}
pt,pattern,,O usuário {learner}
"""


def test_an_administrator_can_add_a_language(tmp_path: Path) -> None:
    """Its columns, its months, its order of days, its descriptions; and its names of events in a vocabulary."""
    header = ("Hora", "Nome completo", "Nome do evento", "Descrição")
    log = write(
        tmp_path / "log.csv",
        header,
        ("3/02/2024 14:05", "Sam", "Usuário inscrito", "O usuário '2' inscreveu '123' no curso '5'."),
        ("3 de fevereiro de 2024, 14:06", "Sam", "Curso visto hoje", "O usuário '123' viu o curso."),
    )
    (tmp_path / "pt.csv").write_text(PORTUGUESE, encoding="utf-8")
    (tmp_path / "events.csv").write_text("event,type\nCurso visto hoje,course.viewed\n", encoding="utf-8")
    facts, problems = found(
        log,
        input="moodle-log",
        input_zone="UTC",
        tables={"languages": str(tmp_path / "pt.csv")},
        vocabularies=(str(tmp_path / "events.csv"),),
    )
    assert problems == []
    assert facts == [
        "2024-02-03T14:05:00Z enrolment.created learner=123 object=5 actor=2",
        "2024-02-03T14:05:00Z enrolment.enabled learner=123 object=5 actor=2",
        "2024-02-03T14:06:00Z course.viewed learner=123",
    ]


def test_the_pattern_of_the_guide_reads_what_a_plugin_writes(tmp_path: Path) -> None:
    guide = (ROOT / "docs/guides/moodle.md").read_text(encoding="utf-8")
    table = re.findall(r"^    (language,kind.*|en,pattern.*)$", guide, re.MULTILINE)
    (tmp_path / "plugin.csv").write_text("\n".join(table), encoding="utf-8")
    log = write(tmp_path / "log.csv", HEADER, (*ROW[:5], "Race won", "Race number 7 of '123' was won.", *ROW[7:]))
    read = Read(log, input_zone="UTC", tables={"languages": str(tmp_path / "plugin.csv")})
    assert [(fact.type, fact.learner) for fact in read.facts] == [("Race won", "123")]


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_a_table_may_come_with_semicolons_or_tabs(tmp_path: Path, delimiter: str) -> None:
    table = tmp_path / "plugin.csv"
    with table.open("w", encoding="utf-8", newline="") as file:
        rows = [("language", "kind", "key", "text"), ("en", "pattern", "", "Race; number * of {learner}, won")]
        csv.writer(file, delimiter=delimiter).writerows(rows)
    row = (*ROW[:5], "Race won", "Race; number 7 of '123', won.", *ROW[7:])
    read = Read(write(tmp_path / "log.csv", HEADER, row), input_zone="UTC", tables={"languages": str(table)})
    assert [fact.learner for fact in read.facts] == ["123"]


def test_a_table_that_is_too_long_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readings, "TABLE_ROWS_MAX", 2)
    table = tmp_path / "plugin.csv"
    rows = [f"en,pattern,,Race {number} of {{learner}}\n" for number in range(3)]
    table.write_text("language,kind,key,text\n" + "".join(rows[:2]), encoding="utf-8")
    log = write(tmp_path / "log.csv", HEADER, ROW)
    assert Read(log, input_zone="UTC", tables={"languages": str(table)}).counted == 1
    table.write_text("language,kind,key,text\n" + "".join(rows), encoding="utf-8")
    with pytest.raises(UsageError, match="the table has more than 2 rows; leave out the rows"):
        Read(log, input_zone="UTC", tables={"languages": str(table)})


def test_patterns_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moodle_languages, "PATTERNS_MAX", 2)
    rows = [{"language": "pt", "kind": "pattern", "key": "", "text": f"Race {number}"} for number in range(3)]
    with pytest.raises(UsageError, match="row 4: pt has more than 2 patterns"):
        read_languages(rows)


def test_a_pattern_of_many_stars_reads_a_long_description_in_no_time() -> None:
    """Each * may stand for anything up to the next word; of the words only the last is missing."""
    row = {"language": "en", "kind": "pattern", "key": "", "text": "a" + " * a" * 40 + " * b {learner}"}
    languages = read_languages([row])
    began = time.monotonic()
    assert languages.said("en", "a " * 100_000) is None
    assert languages.said("en", "a" + " x a" * 40 + " x b '7'") is not None
    assert time.monotonic() - began < 1


def test_what_follows_a_star_may_come_more_than_once() -> None:
    row = {"language": "en", "kind": "pattern", "key": "", "text": "Race * of {learner} by {actor} in * {course}"}
    said = read_languages([row]).said("en", "Race of 1 of many of '2'  by '3' in in 'x' 4")
    assert said == Said("2", "3", "4", "")


def test_without_its_language_a_report_is_refused_as_a_whole(tmp_path: Path) -> None:
    read = Read(write(tmp_path / "log.csv", ("Hora", "Nome"), ("1", "2")), input="moodle-log")
    assert "has no header in a language that is known here" in read.files[0]
    assert "--table languages=FILE" in read.files[0]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("pt,colum,time,Hora", 'it is of the kind "colum"'),
        (",column,time,Hora", 'it is of the kind "column"'),
        ("pt,column,when,Hora", '"when" is no column of the report'),
        ("pt,order,day,", '"day" is no order of days'),
        ("pt,month,13,Hora", '"13" is no month'),
        ("pt,pattern,,", "its text is empty"),
        ("pt,pattern,,O {user}", "a pattern takes {actor}, {learner} and {course}"),
        ("pt,pattern,,O {actor} {actor}", "each once"),
        (f"pt,pattern,,O {'x' * 500}", "its text has 502 characters, more than 500"),
    ],
)
def test_a_table_of_languages_that_is_wrong_is_refused_by_row(tmp_path: Path, row: str, message: str) -> None:
    (tmp_path / "pt.csv").write_text(f"language,kind,key,text\n{row}\n", encoding="utf-8")
    with pytest.raises(UsageError) as refused:
        Read(write(tmp_path / "log.csv", HEADER, ROW), tables={"languages": str(tmp_path / "pt.csv")})
    assert message in str(refused.value)
    assert "--table languages: row 2" in str(refused.value)


def test_ones_own_meaning_of_a_name_is_asked_before_the_description(tmp_path: Path) -> None:
    enrolled = (*ROW[:5], "User enrolled in course", "The user with id '2' enrolled the user with id '7' in", *ROW[7:])
    (tmp_path / "mine.csv").write_text("event,type\nUser enrolled in course,seat.taken\n", encoding="utf-8")
    log = write(tmp_path / "log.csv", HEADER, enrolled)
    facts, _ = found(log, input_zone="UTC", vocabularies=(str(tmp_path / "mine.csv"),))
    assert [fact.split()[1] for fact in facts] == ["seat.taken"]


@pytest.mark.parametrize(("minute", "role"), [("04", "learner"), ("05", "instructor")])
def test_the_role_at_a_fact_is_found_by_the_time_in_the_stated_zone(tmp_path: Path, minute: str, role: str) -> None:
    """14:05 in Berlin is 12:05 in UTC, 1711886700 seconds after 1970."""
    (tmp_path / "roles.csv").write_text("userid,courseid,shortname,timemodified\n123,5,teacher,1711886700\n")
    description = "The user with id '123' viewed the course with id '5'."
    row = (f"31/03/24, 14:{minute}", *ROW[1:6], description, *ROW[7:])
    tables = {"roles": str(tmp_path / "roles.csv")}
    read = Read(write(tmp_path / "log.csv", HEADER, row), input_zone="Europe/Berlin", tables=tables)
    assert [fact.role for fact in read.facts] == [role]


@pytest.mark.parametrize("code", ["en", "de", "fr", "es"])
def test_each_language_has_its_columns_its_months_and_its_words(code: str) -> None:
    language = shipped()[code]
    assert set(language.columns.values()) == set(FIELDS)
    assert set(language.months.values()) == set(range(1, 13))
    assert language.joins
    assert language.patterns
    assert language.order == ("" if code == "en" else "dmy")


def test_no_month_of_one_language_is_another_month_elsewhere() -> None:
    for language in shipped().values():
        assert {name: shipped().months[name] for name in language.months} == language.months


@pytest.mark.parametrize(
    ("names", "type_"),
    [
        (
            ("User has logged in", "Nutzer/in angemeldet", "Utilisateur connecté", "El usuario ha iniciado sesión"),
            "login",
        ),
        (("Course viewed", "Kurs angezeigt", "Cours consulté", "Curso visto"), "course.viewed"),
        (
            ("Course module viewed", "Kursmodul angezeigt", "Module de cours consulté", "Módulo de curso visto"),
            "material.accessed",
        ),
        (
            ("Quiz attempt started", "Testversuch gestartet", "Tentative de test commencée", "Ha comenzado el intento"),
            "lesson.started",
        ),
        (("Course completed", "Kurs beendet", "Cours terminé", "Curso finalizado"), "course.completed"),
        (("User created", "Nutzerkonto angelegt", "Utilisateur créé", "Usuario creado"), "account.created"),
        (("User deleted", "Nutzerkonto gelöscht", "Utilisateur supprimé", "Usuario eliminado"), "account.deleted"),
    ],
)
def test_an_event_means_the_same_in_every_language(names: tuple[str, ...], type_: str) -> None:
    meanings = vocabulary("moodle-log")
    assert [meanings[name].type for name in names] == [type_] * 4


def test_what_a_description_decides_has_a_meaning() -> None:
    decided = {event for language in shipped().values() for _, event in language.patterns if event}
    assert decided
    assert all(vocabulary("moodle-log").meaning(event) for event in decided)


def test_the_month_of_a_report_is_metered(tmp_path: Path) -> None:
    """Sam opened a page on the last day of March; what Ada did as Bo is not Bo's, and April is another month."""
    log = write(
        tmp_path / "log.csv",
        HEADER,
        ("1/04/24, 00:05", *ROW[1:6], ROW[6].replace("123", "125"), *ROW[7:]),
        ROW,
        (ROW[0], "Ada Admin as Bo", *ROW[2:6], ROW[6].replace("123", "124"), *ROW[7:]),
    )
    options = ("--plan", "monthly-activity", "--start", "2024-03-01", "--end", "2024-04-01", "--by", "learner")
    ran = meter(log, *options, "--format", "csv", "--zone", "Europe/Berlin", "--input-zone", "Europe/Berlin",
                "--date-order", "dmy")  # fmt: skip
    assert ran.code == 0
    assert [row["unit"] for row in ran.rows] == ["123"]


TIMES = st.one_of(
    st.text(max_size=30),
    st.from_regex(r"[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4},? [0-9]{1,2}:[0-9]{2}( [AP]M)?", fullmatch=True),
    st.from_regex(r"[0-9]{1,2}\.? (March|März|mars|marzo|Mond) [0-9]{2,4}, [0-9]{1,2}:[0-9]{2}", fullmatch=True),
)
WORDS = st.lists(
    st.sampled_from(
        [
            "The user with id ",
            "'123'",
            "'-1'",
            "''",
            " enrolled the user with id ",
            " course with id ",
            "é",
            "\u00b2",
            "٣",
        ]
    )
).map("".join)
FIELD = st.one_of(st.text(st.characters(exclude_categories=("Cs",)), max_size=20), WORDS, TIMES, st.sampled_from(ROW))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(TIMES, st.lists(FIELD, min_size=7, max_size=9)), min_size=1, max_size=20))
def test_whatever_stands_in_the_fields_no_row_is_lost(drawn: list[tuple[str, list[str]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        lines = [(time, *fields) for time, fields in drawn]
        read = Read(write(Path(folder) / "log.csv", HEADER, *lines, ROW), input_zone="UTC")
        assert read.adds_up()
        assert read.rows > len(lines)
        assert not [message for message in read.messages if "has not the shape of this export" in message]
