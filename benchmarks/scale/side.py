"""Runs one side in this process, and prints what it took.

    python -m benchmarks.scale.side MODULE FUNCTION TASK

TASK is a file of JSON with the paths of a `workload.Task`. The process keeps to two processors, the same for everybody.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

from benchmarks.scale.workload import THREADS, Task, coded


def main() -> None:
    """Runs what the arguments name."""
    module, function, path = sys.argv[1:]
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:THREADS])
    paths = json.loads(Path(path).read_text(encoding="utf-8"))
    task = Task(**{name: Path(value) if value else None for name, value in paths.items()})
    run = getattr(import_module(f"benchmarks.scale.{module}"), function)
    taken = run(task, coded(task.ledger, task.scratch)) if task.ledger else run(task)
    print(json.dumps(asdict(taken)))


if __name__ == "__main__":
    main()
