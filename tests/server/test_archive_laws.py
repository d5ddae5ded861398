"""Wherever facts lie, counts are the same: the laws of the API, with what is closed moved to the archive at any moment.

Each example begins with a quarter that is closed and moved, so that whatever comes then comes late, or beside it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from django.conf import settings as django_settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from rollbook.model.instants import from_us
from rollbook.server.billing import archiving, closing
from rollbook.server.configuration import Configuration
from rollbook.server.live import explaining, people
from rollbook.server.operation import jobs

from . import world
from .test_api_laws import LEARNERS, LONG, Service, bounded

MOVED: list[int] = []
"""How many facts each move took."""


@pytest.fixture(scope="module", autouse=True)
def _archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("archives")
    before = django_settings.CONFIGURATION
    django_settings.CONFIGURATION = Configuration({**before.values, "ROLLBOOK_ARCHIVE": str(folder)})
    yield
    django_settings.CONFIGURATION = before
    # Or the examples would have shown nothing.
    assert sum(map(bool, MOVED)) >= 4


class Archiving(Service):
    """A customer as in the laws of the API, whose past is somewhere else."""

    @initialize(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        super().begin()
        for day in ("2026-02-20T12:00", "2026-03-20T12:00", "2026-04-25T12:00"):
            self.now_us = world.at(day)
            self.set_clock()
            jobs.begin_windows(from_us(self.now_us))
            instants = self.instants()
            rows = [self.drawn(data, instants) for _ in range(data.draw(st.integers(2, 8)))]
            self.batches.append(rows)
            self.post(rows)
        closing.close_due(self.now_us)
        self.archive()

    @rule()
    def archive(self) -> None:
        """What may be moved is moved; nobody's account changes by it."""
        before = self.told()
        MOVED.append(archiving.move(self.customer.pk, from_us(self.now_us)))
        assert self.told() == before

    def told(self) -> dict[tuple[int, str], list[tuple[int, str, str, bool]]]:
        """What the account of each learner says of each fact, under each plan."""
        found = {}
        for term, learner in itertools.product(self.terms, LEARNERS):
            term.refresh_from_db()
            surrogate = people.surrogate(self.customer.pk, learner)
            if surrogate and any(learner in (it.learner, it.object) for it in self.facts.values()):
                told = explaining.explain_learner(term, surrogate, self.now_us)
                lines = [(0, it) for it in told.before] + [
                    (n, it) for n, w in enumerate(told.windows) for it in w.lines
                ]
                found[term.pk, learner] = [(n, it.fact.id, it.disposition, it.proves) for n, it in lines]
        return found


TestArchiving = pytest.mark.usefixtures("ledger")(Archiving.TestCase)
TestArchiving.settings = bounded(examples=200 if LONG else 4, steps=20 if LONG else 8)
