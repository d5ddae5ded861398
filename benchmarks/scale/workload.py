"""The work that all do, as values: whose windows are how, what counts, and what an answer looks like.

200 organisations, each with a subscription of its own, are metered in one run. How a subscription's term is cut
follows from the organisation's number alone: by calendar month, by month from an anchor day between the 1st and the
28th, or in blocks of 30 days from one of thirty first days; every fifth has midnight in a zone other than UTC.

Everybody is given the same calendar, one row for each part of a UTC day that lies in one window. Rollbook alone is
not: it cuts the terms itself while the clock runs.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import accumulate
from pathlib import Path

import numpy as np
import pyarrow as pa
from benchmarks.generate import COUNTED, ORGANISATIONS
from pyarrow import parquet

from rollbook import Subscription, parse_plan
from rollbook.ledger import read_manifest
from rollbook.ledger.layout import facts_file, segment_folder
from rollbook.metering import calendar
from rollbook.model.instants import to_us
from rollbook.model.plan import Plan

THREADS = 2

LIMIT = 12 * 2**30
"""Bytes that each may use before it spills to disk, where it can be told so."""

START, END = date(2024, 1, 1), date(2026, 1, 1)
AS_OF_US = to_us(datetime(2026, 2, 1, tzinfo=UTC))
"""After every fact: nothing is left out for having come too late."""

CUTS = ('kind = "calendar-month"', 'kind = "anniversary-month"', 'kind = "days"\nlength_days = 30')
ZONES = ("Europe/Paris", "America/Los_Angeles", "Australia/Melbourne", "Asia/Kolkata", "America/St_Johns")

PLAN = """
id = "measured"
title = "Six types of twelve"
[meter]
counts = {types}
[window]
{cut}
"""


@dataclass(frozen=True, slots=True)
class Task:
    """What one side is to do in one process.

    facts     the Parquet file as it came
    calendar  Parquet of organisation, subscription (its place, from 0), day (since 1970, UTC), from_us, to_us and
              window_number
    ledger    the folder of a ledger of the same facts; where it is given, that is what is read
    answer    where the answer is to be written when the clock has stopped
    scratch   a folder for whatever else a side needs

    An answer is Parquet with the columns subscription, window_number, first_us, facts and, from the facts as they came,
    learner and id of the proving fact; from a ledger, learner_number and fact_row, the row of the proving fact.
    """

    facts: Path
    calendar: Path
    ledger: Path | None
    answer: Path
    scratch: Path


@dataclass(frozen=True, slots=True)
class Coded:
    """What an expert would know of a ledger of one segment, whose facts lie in order of learner and instant.

    files   of facts, in order
    starts  the row of the whole with which each begins
    kinds   the numbers of the kinds that count
    voided  Parquet of one column, `fact_row`: the facts that were taken back. Rollbook finds them itself.
    """

    files: tuple[Path, ...]
    starts: tuple[int, ...]
    kinds: tuple[int, ...]
    voided: Path


def coded(folder: Path, scratch: Path) -> Coded:
    """How the ledger in a folder is coded; writes the rows that were taken back into the scratch folder."""
    manifest = read_manifest(folder)
    if len(manifest.segments) != 1 or manifest.targets is None:
        raise SystemExit(f"{folder} has {len(manifest.segments)} segments: build it anew in one go")
    [segment] = manifest.segments
    targets = parquet.read_table(folder / manifest.targets.name, columns=["row"])["row"].to_numpy()
    voided = scratch / "voided.parquet"
    # A void of another organisation takes nothing back; those that are made here are always of the same one.
    parquet.write_table(pa.table({"fact_row": np.unique(targets[targets < segment.rows])}), voided)
    return Coded(
        files=tuple(segment_folder(folder, segment.name) / facts_file(n) for n in range(len(segment.file_rows))),
        starts=tuple(accumulate(segment.file_rows, initial=0))[:-1],
        kinds=tuple(n for n, kind in enumerate(segment.kinds) if kind.type in COUNTED and kind.role != "system"),
        voided=voided,
    )


def plans() -> tuple[Plan, ...]:
    """One plan for each way of cutting time; their meters are the same."""
    return tuple(parse_plan(PLAN.format(types=json.dumps(COUNTED), cut=cut)) for cut in CUTS)


def organisation(number: int) -> str:
    """The name of an organisation, numbered from 1."""
    return f"organisation-{number:03}"


def subscriptions() -> tuple[Subscription, ...]:
    """One for each organisation. Blocks begin up to 30 days before the term of all others, so that no fact is left."""
    by_cut = plans()
    found = []
    for number in range(1, ORGANISATIONS + 1):
        cut = number % len(CUTS)
        found.append(
            Subscription(
                plan=by_cut[cut],
                start=START - timedelta(days=number % 30) if cut == len(CUTS) - 1 else START,
                end=END,
                zone=ZONES[number // 5 % len(ZONES)] if number % 5 == 0 else "UTC",
                anchor=date(2024, 1, number * 11 % 28 + 1),
                organisations=(organisation(number),),
                customer=organisation(number),
            )
        )
    return tuple(found)


def write_calendar(path: Path) -> None:
    """The windows of all subscriptions by UTC day."""
    rows = [
        (organisation(place + 1), place, day.day, day.from_us, day.to_us, day.window)
        for place, subscription in enumerate(subscriptions())
        for day in calendar.day_rows(calendar.windows(subscription))
    ]
    names, places, days, begins, ends, windows = zip(*rows, strict=True)
    table = pa.table(
        {
            "organisation": pa.array(names, pa.string()),
            "subscription": pa.array(places, pa.int32()),
            "day": pa.array(days, pa.int32()),
            "from_us": pa.array(begins, pa.int64()),
            "to_us": pa.array(ends, pa.int64()),
            "window_number": pa.array(windows, pa.int32()),
        }
    )
    parquet.write_table(table, path)
