"""What tests of formats share: a report as it is written, and a workbook as a spreadsheet reads it."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import pyarrow as pa

from rollbook.model.instants import to_us
from rollbook.model.plan import parse_plan
from rollbook.model.subscription import Subscription
from rollbook.render.about import About
from rollbook.render.arrow import batches
from rollbook.reports.columns import AMOUNT, INSTANT, NUMBER, PERCENT, TEXT, YES, Column

PLAN = 'id = "p"\ntitle = "P & Q"\n[meter]\ncounts = ["login"]\n[window]\nkind = "calendar-month"\n'
COLUMNS = {
    "units": Column("how many"),
    "share": Column("of all", PERCENT),
    "pace": Column("a share", NUMBER),
    "amount": Column("what it costs", AMOUNT),
    "learner": Column("who", TEXT),
    "at": Column("when", INSTANT),
    "open": Column("whether it runs", YES),
}
_NS = {"m": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}


def about(zone: str = "UTC", **changed: str) -> About:
    made = Subscription(plan=parse_plan(PLAN), start=date(2026, 1, 1), end=date(2027, 1, 1), zone=zone)
    made = replace(made, customer=changed.pop("customer", ""))
    as_of_us = to_us(datetime(2026, 6, 20, tzinfo=UTC))
    return About(changed.pop("title", "A report"), "what it is for", made, ("north",), as_of_us, **changed)


def table(*rows: tuple[object, ...], columns: Mapping[str, Column] = COLUMNS) -> pa.RecordBatchReader:
    """Rows of an answer, as a report reads them; no question needs a database."""
    return batches(list(rows), columns, None)


def sheets(file: Path) -> dict[str, list[list[str]]]:
    """Sheet name → rows of cells, as `kind:value`: n number, s text, b true or false, f formula."""
    with zipfile.ZipFile(file) as archive:
        book = ET.fromstring(archive.read("xl/workbook.xml"))  # noqa: S314 - our own
        names = [sheet.attrib["name"] for sheet in book.findall("m:sheets/m:sheet", _NS)]
        return {
            name: list(_cells(ET.fromstring(archive.read(f"xl/worksheets/sheet{number}.xml"))))  # noqa: S314 - our own
            for number, name in enumerate(names, 1)
        }


def _cells(sheet: ET.Element) -> Iterator[list[str]]:
    for row in sheet.findall("m:sheetData/m:row", _NS):
        found: list[str] = []
        for cell in row:
            place = re.match("[A-Z]+", cell.attrib["r"])
            assert place
            found += [""] * (ord(place[0]) - ord("A") - len(found))
            kind = {"inlineStr": "s", "b": "b"}.get(cell.attrib.get("t", "n"), cell.attrib.get("t", "n"))
            if cell.find("m:f", _NS) is not None:
                kind = "f"
            found.append(f"{kind}:" + "".join(cell.itertext()))
        yield found
