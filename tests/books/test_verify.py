"""Every single change to a bundle is found, at its line; also where whoever made it covers it up with new digests.

The book and its figures are worked out in `bundles`.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rollbook.books.archive import opened
from rollbook.books.verifying import verify
from rollbook.errors import RollbookError
from rollbook.proof.digests import canonical_record, digest
from rollbook.proof.verdict import Verdict

from .bundles import Entries, covered_up, packed, rows_of, statements, summed
from .changes import CHANGES, Change, Changed, evidence, fact, leaf

ALL_HOLD = [
    ("files", "each against its digest in SHA256SUMS"),
    ("chain", "2 statements, each with the digest of the one before"),
    ("terms", "what was agreed, in every statement and by the plans' own texts"),
    ("facts", "9 facts, against the digests in the statements"),
    ("seals", "every row of evidence, against the root of its statement"),
    ("rows", "9 facts that can be used"),
    ("statement 1", "4 active, 12.50 EUR: recounted from the facts it was closed with"),
    ("members", "who was taken for a member without any fact that says so"),
    ("evidence", "5 rows: who counted, by which fact, and where they stand"),
    ("heading", "whose it is, and of which window"),
    ("consumption", "4 active, 1 beyond the allowance"),
    ("charge", "window 2, base: 1 x 10.00 = 10.00 EUR"),
    ("charge", "window 2, overage: 1 x 2.50 = 2.50 EUR"),
    ("adjustment", "window 1: 2.50 EUR"),
    ("total", "15.00 EUR"),
    ("both readings", "the query, against the reference, which is plain and slow"),
]
"""4 of February and the late one of January are 5 rows; 10.00 + 2.50 + 2.50 = 15.00. `root` shows a digest."""


def differing(verdict: Verdict) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for check in verdict.checks:
        if not check.holds:
            found.setdefault(check.name, []).extend(check.differences)
    return found


def verified(entries: Entries, folder: Path) -> dict[str, list[str]]:
    return differing(verify(packed(entries, folder / "changed.zip")))


def test_of_an_unchanged_bundle_everything_holds(bundle: Path) -> None:
    verdict = verify(bundle)
    assert verdict.holds
    assert [(check.name, check.says) for check in verdict.checks if check.name != "root"] == ALL_HOLD
    assert next(check.says for check in verdict.checks if check.name == "root").endswith("…")


def test_the_digests_of_the_statements_are_told(bundle: Path, entries: Entries) -> None:
    records = [json.loads(entries[name]) for name in statements(entries)]
    expected = {f"statement {record['number']}": digest(canonical_record(record)) for record in records}
    assert verify(bundle).digests == expected


@pytest.mark.parametrize("changed", CHANGES, ids=lambda changed: changed.name)
def test_a_changed_file_is_not_the_one_that_was_summed(changed: Changed, entries: Entries, tmp_path: Path) -> None:
    altered = changed.change(entries)
    named = {name for name in altered if altered[name] != entries.get(name)}
    with opened(packed(altered, tmp_path / "changed.zip")) as content:
        assert {line.split()[0] for line in content.changed} >= named != set()


@pytest.mark.parametrize("changed", CHANGES, ids=lambda changed: changed.name)
def test_one_change_is_told_at_its_line_also_under_new_sums(changed: Changed, entries: Entries, tmp_path: Path) -> None:
    found = verified(summed(changed.change(entries)), tmp_path)
    assert "files" not in found
    assert changed.says in "\n".join(found[changed.at])


@pytest.mark.parametrize("changed", [it for it in CHANGES if it.covered], ids=lambda changed: changed.name)
def test_new_digests_roots_and_links_do_not_hide_a_change(changed: Changed, entries: Entries, tmp_path: Path) -> None:
    found = verified(covered_up(changed.change(entries), tmp_path), tmp_path)
    assert not found.keys() & {"files", "seals"}, "every digest fits"
    assert "was changed" not in "\n".join(found.get("facts", ()))
    assert changed.words in "\n".join(found[changed.covered])


def test_covering_up_nothing_changes_nothing(entries: Entries, tmp_path: Path) -> None:
    assert covered_up(entries, tmp_path) == entries


@pytest.mark.parametrize("name", ["README.txt", "SHA256SUMS"])
def test_a_change_to_what_no_figure_rests_on_is_told_by_the_sums(name: str, entries: Entries, tmp_path: Path) -> None:
    found = verified(entries | {name: entries[name] + b"one more line\n"}, tmp_path)
    assert list(found) == ["files"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (leaf("number", to="two"), "number is no int"),
        (leaf("agreed", "quantities", 0, 1, to=-1), "agreed.quantities[1][2] is no quantity"),
        (leaf("agreed", "zone", to="Nowhere"), 'there is no time zone "Nowhere"'),
        (leaf("agreed", "end", to="2025-01-01"), "before it starts"),
        (leaf("agreed", "approvals", to=[[0, 1_000_001]]), "agreed.approvals[1][2] is no seats"),
        (leaf("charges", 0, "parts", to=[{"rate": "1"}]), "charges[1].parts[1] does not have the keys"),
        (leaf("consumption", to=[{"pool": 1}]), "consumption[1] does not have the keys"),
        (leaf("seats", to={"quantity": 1}), "seats does not have the keys"),
        (leaf("plans", to=["0" * 64]), "the text of plan 0000"),
        (leaf("plans", to=[]), "it names 0 plans, and 1 were agreed"),
        (leaf("format", to="rollbook statement 2"), "format is no known format"),
        # The header, seven facts, and one of them has a line break in its attributes.
        (fact("7", occurred_at="yesterday"), f"facts.csv:{1 + 7 + 1}: 'yesterday' is no instant"),
        (fact("7", occurred_at="2026-02-06T11:00:00+01:00"), "is no instant in UTC"),
        (evidence("eva", rank="third"), "'third' is no whole number"),
        (evidence("eva", statement="1"), "a row of statement 1 stands where none can be"),
        (evidence("łucja", statement="3"), "a row of statement 3 stands where none can be"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_place(
    change: Change, words: str, entries: Entries, tmp_path: Path
) -> None:
    with pytest.raises(RollbookError) as raised:
        verify(packed(change(entries), tmp_path / "changed.zip"))
    assert words in str(raised.value)


def test_a_plan_whose_text_is_not_that_of_its_digest_is_refused(entries: Entries, tmp_path: Path) -> None:
    [name] = [name for name in entries if name.startswith("plans/")]
    with pytest.raises(RollbookError, match="its text is not the one that was agreed"):
        verify(packed(entries | {name: entries[name] + b"\n"}, tmp_path / "changed.zip"))


def test_every_row_of_the_tables_is_in_the_bundle(entries: Entries) -> None:
    """9 facts: 5 by January's close and 4 by February's. 4 rows of January, 4 of February, and the late one."""
    assert [row["id"] for row in rows_of(entries["facts.csv"])] == [str(number) for number in range(1, 10)]
    assert [(row["statement"], row["window"], row["unit"]) for row in rows_of(entries["evidence.csv"])] == [
        *(("1", "1", unit) for unit in ("ann", "bob", "carl", "dan")),
        *(("2", "2", unit) for unit in ("ann", "bob", "eva", "finn")),
        ("2", "1", "łucja"),
    ]
