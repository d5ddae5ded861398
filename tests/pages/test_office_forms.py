"""What is typed wrongly in the back office is answered in words beside its field, and stays as it was typed."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.test import Client

from rollbook.server.models import Approval, Subscription, UpgradeTask
from rollbook.server.pages.office.plans import TEXT_MAX
from tests.server import callers, world

pytestmark = pytest.mark.usefixtures("ledger")

SEATS = """
[meter]
holds = { on = ["login"], off = ["account.disabled"], opens = "in-term" }
[window]
kind = "term"
[allowance]
per = "held"
reuse_requires_approval = true
"""

POOLS = """
[meter]
counts = ["login"]
[window]
kind = "calendar-month"
[allowance]
per = "window"
pool_scope = "organisation"
"""

QUOTE = '[tariff]\ncurrency = "EUR"\n[tariff.base]\nrate = 2.50\n'


@pytest.fixture
def operator() -> Client:
    client = Client()
    client.force_login(callers.user("operator"))
    return client


def beside(answer, name: str) -> tuple[str, str]:
    """What a refused form shows of a field: what is wrong, and what was typed."""
    assert answer.status_code == 422, answer.content.decode()[-3000:]
    text = unescape(answer.content.decode())
    fields = [it.split("</form>")[0] for it in text.split('<div class="field">')[1:]]
    [field] = [it for it in fields if f'name="{name}"' in it and 'aria-invalid="true"' in it]
    control, _, wrong = field.partition('<ul class="wrong"')
    said = re.sub("<[^>]+>", " ", wrong.partition(">")[2].partition("</ul>")[0]).strip()
    chosen = re.search(r'value="([^"]*)" selected', control)
    area = re.search(r"<textarea[^>]*>\n?(.*?)</textarea>", control, re.DOTALL)
    typed = re.search(r'value="([^"]*)"', control)
    found = chosen[1] if chosen else area[1] if area else typed[1] if typed else ""
    return said, found


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"name": ""}, "This field is required"),
        ({"name": "Northern Academy"}, "There is such a customer already: choose another name."),
        ({"name": "x" * 201}, "at most 200 characters"),
    ],
)
def test_a_new_customer(operator, body, words):
    world.customer()
    said, typed = beside(operator.post("/customers", body), "name")
    assert (words in said, typed) == (True, body["name"])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("south", "There is an organisation of this name already"),
        ("ü" * 130, "It has more than 256 bytes: shorten it."),
        ("", "This field is required"),
    ],
)
def test_an_organisation(operator, name, words):
    north = world.customer()
    world.customer("Southern Academy", ("south",))
    said, typed = beside(operator.post(f"/customers/{north.pk}/organisations", {"name": name}), "name")
    assert (words in said, typed) == (True, name)


def test_whom_to_erase(operator):
    north = world.customer()
    answer = operator.post(f"/customers/{north.pk}/erase", {"learner": "x" * 1025})
    assert beside(answer, "learner")[1] == "x" * 1025


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({"units": "many"}, "units", "Enter a whole number"),
        ({"units": "5", "day": "31.12.2026"}, "day", "Enter a valid date"),
        ({"units": "5", "day": "2031-01-01"}, "day", "It begins outside the term"),
        ({"units": "5", "organisation": "north"}, "organisation", "leave out the organisation"),
    ],
)
def test_a_quantity(operator, body, field, words):
    row = world.subscribe(world.customer(), quantity=10)
    said, typed = beside(operator.post(f"/subscriptions/{row.pk}/quantity", body), field)
    assert words in said
    # A browser's calendar shows no day that is none.
    assert typed in (body[field], "")


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({"plan": "monthly-login", "day": ""}, "day", "This field is required"),
        ({"plan": "monthly-login", "day": "2031-01-01"}, "day", "It begins outside the term"),
        ({"plan": "secondnature-seats", "day": "2026-06-01"}, "plan", "begin another"),
        ({"plan": "no-such-plan", "day": "2026-06-01"}, "plan", "Select a valid choice"),
    ],
)
def test_a_change_of_plan(operator, body, field, words):
    row = world.subscribe(world.customer())
    said, _ = beside(operator.post(f"/subscriptions/{row.pk}/change", body), field)
    assert words in said


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({"seats": "0"}, "seats", "greater than or equal to 1"),
        ({"seats": "1000001"}, "seats", "less than or equal to 1000000"),
        ({"seats": "2", "day": "soon"}, "day", "Enter a valid date"),
    ],
)
def test_an_approval_of_seats(operator, body, field, words):
    row = world.subscribe(world.customer(), world.own_plan(SEATS), quantity=10)
    said, typed = beside(operator.post(f"/subscriptions/{row.pk}/approve-seats", body), field)
    assert words in said
    assert typed in (body[field], "")


def test_seats_are_approved_where_the_plan_asks_for_it_and_shown_with_their_day(operator):
    row = world.subscribe(world.customer(), world.own_plan(SEATS), quantity=10)
    page = operator.get(f"/subscriptions/{row.pk}").content.decode()
    assert "None was approved in this term yet." in page
    done = operator.post(f"/subscriptions/{row.pk}/approve-seats", {"seats": "2", "day": "2026-06-01"})
    assert done.status_code == 302
    assert Approval.objects.get().seats == 2
    assert "2 seats approved from" in operator.get(f"/subscriptions/{row.pk}").content.decode()
    other = world.subscribe(world.customer("South", ("south",)))
    assert "Released seats" not in operator.get(f"/subscriptions/{other.pk}").content.decode()
    answer = operator.post(f"/subscriptions/{other.pk}/approve-seats", {"seats": "2"})
    # There is no form for it on that page: the answer is told all the same.
    assert answer.status_code == 422


def test_released_seats_that_wait_are_counted(operator):
    """Two take a seat and are deactivated in May: two seats were released, and none is approved."""
    row = world.subscribe(world.customer(), world.own_plan(SEATS), quantity=2)
    facts = [world.row(f"on-{who}", who, "2026-05-01T09:00") for who in ("ana", "bo")]
    facts += [world.row(f"off-{who}", who, "2026-05-02T09:00", "account.disabled") for who in ("ana", "bo")]
    world.send(facts, "2026-05-03T00:00")
    page = operator.get(f"/subscriptions/{row.pk}").content.decode()
    assert re.search(r'Awaiting approval</p><p class="value">2<', page)
    operator.post(f"/subscriptions/{row.pk}/approve-seats", {"seats": "1", "day": "2026-05-03"})
    page = operator.get(f"/subscriptions/{row.pk}").content.decode()
    assert re.search(r'Awaiting approval</p><p class="value">1<', page)


def wanted(**more: str) -> dict[str, str]:
    return {"plan": "monthly-login", "start": "2027-01-01", "kind": "paid"} | more


@pytest.mark.parametrize(
    ("more", "field", "words"),
    [
        ({"plan": "no-such-plan"}, "plan", "Select a valid choice"),
        ({"start": ""}, "start", "This field is required"),
        ({"start": "2026-05-01"}, "start", "would count the same facts"),
        ({"zone": "Mars/Olympus"}, "zone", "There is no such time zone"),
        ({"zone": "x y"}, "zone", "pattern"),
        ({"units": "-1"}, "units", "greater than or equal to 0"),
        ({"end": "2027-06-01"}, "end", "A paid term is one year"),
        ({"end": "2026-06-01", "kind": "pilot"}, "end", "the end is the first day outside"),
        ({"meter": "a/b"}, "meter", "pattern"),
        ({"organisations": "north\nsuoth"}, "organisations", "It has no organisation suoth"),
        ({"assumed": "suoth"}, "assumed", "It has no organisation suoth"),
        ({"quantities": "north 120"}, "quantities", "write it as north = 120"),
        ({"quantities": "north = 1e3"}, "quantities", "write it as north = 120"),
        ({"quantities": f"north = {10**9 + 1}"}, "quantities", "write it as north = 120"),
        ({"quantities": "north = 120"}, "quantities", "leave out the organisation"),
        ({"quote": "prices = none"}, "quote", ""),
        ({"quote": "[tariff]\ncurrency = 'EUR'"}, "quote", "tariff: Nothing has a rate"),
        ({"on_hold": "x"}, "on_hold", "at least 3 characters"),
    ],
)
def test_a_new_subscription(operator, more, field, words):
    north = world.customer()
    world.subscribe(north)
    answer = operator.post(f"/customers/{north.pk}/subscribe", wanted(**more))
    said, typed = beside(answer, field)
    assert said
    assert words in said
    if field != "plan":
        assert typed == more[field]
    assert Subscription.objects.count() == 1


def test_units_for_all_where_each_organisation_has_its_own_are_told_beside_them(operator):
    north = world.customer()
    made = world.subscribe(world.customer("South", ("south",)), world.own_plan(POOLS))
    answer = operator.post(f"/customers/{north.pk}/subscribe", wanted(plan=made.plan.plan_id, units="12"))
    assert beside(answer, "units") == ('The plan\'s pool_scope is "organisation": name its organisation.', "12")


def test_what_each_organisation_buys_prices_of_their_own_and_who_is_a_member_are_agreed_and_shown(operator):
    """Two organisations of 120 and 80 at EUR 2.50 a month: 200 × 2.50 × 12 = EUR 6,000 a year."""
    north = world.customer("Northern Academy", ("north", "east"))
    plan = world.subscribe(world.customer("South", ("south",)), world.own_plan(POOLS)).plan.plan_id
    body = wanted(plan=plan, quantities="north = 120\neast=80", assumed="east", quote=QUOTE)
    preview = operator.post(f"/customers/{north.pk}/subscribe", body)
    assert preview.status_code == 200, re.findall('<ul class="(?:wrong|problems)".*', preview.content.decode())
    assert "6,000" in preview.content.decode()
    assert operator.post(f"/customers/{north.pk}/subscribe", body | {"confirmed": "yes"}).status_code == 302
    row = Subscription.objects.get(customer=north)
    assert row.assumed == ["east"]
    assert row.quote == QUOTE.strip()
    bought = row.quantities.order_by("units").values_list("organisation", "units")
    assert list(bought) == [("east", 80), ("north", 120)]
    page = operator.get(f"/subscriptions/{row.pk}").content.decode()
    assert "tariff.base" in page
    assert "Everybody is a member in" in page


def test_why_something_is_held(operator):
    row = world.subscribe(world.customer())
    answer = operator.post(f"/tasks/hold/{row.pk}", {"reason": "no", "here": "subscription"})
    said, typed = beside(answer, "reason")
    assert (said, typed) == ("Ensure this value has at least 3 characters (it has 2).", "no")
    done = operator.post(f"/tasks/hold/{row.pk}", {"reason": "history is to come", "here": "subscription"})
    assert done["Location"] == f"/subscriptions/{row.pk}"


def test_why_a_statement_that_waits_is_held(operator):
    row = world.subscribe(world.customer())
    closing = row.closings.create(number=1, window_number=1, asked_at="2026-02-01T00:00Z")
    body = {"reason": "no", "of": "approvals", "entry": closing.pk}
    assert beside(operator.post(f"/tasks/hold/{row.pk}", body), "reason")[1] == "no"


def test_what_came_of_a_task(operator):
    task = UpgradeTask.objects.create(subscription=world.subscribe(world.customer()), units_that_fit=50)
    said, typed = beside(operator.post(f"/tasks/{task.pk}/done", {"note": "x" * 501}), "note")
    assert ("at most 500" in said, typed) == (True, "x" * 501)
    assert beside(operator.post(f"/tasks/{task.pk}/done", {"note": "two\nlines"}), "note")[0].startswith("It is to be")
    assert UpgradeTask.objects.get().done_at is None


@pytest.mark.parametrize("number", ["", "x", "0", "-1", "999999", "9" * 30])
def test_which_subscription_is_counted_again(operator, number):
    world.subscribe(world.customer())
    said, typed = beside(operator.post("/jobs", {"subscription": number}), "subscription")
    assert said
    assert typed == number


def test_the_text_of_a_plan_that_is_too_long_is_kept(operator):
    text = "# long\n" + "#" * TEXT_MAX
    for body in ({"text": text}, {"text": text, "save": "yes"}):
        answer = operator.post("/plan-editor", body)
        page = unescape(answer.content.decode())
        assert text in page
        assert "It has more than 20,000 characters" in page
