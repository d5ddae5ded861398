"""Forms of the back office: what is typed, checked as the API checks it, and told beside its field.

Limits are those of `api.fields`; what the server refuses is shown above the form, in its own sentences, and nothing
that was typed is lost.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any, TypeVar

from django import forms
from django.http import HttpRequest
from django.utils.translation import gettext_lazy
from pydantic import ValidationError

from rollbook.errors import RollbookError
from rollbook.server.api.fields import NUMBER_MAX, UNITS_MAX
from rollbook.server.models import KINDS, Message

DAYS = {"min_value": date(1970, 1, 1), "max_value": date(2198, 12, 31)}
"""Days that the API takes."""

Found = TypeVar("Found")


def done(form: forms.Form, work: Callable[[dict[str, Any]], Found]) -> Found | None:
    """What `work` makes of what was typed; None where something is wrong, which the form then says."""
    if not form.is_valid():
        return None
    try:
        return work(form.cleaned_data)
    except RollbookError as error:
        for it in error.problems:
            form.add_error(None, sentence(it.rule, it.remedy))
    except ValidationError as error:  # of the bodies that the API takes
        for found in error.errors(include_url=False, include_input=False):
            name = str(found["loc"][0]) if found["loc"] and found["loc"][0] in form.fields else None
            form.add_error(name, sentence(str(found["msg"]).removeprefix("Value error, "), ""))
    return None


def sentence(rule: str, remedy: str) -> str:
    """A problem as a sentence."""
    return f"{rule[:1].upper()}{rule[1:]}: {remedy}." if remedy else f"{rule[:1].upper()}{rule[1:]}."


def cursor(request: HttpRequest, name: str = "after") -> int:
    """Where a list goes on; 0 for its beginning, and for what is no number."""
    return whole(request.GET.get(name, ""))


def whole(text: str) -> int:
    """A number of a row; 0, which none has, for anything else."""
    return min(int(text), NUMBER_MAX) if text.isascii() and text.isdigit() and len(text) <= len(str(NUMBER_MAX)) else 0


def day(*, required: bool = True, **more: Any) -> forms.DateField:
    """A day, by the browser's own calendar, which sends 2026-02-01."""
    return _Day(required=required, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"), **more)


class _Day(forms.DateField):
    """A day as browsers send it, within what the API takes."""

    def to_python(self, value: Any) -> Any:
        try:
            found = date.fromisoformat(value) if value else None
        except (TypeError, ValueError):
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid") from None
        if found and not DAYS["min_value"] <= found <= DAYS["max_value"]:
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid")
        return found


class Lines(forms.CharField):
    """Several texts, one a line."""

    def __init__(self, **more: Any) -> None:
        super().__init__(
            required=False, max_length=100_000, widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}), **more
        )

    def clean(self, value: Any) -> Any:
        """A list of those that are not empty."""
        return [it.strip() for it in super().clean(value).splitlines() if it.strip()][:500]


class Name(forms.Form):
    """Of a new customer or organisation."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=200)


class Organisation(forms.Form):
    """The name that facts carry."""

    name = forms.CharField(
        label=gettext_lazy("Organisation"),
        max_length=200,
        help_text=gettext_lazy("Exactly as facts name it. It belongs to this customer for ever."),
    )


class Erasure(forms.Form):
    """Who is to be forgotten."""

    learner = forms.CharField(
        label=gettext_lazy("The learner's id"),
        max_length=1024,
        help_text=gettext_lazy("As facts carry it, not a name or an address."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )


class Units(forms.Form):
    """So many in all, from a day on."""

    units = forms.IntegerField(label=gettext_lazy("Units in all"), min_value=0, max_value=UNITS_MAX)
    day = day(
        label=gettext_lazy("From"),
        required=False,
        help_text=gettext_lazy("The start of this day; without one, from now on."),
    )
    organisation = forms.CharField(
        label=gettext_lazy("Organisation"),
        required=False,
        max_length=256,
        help_text=gettext_lazy("Only where each organisation has its own allowance."),
    )


class Change(forms.Form):
    """Another plan, or another version of it, from a window on."""

    plan = forms.ChoiceField(label=gettext_lazy("Plan"))
    day = day(
        label=gettext_lazy("From"),
        help_text=gettext_lazy("It holds from the window that begins on this day, or next after it."),
    )

    def __init__(self, *given: Any, plans: list[tuple[str, str]], **more: Any) -> None:
        super().__init__(*given, **more)
        self.fields["plan"].choices = plans  # type: ignore[attr-defined]


class Reason(forms.Form):
    """Why."""

    reason = forms.CharField(
        label=gettext_lazy("Why"),
        min_length=3,
        max_length=500,
        help_text=gettext_lazy("For whoever looks at it later."),
    )


class Subscription(forms.Form):
    """What is agreed with a customer."""

    plan = forms.ChoiceField(label=gettext_lazy("Plan"))
    start = day(label=gettext_lazy("First day"))
    units = forms.IntegerField(
        label=gettext_lazy("Units bought"),
        min_value=0,
        max_value=UNITS_MAX,
        required=False,
        help_text=gettext_lazy("Learners, credits or seats, as the plan counts. Empty for none."),
    )
    zone = forms.CharField(
        label=gettext_lazy("Time zone"),
        required=False,
        max_length=64,
        help_text=gettext_lazy("Whose midnights, such as Europe/Paris; without one, the plan's own."),
        widget=forms.TextInput(attrs={"spellcheck": "false"}),
    )
    kind = forms.ChoiceField(label=gettext_lazy("Kind"), choices=[])
    end = day(
        label=gettext_lazy("First day after it"),
        required=False,
        help_text=gettext_lazy("Without one, the plan's own length. What is paid for runs a year."),
    )
    meter = forms.CharField(
        label=gettext_lazy("Meter"),
        required=False,
        max_length=100,
        help_text=gettext_lazy("A name, where the customer has another plan that runs at the same time."),
    )
    organisations = Lines(
        label=gettext_lazy("Organisations"),
        help_text=gettext_lazy("One a line; without any, all of the customer's, now and later."),
    )
    on_hold = forms.CharField(
        label=gettext_lazy("Close nothing yet, because"),
        required=False,
        max_length=500,
        help_text=gettext_lazy("Where history is still to come in: windows that are over are closed at once."),
    )

    def __init__(self, *given: Any, plans: list[tuple[str, str]], **more: Any) -> None:
        super().__init__(*given, **more)
        self.fields["plan"].choices = plans  # type: ignore[attr-defined]
        self.fields["kind"].choices = [(name, KINDS_IN_WORDS[name]) for name, _ in KINDS]  # type: ignore[attr-defined]


KINDS_IN_WORDS: dict[str, Any] = {
    "paid": gettext_lazy("Paid: a year, shown to the customer"),
    "pilot": gettext_lazy("Pilot: may be shorter, not shown"),
    "internal": gettext_lazy("Internal: not shown"),
    "shadow": gettext_lazy("Shadow: runs beside another, charges nothing, not shown"),
}

STATES = (Message.DEAD, Message.WAITING, Message.SENT)
"""Of messages, as their list is cut."""
