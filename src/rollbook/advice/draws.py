"""Chance, drawn from a stated seed: the same seed gives the same figures everywhere."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import accumulate
from random import Random
from typing import TypeVar

T = TypeVar("T")

NORMAL_VARIANCE = 2500
"""From this variance on (a spread of 50 either way), a number that is drawn once only comes from the normal curve."""

_SIGMAS = 12
"""Beyond so many standard deviations lies less than one draw in 10^30."""


Draw = Callable[[Random], int]
"""Draws a number."""


def fixed(trials: int, chance: float) -> Draw:
    """How many of `trials` come, each with the same chance. Exact; made for drawing the same again and again."""
    if trials <= 0 or chance <= 0:
        return lambda random: 0  # noqa: ARG005 - nothing is left to chance
    if chance >= 1:
        return lambda random: trials  # noqa: ARG005
    first, cumulated = _table(trials, chance)
    most = cumulated[-1]
    return lambda random: first + bisect_left(cumulated, random.random() * most)


def changing(random: Random, trials: int, chance: float) -> int:
    """The same where `trials` differ from draw to draw: from the normal curve where the number is large."""
    variance = trials * chance * (1 - chance)
    if variance < NORMAL_VARIANCE:
        return fixed(trials, chance)(random)
    return min(max(round(random.gauss(trials * chance, math.sqrt(variance))), 0), trials)


def scattered(random: Random, people: int, places: int) -> list[int]:
    """People over places, each person at one, every place as likely as another."""
    found = []
    left = people
    for remaining in range(places, 1, -1):
        here = changing(random, left, 1 / remaining)
        found.append(here)
        left -= here
    return [*found, left]


@lru_cache(maxsize=20_000)
def _table(trials: int, chance: float) -> tuple[int, list[float]]:
    """The smallest number worth a place, and the cumulated weights from there on."""
    spread = _SIGMAS * math.sqrt(trials * chance * (1 - chance)) + _SIGMAS
    first, last = max(math.floor(trials * chance - spread), 0), min(math.ceil(trials * chance + spread), trials)
    # Weights relative to that of the likeliest number: none is too large, and those that vanish hardly matter.
    middle = min(int((trials + 1) * chance), trials)
    odds = chance / (1 - chance)
    upwards = accumulate(
        range(middle + 1, last + 1), lambda weight, n: weight * (trials - n + 1) / n * odds, initial=1.0
    )
    downwards = accumulate(
        range(middle, first, -1), lambda weight, n: weight * n / (trials - n + 1) / odds, initial=1.0
    )
    weights = [*reversed(list(downwards)[1:]), *upwards]
    return first, list(accumulate(weights))


def between(values: list[int], confidence: float) -> tuple[int, int]:
    """The range in the middle that holds this share of the values, which are sorted here."""
    values.sort()
    outside = (1 - confidence) / 2
    return at_share(values, outside), at_share(values, 1 - outside)


def at_share(ordered: Sequence[T], share: float) -> T:
    """The least value that at least this share of the ordered values does not exceed."""
    return ordered[max(math.ceil(round(share * len(ordered), 6)), 1) - 1]
