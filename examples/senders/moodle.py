"""Sends what is new in Moodle's event table to a Rollbook server. Run it every few minutes.

    */5 * * * *  rollbook-moodle  /opt/rollbook/bin/python /opt/rollbook/moodle.py

Environment: ROLLBOOK_URL, ROLLBOOK_KEY; ROLLBOOK_SPOOL, a folder of its own, where facts wait while the server is away
and where it is remembered how far was read; ROLLBOOK_SOURCE, a name for this Moodle that never changes;
ROLLBOOK_ORGANISATION, where the key is for more than one; MOODLE_DATABASE, such as postgresql://reader@db/moodle.

The database user needs SELECT on this one table. For MySQL or MariaDB, connect with your driver instead of psycopg: the
query is the same.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
from psycopg.rows import dict_row

from rollbook import Fact, ReadOptions
from rollbook.client import Client
from rollbook.intake import read_facts

QUERY = """
select * from mdl_logstore_standard_log where (timecreated, id) > (%s, %s) order by timecreated, id limit 5000
"""
OVERLAP_SECONDS = 600
"""Rows may become visible late, after others with higher numbers: the last ten minutes are read again each time."""


def facts_of(rows: list[dict[str, object]]) -> Iterator[Fact]:
    """Rows of the table as facts: the vocabulary of intake says what Moodle's events mean."""
    with tempfile.NamedTemporaryFile("w", suffix=".ndjson") as file:
        file.writelines(json.dumps(row, default=str) + "\n" for row in rows)
        file.flush()
        with read_facts([file.name], ReadOptions(input="moodle-logstore")) as store:
            for problem in store.problems:
                print(problem)
            for fact in store.iterate():
                organisation = os.environ.get("ROLLBOOK_ORGANISATION", fact.organisation)
                yield fact.replace(source=os.environ["ROLLBOOK_SOURCE"], organisation=organisation)


def main() -> None:
    """Sends page after page, and remembers the last row of each only when its facts are safe."""
    folder = Path(os.environ["ROLLBOOK_SPOOL"])
    with (
        Client(os.environ["ROLLBOOK_URL"], os.environ["ROLLBOOK_KEY"], spool=folder / "facts") as client,
        psycopg.connect(os.environ["MOODLE_DATABASE"], row_factory=dict_row) as connection,
    ):
        mark = folder / "mark"
        seconds, number = (int(mark.read_text()) if mark.exists() else OVERLAP_SECONDS) - OVERLAP_SECONDS, 0
        while rows := connection.execute(QUERY, (seconds, number)).fetchall():
            receipt = client.send(facts_of(rows))
            for rejected in receipt.rejected:
                print(f"{rejected.id}: {rejected.rule}; {rejected.remedy}")
            seconds, number = rows[-1]["timecreated"], rows[-1]["id"]
            # Written beside and renamed: a mark is always whole.
            mark.with_suffix(".new").write_text(str(seconds))
            mark.with_suffix(".new").rename(mark)
        print(f"read until {seconds}; {client.flush().waiting} facts wait")


if __name__ == "__main__":
    main()
