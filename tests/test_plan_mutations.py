"""Every case of a plan earns its place, and every clause of a plan is held by a case.

Each plan is changed in one place, in every way there is: a type less, a type more, another unit, another window.
A case that fails under none of these changes of its plan would hold nothing. A change under which no case fails
would go unnoticed. `python -m tests.test_plan_mutations` prints which case fails under which change.

What a plan includes, and what happens beyond it, is changed in the same way for the cases that say what their
statements say.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import zip_longest
from typing import Any, TypeAlias

import pytest

from rollbook.errors import RollbookError
from rollbook.model.allowance import BASES, PERS, POLICIES, SCOPES
from rollbook.model.fact import CORRECTIONS, DESCRIBING, MODES, ROLES, TYPES
from rollbook.model.plan import (
    DEDUPES,
    GUESTS,
    KINDS,
    OPENS,
    REMAINDERS,
    UNITS,
    Exemption,
    Meter,
    Plan,
    State,
    WindowRule,
)
from rollbook.model.subscription import Subscription
from rollbook.plans import published
from tests.statements.running import StatementCase, all_statement_cases, statement_lines
from tests.test_plans import Case, all_cases, dispositions, every_case, figures, on_reference

ANOTHER_ZONE = "Pacific/Auckland"
"""A zone that no plan and no case uses, far from all of them."""


Apply: TypeAlias = "Callable[[Case], Subscription | None]"


@dataclass(frozen=True)
class Change:
    """One single change of a plan, or of the zone or anchor that a subscription adds to it.

    apply  the subscription under the changed plan; None where the change does not concern this case
    """

    words: str
    apply: Apply


def changes(plan: Plan) -> Iterator[Change]:
    """All single changes of a plan, and of what its cases' subscriptions state beside it."""
    for words, meter in meters(plan.meter):
        yield Change(words, under(replace(plan, meter=meter)))
    for words, window in windows(plan.window):
        yield Change(words, under(replace(plan, window=window)))
    yield Change("another zone in the plan", zoned_unless_stated)
    keys = {key for case in all_cases() if case.plan == plan.id for key in stated(case)}
    if "zone" in keys:
        yield Change("the subscription's zone left out", where_stated("zone", plan.window.zone))
        yield Change("another zone in the subscription", where_stated("zone", ANOTHER_ZONE))
    for key in ("anchor", "organisations"):
        if key in keys:
            yield Change(f"the subscription's {key} left out", where_stated(key, None))


def under(plan: Plan) -> Apply:
    """The same subscription to another plan."""
    return lambda case: replace(case.subscription, plan=plan)


def where_stated(key: str, value: str | None) -> Apply:
    """The subscription with another value of `key`, where it states one."""
    return lambda case: replace(case.subscription, **{key: value}) if key in stated(case) else None  # type: ignore[arg-type]


def zoned_unless_stated(case: Case) -> Subscription | None:
    """What another zone in the plan would do: nothing where the subscription states one."""
    return None if "zone" in stated(case) else replace(case.subscription, zone=ANOTHER_ZONE)


@cache
def stated(case: Case) -> frozenset[str]:
    """What the case's subscription.toml says."""
    return frozenset(tomllib.loads((case.path / "subscription.toml").read_text(encoding="utf-8")))


def meters(meter: Meter) -> Iterator[tuple[str, Meter]]:
    """All single changes of what counts, leaving out those that a plan may not say."""
    spare = [type_ for type_ in TYPES if type_ not in (*meter.types, *CORRECTIONS, *DESCRIBING)]
    for words, counts in lists("counts", meter.counts, spare):
        yield words, replace(meter, counts=counts)
    for words, state in states("holds", meter.holds, spare):
        yield words, replace(meter, holds=state)
    for words, state in states("while", meter.member_while, spare):
        yield words, replace(meter, member_while=state)
    if meter.member_while:
        yield "no while", replace(meter, member_while=None)
    yield from exemptions(meter)
    units = [unit for unit in UNITS if unit != meter.unit and not (meter.holds and unit == "entry")]
    yield from ((f"unit = {unit}", replace(meter, unit=unit)) for unit in units)
    yield from ((f"dedupe = {it}", replace(meter, dedupe=it)) for it in DEDUPES if it != meter.dedupe)
    if meter.holds:
        yield from ((f"opens = {opens}", replace(meter, opens=opens)) for opens in OPENS if opens != meter.opens)
        return
    yield from ((f"guests = {guests}", replace(meter, guests=guests)) for guests in GUESTS if guests != meter.guests)
    if meter.guests == "each-entry":
        yield "a grace of 10 minutes to reconnect", replace(meter, reconnect_grace_seconds=600)
    yield "minimum = 2", replace(meter, minimum=2)
    yield "first_ever", replace(meter, first_ever=True)


def lists(name: str, there: tuple[str, ...], spare: list[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """A list with one item less, never none, and with one more; nothing where the plan has no such list."""
    if not there:
        return
    if len(there) > 1:
        yield from ((f"{name} without {item}", tuple(it for it in there if it != item)) for item in there)
    yield from ((f"{name} with {item}", (*there, item)) for item in spare)


def states(name: str, state: State | None, spare: list[str]) -> Iterator[tuple[str, State]]:
    """All single changes of what switches on and off."""
    if state is None:
        return
    yield from ((words, replace(state, on=on)) for words, on in lists(f"{name}.on", state.on, spare))
    yield from ((words, replace(state, off=off)) for words, off in lists(f"{name}.off", state.off, spare))
    if len(state.off) == 1:
        yield f"{name} never off", replace(state, off=())


def exemptions(meter: Meter) -> Iterator[tuple[str, Meter]]:
    """One exemption less, one more, or one with other modes; not of roles that do not count in any case."""
    for it in meter.exempt:
        others = tuple(other for other in meter.exempt if other != it)
        yield f"{it.role} not exempt", replace(meter, exempt=others)
        for mode in MODES if it.unless_modes else ():
            modes = tuple(m for m in MODES if (m in it.unless_modes) != (m == mode))
            words = f"{it.role} {'exempt' if mode in it.unless_modes else 'not exempt'} where {mode}"
            yield words, replace(meter, exempt=(*others, Exemption(it.role, modes)))
    never = {"system"} if meter.counts else set()
    never |= {"guest"} if meter.guests == "free" else set()
    for role in ROLES:
        if role not in {it.role for it in meter.exempt} | never:
            yield f"{role} exempt", replace(meter, exempt=(*meter.exempt, Exemption(role)))


def windows(rule: WindowRule) -> Iterator[tuple[str, WindowRule]]:
    """All single changes of how time is cut."""
    for kind in KINDS:
        if kind != rule.kind:
            length = 30 if kind == "days" else 0
            yield f"kind = {kind}", replace(rule, kind=kind, length_days=length, remainder="merge-last")
    if rule.kind == "days":
        for length in (rule.length_days - 1, rule.length_days + 1):
            yield f"length_days = {length}", replace(rule, length_days=length)
        yield from ((f"remainder = {it}", replace(rule, remainder=it)) for it in REMAINDERS if it != rule.remainder)


def fails(case: Case, change: Change) -> bool:
    """Whether the case notices the change."""
    subscription = change.apply(case)
    if subscription is None:
        return False
    found = on_reference(case.facts, subscription)
    return dispositions(case, found) != case.becomes or figures(subscription, found.activations) != case.expected


@cache
def noticed() -> dict[tuple[str, str], frozenset[str]]:
    """By plan and case: the changes under which it fails, in words."""
    by_plan = {plan.id: tuple(changes(plan)) for plan in published()}
    return {
        (case.plan, case.name): frozenset(change.words for change in by_plan[case.plan] if fails(case, change))
        for case in all_cases()
    }


NO_OBJECT = "unit = enrolment"

UNNOTICED: dict[str, frozenset[str]] = {
    # A login and the state of an account are about no object, so a learner in one object is the learner.
    "monthly-login": frozenset({NO_OBJECT}),
    "secondnature-mau": frozenset({NO_OBJECT}),
    "secondnature-mauc": frozenset({NO_OBJECT}),
    "wisenet-lrm": frozenset({NO_OBJECT}),
    # Nothing says whether a platform that logs in as itself would take a seat.
    "secondnature-seats": frozenset({NO_OBJECT, "system exempt"}),
}
"""By plan: changes that no case notices, and why none has to."""


@every_case
def test_a_case_fails_under_some_single_change_of_its_plan(case: Case) -> None:
    assert noticed()[case.plan, case.name], "this case holds nothing: whatever its plan says, it passes"


@pytest.mark.parametrize("plan", published(), ids=lambda plan: plan.id)
def test_every_single_change_of_a_plan_fails_some_case(plan: Plan) -> None:
    by_case = [words for (plan_id, _), words in noticed().items() if plan_id == plan.id]
    every = {change.words for change in changes(plan)}
    assert every - frozenset().union(*by_case) == UNNOTICED.get(plan.id, frozenset())


IncludedChange: TypeAlias = "tuple[str, str, Any]"
"""The layer, the key, and its other value; of a quantity, how many more."""


def included_changes(plan: Plan) -> Iterator[IncludedChange]:
    """All single changes of [allowance] and of the policy in [limit], leaving out those that a plan may not say."""
    allowance = plan.allowance
    choices: tuple[IncludedChange, ...] = (
        *(("allowance", "quantity", more) for more in (1, -1) if allowance.quantity + more >= 0),
        *(("allowance", "per", per) for per in PERS),
        *(("allowance", "pool_scope", scope) for scope in SCOPES),
        *(("allowance", "basis", basis) for basis in BASES),
        *(("allowance", "rollover_windows", windows) for windows in (0, 1)),
        *(("allowance", key, yes) for key in SWITCHES for yes in (True, False)),
        *(("limit", "policy", policy) for policy in POLICIES),
    )
    for change in choices:
        changed = including(plan, change)
        idle = change[1] == "per_organisation" and not allowance.quantity
        idle |= change[1] == "increase_only" and allowance.per == "term"
        if changed != plan and may_be_said(changed) and not idle:
            yield change


SWITCHES = ("per_organisation", "increase_only", "reuse_requires_approval")


def including(plan: Plan, change: IncludedChange) -> Plan:
    """The plan with one key changed."""
    layer, key, value = change
    table = getattr(plan, layer)
    return replace(plan, **{layer: replace(table, **{key: table.quantity + value if key == "quantity" else value})})


def may_be_said(plan: Plan) -> bool:
    """Whether the keys of [allowance] go together, as `read_allowance` wants them."""
    it = plan.allowance
    if it.per == "held":
        return bool(plan.meter.holds) and not (it.rollover_windows or it.per_organisation or it.pool_scope != SCOPES[0])
    if it.basis != BASES[0] or it.reuse_requires_approval or (it.rollover_windows and it.per != "window"):
        return False
    return it.pool_scope == SCOPES[0] or not it.quantity or it.per_organisation


@cache
def says_otherwise(case: StatementCase, change: IncludedChange) -> bool:
    """Whether a statement of the case is another under the change, or there is none, or what must be refused is not."""
    try:
        terms = [
            replace(
                term,
                plan=including(term.plan, change),
                changes=tuple(replace(it, plan=including(it.plan, change)) for it in term.changes),
            )
            for term in case.terms
        ]
        pairs = zip_longest(statement_lines(case, "duckdb", terms), case.expected)
        return any(found != expected for found, expected in pairs) or not case.refuses(terms)
    except RollbookError:
        return True


AT_THE_DOOR = frozenset({("limit", "policy", "block-new"), ("limit", "policy", "block")})
"""Who is turned away is decided where people come in; whoever has come counts alike, and nothing is charged for it."""

NOT_SAID = frozenset({("allowance", "increase_only", True)})
"""No source says whether what is bought could fall within the term."""

NOTHING_LEFT = frozenset({("allowance", "rollover_windows", 1)})
"""Nothing is included, so nothing is ever left over."""

UNNOTICED_INCLUDED: dict[str, frozenset[IncludedChange]] = {
    "docebo-mau": AT_THE_DOOR | NOT_SAID,
    "facilitate-annual": NOT_SAID,
    "facilitate-monthly": NOT_SAID | NOTHING_LEFT,
    "monthly-activity": NOT_SAID,
    "reach360-starter": AT_THE_DOOR,
    "secondnature-mau": AT_THE_DOOR | NOT_SAID,
    "secondnature-seats": AT_THE_DOOR | NOT_SAID,
}
"""By plan: changes that no statement notices, and why none has to."""


@pytest.mark.parametrize("case", all_statement_cases(), ids=lambda case: case.name)
def test_a_case_with_statements_fails_under_some_single_change_of_what_is_included(case: StatementCase) -> None:
    assert any(says_otherwise(case, change) for change in included_changes(case.terms[0].plan))


@pytest.mark.parametrize("plan", published(), ids=lambda plan: plan.id)
def test_every_single_change_of_what_a_plan_includes_fails_some_case(plan: Plan) -> None:
    cases = [case for case in all_statement_cases() if case.terms[0].plan.id == plan.id]
    unnoticed = {change for change in included_changes(plan) if not any(says_otherwise(case, change) for case in cases)}
    assert unnoticed == UNNOTICED_INCLUDED.get(plan.id, frozenset())


def main() -> None:
    """Prints which case fails under which change."""
    for (plan, name), words in noticed().items():
        print(f"\n{plan}/{name}")  # noqa: T201
        for change in sorted(words):
            print(f"    {change}")  # noqa: T201
    for case in all_statement_cases():
        print(f"\n{case.name}, its statements")  # noqa: T201
        for changed in included_changes(case.terms[0].plan):
            if says_otherwise(case, changed):
                print(f"    {' '.join(map(str, changed))}")  # noqa: T201


if __name__ == "__main__":
    main()
