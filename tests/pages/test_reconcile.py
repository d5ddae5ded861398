"""A vendor's list is uploaded and held against our count: who is on one only, and why; and what is no list is told."""

from __future__ import annotations

import csv
import re
from io import StringIO

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from playwright.sync_api import expect

from rollbook.server import models
from rollbook.server.live import listed
from rollbook.server.live import people as live_people
from rollbook.server.pages.office import listed as page_of
from tests.server import callers, world


def operator() -> Client:
    client = Client()
    client.force_login(callers.user("operator"))
    return client


def row_with_facts(**more) -> models.Subscription:
    """January: ana and bo log in, cy only views a course; dee logs in in February. zoe is called Zoe Zed and did nothing."""
    north = world.customer()
    row = world.subscribe(north, quantity=5, **more)
    facts = [
        world.row("1", "ana", "2026-01-05T09:00"),
        world.row("2", "bo", "2026-01-06T09:00"),
        world.row("3", "cy", "2026-01-07T09:00", "course.viewed"),
        world.row("4", "dee", "2026-02-02T09:00"),
    ]
    world.send(facts, "2026-02-03T00:00")
    number = live_people.surrogates(north.pk, ["zoe"])["zoe"]
    models.Person.objects.filter(pk=number).update(name="Zoe Zed", email="zoe@example.org")
    return row


def upload(row: models.Subscription, text: str | bytes, window: str = "1", **more: str):
    data = text if isinstance(text, bytes) else text.encode()
    body = {"window": window, "list": SimpleUploadedFile("theirs.csv", data, "text/csv"), **more}
    return operator().post(f"/subscriptions/{row.pk}/reconcile", body)


def lines_of(answer) -> dict[str, tuple[str, str]]:
    """Of a file: group and reason by what the list calls somebody, or by our learner."""
    rows = csv.DictReader(StringIO(answer.content.decode()))
    return {it["listed"] or it["learner"]: (it["group"], it["reason"]) for it in rows}


def test_an_operator_uploads_a_list_and_reads_who_is_on_one_only_and_why(visit):
    page = visit("operator", "/subscriptions/{mau}")
    page.get_by_role("link", name="Compare a list").click()
    text = "email\nnobody@example.org\n"
    file = {"name": "theirs.csv", "mimeType": "text/csv", "buffer": text.encode()}
    page.get_by_label("The list, as a CSV file").set_input_files(file)
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(page.locator("#only-theirs")).to_contain_text("nobody@example.org")
    expect(page.locator("#only-theirs")).to_contain_text("Nothing in the facts")
    expect(page.locator("#only-ours tbody tr")).not_to_have_count(0)
    page.get_by_label("The list, as a CSV file").set_input_files(file)
    with page.expect_download() as got:
        page.get_by_role("button", name="Compare into a file").click()
    assert re.fullmatch(r"reconciled-window-\d+\.csv", got.value.suggested_filename)


@pytest.mark.usefixtures("ledger")
def test_everybody_is_in_one_group_with_the_reason_that_the_command_line_tells():
    found = lines_of(upload(row_with_facts(), "user\nana\nANA\ncy\ndee\nzoe@example.org\nnobody\n", file="csv"))
    assert found["ana"] == ("both", "active from 2026-01-05T09:00:00Z")
    assert found["ANA"] == ("repeated", "line 2 names the same")
    assert found["bo"] == ("only ours", "active from 2026-01-06T09:00:00Z")
    group, reason = found["cy"]
    assert (group, reason.startswith("1 fact in window 1: it")) == ("only theirs", True)
    assert found["dee"] == ("only theirs", "nothing in window 1; 1 fact at other times, the first 2026-02-02T09:00:00Z")
    assert found["zoe@example.org"] == ("only theirs", "known by name, and no fact names this learner")
    assert found["nobody"] == ("only theirs", "nothing in the facts")


@pytest.mark.usefixtures("ledger")
def test_a_number_of_ours_is_nobodys_id():
    """Surrogates are numbers of rows. A list that names one means an id of the customer's, which nobody has."""
    row = row_with_facts()
    number = live_people.surrogate(row.customer_id, "ana")
    found = lines_of(upload(row, f"id\n{number}\n", file="csv"))
    assert found[number] == ("only theirs", "nothing in the facts")
    assert found["ana"][0] == "only ours"


@pytest.mark.usefixtures("ledger")
def test_somebody_with_two_ids_is_found_by_either_while_the_link_stands():
    """old is linked to ana: the list says old, we count ana. A link that was taken back joins nobody."""
    row = row_with_facts()
    link = world.row("5", "ana", "2026-01-01T09:00", "identity.linked", object="old")
    world.send([link], "2026-02-03T00:00")
    assert lines_of(upload(row, "id\nold\n", file="csv"))["old"][0] == "both"
    world.send([world.row("6", "", "2026-02-03T00:00", "fact.voided", voids="5")], "2026-02-04T00:00")
    assert lines_of(upload(row, "id\nold\n", file="csv"))["old"][0] == "only theirs"


@pytest.mark.usefixtures("ledger")
def test_whoever_is_erased_is_counted_and_not_named():
    row = row_with_facts()
    callers.operator().post("/people/erase", {"customer": row.customer_id, "learner": "ana"})
    answer = upload(row, "id\nbo\nana\n", file="csv")
    found = lines_of(answer)
    [erased] = [name for name in found if name.startswith("(erased)")]
    assert found[erased][0] == "only ours"
    # Nothing is left that would tell who that was, not even to somebody who writes the id.
    assert found["ana"] == ("only theirs", "nothing in the facts")
    assert found["bo"][0] == "both"


@pytest.mark.usefixtures("ledger")
def test_rows_of_other_windows_are_left_out_and_said():
    page = upload(row_with_facts(), "id,month\nana,2026-01\nbo,2026-01\ndee,2026-02\n").content.decode()
    assert "The list and our count are the same" in page
    assert "1 row is of another period, and left out." in page


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize(
    ("text", "field", "words"),
    [
        ("", "list", "The submitted file is empty"),
        ("a,b\n1,2\n", "column", "name it below"),
        ("id,month\nana,2031-01\n", "list", "Line 2:"),
        (b"PK\x03\x04" + b"\x00" * 100, "list", "save the sheet as CSV"),
        ("id\n" + "x" * (3 * 1024 * 1024), "list", "more than 3 MiB"),
    ],
    ids=["empty", "no column", "no such month", "no CSV", "too large"],
)
def test_what_is_no_list_is_told_beside_its_field(text, field, words):
    answer = upload(row_with_facts(), text)
    assert answer.status_code == 422
    page = answer.content.decode()
    wrong = re.findall(rf'<ul class="wrong" id="id_{field}-errors">(.*?)</ul>', page, re.DOTALL)
    assert wrong, re.findall('<ul class="(?:wrong|problems)".*', page)
    assert words in wrong[0]
    assert "--" not in re.sub("<[^>]+>", "", wrong[0])


@pytest.mark.usefixtures("ledger")
def test_a_list_is_bounded_and_says_what_else_to_do(monkeypatch):
    monkeypatch.setattr(listed, "ROWS_MAX", 2)
    page = upload(row_with_facts(), "id\na\nb\nc\n").content.decode()
    assert "The list has 3 rows, more than 2" in page
    monkeypatch.setattr(listed, "ROWS_MAX", 10)
    monkeypatch.setattr(listed, "OURS_MAX", 1)
    assert (
        "more than 1 counted in this period"
        in upload(models.Subscription.objects.get(), "id\na\n").content.decode().lower()
    )


@pytest.mark.usefixtures("ledger")
def test_of_whom_it_is_not_looked_up_why_that_is_said(monkeypatch):
    monkeypatch.setattr(listed, "REASONS_MAX", 1)
    found = lines_of(upload(row_with_facts(), "id\ncy\ndee\n", file="csv"))
    assert found["cy"][1].startswith("1 fact in window 1")
    assert found["dee"][1].startswith("why is told of the first")


@pytest.mark.usefixtures("ledger")
def test_rows_that_cannot_be_read_are_named_by_their_line_and_the_others_compared():
    page = upload(row_with_facts(), b"id\nana\n\xff\xfe\nbo\n").content.decode()
    assert "1 row could not be read" in page
    assert "Line 3" in page


@pytest.mark.usefixtures("ledger")
def test_no_text_of_a_list_becomes_a_formula_or_markup():
    row = row_with_facts()
    text = 'id\n"=1+1"\n"<script>x</script>"\n'
    assert "<script>x" not in upload(row, text).content.decode()
    assert "'=1+1" in upload(row, text, file="csv").content.decode()


@pytest.mark.usefixtures("ledger")
def test_nothing_can_be_compared_before_the_term_and_only_so_many_rows_are_shown(monkeypatch):
    later = world.subscribe(world.customer("Late", ("late",)), start=world.START.replace(year=2150))
    page = operator().get(f"/subscriptions/{later.pk}/reconcile").content.decode()
    assert "No period has begun" in page
    assert '<form method="post" enctype' not in page
    monkeypatch.setattr(page_of, "SHOWN_MAX", 2)
    page = upload(row_with_facts(), "id\na\nb\nc\nd\n").content.decode()
    assert "and 2 more: the file has all of them" in page


@pytest.mark.usefixtures("ledger")
def test_a_list_asks_the_database_as_often_for_many_as_for_few(django_assert_max_num_queries):
    row = row_with_facts()
    data = ("id\n" + "".join(f"u{n}\n" for n in range(400))).encode()
    client = operator()
    client.get(f"/subscriptions/{row.pk}/reconcile")
    with django_assert_max_num_queries(40):
        file = SimpleUploadedFile("theirs.csv", data, "text/csv")
        assert client.post(f"/subscriptions/{row.pk}/reconcile", {"window": "1", "list": file}).status_code == 200
