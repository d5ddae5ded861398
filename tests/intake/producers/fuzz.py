"""Breaks fixtures for as long as it is told to, guided by what the reader runs through where atheris is installed.

    python -m tests.intake.producers.fuzz SECONDS [SEED]

Without atheris the same changes are drawn at random. Ends with 1 at the first export that loses a row or raises, which
stays in `fuzz-found`, under the name of the fixture it was made of. Most exports only go through the readers and the
gate, which takes a millisecond or two; one in `WHOLE_EVERY` goes the whole way, into the database.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import cast

from rollbook.intake import ReadOptions
from rollbook.intake.batches import Batch, Refused
from rollbook.intake.files import take_text
from rollbook.intake.gate import Gate
from rollbook.intake.headers import Header
from rollbook.intake.loader import Loader
from rollbook.intake.rosters import RosterOptions, read_roster
from rollbook.intake.streams import FileFaultError, Source, Stream
from rollbook.model.fact import Fact
from tests.intake.producers.exports import fixtures, mutated
from tests.intake.reading import Read
from tests.intake.rosters import DAY, PLAIN, SCHOOL, records_of, zipped

WAYS = ("flip", "cut", "double", "remove", "put")
ROSTERS = {f"roster-{name}": text.encode() for name, text in {**SCHOOL, "plain.csv": PLAIN}.items()}
"""Files of a roster: one is broken, and the others of its set stay whole; or the archive of all of them is."""

FOUND = Path("fuzz-found")
ARCHIVE = "roster-school.zip"

WHOLE_EVERY = 64
"""Of so many broken exports one goes into the database."""

TIMEOUT, MEBIBYTES = 20, 1024
"""Seconds and memory that one export may take."""


def _archive() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return zipped(Path(folder) / ARCHIVE, SCHOOL).read_bytes()


FIXTURES = [
    *((path.name, path.read_bytes()) for path in fixtures()),
    *ROSTERS.items(),
    (ARCHIVE, _archive()),
]

_STEP = 5
"""Bytes that decide one change: its way, two of its place, and two that are put in."""


def broken(seed: bytes) -> tuple[str, bytes]:
    """The fixture that the first two bytes choose, with the changes that the others say."""
    name, data = FIXTURES[int.from_bytes(seed[:2]) % len(FIXTURES)]
    steps = [seed[at : at + _STEP] for at in range(2, min(len(seed), 42), _STEP)]
    return name, mutated(data, [(WAYS[it[0] % len(WAYS)], int.from_bytes(it[1:3]), it[3:]) for it in steps])


class Counting:
    """What a loader is to the readers, without a database: every row goes through the gate, and is counted."""

    def __init__(self, options: ReadOptions) -> None:
        self.options = options
        self.readable = self.rows = self.facts = self.rejected = 0
        self.mapped: set[str] = set()
        self.faults: list[str] = []
        self._gate = Gate(options)

    def fault(self, _file: int, rule: str, _remedy: str) -> None:
        """A problem of the whole export."""
        self.faults.append(rule)

    def take_header(self, file: int, header: Header) -> bool:
        """Whether rows can be read under this header."""
        for rule, remedy in header.faults:
            self.fault(file, rule, remedy)
        return not header.faults

    def recognised(self, _file: int, name: str) -> None:
        """Whose export it is does not matter here."""
        assert name

    def take_batches(self, _file: int, batches: Iterable[Batch]) -> None:
        """Counts what becomes of each row."""
        for batch in batches:
            self.rows += len(batch.rows) + len(batch.odd)
            rows: list[object] = [dict(zip(batch.names, texts, strict=True)) for texts in batch.rows]
            for row in (*rows, *(row for _, row in batch.odd)):
                read = None if isinstance(row, Refused) else self._gate.read("here", row)  # type: ignore[arg-type]
                self.facts += isinstance(read, Fact)
                self.rejected += read is None or (isinstance(read, tuple) and bool(read))


def light(path: Path, options: ReadOptions) -> Counting:
    """Reads an export without a database."""
    counting = Counting(options)
    source = Source(str(path), path)
    try:
        stream = Stream(source)
        try:
            take_text(cast(Loader, counting), 0, source, stream)
        finally:
            stream.close()
    except FileFaultError as fault:
        counting.faults.append(fault.rule)
    return counting


def check(seed: bytes) -> None:
    """Reads one broken fixture. Raises where it loses a row, and leaves it behind."""
    name, data = broken(seed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        try:
            if name.startswith("roster-"):
                check_roster(path)
                return
            counted = light(path, ReadOptions(input_zone="UTC", date_order="dmy"))
            assert counted.rows == counted.facts + counted.rejected, "a row is lost"
            if zlib.crc32(seed) % WHOLE_EVERY == 0:
                whole = Read(path, input_zone="UTC", date_order="dmy")
                assert whole.adds_up(), "a row is lost"
                assert whole.rows == counted.rows, "a row comes and goes"
        except BaseException:
            FOUND.mkdir(exist_ok=True)
            (FOUND / name).write_bytes(data)
            raise


def check_roster(path: Path) -> None:
    """Reads a broken roster. Raises where it loses a row, or is believed to be whole although it is not."""
    name = path.name.removeprefix("roster-")
    records = 0
    if path.name in ROSTERS:
        records = records_of(path)
    if name in SCHOOL:
        for other, text in SCHOOL.items():
            (path.parent / other).write_text(text, encoding="utf-8")
        (path.parent / name).write_bytes(path.read_bytes())
        path.unlink()
        path = path.parent
    reading = read_roster(path, RosterOptions(day=DAY, date_order="dmy"))
    rejected = reading.fates.get("rejected", 0)
    assert rejected <= reading.problems.total, "a row is rejected without a word"
    assert not reading.snapshot.complete or not reading.problems.total, "what is broken is believed to be whole"
    held = {*reading.snapshot.roster.learners, *reading.snapshot.roster.enrolments}
    assert len(held) <= 2 * reading.rows, "somebody comes from nowhere"
    if name == "plain.csv" and not reading.problems.files:
        assert reading.rows == records, "a row is lost"


def at_random(seconds: float, seed: int) -> int:
    """Checks random changes for some seconds; how many there were."""
    drawn, ends, count = random.Random(seed), time.monotonic() + seconds, 0
    while time.monotonic() < ends:
        check(drawn.randbytes(drawn.randint(7, 42)))
        count += 1
    return count


def guided(seconds: int, seed: int) -> Callable[[], None] | None:
    """What checks changes that reach new places of the reader; None where atheris is not installed."""
    try:
        import atheris  # noqa: PLC0415 - it is not needed by anything else
    except ImportError:
        return None
    atheris.instrument_all()
    bounds = [f"-max_total_time={seconds}", f"-seed={seed}", "-max_len=42", "-len_control=0"]
    bounds += [f"-timeout={TIMEOUT}", f"-rss_limit_mb={MEBIBYTES}"]
    atheris.Setup([sys.argv[0], *bounds], check)
    return cast(Callable[[], None], atheris.Fuzz)


def main() -> None:
    """Runs as the command line says."""
    seconds, seed = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1
    fuzz = guided(seconds, seed)
    if fuzz is None:
        count = at_random(seconds, seed)
        sys.stdout.write(f"atheris is not installed: {count} broken exports, drawn at random, lost no row\n")
    else:
        fuzz()


if __name__ == "__main__":
    main()
