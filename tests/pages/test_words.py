"""Words of programs stand on pages as sentences: acts of the audit, keys of plans, jobs, reports."""

from __future__ import annotations

import ast
import re
from html import unescape
from pathlib import Path

import pytest
from django.test import Client

import rollbook.server
from rollbook.render import pdf
from rollbook.render.statement_words import line_in_words
from rollbook.reports.named import REPORTS
from rollbook.server import clock, models
from rollbook.server.pages import exports, statement_lines
from rollbook.server.pages.office import audit_words, plans
from tests.server import callers, world

SERVER = Path(rollbook.server.__file__).parent
DOCS = Path(__file__).parents[2] / "docs"


NOW = "2026-03-20T00:00"


def read(who: models.User, path: str) -> str:
    """The words of a page, as they are read."""
    client = Client(headers={"Accept-Language": "en-GB"})
    client.force_login(who)
    answer = client.get(path)
    assert answer.status_code == 200, answer.content.decode()
    words = " ".join(unescape(re.sub(r"<[^>]+>", " ", answer.content.decode())).split())
    return re.sub(r" ([.,:;])", r"\1", words)


def acts() -> set[str]:
    """Every act that the code writes down: the dotted word of a call that records."""
    found: set[str] = set()
    for path in SERVER.rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and ast.unparse(call.func) in ("audit.record", "_audit", "_done"):
                said = (it.value for it in call.args if isinstance(it, ast.Constant) and isinstance(it.value, str))
                found |= {it for it in said if re.fullmatch(r"[a-z-]+\.[a-z-]+", it)}
    return found


def test_every_act_that_is_written_down_has_a_sentence():
    # Of the many acts, one of each way in which they are recorded: the reading of the code finds them.
    assert {"customer.added", "statement.disputed", "quantity.added", "subscription.added", "user.link-made"} <= acts()
    assert acts() <= set(audit_words.SENTENCES)


@pytest.mark.usefixtures("ledger")
def test_the_audit_says_what_was_done_with_its_code_in_small():
    term = world.subscribe(world.customer(), quantity=5)
    details = {"units": 7, "effective": "2026-03-01T00:00:00Z", "organisation": ""}
    changed = {"action": "quantity.added", "object": f"subscription {term.pk}", "customer": term.customer}
    models.Audit.objects.create(actor="command line", details=details, **changed)
    models.Audit.objects.create(actor="worker", action="gone.by", object="thing 3", details={})
    operator = callers.user("operator")
    words = read(operator, "/audit")
    # Empty details say nothing, and an act that there is no more shows its code once.
    assert "On the server's command line Changed how much is bought in all: 7; from: 2026-03-01T00:00:00Z" in words
    assert f"quantity.added subscription {term.pk} Northern Academy" in words
    assert "By itself (the worker) gone.by thing 3" in words
    assert "gone.by thing 3" not in read(operator, "/audit?action=quantity.added")


def test_every_key_beside_the_words_of_a_plan_is_documented():
    text = (DOCS / "plans.md").read_text(encoding="utf-8")
    for keys in plans.KEYS.values():
        for key in keys.split(", "):
            table, _, name = key.rpartition(".")
            assert f"`{name}`" in text or f"`{key}`" in text or f"[{name}]" in text or f"`{name}." in text, (
                table,
                name,
            )


def test_every_report_says_when_one_needs_it():
    levels = {(it.name, by) for it in REPORTS.values() for by in it.levels}
    assert levels == set(exports.PURPOSES)
    assert len(set(map(str, exports.PURPOSES.values()))) == len(levels)
    assert {it.name for it in REPORTS.values()} == set(exports.TITLES)


@pytest.mark.usefixtures("ledger")
def test_alerts_say_how_many_are_left_to_each_threshold(monkeypatch):
    monkeypatch.setattr(clock, "source_ns", lambda: world.at(NOW) * 1000)
    term = world.subscribe(world.customer(), quantity=7)
    world.send([world.row(f"f{n}", f"l{n}", "2026-03-02T09:30") for n in range(3)], NOW)
    words = read(callers.user("administrator", term.customer), f"/subscriptions/{term.pk}/notices")
    # 3 of 7 are 42.9 %. 80 % of 7 are 5.6, so that the 6th reaches it; 90 % are 6.3, which the 7th reaches.
    assert "Used now 42.9% 3 of 7 included" in words
    assert "At 80% 3 to go reached at 6 of 7" in words
    assert "At 90% 4 to go reached at 7 of 7" in words
    assert "At 100% 4 to go reached at 7 of 7" in words


def test_a_statement_has_the_same_words_on_paper_and_on_its_page():
    seats, used = (dict(it) for it in (statement_lines.SEATS, statement_lines.USED))
    assert {name: pdf.HEADS[name] for name in seats} == {name: str(words) for name, words in seats.items()}
    assert {name: pdf.HEADS[name] for name in used} == {name: str(words) for name, words in used.items()}
    agreed = {"plan": {"allowance": {"quantity": 0}}, "quantities": [["2026-01-01", 5, ""]]}
    for kind, units in (("base", 5), ("base-added", 2), ("base-added", -2), ("overage", 1)):
        line = {"kind": kind, "units": units, "pool": "south"}
        assert statement_lines.what_for(line, {"agreed": agreed}) == line_in_words(line, {"agreed": agreed}, pdf.KINDS)
