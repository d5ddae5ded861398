"""How many of each group were active, nested groups included, and why the groups add up to more than the total.

A unit counts in the groups in which its learner was at the first instant at which it was present in the window
(`rollbook.roster.placing`): there it became active, and what happens later in the window moves no figure. In a group
it counts once, however many groups within that it is in; in the total it counts once, however many groups it is in.
Guests, and whoever nobody told a group of, are in none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rollbook.accounting.account import Account, Ask
from rollbook.errors import Problem, UsageError
from rollbook.metering.identities import Link, accept
from rollbook.metering.steps import quoted_list
from rollbook.model.fact import LINKED, Fact
from rollbook.model.groups import Group, and_above, written
from rollbook.model.window import Window
from rollbook.reports.columns import PERCENT, TEXT, WINDOW, Column
from rollbook.reports.usage import percent
from rollbook.roster.placing import TELLING, Groups, groups_in, lines
from rollbook.roster.statuses import ROLES

COLUMNS = {
    **WINDOW,
    "kind": Column("total, group, or none: in no group", TEXT),
    "organisation": Column("whose group", TEXT),
    "group": Column("its names from the outside in", TEXT),
    "level": Column("how many names; 0 for the total"),
    "active": Column("units that were active, with those of all groups within it"),
    "share": Column("of the total; groups may add up to more than all of it", PERCENT),
}

TOTAL, GROUP, NONE = "total", "group", "none"

GROUPS_MAX = 2_000
"""Groups of one report, those that lie within others counted too."""

TEXTS_MAX = 20_000
"""Different texts that tell groups: learners of one department, told at one time, share one."""

INSTANT = (
    "Everybody counts in the groups in which they were when they first counted in the window; moving later in it "
    "changes nothing. Before anything was told of somebody, what was told first holds."
)
"""Which groups count, where learners move."""

_NOUNS = {"learner": ("learner", "learners"), "enrolment": ("enrolment", "enrolments"), "entry": ("entry", "entries")}
_NUMBERS = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 7: "seven", 8: "eight", 9: "nine", 10: "ten"}

Counted = tuple[int, str, Groups, int]
"""(window, organisation, groups, units): units of a window whose learners were in just these groups."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One window.

    total    units that were active
    none     of these, in no group
    groups   by (organisation, group), in order; each with all groups within it
    several  in how many of the outermost groups (2 or more) how many units are
    nested   units that are in several groups next within one
    """

    window: Window
    total: int
    none: int
    groups: Mapping[tuple[str, Group], int]
    several: Mapping[int, int]
    nested: int

    @property
    def subtotals(self) -> int:
        """What the outermost groups, and those in none, add up to."""
        return self.none + sum(units for (_, group), units in self.groups.items() if len(group) == 1)

    def sentences(self, unit: str) -> Iterator[str]:
        """Why subtotals may exceed the total, with the figures.

        unit  of the plan's meter
        """
        one, several = _NOUNS[unit]
        if not self.total:
            return
        if not self.several:
            yield f"Subtotals add up to the total, {self.total:,}: nobody is in two groups."
        else:
            found = sorted(self.several.items())
            number, units = found[0]
            said = [
                f"{units:,} {several if units > 1 else one} {'are' if units > 1 else 'is'} in {_said(number)} groups"
            ]
            said += [f"{units:,} in {_said(number)}" for number, units in found[1:]]
            counts = "count" if sum(self.several.values()) > 1 else "counts"
            yield (
                f"Subtotals add up to {self.subtotals:,} and the total is {self.total:,}: {' and '.join(said)} "
                f"and {counts} in each; nobody counts twice in the total."
            )
        if self.nested:
            are = f"{several} are" if self.nested > 1 else f"{one} is"
            yield f"Groups within a group may add up to more than it, too: {self.nested:,} {are} in several of them."


def rows(found: Account, ask: Ask) -> list[tuple[object, ...]]:
    """The total of each window that has begun, then its groups, each before those within it, then who is in none."""
    table: list[tuple[object, ...]] = []
    for it in counted(found, ask):
        bounds = (it.window.number, it.window.start, it.window.end)
        table.append((*bounds, TOTAL, "", "", 0, it.total, percent(it.total, it.total)))
        table += [
            (*bounds, GROUP, organisation, written(group), len(group), units, percent(units, it.total))
            for (organisation, group), units in it.groups.items()
        ]
        table.append((*bounds, NONE, "", "", 1, it.none, percent(it.none, it.total)))
    return table


def notes(found: Account, ask: Ask) -> list[str]:
    """What is to be said beside the figures."""
    unit = found.subscription.plan.meter.unit
    said = [f"window {it.window.number}: {words}" for it in counted(found, ask) for words in it.sentences(unit)]
    return [*said, INSTANT] if said else []


def counted(found: Account, ask: Ask) -> tuple[Figures, ...]:
    """The figures of every window that has begun. Raises UsageError where there are too many groups."""
    windows = [it for it in found.windows if it.start_us < found.as_of_us]
    return figures(windows, _counted(found, ask))


def figures(windows: Sequence[Window], found: Iterable[Counted]) -> tuple[Figures, ...]:
    """The figures of some windows; every group that has anybody in one of them has a figure in all."""
    by_window: dict[int, list[tuple[str, Groups, int]]] = {it.number: [] for it in windows}
    everything: set[tuple[str, Group]] = set()
    for number, organisation, groups, units in found:
        by_window[number].append((organisation, groups, units))
        everything.update((organisation, it) for group in groups for it in and_above(group))
    if len(everything) > GROUPS_MAX:
        rule = f"there are {len(everything):,} groups, and a report has at most {GROUPS_MAX:,}"
        raise UsageError(Problem("groups", rule, "report on fewer organisations at once, or tell broader groups"))
    order = sorted(everything)
    return tuple(_figures(window, by_window[window.number], order) for window in windows)


def _figures(window: Window, found: Sequence[tuple[str, Groups, int]], order: Sequence[tuple[str, Group]]) -> Figures:
    units_of: Counter[tuple[str, Group]] = Counter()
    several: Counter[int] = Counter()
    total = none = nested = 0
    for organisation, groups, units in found:
        within = {it for group in groups for it in and_above(group)}
        next_within = Counter(it[:-1] for it in within)
        outermost = next_within.pop((), 0)
        total += units
        none += 0 if within else units
        nested += units if max(next_within.values(), default=0) > 1 else 0
        for group in within:
            units_of[organisation, group] += units
        if outermost > 1:
            several[outermost] += units
    return Figures(
        window=window,
        total=total,
        none=none,
        groups={key: units_of[key] for key in order},
        several=dict(sorted(several.items())),
        nested=nested,
    )


def _said(number: int) -> str:
    return _NUMBERS.get(number, f"{number:,}")


# The facts, asked for.

_FIRST_US, _LAST_US = -(2**62), 2**62
_TELLS = f"""
    type in ({quoted_list(TELLING)}) and role in ({quoted_list(ROLES)}) and learner <> '' and not voided
    and at_us < as_of_us
    """
_LINKED = (
    "exists (select 1 from identities where identities.scope = named.scope and identities.learner = named.learner)"
)


def _counted(found: Account, ask: Ask) -> Iterator[Counted]:
    """The units of each window by the groups in which their learners were.

    Those who were never linked to another id are placed by the query. The others, who are few, by `placing`.
    """
    numbers: dict[Groups, int] = {(): 0}
    texts = _texts(ask)
    told = ", ".join(f"({_quoted(text)}, {numbers.setdefault(groups, len(numbers))})" for text, groups in texts.items())
    held = ", ".join(
        f"({_quoted(organisation)}, {_quoted(learner)}, {numbers.setdefault(groups, len(numbers))}, {from_us}, {to_us})"
        for organisation, learner, groups, from_us, to_us in _linked(found, ask)
    )
    sql = f"""
        with telling(text, number) as (values {told or "('', 0)"}),
        told as (
            select named.organisation, named.unit, named.at_us, named.source, named.id, telling.number
            from (select * from named where {_TELLS} and not {_LINKED}) as named
            join facts on facts.number = named.number
            join telling on telling.text = facts.attributes
        ),
        lasting as (
            select *, lead(at_us) over (partition by organisation, unit order by at_us, source, id) as until_us
            from told
        ),
        placed as (
            select organisation, unit, number,
                   case when row_number() over (partition by organisation, unit order by at_us) = 1 then {_FIRST_US}
                        else at_us end as from_us,
                   coalesce(until_us, {_LAST_US}) as to_us
            from lasting where until_us is null or until_us > at_us
            {f"union all select * from (values {held}) as linked" if held else ""}
        )
        select window_number, activations.organisation, coalesce(placed.number, 0), count(*)
        from activations
        left join placed on placed.organisation = activations.organisation and placed.unit = activations.unit
                        and not guest and first_us >= from_us and first_us < to_us
        group by all
        """
    groups_of = {number: groups for groups, number in numbers.items()}
    for window, organisation, number, units in ask(sql):
        yield int(str(window)), str(organisation), groups_of[int(str(number))], int(str(units))


def _texts(ask: Ask) -> dict[str, Groups]:
    """What attributes of telling facts say, where they say groups. In JSON a letter may be written by its number."""
    sql = f"""
        select distinct attributes from facts
        where type in ({quoted_list(TELLING)}) and (attributes like '%"groups"%' or attributes like '%\\u00%')
        order by attributes limit {TEXTS_MAX + 1}
        """
    texts = [str(text) for (text,) in ask(sql)]
    if len(texts) > TEXTS_MAX:
        rule = f"facts say in more than {TEXTS_MAX:,} different texts who is in which groups"
        raise UsageError(Problem("groups", rule, "leave out of attributes whatever differs from fact to fact"))
    return {text: groups for text in texts if (groups := groups_in(text)) is not None}


def _linked(found: Account, ask: Ask) -> Iterator[tuple[str, str, Groups, int, int]]:
    """(organisation, unit, groups, from, to) of everybody with several ids, UTC microseconds."""
    by_scope: dict[str, list[Fact]] = {}
    for scope, source, id_, at_us, learner, object_ in ask(
        "select scope, source, id, at_us, learner, object from links"
    ):
        link = Fact(
            id=str(id_),
            source=str(source),
            at_us=int(str(at_us)),
            type=LINKED,
            learner=str(learner),
            object=str(object_),
        )
        by_scope.setdefault(str(scope), []).append(link)
    if not by_scope:
        return
    sql = f"""
        select named.organisation, named.learner, named.at_us, named.source, named.id, named.type, named.role,
               facts.attributes
        from (select * from named where {_TELLS} and {_LINKED}) as named
        join facts on facts.number = named.number
        """
    telling = [
        Fact(
            organisation=str(organisation),
            learner=str(learner),
            at_us=int(str(at_us)),
            source=str(source),
            id=str(id_),
            type=str(type_),
            role=str(role),
            attributes=str(attributes),
        )
        for organisation, learner, at_us, source, id_, type_, role, attributes in ask(sql)
    ]
    across = found.subscription.plan.meter.dedupe == "customer"
    in_force = {scope: accept(links)[0] for scope, links in by_scope.items()}
    links: dict[str, Mapping[str, Link]] = {
        it.organisation: in_force.get("" if across else it.organisation, {}) for it in telling
    }
    for (organisation, unit), line in lines(telling, links).items():
        for place, (at_us, groups) in enumerate(line):
            from_us = at_us if place else _FIRST_US
            to_us = line[place + 1][0] if place + 1 < len(line) else _LAST_US
            yield organisation, unit, groups, from_us, to_us


def _quoted(text: str) -> str:
    return quoted_list((text,))
