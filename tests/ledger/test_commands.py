"""Every command over facts gives with a ledger what it gives with the files it was built from."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from rollbook import ledger as ledgers
from tests.cli.calls import SAMPLE, Ran, call

from .building import AT

HALF_YEAR = ("--start", "2026-01-01", "--end", "2026-07-01", "--as-of", "2026-07-01")
LOGIN = ("--plan", "monthly-login", *HALF_YEAR)
REACH = ("--plan", "reach360-starter", *HALF_YEAR)
EVENTS = ("--plan", "secondnature-mauc", "--quantity", "60", *HALF_YEAR)
SEATS = ("--plan", "wisenet-elearning", *HALF_YEAR, "--zone", "Australia/Melbourne")

DIGEST = re.compile(r"[0-9a-f]{12,}…?")

COMMANDS = {
    "meter, by one pass": ("meter", "FACTS", *LOGIN),
    "meter, by the query": ("meter", "FACTS", *SEATS),
    "meter, by the reference": ("meter", "FACTS", *REACH, "--engine", "reference"),
    "meter, by learner": ("meter", "FACTS", *REACH, "--by", "learner", "--format", "csv"),
    "meter, of one organisation": ("meter", "FACTS", *LOGIN, "--organisation", "nobody has this name"),
    "explain": ("explain", "FACTS", *REACH, "ana"),
    "intake": ("intake", "FACTS"),
    "report usage": ("report", "usage", "FACTS", *EVENTS, "--format", "csv"),
    "report users": ("report", "users", "FACTS", *LOGIN, "--format", "csv"),
    "report status": ("report", "status", "FACTS", *LOGIN, "--format", "csv"),
    "roster show": ("roster", "show", "FACTS", "--at", "2026-05-01T00:00:00Z"),
    "roster change": ("roster", "change", "FACTS", "--do", "disable", "--learner", "hana", "--organisation", "academy-north", "--at", "2026-05-01T00:00:00Z"),
    "roster clean-up": ("roster", "clean-up", "FACTS", "--organisation", "academy-north", "--at", "2026-07-01T00:00:00Z"),
    "statement preview": ("statement", "preview", "FACTS", *EVENTS),
    "statement close": ("statement", "close", "FACTS", *EVENTS, "--book", "BOOK"),
    "compare": ("compare", "FACTS", "--plan", "monthly-login", "--plan", "reach360-starter", *HALF_YEAR),
    "forecast": ("forecast", "FACTS", "--plan", "secondnature-mauc", "--quantity", "60", "--start", "2026-01-01", "--end", "2026-07-01", "--as-of", "2026-05-01"),
    "reconcile": ("reconcile", "FACTS", "VENDOR", *LOGIN, "--window", "1", "--format", "csv"),
}  # fmt: skip


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample, in three builds that are two segments, in a folder with a name that is a pattern."""
    folder = tmp_path_factory.mktemp("ledgers")
    rows = Path(SAMPLE).read_text(encoding="utf-8").splitlines()
    ledger = folder / "it's [a] *ledger?"
    for number, (first, end) in enumerate(((1, 500), (500, 690), (650, None))):
        part = folder / f"{number}.csv"
        part.write_text("\n".join([rows[0], *rows[first:end]]), encoding="utf-8")
        ledgers.build(ledger, [str(part)], at=AT)
    assert len(ledgers.read_manifest(ledger).segments) == 2
    return ledger


def run(words: tuple[str, ...], facts: str, folder: Path) -> Ran:
    vendor = folder / "vendor.csv"
    vendor.write_text("User\nana\nsomebody else\n", encoding="utf-8")
    placed = {"FACTS": facts, "BOOK": str(folder / f"book of {Path(facts).name}"), "VENDOR": str(vendor)}
    ran = call(*(placed.get(word, word) for word in words))
    # Each book has secrets of its own, and so digests of its own; and intake says which file it recognised.
    return replace(ran, out=DIGEST.sub("…", ran.out).replace(facts, "FACTS"))


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS.keys())
def test_a_command_prints_the_same_over_a_ledger(words: tuple[str, ...], ledger: Path, tmp_path: Path) -> None:
    of_files = run(words, SAMPLE, tmp_path)
    of_ledger = run(words, str(ledger), tmp_path)
    # The sample has nobody to clean up, which is said.
    assert (of_files.code == 0 and of_files.out) or "nothing to do" in of_files.err, of_files.err
    assert (of_ledger.code, of_ledger.out) == (of_files.code, of_files.out), of_ledger.err
    assert ("nothing to do" in of_ledger.err) == ("nothing to do" in of_files.err)


def test_a_bundle_is_verified_against_a_ledger(ledger: Path, tmp_path: Path) -> None:
    book, bundle = str(tmp_path / "book"), str(tmp_path / "bundle.zip")
    assert call("statement", "close", str(ledger), *EVENTS, "--book", book).code == 0
    exported = call("statement", "export", "1", "--book", book, "--to", bundle)
    assert exported.code == 0, exported.err
    of_files, of_ledger = call("verify", bundle, SAMPLE), call("verify", bundle, str(ledger))
    assert (of_files.code, of_ledger.code) == (0, 0), of_ledger.out
    assert of_ledger.out == of_files.out


def test_a_build_says_what_it_added_and_what_it_met_again(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    ran = call("ledger", "build", SAMPLE, str(ledger))
    assert (ran.code, ran.out) == (0, f"{ledger}: 703 facts added, 703 in all\n")
    assert ran.err.endswith("703 rows in: 703 added + 0 repeats + 0 rejected\n")
    again = call("ledger", "build", SAMPLE, str(ledger))
    assert (again.code, again.out) == (0, f"{ledger}: 0 facts added, 703 in all\n")
    shown = call("ledger", "show", str(ledger))
    assert shown.out.startswith("703 facts from 2025-12-07T10:34:00Z, in 1 segment\n")
    assert call("ledger", "verify", str(ledger)).out.endswith("all 2 hold\n")


REFUSED = {
    "a folder of something else": (("ledger", "build", SAMPLE, "OTHER"), "is no ledger, and holds other things"),
    "a file": (("ledger", "build", SAMPLE, "FILE"), "is a file, and a ledger is a folder"),
    "itself": (("ledger", "build", "LEDGER", "LEDGER"), "cannot be built from itself"),
    "inside a file": (("ledger", "build", SAMPLE, "FILE/ledger"), "cannot be written (Not a directory)"),
    "problems in it": (("meter", "LEDGER", *LOGIN, "--problems", "LEDGER/manifest.json"), "this is inside a ledger"),
    "a result in it": (("intake", "LEDGER", "--to", "LEDGER/segments/facts.csv"), "this is inside a ledger"),
    "--map": (("meter", "LEDGER", *LOGIN, "--map", "learner=User"), "--map: LEDGER is a ledger"),
    "--table": (("meter", "LEDGER", *LOGIN, "--table", f"roles={SAMPLE}"), "--table: LEDGER is a ledger"),
    "show": (("ledger", "show", "OTHER"), "is no ledger; name the folder that rollbook ledger build wrote"),
    "verify": (("ledger", "verify", "nowhere"), "nowhere: is no ledger"),
}


@pytest.mark.parametrize(("words", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_a_wrong_call_is_refused_in_words_and_nothing_is_touched(
    words: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    # What somebody else keeps in a folder of the very name that segments have.
    (other / "segments" / "000001").mkdir(parents=True)
    (other / "segments" / "000001" / "film.ts").write_text("film", encoding="utf-8")
    (tmp_path / "file").write_text("text", encoding="utf-8")
    if any("LEDGER" in word for word in words):
        ledgers.build(tmp_path / "ledger", [SAMPLE], at=AT)

    def placed(word: str) -> str:
        for name in ("OTHER", "FILE", "LEDGER"):
            word = word.replace(name, str(tmp_path / name.lower()))
        return word

    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.name != "lock"}
    ran = call(*map(placed, words))
    assert ran.code == 2, ran.err
    assert placed(said) in ran.err
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.name != "lock"}
    assert after == before
