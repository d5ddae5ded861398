"""Why one learner counted, window by window, and what became of everything else they did."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from rollbook.metering.outcome import COUNTED, Activation, Outcome
from rollbook.model.fact import Fact
from rollbook.model.window import Window


@dataclass(frozen=True, slots=True)
class FactLine:
    """One fact and what became of it; `proves` where it is the fact that made its unit active."""

    fact: Fact
    disposition: str
    proves: bool


@dataclass(frozen=True, slots=True)
class WindowAccount:
    """One window: the units of the learner that were active in it, and everything that happened in it."""

    window: Window
    activations: tuple[Activation, ...]
    lines: tuple[FactLine, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """The account of one learner with all ids linked to it.

    before, after  facts outside the windows that were metered
    left_out       facts that were judged and are not listed: how many, by window and disposition, windows from 1,
                   `BEFORE` and `AFTER`; of somebody who did very much a server lists a part
    """

    learners: tuple[str, ...]
    before: tuple[FactLine, ...]
    windows: tuple[WindowAccount, ...]
    after: tuple[FactLine, ...]
    left_out: Mapping[int, Mapping[str, int]] = field(default_factory=dict)


BEFORE, AFTER = 0, -1
"""What stands for the time outside the windows that were metered."""


def explain(learners: Iterable[str], facts: Iterable[Fact], outcome: Outcome, windows: Sequence[Window]) -> Explanation:
    """Sorts the facts of one identity cluster into the windows, each with its disposition."""
    proving = {(active.window, active.source, active.fact) for active in outcome.activations}
    by_window: dict[int | None, list[FactLine]] = {}
    first_us = windows[0].start_us if windows else 2**62
    for fact in sorted(facts, key=lambda fact: fact.rank):
        number = next((window.number for window in windows if window.contains(fact.at_us)), None)
        key = 0 if number is None and fact.at_us < first_us else number
        disposition = outcome.dispositions[fact.key]
        proves = disposition == COUNTED and (number or 0, *fact.key) in proving
        by_window.setdefault(key, []).append(FactLine(fact, disposition, proves))
    accounts = (
        WindowAccount(
            window,
            tuple(active for active in outcome.activations if active.window == window.number),
            tuple(by_window.get(window.number, ())),
        )
        for window in windows
    )
    return Explanation(
        learners=tuple(learners),
        before=tuple(by_window.get(0, ())),
        windows=tuple(accounts),
        after=tuple(by_window.get(None, ())),
    )
