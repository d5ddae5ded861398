"""What stops a request before any page answers: no such address, an old form, a mistake of ours. In words, as a page.

Programs get the one shape of problems instead. These pages ask no database: it may be what is broken.
"""

from __future__ import annotations

import sys

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext

from rollbook.server.api import errors
from rollbook.server.middleware import API
from rollbook.server.pages import reading


def missing(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - Django's shape
    """404."""
    if request.path.startswith(API):
        return errors.plain(404)
    with reading.language(request):
        words = gettext("Perhaps the address was cut off, or what was here has gone.")
        return _said(request, 404, gettext("There is nothing here"), words)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001
    """403."""
    if request.path.startswith(API):
        return errors.plain(403)
    with reading.language(request):
        return _said(request, 403, gettext("You may not do this"), gettext("Ask whoever gave you the address."))


def unreadable(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400; of a wrong host name, the setting that decides it."""
    if request.path.startswith(API):
        return errors.unreadable(exception)
    with reading.language(request):
        words = gettext("Load the page again, and try once more.")
        if isinstance(exception, DisallowedHost):
            words = f"{errors.HOST_RULE[0].upper()}{errors.HOST_RULE[1:]}."
        return _said(request, 400, gettext("The request cannot be read"), words)


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:  # noqa: ARG001
    """403 for a form that was not sent from its own page."""
    if request.path.startswith(API):
        return errors.plain(403)
    with reading.language(request):
        words = gettext("Go back, load the page again, and send it once more.")
        return _said(request, 403, gettext("The form is too old"), words)


def broken(request: HttpRequest) -> HttpResponse:
    """500; what happened stands in the log."""
    answer = errors.fault(sys.exc_info()[1] or RuntimeError())
    if request.path.startswith(API):
        return answer
    with reading.language(request):
        words = gettext("What happened is in its log. Try again later, or tell whoever runs the server when it was.")
        return _said(request, 500, gettext("The server made a mistake"), words)


def _said(request: HttpRequest, status: int, heading: str, words: str) -> HttpResponse:
    return render(request, "pages/stopped.html", {"stopped": heading, "words": words}, status=status)
