"""How long it takes to read 1,000 facts of a body: decoding and the gate, the best of many runs.

python -m benchmarks.reading
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from rollbook.intake.gate import Gate
from rollbook.intake.options import ReadOptions
from rollbook.model.fact import Fact
from rollbook.server.receiving.reading import read_rows

FACTS = 1000
RUNS = 30
ROW = {
    "occurred_at": "2026-03-02T09:30:00Z",
    "organisation": "north",
    "type": "lesson.started",
    "role": "learner",
    "mode": "on-demand",
    "source": "lms",
}


def rows(**more: Any) -> list[dict[str, Any]]:
    """Facts as a platform sends them."""
    return [
        ROW
        | {"id": f"f-{it}", "learner": f"learner-{it % 300}", "object": f"course-{it % 7}", "session": f"s-{it}"}
        | more
        for it in range(FACTS)
    ]


def best_ms(work: Callable[[], Sequence[object]]) -> float:
    """Milliseconds of the processor in the quickest run; every row has to become a fact."""
    best = float("inf")
    for _ in range(RUNS):
        start = time.process_time()
        found = work()
        best = min(best, time.process_time() - start)
        if len(found) != FACTS or not all(isinstance(it, Fact) for it in found):
            raise ValueError("a row was rejected")
    return best * 1000


def main() -> None:
    """Prints milliseconds for each kind of row."""
    decode = msgspec.json.Decoder(list[msgspec.Raw]).decode
    gate = Gate(ReadOptions())
    for name, made in (
        ("plain", rows()),
        ("letters of other alphabets", rows(object="Ünïcode 日本")),
        ("numbers as ids", rows(object=7)),
        ("nulls", rows(mode=None, session=None)),
        ("attributes as an object, which the gate reads", rows(attributes={"a": 1})),
    ):
        body = json.dumps(made, ensure_ascii=False).encode()
        print(f"{best_ms(lambda body=body: read_rows(decode(body))):6.1f} ms  {name}")
    body = json.dumps(rows()).encode()
    print(f"{best_ms(lambda: [gate.read('', it) for it in json.loads(body)]):6.1f} ms  plain, all by the gate")


if __name__ == "__main__":
    main()
