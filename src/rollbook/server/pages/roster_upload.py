"""The form from which a roster is sent. What it would do is shown by `roster_change`, as all that is done to one."""

from __future__ import annotations

from collections.abc import Sequence

from django.http import HttpRequest, HttpResponse

from rollbook.server import clock
from rollbook.server.access.principals import Principal, customer_for
from rollbook.server.models import Customer
from rollbook.server.pages import roster as pages
from rollbook.server.pages.registry import page


@page("customers/<int:number>/roster/upload", pages.WRITE, name="roster-upload")
def upload(request: HttpRequest, principal: Principal, number: int) -> HttpResponse:
    """/customers/{number}/roster/upload: a file is chosen."""
    return show_upload(request, principal, customer_for(principal, number), clock.now_us())


def show_upload(
    request: HttpRequest, principal: Principal, customer: Customer, now_us: int, wrong: Sequence[str] = ()
) -> HttpResponse:
    """The form; `wrong` is what is wrong with a file that was sent from it."""
    shown = {
        "organisations": pages.organisations_of(customer),
        "chosen": request.POST.get("organisation", ""),
        "wrong": wrong,
    }
    status = 422 if wrong else 200
    return pages.show(request, principal, "roster/upload.html", shown, customer, now_us, "learners", status=status)
