"""Takes the proof of one learner out of a bundle, and reads proofs that somebody was given."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rollbook.books.archive import TEXT_BYTES_MAX, Opened, opened
from rollbook.books.evidence import FACT_CELLS, Row
from rollbook.books.tables import read_evidence_csv, read_facts_csv
from rollbook.errors import BookError, Problem, UsageError
from rollbook.proof.digests import canonical_row
from rollbook.proof.inclusion import proof, verify_proof
from rollbook.proof.merkle import leaf, root, salt
from rollbook.proof.shapes import read_json
from rollbook.proof.verdict import Verdict

_ORGANISATION, _UNIT, _KIND = 2, 3, 5
"""Places in a row of evidence."""


def prove(bundle: Path, unit: str, *, guest: bool = False, organisation: str | None = None) -> Mapping[str, Any]:
    """The proof of one learner, or of one entry of a guest, by all rows of the bundle's statement that are theirs.

    Raises UsageError, with the reason, where they are not in it, or where several organisations have such a learner;
    BookError where the bundle cannot be read or its evidence is not what was sealed.
    """
    kind = "guest" if guest else "learner"
    with opened(bundle) as content:
        record, number = content.records[-1], len(content.records)
        secret = content.secrets[number]
        leaves: list[bytes] = []
        rows: list[tuple[int, Row]] = []
        for of, row in read_evidence_csv(content.evidence):
            if of == number:
                if (row[_UNIT], row[_KIND]) == (unit, kind) and organisation in (None, row[_ORGANISATION]):
                    rows.append((len(leaves), row))
                written = canonical_row(row)
                leaves.append(leaf(written, salt(secret, written)))
        if root(leaves).hex() != record["evidence"]["root"]:
            rule = "the evidence is not what the statement was sealed with"
            raise BookError(Problem(str(bundle), rule, f"see what differs: rollbook verify {bundle}"))
        if not rows:
            raise UsageError(_absent(content, unit, kind))
        found = sorted({str(row[_ORGANISATION]) for _, row in rows})
        if len(found) > 1 and record["agreed"]["plan"]["meter"]["dedupe"] == "organisation":
            rule = f"{len(found)} organisations have a learner of this id, who may be different people"
            raise UsageError(Problem(unit, rule, "name one: --organisation " + " or ".join(found)))
        return proof(record, unit, kind, leaves, rows, secret)


def verify_proof_file(path: Path) -> Verdict:
    """What a proof in a file is worth. Raises BookError where it is none."""
    rule = "it is too long"
    try:
        with path.open("rb") as file:
            content = file.read(TEXT_BYTES_MAX + 1)
        if len(content) <= TEXT_BYTES_MAX:
            return verify_proof(read_json(content), str(path))
    except OSError as error:
        rule = error.strerror or str(error)
    except ValueError as error:
        rule = str(error)
    raise BookError(Problem(str(path), f"this is neither a bundle nor a proof: {rule}", "ask for it again")) from None


def proof_text(found: Mapping[str, Any]) -> str:
    """A proof as it is handed over."""
    return json.dumps(found, ensure_ascii=False, indent=2) + "\n"


def _absent(content: Opened, unit: str, kind: str) -> Problem:
    """Why nobody of that name is in the evidence."""
    number = content.records[-1]["number"]
    name, words = FACT_CELLS.index("id" if kind == "guest" else "learner"), "this statement's evidence does not have"
    if any(row[name] == unit for _, row in read_facts_csv(content.facts)):
        remedy = "rollbook explain says what became of their facts"
        return Problem(unit, f"{words} them: facts name them, and none made them count in statement {number}", remedy)
    return Problem(unit, f"{words} them, and no fact names them", "give an id as it stands in the facts")
