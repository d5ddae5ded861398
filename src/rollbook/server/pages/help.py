"""The documentation as pages, with a search over its headings."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext, gettext_lazy

from rollbook.server.access.principals import PERSON, Principal
from rollbook.server.pages import shell
from rollbook.server.pages.documentation import documents, search
from rollbook.server.pages.registry import page
from rollbook.server.refusals import missing

GROUPS = (
    ("docs", gettext_lazy("Counting and billing")),
    ("docs/server", gettext_lazy("The server")),
    ("docs/guides", gettext_lazy("Step by step")),
    ("docs/producers", gettext_lazy("What platforms send")),
    ("examples/senders", gettext_lazy("Programs to copy")),
    ("docs/decisions", gettext_lazy("Why it is as it is")),
)
"""Folders in the order in which they are listed."""

FIRST = ("server/pages", "plans", "statements", "reports", "advice")
"""What a reader of figures needs: listed before all others."""

OF_VENDOR = "docs/decisions"
"""Found by whoever looks for it, and listed for those who run the server."""

WORDS_LENGTH_MAX = 200
FOUND_MAX = 40


@page("help", PERSON, name="help")
def index(request: HttpRequest, principal: Principal) -> HttpResponse:
    """/help: what there is, for readers of figures first, or the headings that were looked for."""
    words = request.GET.get("q", "")[:WORDS_LENGTH_MAX]
    found = search(words)
    others = {name: it for name, it in documents().items() if name not in FIRST}
    groups = [(gettext("What the pages show"), [documents()[name] for name in FIRST])]
    for folder, label in GROUPS:
        if principal.vendor or folder != OF_VENDOR:
            groups.append((str(label), [it for it in others.values() if it.folder == folder]))
    shown = {"q": words, "found": found[:FOUND_MAX], "number": len(found), "groups": groups}
    if "HX-Request" in request.headers:
        return shell.part(request, "help/found.html", shown)
    return shell.show(request, principal, "help/index.html", shown, here="help")


@page("help/<path:name>", PERSON, name="help-page")
def one(request: HttpRequest, principal: Principal, name: str) -> HttpResponse:
    """/help/server/senders: one document."""
    found = documents().get(name)
    if found is None:
        raise missing("page of the documentation")
    contents = [it for it in found.headings if it.level > 1]
    shown = {"document": found, "contents": contents}
    return shell.show(request, principal, "help/page.html", shown, here="help")
