"""How fast xAPI statements become facts, and within how much memory, beside `json.loads` of the same lines.

    python benchmarks/intake.py [--size 1GiB] [--runs 1] [--folder FOLDER] [--check]

Statements are made from a seed: about 1 KB each, of Moodle, Open edX, cmi5 content and H5P, by 50,000 learners over two
years; one in two hundred is delivered twice, and one in five thousand is voided. Each run is a fresh process.
Rollbook reads the file to the end: facts checked, repeats found, coverage known. `json.loads` parses every line and
forgets it. Memory is the most that the process ever held, the interpreter and its libraries included.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

MEMORY_MOST = 512 * 2**20
LEARNERS = 50_000
COURSES = 400
REPEATED_EVERY, VOIDED_EVERY = 200, 5000
SECONDS = 2 * 365 * 86_400
START = datetime(2024, 1, 1, tzinfo=UTC)
_UNITS = {"": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_ADL = "http://adlnet.gov/expapi/"


@dataclass(frozen=True, slots=True)
class Run:
    """What one process took: seconds from the path to the end of the file, and bytes."""

    seconds: float
    memory: int
    statements: int


def generate(path: Path, size: int, seed: int = 1) -> int:
    """Writes statements as JSON lines until the file has `size` bytes; returns how many."""
    numbers = random.Random(seed)
    written = count = 0
    made: dict[str, Any] = {"id": ""}
    with path.open("w", encoding="utf-8") as file:
        while written < size:
            count += 1
            made = statement(numbers, voided=made["id"] if count % VOIDED_EVERY == 0 else "")
            line = json.dumps(made, separators=(",", ":"), ensure_ascii=False) + "\n"
            for _ in range(2 if count % REPEATED_EVERY == 0 else 1):
                file.write(line)
                written += len(line.encode())
    return count


def statement(numbers: random.Random, voided: str = "") -> dict[str, Any]:
    """One statement, which voids another where one is named: times, id and authority around what its sender says."""
    at = START + timedelta(seconds=numbers.randrange(SECONDS), milliseconds=numbers.randrange(1000))
    stored = at + timedelta(seconds=numbers.randrange(1, 120))
    said = SENDERS[numbers.randrange(len(SENDERS))](numbers, numbers.randrange(LEARNERS), numbers.randrange(COURSES))
    if voided:
        said = {
            "actor": {"objectType": "Agent", "account": {"homePage": "https://lrs.example.org", "name": "operator"}},
            "verb": {"id": f"{_ADL}verbs/voided", "display": {"en-US": "voided"}},
            "object": {"objectType": "StatementRef", "id": voided},
        }
    return {
        "id": _identifier(numbers),
        **said,
        "timestamp": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "stored": stored.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "authority": {
            "objectType": "Agent",
            "name": "forwarding",
            "account": {
                "homePage": "https://lrs.example.org/xapi/clients",
                "name": "f3d8a02c-5d0a-4a63-a2f7-a40d4af8d7f9",
            },
        },
        "version": "1.0.3",
    }


def moodle(numbers: random.Random, learner: int, course: int) -> dict[str, Any]:
    """A module seen, by the logstore plugin."""
    home, module = "https://moodle.example.org", numbers.randrange(5000)
    return {
        "actor": {"name": f"Learner {learner} Müller", "account": {"homePage": home, "name": str(learner)}},
        "verb": {"id": "http://id.tincanapi.com/verb/viewed", "display": {"en": "viewed"}},
        "object": {
            "id": f"{home}/mod/page/view.php?id={module}",
            "definition": {
                "type": "http://id.tincanapi.com/activitytype/lms/module",
                "name": {"en": f"Page {module} of the course on safety at work"},
            },
        },
        "context": {
            "platform": "Moodle",
            "language": "en",
            "extensions": {
                "http://lrs.learninglocker.net/define/extensions/info": {
                    "http://moodle.org": "4.3.2 (Build: 20231222)",
                    "https://github.com/xAPI-vle/moodle-logstore_xapi": "v4.8.0",
                    "event_name": "\\mod_page\\event\\course_module_viewed",
                    "event_function": "\\src\\transformer\\events\\all\\course_module_viewed",
                }
            },
            "contextActivities": {
                "grouping": [
                    {"id": home, "definition": {"type": "http://id.tincanapi.com/activitytype/lms"}},
                    {
                        "id": f"{home}/course/view.php?id={course}",
                        "definition": {
                            "type": "http://id.tincanapi.com/activitytype/lms/course",
                            "name": {"en": f"Course {course}"},
                        },
                    },
                ],
                "category": [{"id": "http://moodle.org"}],
            },
        },
    }


def open_edx(numbers: random.Random, learner: int, course: int) -> dict[str, Any]:
    """A video played, by event-routing-backends."""
    home, key = "https://edx.example.org", f"Example+C{course}+2025"
    video = f"{numbers.getrandbits(128):032x}"
    return {
        "actor": {"objectType": "Agent", "account": {"homePage": home, "name": str(uuid.UUID(int=learner))}},
        "verb": {"id": "https://w3id.org/xapi/video/verbs/played", "display": {"en": "played"}},
        "object": {
            "id": f"{home}/xblock/block-v1:{key}+type@video+block@{video}",
            "objectType": "Activity",
            "definition": {
                "type": "https://w3id.org/xapi/video/activity-type/video",
                "name": {"en-US": "Introduction"},
            },
        },
        "result": {"extensions": {"https://w3id.org/xapi/video/extensions/time": 13.5}},
        "context": {
            "contextActivities": {
                "parent": [
                    {
                        "id": f"{home}/course/course-v1:{key}",
                        "objectType": "Activity",
                        "definition": {"type": f"{_ADL}activities/course", "name": {"en-US": f"Course {course}"}},
                    }
                ],
                "category": [{"id": "https://w3id.org/xapi/video", "objectType": "Activity"}],
            },
            "extensions": {
                "https://w3id.org/xapi/video/extensions/length": 195.0,
                "https://w3id.org/xapi/openedx/extension/transformer-version": "event-routing-backends@9.3.0",
                "https://w3id.org/xapi/openedx/extensions/session-id": f"{numbers.getrandbits(128):032x}",
            },
        },
    }


def cmi5(numbers: random.Random, learner: int, course: int) -> dict[str, Any]:
    """One of the statements of a session."""
    verb = ("initialized", "completed", "passed", "terminated")[numbers.randrange(4)]
    unit = f"https://courses.example.org/identifiers/{course}/units/{numbers.randrange(20)}"
    return {
        "actor": {"objectType": "Agent", "account": {"homePage": "https://lms.example.org/", "name": f"u{learner}"}},
        "verb": {"id": f"{_ADL}verbs/{verb}", "display": {"en-US": verb}},
        "object": {
            "objectType": "Activity",
            "id": f"https://lms.example.org/cmi5/{course}/{numbers.randrange(20)}",
            "definition": {
                "name": {"en-US": "Introduction to geology"},
                "description": {"en-US": "Rocks and time. " * 6},
            },
        },
        "result": {"duration": f"PT{numbers.randrange(3600)}S"},
        "context": {
            "registration": _identifier(numbers),
            "contextActivities": {
                "grouping": [{"objectType": "Activity", "id": unit}],
                "category": [{"id": "https://w3id.org/xapi/cmi5/context/categories/cmi5"}],
            },
            "extensions": {"https://w3id.org/xapi/cmi5/context/extensions/sessionid": _identifier(numbers)},
        },
    }


def h5p(numbers: random.Random, learner: int, _course: int) -> dict[str, Any]:
    """A question answered, by a learner known by mail."""
    content = numbers.randrange(3000)
    return {
        "actor": {"objectType": "Agent", "name": f"Zoë {learner}", "mbox": f"mailto:Learner{learner}@example.org"},
        "verb": {"id": f"{_ADL}verbs/answered", "display": {"en-US": "answered"}},
        "object": {
            "objectType": "Activity",
            "id": f"https://site.example.org/wp-admin/admin-ajax.php?action=h5p_embed&id={content}",
            "definition": {
                "extensions": {"http://h5p.org/x-api/h5p-local-content-id": content},
                "name": {"en-US": "Which of these is a fire exit?"},
                "type": f"{_ADL}activities/cmi.interaction",
                "interactionType": "choice",
                "choices": [{"id": str(number), "description": {"en-US": f"Door {number}\n"}} for number in range(4)],
                "correctResponsesPattern": ["1[,]2"],
            },
        },
        "context": {"contextActivities": {"category": [{"id": "http://h5p.org/libraries/H5P.MultiChoice-1.16"}]}},
        "result": {"score": {"min": 0, "max": 2, "raw": 1, "scaled": 0.5}, "completion": True, "response": "1"},
    }


SENDERS: tuple[Callable[[random.Random, int, int], dict[str, Any]], ...] = (moodle, open_edx, cmi5, h5p)


def _identifier(numbers: random.Random) -> str:
    return str(uuid.UUID(int=numbers.getrandbits(128), version=4))


def by_rollbook(path: str) -> Run:
    """The library, as anybody calls it."""
    from rollbook.intake import read_facts  # noqa: PLC0415 - the other side is not to hold it in memory

    began = time.perf_counter()
    with read_facts([path]) as store:
        seconds = time.perf_counter() - began
        if store.rejected or store.producers != {path: "xapi"}:
            raise SystemExit(f"{store.rejected} statements rejected, read as {dict(store.producers)}")
        return Run(seconds, _memory_held(), store.rows)


def by_json(path: str) -> Run:
    """The parser of Python's library, and nothing else."""
    began, statements = time.perf_counter(), 0
    with Path(path).open(encoding="utf-8") as file:
        for line in file:
            json.loads(line)
            statements += 1
    return Run(time.perf_counter() - began, _memory_held(), statements)


SIDES: Mapping[str, Callable[[str], Run]] = {"rollbook": by_rollbook, "json.loads": by_json}


def _memory_held() -> int:
    """The most this process held: Linux counts kibibytes, macOS bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def in_fresh_process(side: str, path: Path) -> Run:
    """One run of one side."""
    command = [sys.executable, str(Path(__file__).resolve()), "--side", side, "--path", str(path)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return Run(**json.loads(done.stdout))


def measure(path: Path, runs: int) -> dict[str, list[Run]]:
    """The runs of each side, in turn, so that whatever else the machine does falls on both alike."""
    found: dict[str, list[Run]] = {side: [] for side in SIDES}
    for _ in range(runs):
        for side, made in found.items():
            made.append(in_fresh_process(side, path))
    return found


def show(found: Mapping[str, list[Run]], size: int) -> int:
    """Prints what was found, under what it was measured on; returns the most memory that Rollbook held."""
    print(f"{datetime.now(UTC):%Y-%m-%d}: {os.cpu_count()} cores, {platform.system()} {platform.machine()}", end="; ")
    print(
        f"Python {platform.python_version()}; {size / 2**20:,.0f} MiB, {found['rollbook'][0].statements:,} statements"
    )
    seconds = {side: median(run.seconds for run in made) for side, made in found.items()}
    for side, made in found.items():
        most = max(run.memory for run in made)
        speed = made[0].statements / seconds[side]
        print(f"{side:>10}: {seconds[side]:8.2f} s {speed:10,.0f} statements/s {most / 2**20:6.0f} MiB")
    print(
        f"Rollbook reads {seconds['json.loads'] / seconds['rollbook']:.2f} times as many a second as json.loads parses."
    )
    return max(run.memory for run in found["rollbook"])


def bytes_of(text: str) -> int:
    """The number of bytes that a size such as 20MiB means."""
    parts = re.fullmatch(r"(\d+)\s*(KiB|MiB|GiB|)", text)
    if not parts:
        raise argparse.ArgumentTypeError(f"{text} is no size; write 20MiB or 1GiB")
    return int(parts[1]) * _UNITS[parts[2]]


def main() -> int:
    """Measures and prints; 1 where too much memory was held and `--check` asks for it."""
    parser = argparse.ArgumentParser(description="Measure reading xAPI statements.")
    parser.add_argument("--size", type=bytes_of, default=2**30, help="of the file, such as 20MiB; 1GiB by default")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="where statements are kept and found again")
    parser.add_argument("--check", action="store_true", help="fail where Rollbook holds more than 512 MiB")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--path", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        print(json.dumps(asdict(SIDES[arguments.side](arguments.path))))
        return 0
    with tempfile.TemporaryDirectory(prefix="rollbook-bench-") as made:
        folder = arguments.folder or Path(made)
        path = folder / f"statements-{arguments.size}.ndjson"
        if not path.exists():
            unfinished = path.with_suffix(".part")
            generate(unfinished, arguments.size)
            unfinished.rename(path)
        memory = show(measure(path, arguments.runs), path.stat().st_size)
    if arguments.check and memory > MEMORY_MOST:
        print(f"Rollbook held {memory / 2**20:.0f} MiB, more than {MEMORY_MOST // 2**20}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
