"""Breaks fixtures for as long as it is told to, guided by what the reader runs through where atheris is installed.

    python -m tests.intake.producers.fuzz SECONDS [SEED]

Without atheris the same changes are drawn at random. Ends with 1 at the first export that loses a row or raises, which
stays in `fuzz-found`, under the name of the fixture it was made of.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

from tests.intake.producers.exports import fixtures, mutated
from tests.intake.reading import Read

WAYS = ("flip", "cut", "double", "remove", "put")
FIXTURES = [(path.name, path.read_bytes()) for path in fixtures()]
FOUND = Path("fuzz-found")
_STEP = 5
"""Bytes that decide one change: its way, two of its place, and two that are put in."""


def broken(seed: bytes) -> tuple[str, bytes]:
    """The fixture that the first two bytes choose, with the changes that the others say."""
    name, data = FIXTURES[int.from_bytes(seed[:2]) % len(FIXTURES)]
    steps = [seed[at : at + _STEP] for at in range(2, min(len(seed), 42), _STEP)]
    return name, mutated(data, [(WAYS[it[0] % len(WAYS)], int.from_bytes(it[1:3]), it[3:]) for it in steps])


def check(seed: bytes) -> None:
    """Reads one broken fixture. Raises where it loses a row, and leaves it behind."""
    name, data = broken(seed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        try:
            assert Read(path, input_zone="UTC", date_order="dmy").adds_up(), "a row is lost"
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
    bounds = [f"-max_total_time={seconds}", f"-seed={seed}", "-max_len=42", "-len_control=0", "-rss_limit_mb=4096"]
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
