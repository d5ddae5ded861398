"""Who is expected to learn when, before anyone has: groups of learners, and how they come.

A group comes in one of two ways:

    rate     in each window every learner of the group comes with this chance, whoever came before (A-14)
    within   every learner comes once within so many windows, any of them as likely as another (A-19);
             `returning` of them come in one more of these windows (A-21)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from functools import partial
from random import Random

from rollbook.advice.draws import fixed, scattered
from rollbook.errors import Problem, UsageError
from rollbook.model.keys import Keys, parse_toml


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Learners who come in the same way.

    rates      the chance of coming, window by window; one for all windows, or as many as there are
    within     instead of rates: the number of windows in which each comes once, from `from_window` on
    returning  of those: a whole number of learners, or a chance, who come in a second of these windows
    """

    name: str
    learners: int
    rates: tuple[Fraction, ...] = ()
    within: int = 0
    from_window: int = 1
    returning: int | Fraction = 0

    def expected(self, windows: int) -> list[Fraction]:
        """Learners in each window, on average: exactly."""
        if self.rates:
            return [self.learners * self.rate(number) for number in range(1, windows + 1)]
        back = self.learners * self.returning if isinstance(self.returning, Fraction) else Fraction(self.returning)
        each = (self.learners + back) / self.within
        last = self.from_window + self.within
        return [each if self.from_window <= number < last else Fraction(0) for number in range(1, windows + 1)]

    def rate(self, window: int) -> Fraction:
        """The chance of coming in a window; 0 before `from_window`."""
        if window < self.from_window:
            return Fraction(0)
        return self.rates[0] if len(self.rates) == 1 else self.rates[window - 1]

    def draws(self, windows: int) -> Callable[[Random], list[int]]:
        """Draws the learners in each window, as they may turn out."""
        if not self.rates:
            return partial(self._scattered, windows)
        # Windows with the same rate share what is drawn from.
        of_rate = {rate: fixed(self.learners, float(rate)) for rate in {self.rate(it + 1) for it in range(windows)}}
        each = [of_rate[self.rate(number)] for number in range(1, windows + 1)]
        return lambda random: [draw(random) for draw in each]

    def _scattered(self, windows: int, random: Random) -> list[int]:
        found = [0] * windows
        back = self.returning
        returning = fixed(self.learners, float(back))(random) if isinstance(back, Fraction) else back
        once = scattered(random, self.learners - returning, self.within)
        twice = scattered(random, returning, self.within)
        for place, (ones, twos) in enumerate(zip(once, twice, strict=True)):
            found[self.from_window - 1 + place] += ones + twos
            if twos:
                others = [other for other in range(self.within) if other != place]
                for other, number in zip(others, scattered(random, twos, len(others)), strict=True):
                    found[self.from_window - 1 + other] += number
        return found


@dataclass(frozen=True, slots=True)
class Scenario:
    """Groups, and entries of guests in every window (F-14); a plan that does not count guests ignores them."""

    groups: tuple[Group, ...]
    guests: int = 0

    @property
    def learners(self) -> int:
        """All who have access."""
        return sum(group.learners for group in self.groups)

    def problems(self, windows: int) -> list[Problem]:
        """What does not fit a term of so many windows."""
        found = []
        for group in self.groups:
            place = f"group {group.name}"
            if len(group.rates) > 1 and len(group.rates) != windows:
                rule = f"{len(group.rates)} rates for {windows} windows"
                found.append(Problem(place, rule, "give one for all, or one for each window of the term"))
            last = group.from_window + max(group.within, 1) - 1
            if last > windows:
                rule = f"it comes until window {last}, and the term has {windows}"
                found.append(Problem(place, rule, "give a smaller within or from_window, or a longer term"))
        return found


def parse_share(value: object, place: str) -> Fraction:
    """A share such as `8%` or `0.08`, exactly as written; from 0 to 1."""
    remedy = "write it as 8% or 0.08"
    text = str(value).strip()
    try:
        found = Fraction(Decimal(text.removesuffix("%").strip())) / (100 if text.endswith("%") else 1)
    except (InvalidOperation, ValueError, OverflowError):
        raise UsageError(Problem(place, f'"{text[:40]}" is not a share', remedy)) from None
    if not 0 <= found <= 1:
        raise UsageError(Problem(place, f"{text[:40]} is not between 0 and 100 %", remedy))
    return found


def parse_scenario(text: str, name: str) -> Scenario:
    """The scenario in the text of a file: `guests`, and a list of [[groups]]. Raises UsageError with every problem."""
    problems: list[Problem] = []
    document = parse_toml(text, name, problems)
    if problems:
        raise UsageError(problems)
    shares = _take_shares(document, name, problems)
    keys = Keys(document, name, "", problems)
    guests = keys.integer("guests", 0)
    tables = keys.tables("groups")
    keys.close()
    groups = tuple(_group(table, n, *share) for n, (table, share) in enumerate(zip(tables, shares, strict=False), 1))
    if not groups and not problems:
        keys.report("groups", "there is no group", "write [[groups]] with learners, and rate or within")
    if problems:
        raise UsageError(problems)
    return Scenario(groups, guests)


Shares = tuple[tuple[Fraction, ...], int | Fraction]


def _take_shares(document: dict[str, object], name: str, problems: list[Problem]) -> list[Shares]:
    """Takes `rate` and `returning`, which may be of several kinds, from the groups of the document."""
    groups = document.get("groups")
    found: list[Shares] = []
    for n, group in enumerate(groups if isinstance(groups, list) else (), 1):
        rates: tuple[Fraction, ...] = ()
        returning: int | Fraction = 0
        if isinstance(group, dict):
            place = f"{name}: groups[{n}]"
            given, back = group.get("rate", []), group.get("returning", 0)
            # What was taken stays there as a text, so that the keys are known.
            group |= {name: "" for name in ("rate", "returning") if name in group}
            try:
                rates = tuple(
                    parse_share(item, f"{place}.rate") for item in (given if isinstance(given, list) else [given])
                )
                whole = isinstance(back, int) and not isinstance(back, bool)
                returning = back if whole and isinstance(back, int) else parse_share(back, f"{place}.returning")
            except UsageError as error:
                problems += error.problems
        found.append((rates, returning))
    return found


def _group(keys: Keys, number: int, rates: Sequence[Fraction], returning: int | Fraction) -> Group:
    name = keys.text("name", f"group {number}")
    learners = keys.integer("learners", least=1)
    within = keys.integer("within", 0, most=1000)
    from_window = keys.integer("from_window", 1, least=1, most=1000)
    for taken in ("rate", "returning"):
        keys.text(taken, "")
    if bool(rates) == bool(within):
        rule = "both rate and within are given" if within else "nothing says how its learners come"
        keys.report("", rule, 'give rate = "8%", or within = 2, and not both')
    if returning and within < 2:  # noqa: PLR2004 - there is no second window to return in
        keys.report("returning", "nobody can return within one window", "give within = 2 or more, or a rate")
    if isinstance(returning, int) and not 0 <= returning <= learners:
        keys.report("returning", f"{returning} of {learners} learners", "give a number up to that of the learners")
    keys.close()
    return Group(
        name=name,
        learners=learners,
        rates=tuple(rates),
        within=within,
        from_window=from_window,
        returning=returning,
    )
