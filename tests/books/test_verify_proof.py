"""One learner's proof: it convinces by itself, shows nobody else, and nothing in it can be changed."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rollbook.books.bundle import export
from rollbook.books.proving import prove, verify_proof_file
from rollbook.errors import BookError, RollbookError, UsageError
from rollbook.model.fact import Fact
from tests.cli.calls import call

from .bundles import PLAN, Entries, close_until, login, packed, subscription, us

LEARNERS = ("ann", "bob", "carl", "dan", "eva", "finn", "łucja")

BY_COURSE = PLAN.replace('counts = ["login"]', 'counts = ["login"]\nunit = "enrolment"\nguests = "each-entry"')


def written(proof: object, path: Path) -> Path:
    path.write_text(json.dumps(proof), encoding="utf-8")
    return path


@pytest.mark.parametrize("learner", ["ann", "bob", "eva", "finn", "łucja"])
def test_whoever_counted_has_a_proof_that_holds_and_names_nobody_else(
    learner: str, bundle: Path, tmp_path: Path
) -> None:
    proof = prove(bundle, learner)
    assert verify_proof_file(written(proof, tmp_path / "proof.json")).holds
    text = json.dumps(proof, ensure_ascii=False)
    # Also not as a part of a word: digests are hexadecimal, and none of these names is.
    assert not [other for other in LEARNERS if other != learner and f'"{other}"' in text]
    assert [item["row"]["unit"] for item in proof["rows"]] == [learner]


def test_a_record_names_no_learner_and_no_fact(entries: Entries) -> None:
    for name in ("statement.json", "previous/0001.json"):
        values = set(strings(json.loads(entries[name])))
        assert not values & {*LEARNERS, "lms"}


def strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for key, item in value.items() for text in (key, *strings(item))]
    if isinstance(value, list):
        return [text for item in value for text in strings(item)]
    return [value] if isinstance(value, str) else []


def test_the_path_is_as_long_as_the_tree_is_high_and_salts_differ(bundle: Path) -> None:
    """5 rows: the last one stands alone until the root."""
    lengths = {learner: len(prove(bundle, learner)["rows"][0]["path"]) for learner in ("ann", "łucja")}
    assert lengths == {"ann": 3, "łucja": 1}
    salts = {prove(bundle, learner)["rows"][0]["salt"] for learner in ("ann", "bob", "eva", "finn", "łucja")}
    assert len(salts) == 5


def several(folder: Path, *facts: Fact) -> Path:
    book = close_until(folder / "book", subscription(BY_COURSE, organisations=None), facts, "2026-02-02T00:00:00Z")
    export(book, 1, folder / "b.zip")
    return folder / "b.zip"


def test_a_learner_in_two_courses_has_two_rows(tmp_path: Path) -> None:
    bundle = several(
        tmp_path,
        login("1", "2026-01-05T10:00:00Z", "ann", object="welding"),
        login("2", "2026-01-06T10:00:00Z", "bob", object="welding"),
        login("3", "2026-01-07T10:00:00Z", "ann", object="cooking"),
    )
    proof = prove(bundle, "ann")
    assert [item["row"]["object"] for item in proof["rows"]] == ["welding", "cooking"]
    assert verify_proof_file(written(proof, tmp_path / "proof.json")).holds


def test_two_organisations_may_have_different_people_of_one_id(tmp_path: Path) -> None:
    bundle = several(
        tmp_path,
        login("1", "2026-01-05T10:00:00Z", "7", "north"),
        login("2", "2026-01-06T10:00:00Z", "7", "south"),
    )
    with pytest.raises(UsageError, match="--organisation north or south"):
        prove(bundle, "7")
    assert [item["row"]["fact"] for item in prove(bundle, "7", organisation="south")["rows"]] == ["2"]


def test_a_guests_entry_of_the_same_id_is_somebody_else(tmp_path: Path) -> None:
    guest = Fact(id="7", at_us=us("2026-01-06T10:00:00Z"), type="login", role="guest", organisation="north", source="x")
    bundle = several(tmp_path, login("1", "2026-01-05T10:00:00Z", "7"), guest)
    assert [item["row"]["kind"] for item in prove(bundle, "7")["rows"]] == ["learner"]
    proof = prove(bundle, "7", guest=True)
    assert [item["row"]["kind"] for item in proof["rows"]] == ["guest"]
    assert verify_proof_file(written(proof, tmp_path / "proof.json")).holds


@pytest.mark.parametrize(
    ("learner", "reason"),
    [
        ("zed", "no fact names them"),
        ("carl", "none made them count in statement 2"),
        ("stranger", "no fact names them"),
        ("", "no fact names them"),
    ],
)
def test_who_is_not_in_it_gets_the_reason_and_no_proof(learner: str, reason: str, bundle: Path, tmp_path: Path) -> None:
    ran = call("statement", "prove", str(bundle), learner, "--to", str(tmp_path / "proof.json"))
    assert ran.code == 2
    assert reason in ran.err
    assert not (tmp_path / "proof.json").exists()


def test_evidence_that_was_changed_proves_nothing(entries: Entries, tmp_path: Path) -> None:
    changed = entries | {"evidence.csv": entries["evidence.csv"].replace(b"eva", b"eve")}
    with pytest.raises(BookError, match="not what the statement was sealed with"):
        prove(packed(changed, tmp_path / "b.zip"), "eve")


def row_leaf(name: str, to: object) -> Callable[[Any], None]:
    def change(proof: Any) -> None:
        assert proof["rows"][0]["row"][name] != to
        proof["rows"][0]["row"][name] = to

    return change


CHANGES: dict[str, Callable[[Any], object]] = {
    "the unit of the row": row_leaf("unit", "eve"),
    "the class of the row": row_leaf("class", "new"),
    "the standing": row_leaf("standing", "beyond"),
    "the instant": row_leaf("first_us", 0),
    "the salt": lambda proof: proof["rows"][0].update(salt="0" * 64),
    "the path": lambda proof: proof["rows"][0]["path"].reverse(),
    "a side": lambda proof: proof["rows"][0]["path"][0].__setitem__(0, "left"),
    "the root": lambda proof: proof["statement"]["evidence"].update(root="0" * 64),
    "whose it is": lambda proof: proof.update(unit="eve"),
    "the kind": lambda proof: proof.update(kind="guest"),
    "no row": lambda proof: proof["rows"].clear(),
    "an unknown key": lambda proof: proof.update(more=1),
    "another format": lambda proof: proof.update(format="rollbook proof 2"),
    "a row twice": lambda proof: proof["rows"].append(proof["rows"][0]),
}


@pytest.mark.parametrize("name", CHANGES)
def test_nothing_in_a_proof_can_be_changed(name: str, bundle: Path, tmp_path: Path) -> None:
    """The first row, Ann's, is joined from the right on every level, and with different digests."""
    proof = json.loads(json.dumps(prove(bundle, "ann")))
    CHANGES[name](proof)
    try:
        holds = verify_proof_file(written(proof, tmp_path / "proof.json")).holds
    except RollbookError:
        holds = False
    assert not holds


def test_another_amount_in_the_statement_gives_it_another_digest(bundle: Path, tmp_path: Path) -> None:
    """The path proves the row under the root; that the root is of this statement, its digest says."""
    proof = json.loads(json.dumps(prove(bundle, "ann")))
    before = verify_proof_file(written(proof, tmp_path / "one.json")).digests
    proof["statement"]["total"] = "0.00"
    after = verify_proof_file(written(proof, tmp_path / "other.json")).digests
    assert before.keys() == after.keys()
    assert before != after


def test_the_commands_prove_and_verify(bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "proof.json"
    assert call("statement", "prove", str(bundle), "łucja", "--to", str(path)).code == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    ran = call("verify", str(path))
    assert ran.code == 0
    assert "holds    unit: all of learner łucja, each once" in ran.out
    assert "all 2 hold" in ran.out
    assert call("statement", "prove", str(bundle), "ann", "--to", str(path)).code == 2, "it is there already"
    assert call("verify", str(path), "facts.csv").code == 2
    path.write_text(path.read_text(encoding="utf-8").replace(': "added"', ': "included"'), encoding="utf-8")
    ran = call("verify", str(path))
    assert ran.code == 1
    assert "DIFFERS  rows" in ran.out
