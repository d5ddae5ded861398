"""A learn cycle that disables at the end, run by the worker for some months, counts what `rollbook roster run` counts."""

from __future__ import annotations

import csv
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from typer.testing import CliRunner

import rollbook
from rollbook.cli import app
from rollbook.model.instants import from_us, start_of_day_us
from rollbook.model.subscription import Subscription
from rollbook.server.live import contracts
from rollbook.server.operation import jobs
from rollbook.server.receiving import rules
from tests.server.test_rules_runs import admin, plan
from tests.server.world import active, at, customer, differences, row, send, subscribe

pytestmark = pytest.mark.usefixtures("ledger")

ZONE = "Australia/Melbourne"
RULES = """
budget_learners_active = 100

[[cycle]]
name = "Terms"

[[cycle.steps]]
when = "begins"
do = "enable"

[[cycle.steps]]
when = "ends"
do = "disable"
"""
COLUMNS = (
    "id,occurred_at,organisation,learner,type,role,mode,object,source,recorded_at,actor,impersonator,session,voids,"
    "attributes"
)
LENGTHS = (20, 31, 45, 59)
"""Days of a term: one of 31 that begins on the 1st of January or March ends with its month."""


def everybody() -> list[dict[str, str]]:
    """24 learners: six begin on the 1st of each of four months, half of those on the 1st, and last 20 to 59 days."""
    found = []
    for nth in range(24):
        start = date(2026, 1 + nth % 4, 1 if nth % 2 else 15)
        said = json.dumps({"course": "Knots", "start": str(start), "end": str(start + timedelta(LENGTHS[nth % 3]))})
        who = f"learner {nth}"
        found.append(row(f"{who} in", who, "2025-12-20T08:00", "enrolment.created", object="Knots", attributes=said))
    return found


def by_worker(nights: list[datetime]) -> dict[int, int]:
    """Active by month, where the worker comes some seconds after midnight."""
    mine = customer()
    term = subscribe(mine, plan(), zone=ZONE, now="2025-12-31T13:00")
    send(everybody(), "2025-12-25T00:00")
    version = rules.put(admin(mine), mine, RULES, at("2025-12-30T00:00"))
    rules.switch_on(admin(mine), mine, version.number, at("2025-12-30T00:00"))
    for night in nights:
        jobs.begin_windows(night + timedelta(seconds=7))
        assert jobs.run("run-rules", night + timedelta(seconds=7)) == 1
    assert differences(term) == []
    return {window: n for window, n in active(term, "2026-05-31T13:59").items() if window <= 5}


def by_command(folder: Path, nights: list[datetime], subscription: Subscription) -> dict[int, int]:
    """The same by `rollbook roster run` at each midnight, over a file."""
    facts, text = folder / "facts.csv", folder / "rules.toml"
    with facts.open("w", newline="") as to:
        rows = csv.DictWriter(to, COLUMNS.split(","))
        rows.writeheader()
        rows.writerows(everybody())
    text.write_text(RULES)
    (folder / "plan.toml").write_text(plan().text)
    agreed = folder / "subscription.toml"
    agreed.write_text(
        f'plan = "{folder / "plan.toml"}"\ncustomer = "c"\norganisations = ["north"]\nstart = 2026-01-01\n'
        f'end = 2027-01-01\nzone = "{ZONE}"\n'
    )
    for night in nights:
        local = night.isoformat()
        args = ["roster", "run", str(facts), "--rules", str(text), "--at", local, "--subscription", str(agreed)]
        done = CliRunner().invoke(app, [*args, "--yes", "--to", str(facts)])
        assert done.exit_code == 0, done.output
    with rollbook.meter(str(facts), subscription, as_of=datetime(2026, 5, 31, 14, tzinfo=UTC)) as result:
        used = result.account.consumption
        return {it.window.number: it.active for it in used if it.window.number <= 5}


def test_a_cycle_run_by_the_worker_over_months_counts_what_it_counts_by_the_command_line(tmp_path):
    """Nights of Melbourne, whose clocks change in April, in which anything is due."""
    days = {date(2026, 1, 1)}
    for it in everybody():
        said = json.loads(it["attributes"])
        days |= {date.fromisoformat(said["start"]), date.fromisoformat(said["end"])}
    nights = [from_us(start_of_day_us(it, ZoneInfo(ZONE))) for it in sorted(days) if it < date(2026, 6, 1)]
    counted = by_worker(nights)
    [term] = contracts.live_of_customers([customer().pk])
    assert by_command(tmp_path, nights, term.subscription) == counted
    assert max(counted.values()) > min(counted.values()) > 0
