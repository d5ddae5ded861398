"""Names are for showing: read from a CSV, first come first shown, and no problem stops anything."""

from __future__ import annotations

from pathlib import Path

from rollbook.intake import Person, read_people


def test_people_are_read_by_id(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text("Email;ID;Name;age\nann@example.org; 1 ;Ann;30\n;2;Bob;\n")
    people = read_people(path)
    assert people == {"1": Person("Ann", "ann@example.org"), "2": Person("Bob", "")}
    assert not people.problems


def test_an_id_alone_is_enough(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text("id\n1\n")
    assert read_people(path) == {"1": Person()}


def test_an_empty_or_repeated_id_is_a_problem_of_its_line(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text("id,name,email\n1,Ann,\n1,Anna,\n,Bob,\n1,Ann,\n2,Cid\n")
    people = read_people(path)
    assert people == {"1": Person("Ann")}
    assert [str(problem) for problem in people.problems] == [
        f"{path}:6: 2 fields, where the header has 3; quote fields that contain the delimiter or a line break, and keep empty ones",
        f'{path}:3: id "1" already names "Ann"; keep one line for each learner; the first is shown',
        f"{path}:4: id is empty; give the learner's id, as the facts write it",
    ]


def test_a_file_that_cannot_be_read_gives_nobody(tmp_path: Path) -> None:
    objects = tmp_path / "people.json"
    objects.write_text('{"id": 1}')
    assert read_people(tmp_path / "none.csv").problems.files[0].rule == "does not exist"
    assert read_people(objects).problems.files[0].rule == "is ndjson, not CSV"
    nameless = tmp_path / "nameless.csv"
    nameless.write_text("name,email\nAnn,\n")
    people = read_people(nameless)
    assert people == {}
    assert people.problems.files[0].rule == "there is no column id among: name, email"
