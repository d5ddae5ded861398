"""How many of each group were active, by hand; and the query says what sets of learners say."""

from __future__ import annotations

import json
from collections import Counter
from datetime import date

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import rollbook
from rollbook import UsageError
from rollbook.accounting.account import account
from rollbook.metering import reference
from rollbook.metering.identities import unit_at
from rollbook.model.fact import LINKED, VOIDED, Fact
from rollbook.model.groups import Group, and_above, written
from rollbook.model.plan import Plan, parse_plan
from rollbook.model.subscription import Subscription
from rollbook.reports import groups
from rollbook.roster.placing import groups_of
from rollbook.roster.view import linked, standing
from tests.roster.drawn import GROUPS, INSTANTS, LEARNERS, ORGANISATIONS, ledgers

from .ledgers import ENTRIES, LOGINS, facts, metered, rows

NORTH = ("kind", "group", "level", "active", "share")


def told(learner: str, day: str, *groups_told: str, organisation: str = "north", id_: str = "") -> Fact:
    """A fact that tells the groups of a learner."""
    [fact] = facts(f"{learner} {day} account.changed organisation={organisation}")
    id_ = id_ or f"{learner}-{day}"
    return fact.replace(id=id_, source="hr", attributes=json.dumps({"groups": groups_told}))


def test_subtotals_say_in_words_why_they_exceed_the_total() -> None:
    """Four log in. Ann is in two departments and in two branches of one; Dan is in none: 1 + 2 + 1 + 1 = 5 for 4."""
    ledger = [
        *facts("ann 01-05", "ann 01-06", "bob 01-05", "cy 01-07", "dan 01-08"),
        told("ann", "01-01", "Sales / North", "Sales / South", "Ops"),
        told("bob", "01-01", "Sales / North"),
        told("cy", "01-01", "Support"),
        told("eve", "01-01", "HR"),
    ]
    result = metered(LOGINS, ledger, end="02-01")
    assert result.report_notes("groups") == (
        (
            "window 1: Subtotals add up to 5 and the total is 4: 1 learner is in two groups and counts in each; "
            "nobody counts twice in the total."
        ),
        "window 1: Groups within a group may add up to more than it, too: 1 learner is in several of them.",
        groups.INSTANT,
    )
    assert rows(result, "groups", *NORTH) == [
        ("total", "", 0, 4, 100.0),
        ("group", "Ops", 1, 1, 25.0),
        # Ann and Bob: Ann counts once, though she is in both branches.
        ("group", "Sales", 1, 2, 50.0),
        ("group", "Sales / North", 2, 2, 50.0),
        ("group", "Sales / South", 2, 1, 25.0),
        ("group", "Support", 1, 1, 25.0),
        ("none", "", 1, 1, 25.0),
    ]


def test_subtotals_that_add_up_say_so() -> None:
    ledger = [*facts("ann 01-05", "bob 01-05"), told("ann", "01-01", "Sales")]
    result = metered(LOGINS, ledger, end="02-01")
    assert result.report_notes("groups")[0] == "window 1: Subtotals add up to the total, 2: nobody is in two groups."
    assert rows(result, "groups", "kind", "active") == [("total", 2), ("group", 1), ("none", 1)]


def test_whoever_moves_counts_where_they_were_when_they_first_counted() -> None:
    """Ann logs in in Sales on the 5th and in Ops on the 20th: January is Sales', February Ops'."""
    ledger = [
        *facts("ann 01-05", "ann 01-20", "ann 02-03"),
        told("ann", "01-01", "Sales"),
        told("ann", "01-10", "Ops"),
    ]
    found = rows(metered(LOGINS, ledger), "groups", "window", "group", "active")
    assert [it for it in found if it[1]] == [(1, "Ops", 0), (1, "Sales", 1), (2, "Ops", 1), (2, "Sales", 0)]


def test_what_is_told_at_the_very_instant_counts() -> None:
    ledger = [*facts("ann 01-05"), told("ann", "01-01", "Sales"), told("ann", "01-05", "Ops")]
    assert ("group", "Ops", 1, 1, 100.0) in rows(metered(LOGINS, ledger, end="02-01"), "groups", *NORTH)


def test_a_roster_that_begins_in_the_middle_of_a_month_finds_people_where_they_were() -> None:
    ledger = [*facts("ann 01-05"), told("ann", "01-15", "Sales"), told("ann", "01-20", "Ops")]
    assert ("group", "Sales", 1, 1, 100.0) in rows(metered(LOGINS, ledger, end="02-01"), "groups", *NORTH)


def test_what_is_told_at_or_after_the_last_instant_is_not_known() -> None:
    ledger = [*facts("ann 01-05"), told("ann", "01-15", "Sales")]
    assert rows(metered(LOGINS, ledger, end="02-01", as_of="01-15"), "groups", "kind") == [("total",), ("none",)]


def test_groups_of_one_name_in_two_organisations_are_two_groups() -> None:
    ledger = [
        *facts("ann 01-05", "ann 01-05 organisation=south"),
        told("ann", "01-01", "Sales"),
        told("ann", "01-01", "Sales", organisation="south", id_="s"),
    ]
    found = rows(metered(LOGINS, ledger, end="02-01"), "groups", "kind", "organisation", "group", "active")
    assert found == [
        ("total", "", "", 2),
        ("group", "north", "Sales", 1),
        ("group", "south", "Sales", 1),
        ("none", "", "", 0),
    ]


def test_guests_are_in_no_group_whatever_their_entries_are_called() -> None:
    """The guest's entry has the id 1, and so is a learner called."""
    ledger = [*facts("- 01-05", "ann 01-06", type_="session.entered"), told("1", "01-01", "Sales")]
    result = metered(ENTRIES, ledger, end="02-01")
    assert rows(result, "groups", "kind", "active") == [("total", 2), ("none", 2)]


def test_a_window_in_which_nobody_was_active_says_nothing() -> None:
    result = metered(LOGINS, [*facts("ann 02-05"), told("ann", "01-01", "Sales")])
    assert [it.partition(":")[0] for it in result.report_notes("groups")[:-1]] == ["window 2"]
    assert rows(result, "groups", "window", "kind", "share")[:3] == [
        (1, "total", None),
        (1, "group", None),
        (1, "none", None),
    ]


def test_numbers_of_groups_are_said_in_order() -> None:
    ledger = [
        *facts(*(f"{it} 01-05" for it in ("ann", "bob", "cy", "dan"))),
        told("ann", "01-01", "A", "B"),
        told("bob", "01-01", "A", "C"),
        told("cy", "01-01", *(f"G{n}" for n in range(11))),
        told("dan", "01-01", "A"),
    ]
    # 2 + 2 + 11 + 1 = 16 for four.
    with metered(LOGINS, ledger, end="02-01") as result:
        assert result.report_notes("groups")[0] == (
            "window 1: Subtotals add up to 16 and the total is 4: 2 learners are in two groups and 1 in 11 and count "
            "in each; nobody counts twice in the total."
        )


def test_too_many_groups_are_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "GROUPS_MAX", 3)
    ledger = [*facts("ann 01-05"), told("ann", "01-01", "A / B", "C", "D")]
    with metered(LOGINS, ledger) as result, pytest.raises(UsageError, match=r"there are 4 groups, and a report has at"):
        result.report("groups")
    monkeypatch.setattr(groups, "TEXTS_MAX", 1)
    with (
        metered(LOGINS, [*ledger, told("bob", "01-01", "A")]) as result,
        pytest.raises(UsageError, match="more than 1 different texts"),
    ):
        result.report("groups")


@pytest.mark.parametrize(
    "hostile", ["'; drop table facts; --", '"quoted"', "<script>alert(1)</script>", "=1+1", "a/b", "x\\", "{}", "😀'"]
)
def test_hostile_names_are_names(hostile: str) -> None:
    name = hostile.replace("\\", "\\\\").replace("/", "\\/").replace(";", "\\;")
    [fact] = facts("ann 01-05")
    ledger = [fact, told("ann", "01-01", name)]
    assert ("group", name, 1, 1, 100.0) in rows(metered(LOGINS, ledger, end="02-01"), "groups", *NORTH)


# The plain reading: sets of learners, instant by instant.

Sets = dict[tuple[int, str, Group], set[tuple[str, str, str, bool]]]

PLANS = {
    "logins": LOGINS,
    "logins across": LOGINS.replace("[meter]", '[meter]\ndedupe = "customer"'),
    "accounts": 'id = "p"\ntitle = "P"\n[meter]\nholds = { on = ["account.created", "account.enabled"], '
    'off = ["account.disabled", "account.deleted"] }\n[window]\nkind = "calendar-month"\n',
    "enrolments": 'id = "p"\ntitle = "P"\n[meter]\nunit = "enrolment"\nholds = { on = ["enrolment.enabled"], '
    'off = ["enrolment.disabled", "enrolment.ended"] }\n[window]\nkind = "calendar-month"\n',
}
DAYS = '[window]\nkind = "days"\nlength_days = 2\n'


def under(name: str) -> Subscription:
    """A plan with windows of two days, over the instants of the ledgers."""
    plan: Plan = parse_plan(PLANS[name].replace('[window]\nkind = "calendar-month"\n', DAYS))
    return Subscription(plan=plan, start=date(2026, 2, 28), end=date(2026, 3, 8), organisations=ORGANISATIONS)


@st.composite
def busy(draw: st.DrawFn) -> list[Fact]:
    """Ledgers of statuses in which people log in, too."""
    found = draw(ledgers())
    for number in range(draw(st.integers(0, 6))):
        found.append(
            Fact(
                id=f"login{number}",
                source="a",
                at_us=draw(st.sampled_from(INSTANTS)) + draw(st.sampled_from((0, 0, 3_600_000_000))),
                type="login",
                organisation=draw(st.sampled_from(ORGANISATIONS)),
                learner=draw(st.sampled_from(LEARNERS)),
            )
        )
    for number in range(draw(st.integers(0, 5))):
        told_groups = draw(st.sampled_from(GROUPS))
        found.append(
            Fact(
                id=f"told{number}",
                source="a",
                at_us=draw(st.sampled_from(INSTANTS)),
                type="account.changed",
                organisation=draw(st.sampled_from(ORGANISATIONS)),
                learner=draw(st.sampled_from(LEARNERS)),
                attributes=json.dumps({"groups": [written(it) for it in told_groups]}),
            )
        )
    if draw(st.booleans()) and (telling := [it for it in found if groups_of(it)]):
        target = draw(st.sampled_from(telling))
        found.append(target.replace(id="void", type=VOIDED, learner="", voids=target.id, attributes=""))
    return found


def where(facts_: list[Fact], subscription: Subscription, organisation: str, unit: str, at_us: int) -> set[Group]:
    """The groups of a unit at an instant with all above them: every instant is gone through, one after the other."""
    past = standing(facts_, 2**61)
    scoped = [it.replace(organisation="") if subscription.plan.meter.across else it for it in past]
    links = linked(scoped).get("" if subscription.plan.meter.across else organisation, {})
    now: dict[str, tuple[Group, ...]] = {}
    known: list[tuple[int, tuple[Group, ...]]] = []
    for instant in sorted({it.at_us for it in past}):
        for link in sorted((it for it in links.values() if it.at_us == instant), key=lambda it: it.evidence):
            brought = now.pop(link.given_up, None)
            survivor = unit_at(links, link.given_up, instant)
            if brought is not None and survivor not in now:
                now[survivor] = brought
        for fact in past:
            if fact.at_us == instant and fact.organisation == organisation and (told := groups_of(fact)) is not None:
                now[unit_at(links, fact.learner, instant)] = told
        if unit in now:
            known.append((instant, now[unit]))
    before = [it for it in known if it[0] <= at_us]
    found = before[-1][1] if before else known[0][1] if known else ()
    return {it for group in found for it in and_above(group)}


def sets(facts_: list[Fact], subscription: Subscription) -> tuple[Sets, Counter[int], Counter[int]]:
    """Whoever is in each group; how many are active in each window, and how many of them are in no group."""
    found: Sets = {}
    total: Counter[int] = Counter()
    none: Counter[int] = Counter()
    for it in reference.meter(facts_, subscription, 2**61).activations:
        within = set() if it.guest else where(facts_, subscription, it.organisation, it.unit, it.first_us)
        total[it.window] += 1
        none[it.window] += not within
        for group in within:
            found.setdefault((it.window, it.organisation, group), set()).add(
                (it.organisation, it.unit, it.object, it.guest)
            )
    return found, total, none


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(busy(), st.sampled_from(sorted(PLANS)))
def test_the_query_says_what_sets_of_learners_say(facts_: list[Fact], name: str) -> None:
    subscription = under(name)
    expected, total, none = sets(facts_, subscription)
    with rollbook.meter([facts_], subscription) as result:
        found = groups.counted(account_of(result), result.steps.rows)
    for figures in found:
        number = figures.window.number
        assert figures.total == total[number]
        assert figures.none == none[number]
        assert {key: units for key, units in figures.groups.items() if units} == {
            (organisation, group): len(members)
            for (window, organisation, group), members in expected.items()
            if window == number
        }
        outermost: Counter[tuple[str, str, str, bool]] = Counter()
        for (window, _, group), members in expected.items():
            if window == number and len(group) == 1:
                outermost.update(members)
        assert figures.several == dict(sorted(Counter(it for it in outermost.values() if it > 1).items()))
        assert figures.subtotals == sum(outermost.values()) + none[number]
        # Every one above the first in which somebody is, is what the subtotals have too many.
        assert figures.subtotals - figures.total == sum((n - 1) * units for n, units in figures.several.items())


def account_of(result: rollbook.Result) -> object:
    return account(result.subscription, result.organisations, result.metered.as_of_us, result.steps.rows)


HARD = {
    "a learner in two groups": lambda found: any(len(groups_of(it) or ()) > 1 for it in found),
    "a move": lambda found: any(
        a.learner == b.learner and a.at_us < b.at_us and (groups_of(a) or ()) != (groups_of(b) or ())
        for a in found
        for b in found
        if groups_of(a) is not None and groups_of(b) is not None
    ),
    "a link of somebody in a group": lambda found: any(
        it.type == LINKED and groups_of(other) and other.learner in (it.object, it.learner)
        for it in found
        for other in found
    ),
    "a void of what told a group": lambda found: any(
        it.type == VOIDED and (other.source, other.id) == (it.source, it.voids) and groups_of(other)
        for it in found
        for other in found
    ),
}


def test_the_ledgers_show_the_hard_cases_often() -> None:
    seen: Counter[str] = Counter()

    @settings(max_examples=400, deadline=None, derandomize=True, database=None, phases=[Phase.generate])
    @given(busy())
    def look(found: list[Fact]) -> None:
        seen["all"] += 1
        seen.update(name for name, holds in HARD.items() if holds(found))

    look()
    rare = {name: seen[name] for name in HARD if seen[name] < seen["all"] / 100}
    assert not rare, f"of {seen['all']} ledgers too few show {rare}"
