"""Sends what is new in Open edX's tracking.log to a Rollbook server. Run it every few minutes.

    */5 * * * *  rollbook-edx  /opt/rollbook/bin/python /opt/rollbook/open_edx.py /edx/var/log/tracking/tracking.log

Environment: ROLLBOOK_URL, ROLLBOOK_KEY; ROLLBOOK_SPOOL, a folder of its own, where facts wait while the server is away
and where it is remembered how far was read; ROLLBOOK_SOURCE, a name for this platform that never changes;
ROLLBOOK_ORGANISATION, where the key is for more than one.

When the log was rotated since, the rest of the old file is read first, as long as it lies uncompressed beside the new
one (logrotate: delaycompress).
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from rollbook import Fact, ReadOptions
from rollbook.client import Client
from rollbook.intake import read_facts

LINES = 5000


def facts_of(lines: list[bytes]) -> Iterator[Fact]:
    """Lines of the log as facts: the vocabulary of intake says what Open edX's events mean."""
    with tempfile.NamedTemporaryFile(suffix=".ndjson") as file:
        file.writelines(lines)
        file.flush()
        with read_facts([file.name], ReadOptions(input="open-edx")) as store:
            for problem in store.problems:
                print(problem)
            for fact in store.iterate():
                organisation = os.environ.get("ROLLBOOK_ORGANISATION", fact.organisation)
                yield fact.replace(source=os.environ["ROLLBOOK_SOURCE"], organisation=organisation)


def files(log: Path, inode: int) -> list[Path]:
    """What is to be read: the file that was read last, where it was renamed since, and then the log."""
    if log.stat().st_ino == inode or not inode:
        return [log]
    return [*(path for path in log.parent.glob(f"{log.name}?*") if path.stat().st_ino == inode), log]


def main() -> None:
    """Sends part after part, and remembers the place after each only when its facts are safe."""
    log, folder = Path(sys.argv[1]), Path(os.environ["ROLLBOOK_SPOOL"])
    with Client(os.environ["ROLLBOOK_URL"], os.environ["ROLLBOOK_KEY"], spool=folder / "facts") as client:
        mark = folder / "mark"
        known = json.loads(mark.read_text()) if mark.exists() else {"inode": 0, "offset": 0}
        for path in files(log, known["inode"]):
            with path.open("rb") as file:
                inode = os.fstat(file.fileno()).st_ino
                offset = known["offset"] if inode == known["inode"] else 0
                file.seek(offset)
                while lines := list(islice(file, LINES)):
                    if not lines[-1].endswith(b"\n"):
                        # It is being written; the next run finds it whole.
                        lines.pop()
                    if not lines:
                        break
                    for rejected in client.send(facts_of(lines)).rejected:
                        print(f"{rejected.id}: {rejected.rule}; {rejected.remedy}")
                    offset += sum(map(len, lines))
                    # Written beside and renamed: a mark is always whole.
                    mark.with_suffix(".new").write_text(json.dumps({"inode": inode, "offset": offset}))
                    mark.with_suffix(".new").rename(mark)
        print(f"{client.flush().waiting} facts wait")


if __name__ == "__main__":
    main()
