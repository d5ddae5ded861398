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
from rollbook.intake.streams import FileFaultError, Source, Stream
from rollbook.model.fact import Fact
from tests.intake.producers.exports import fixtures, mutated
from tests.intake.reading import Read

WAYS = ("flip", "cut", "double", "remove", "put")
FIXTURES = [(path.name, path.read_bytes()) for path in fixtures()]
FOUND = Path("fuzz-found")
WHOLE_EVERY = 64
"""Of so many broken exports one goes into the database."""

TIMEOUT, MEBIBYTES = 20, 1024
"""Seconds and memory that one export may take."""

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
