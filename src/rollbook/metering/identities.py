"""Links say that one person has had two ids; they act from their instant on, never backwards.

A link's `learner` survives and its `object` is the id given up. Facts before the link keep the unit they had, so
nothing that was counted moves. An id may be given up once, never in a circle, and a person has at most `IDS_MAX`:
links that break this contradict each other, none of them is applied, and each is reported.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rollbook.metering.outcome import Conflict
from rollbook.model.fact import Fact

IDS_MAX = 100
"""Ids that one person may have. More come from a broken export, and every fact of one would concern all the others."""

NAMED_MAX = 5
"""Ids that a message names."""

FOREVER_US = 2**62
"""Later than every instant."""


@dataclass(frozen=True, slots=True)
class Link:
    """`given_up` is `survivor` from `at_us` on, because fact (source, id) says so."""

    given_up: str
    survivor: str
    at_us: int
    source: str
    id: str

    @property
    def evidence(self) -> tuple[bytes, bytes]:
        """The order in which equal instants are decided."""
        return (self.source.encode(), self.id.encode())


@dataclass(frozen=True, slots=True)
class Identity:
    """In [from_us, to_us) the facts of `learner` belong to `unit`. The rows of one learner tile all of time.

    `link` began this row; None where nothing did.
    """

    learner: str
    unit: str
    cluster: str
    from_us: int
    to_us: int
    link: Link | None
    next_link: Link | None


def accept(facts: Iterable[Fact]) -> tuple[dict[str, Link], list[Conflict]]:
    """The links in force by the id they give up, and those that contradict each other."""
    by_given_up: dict[str, list[Fact]] = {}
    for fact in sorted(facts, key=lambda fact: fact.rank):
        by_given_up.setdefault(fact.object, []).append(fact)
    conflicts = [
        Conflict(fact.source, fact.id, f"{given_up} is linked to several survivors: {_named(survivors)}")
        for given_up, rivals in by_given_up.items()
        if len(survivors := sorted({fact.learner for fact in rivals})) > 1
        for fact in rivals
    ]
    refused = {(conflict.source, conflict.fact) for conflict in conflicts}
    links = {
        given_up: Link(given_up, rivals[0].learner, rivals[0].at_us, rivals[0].source, rivals[0].id)
        for given_up, rivals in by_given_up.items()
        if rivals[0].key not in refused
    }
    for circle in list(_circles(links)):
        rule = f"{_named(sorted(circle))} are linked in a circle"
        conflicts += [Conflict(fact.source, fact.id, rule) for id_ in sorted(circle) for fact in by_given_up[id_]]
        for id_ in circle:
            del links[id_]
    for survivor, cluster in _clusters(links).items():
        if len(cluster) >= IDS_MAX:
            rule = f"{survivor} has {len(cluster) + 1:,} ids, and no one person has more than {IDS_MAX}"
            conflicts += [Conflict(fact.source, fact.id, rule) for id_ in cluster for fact in by_given_up[id_]]
            for id_ in cluster:
                del links[id_]
    return links, conflicts


def _named(ids: Sequence[str]) -> str:
    """The ids in words, the first few of many."""
    rest = len(ids) - NAMED_MAX
    shown = [*ids[:NAMED_MAX], f"{rest:,} more"] if rest > 0 else list(ids)
    return " and ".join((", ".join(shown[:-1]), shown[-1])) if len(shown) > 1 else shown[0]


def _clusters(links: Mapping[str, Link]) -> dict[str, list[str]]:
    """The ids given up for each last survivor. `links` has no circle."""
    last: dict[str, str] = {}
    for start in links:
        walked = []
        id_ = start
        while id_ in links and id_ not in last:
            walked.append(id_)
            id_ = links[id_].survivor
        last.update(dict.fromkeys(walked, last.get(id_, id_)))
    clusters: dict[str, list[str]] = {}
    for id_, survivor in sorted(last.items()):
        clusters.setdefault(survivor, []).append(id_)
    return clusters


def _circles(links: Mapping[str, Link]) -> Iterator[set[str]]:
    """Sets of ids that survive in each other."""
    settled: set[str] = set()
    for start in links:
        path: dict[str, None] = {}
        id_ = start
        while id_ in links and id_ not in settled and id_ not in path:
            path[id_] = None
            id_ = links[id_].survivor
        if id_ in path:
            ids = list(path)
            yield set(ids[ids.index(id_) :])
        settled.update(path)


def cluster_of(links: Mapping[str, Link], learner: str) -> set[str]:
    """The ids that are the same person as `learner`."""
    root = unit_at(links, learner, FOREVER_US)
    return {root, *(id_ for id_ in links if unit_at(links, id_, FOREVER_US) == root)}


def path(links: Mapping[str, Link], learner: str, at_us: int) -> list[Link]:
    """The links that lead from `learner` to the unit its facts at `at_us` belong to, in order."""
    found: list[Link] = []
    id_ = learner
    while (link := links.get(id_)) and link.at_us <= at_us:
        found.append(link)
        id_ = link.survivor
    return found


def unit_at(links: Mapping[str, Link], learner: str, at_us: int) -> str:
    """The unit that facts of `learner` at `at_us` belong to."""
    steps = path(links, learner, at_us)
    return steps[-1].survivor if steps else learner


def beginning(links: Mapping[str, Link], learner: str, at_us: int) -> Link:
    """The link that changed the unit of `learner` at `at_us`; of several at that instant, the first by evidence."""
    return min((link for link in path(links, learner, at_us) if link.at_us == at_us), key=lambda link: link.evidence)


def identities(links: Mapping[str, Link]) -> Iterator[Identity]:
    """The rows of every id in a linked cluster: what a join needs instead of a walk."""
    for learner in sorted(links.keys() | {link.survivor for link in links.values()}):
        chain = path(links, learner, FOREVER_US)
        cluster = chain[-1].survivor if chain else learner
        cuts = [(-1, learner)]
        for at_us in sorted({link.at_us for link in chain}):
            unit = unit_at(links, learner, at_us)
            if unit != cuts[-1][1]:
                cuts.append((at_us, unit))
        began = [None, *(beginning(links, learner, at_us) for at_us, _ in cuts[1:])]
        for n, (from_us, unit) in enumerate(cuts):
            last = n + 1 == len(cuts)
            to_us = FOREVER_US if last else cuts[n + 1][0]
            yield Identity(learner, unit, cluster, from_us, to_us, began[n], None if last else began[n + 1])
