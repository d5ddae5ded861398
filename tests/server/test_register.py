"""The list of learners as people browse it. What `roll` says of everybody, in order, is what its pages have to be."""

from __future__ import annotations

import json
from random import Random

import pytest
from django.db import connection

from rollbook.server import erasure
from rollbook.server.access.principals import Principal
from rollbook.server.live import called, register
from rollbook.server.live.register import Asked
from rollbook.server.live.roll import roll
from rollbook.server.live.usage import counted
from rollbook.server.models import Quantity
from rollbook.server.refusals import RefusedError
from tests.server.world import at, customer, own_plan, row, send, subscribe

pytestmark = pytest.mark.usefixtures("ledger")

NOW = "2026-03-20T00:00"
OPERATOR = Principal("operator", "test", frozenset(), None, vendor=True)

INSTANTS = """
[meter]
counts = ["login"]
guests = "each-entry"
dedupe = "{dedupe}"
[window]
kind = "calendar-month"
[allowance]
per = "window"
{pools}
"""


def everybody(term, window: int) -> list[tuple]:
    """The whole roll: (organisation, learner, object, class, standing) in the order in which they came."""
    found = roll(term, window, at(NOW), limit=10_000)
    return [
        (it["organisation"], it["learner"], it["object"], it["class"], it["standing"], it["kind"] == "guest")
        for it in found["learners"]
    ]


def pages(term, window: int, limit: int = 7, **asked) -> list[tuple]:
    """All pages put together."""
    account, after, said = counted(term, at(NOW)), (), []
    while True:
        page = register.page(term, account, window, Asked(**asked), after, limit)
        said += [
            (it.organisation, it.person.learner if it.person else it.unit, it.object, it.class_, it.standing, it.guest)
            for it in page.entries
        ]
        if page.after is None:
            return said
        # As it goes round by way of an address.
        after = json.loads(json.dumps(page.after))


def term_of(plan, quantity: int, learners: int = 60, seed: int = 5):
    """Two organisations, people in both, guests, and many at one instant."""
    north = customer(organisations=("north", "south"))
    apart = plan.allowance.pool_scope == "organisation"
    term = subscribe(north, plan, quantity=0 if apart else quantity, now="2026-01-01T00:00")
    for name in ("north", "south") if apart else ():
        Quantity.objects.create(
            subscription=term, from_us=at("2026-01-01T00:00"), units=quantity // 2, organisation=name
        )
    random, facts = Random(seed), []
    for number in range(learners * 3):
        organisation, learner = random.choice(("north", "south")), f"l{random.randrange(learners):03}"
        day = random.choice(("2026-02-03T09:00", "2026-03-03T09:00", "2026-03-03T09:01", "2026-03-11T00:00"))
        guest = number % 11 == 0
        more = {"role": "guest"} if guest else {}
        facts.append(row(f"f{number:03}", "" if guest else learner, day, organisation=organisation, **more))
    send(facts, NOW)
    return term


@pytest.mark.parametrize("dedupe", ["organisation", "customer"])
@pytest.mark.parametrize("pools", ["", 'pool_scope = "organisation"'])
def test_pages_in_either_order_of_time_are_the_roll(dedupe, pools):
    term = term_of(own_plan(INSTANTS.format(dedupe=dedupe, pools=pools)), quantity=25)
    roll_ = everybody(term, 3)
    assert {it[4] for it in roll_} == {"included", "beyond"}
    assert pages(term, 3) == roll_
    assert pages(term, 3, order="latest") == roll_[::-1]


@pytest.mark.parametrize("pools", ["", 'pool_scope = "organisation"'])
def test_what_is_filtered_is_the_roll_without_the_rest(pools):
    term = term_of(own_plan(INSTANTS.format(dedupe="organisation", pools=pools)), quantity=25)
    roll_ = everybody(term, 3)
    for asked, which in (
        ({"organisation": "south"}, lambda it: it[0] == "south"),
        ({"class_": "continuing"}, lambda it: it[3] == "continuing"),
        ({"class_": "new"}, lambda it: it[3] == "new" and not it[5]),
        ({"class_": "guest"}, lambda it: it[5]),
        ({"standing": "beyond"}, lambda it: it[4] == "beyond"),
        ({"standing": "included"}, lambda it: it[4] == "included"),
        ({"standing": "beyond", "organisation": "north"}, lambda it: it[4] == "beyond" and it[0] == "north"),
    ):
        wanted = [it for it in roll_ if which(it)]
        assert 0 < len(wanted) < len(roll_), asked
        assert pages(term, 3, **asked) == wanted, asked


@pytest.mark.parametrize("unit", ['dedupe = "customer"', 'unit = "enrolment"'])
def test_seats_beyond_are_those_of_the_roll(unit):
    """Three seats, and eight who take one: five of them are beyond."""
    plan = own_plan(
        '[meter]\nholds = { on = ["enrolment.enabled"], off = ["enrolment.disabled"] }\n'
        f'{unit}\n[window]\nkind = "calendar-month"\n[allowance]\nper = "held"\n'
    )
    term = subscribe(customer(), plan, quantity=3, now="2026-03-01T00:00")
    send([row(f"{it}", f"l{it}", "2026-03-02T00:00", "enrolment.enabled", object="A") for it in range(8)], NOW)
    roll_ = everybody(term, 3)
    assert pages(term, 3, limit=3) == roll_
    beyond = [it for it in roll_ if it[4] == "beyond"]
    assert len(beyond) == 5
    assert pages(term, 3, limit=3, standing="beyond") == beyond


@pytest.mark.parametrize("sorted_max", [0, 5000])
def test_by_name_everybody_who_is_called_something_comes_once(monkeypatch, sorted_max):
    """Few are sorted, and of many the names are walked: it is the same list. Erased people and guests have no place."""
    monkeypatch.setattr(register, "SORTED_MAX", sorted_max)
    term = term_of(own_plan(INSTANTS.format(dedupe="organisation", pools="")), quantity=25)
    names = {"l004": "Zoe Abt", "l005": "alma Zorn", "l006": "Bo"}
    erasure.name(OPERATOR, term.customer, {it: (name, "") for it, name in names.items()})
    erasure.erase(OPERATOR, term.customer, "l007")
    roll_ = [it for it in everybody(term, 3) if not it[5] and it[1]]
    assert {"l004", "l005", "l006"} <= {it[1] for it in roll_}

    def called_(it):
        return names.get(it[1], it[1]).lower()

    by_name = pages(term, 3, order="name")
    assert [called_(it) for it in by_name] == sorted(called_(it) for it in roll_)
    assert sorted(by_name) == sorted(roll_)
    south = pages(term, 3, order="name", organisation="south")
    assert south == [it for it in by_name if it[0] == "south"]


def test_people_are_found_by_how_id_name_last_name_or_address_begins():
    term = term_of(own_plan(INSTANTS.format(dedupe="organisation", pools="")), quantity=25)
    said = {"l004": ("Zoë Meyer-Abt", "zoe@example.org"), "l005": ("Alma de Zorn", "a%b@example.org")}
    erasure.name(OPERATOR, term.customer, said)

    def found(text: str) -> set[str]:
        return {it[1] for it in pages(term, 3, search=text)}

    assert found("L004") == found("meyer") == found("zoë  m") == found("ZOE@") == {"l004"}
    assert found("zo") == {"l004", "l005"}
    assert found("a%") == {"l005"}
    assert found("de") == found("%") == found("lma") == found("nobody") == set()
    assert {"l004", "l005"} < found("l0")
    # Another customer's people of the same names are theirs.
    other = customer("Other", ("other",))
    erasure.name(OPERATOR, other, {"l004": ("Zoë Meyer-Abt", "")})
    theirs, ours = (called.search(it, "zoë").people for it in (other.pk, term.customer_id))
    assert not set(theirs) & set(ours)
    erasure.erase(OPERATOR, term.customer, "l004")
    assert found("L004") == found("meyer") == set()


def test_when_more_are_found_than_can_be_shown_it_says_so(monkeypatch):
    term = term_of(own_plan(INSTANTS.format(dedupe="organisation", pools="")), quantity=25)
    monkeypatch.setattr(called, "FOUND_MAX", 5)
    page = register.page(term, counted(term, at(NOW)), 3, Asked(search="l"))
    assert page.narrow
    assert len(page.entries) <= 5


@pytest.mark.parametrize("after", [["x"], [1, "a", "b", "c", "d"], [2**70, "", "", "", "", ""], [1, 2, 3, 4, 5, 6]])
def test_a_place_that_is_none_is_refused(after):
    term = term_of(own_plan(INSTANTS.format(dedupe="organisation", pools="")), quantity=25)
    with pytest.raises(RefusedError) as error:
        register.page(term, counted(term, at(NOW)), 3, Asked(), after)
    assert error.value.status == 422


def test_the_indexes_are_there_after_all_migrations():
    """Those that Django does not know are lost in SQLite when a later migration remakes the table."""
    wanted = {it.split()[2] for it in called.INDEXES}
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("select indexname from pg_indexes")
        else:
            cursor.execute("select name from sqlite_master where type = 'index'")
        assert wanted <= {name for (name,) in cursor.fetchall()}


def test_a_batch_looks_for_one_learner_by_the_primary_key_also_where_nothing_was_counted_yet():
    """Without statistics all indexes cost the same, and the one of this list would be read from end to end."""
    asked = "select * from activation where subscription = 1 and scope = 'a' and unit = 'b' and window_number >= 1"
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("set enable_seqscan = off")
            cursor.execute(f"explain {asked}")
            plan = " ".join(line for (line,) in cursor.fetchall())
            cursor.execute("reset enable_seqscan")
            assert "activation_pkey" in plan
        else:
            cursor.execute(f"explain query plan {asked}")
            plan = " ".join(str(line) for line in cursor.fetchall())
            assert "PRIMARY KEY" in plan
    assert "activation_in_order" not in plan
