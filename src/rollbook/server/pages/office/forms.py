"""Forms of the back office: what is typed, checked as the API checks it, and told beside its field.

Limits are those of `api.fields`. What the server refuses is shown in its own sentences, beside the field that they are
about where a form's PLACES know it, else above the form; nothing that was typed is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, ClassVar, TypeVar

from django import forms
from django.http import HttpRequest
from django.utils.translation import gettext, gettext_lazy
from pydantic import ValidationError

from rollbook.errors import Problem, RollbookError
from rollbook.server.api.fields import NUMBER_MAX, SEATS_MAX, UNITS_MAX
from rollbook.server.models import KINDS, Message
from rollbook.server.pages import sentences
from rollbook.server.refusals import RefusedError

DAYS = {"min_value": date(1970, 1, 1), "max_value": date(2198, 12, 31)}
"""Days that the API takes."""

LIST_BYTES_MAX = 3 * 1024 * 1024
"""Of a vendor's list; a page takes 4 MiB of anything."""

PRICES_EXAMPLE = '[tariff]\ncurrency = "EUR"\nbase = { rate = 2.90 }\noverage = { rate = 3.50 }'
"""Of a unit that is bought, and of one beyond."""

QUOTE = "quote"
"""The field whose text has places of its own, which are told with what is wrong there."""

Found = TypeVar("Found")


def done(form: forms.Form, work: Callable[[dict[str, Any]], Found]) -> Found | None:
    """What `work` makes of what was typed; None where something is wrong, which the form then says.

    Raises RefusedError 403 and 404: those are about the page, and not about what was typed.
    """
    if not form.is_valid():
        return None
    try:
        return work(form.cleaned_data)
    except RollbookError as error:
        if isinstance(error, RefusedError) and error.status in (403, 404):
            raise
        for it in error.problems:
            words, inside = sentence(it.rule, it.remedy), it.place.partition(f"{QUOTE}: ")[2]
            form.add_error(_field_of(form, it), f"{inside}: {words}" if inside else words)
    except ValidationError as error:  # of the bodies that the API takes
        for found in error.errors(include_url=False, include_input=False):
            name = str(found["loc"][0]) if found["loc"] and found["loc"][0] in form.fields else None
            form.add_error(name, sentence(str(found["msg"]).removeprefix("Value error, "), ""))
    return None


def _field_of(form: forms.Form, problem: Problem) -> str | None:
    """The field that a problem is about; None where the form has none for it."""
    places: Mapping[str, str] = getattr(form, "PLACES", {})
    told = f"{problem.place}: {problem.rule}: {problem.remedy}"
    name = next((name for words, name in places.items() if words in told), problem.place)
    return name if name in form.fields else None


def sentence(rule: str, remedy: str) -> str:
    """A problem as a sentence, in the reader's language."""
    return sentences.both(Problem("", rule, remedy))


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
        help_text=gettext_lazy("Exactly as the platform sends it. It belongs to this customer for ever."),
    )


class Erasure(forms.Form):
    """Who is to be forgotten."""

    learner = forms.CharField(
        label=gettext_lazy("The learner's id"),
        max_length=1024,
        help_text=gettext_lazy("As the platform sends it, not a name or an address."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )


class Quantities(Lines):
    """What organisations buy, one a line: `north = 120`."""

    def clean(self, value: Any) -> Any:
        """A list of (organisation, units)."""
        found = []
        for line in super().clean(value):
            organisation, _, units = line.rpartition("=")
            number = whole(units.strip())
            if not organisation.strip() or not units.strip().isdecimal() or number > UNITS_MAX:
                words = gettext("“%(line)s” does not say who buys how many: write it as north = 120.")
                raise forms.ValidationError(words % {"line": line[:100]})
            found.append((organisation.strip(), number))
        return found


class Units(forms.Form):
    """So many in all, from a day on."""

    PLACES: ClassVar[dict[str, str]] = {
        "it begins outside the term": "day",
        "pool_scope": "organisation",
        "none of its organisations": "organisation",
        "two quantities begin at once": "day",
        "quantity from": "units",
        "from: ": "day",
    }

    units = forms.IntegerField(label=gettext_lazy("Quantity in all"), min_value=0, max_value=UNITS_MAX)
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


class Seats(forms.Form):
    """So many more released seats that others may take, from a day on."""

    PLACES: ClassVar[dict[str, str]] = {"released seats need no approval": "seats", "from: ": "day"}

    seats = forms.IntegerField(label=gettext_lazy("Seats that may be taken again"), min_value=1, max_value=SEATS_MAX)
    day = day(
        label=gettext_lazy("From"),
        required=False,
        help_text=gettext_lazy("The start of this day; without one, from now on."),
    )


class Change(forms.Form):
    """Another plan, or another version of it, from a window on."""

    PLACES: ClassVar[dict[str, str]] = {
        "no version of it is effective": "day",
        "it begins outside the term": "day",
        "the change before it": "day",
        "it counts, cuts time": "plan",
        "its plans": "plan",
        "there is no plan": "plan",
        "from: ": "day",
    }

    plan = forms.ChoiceField(label=gettext_lazy("Plan"))
    day = day(
        label=gettext_lazy("From"),
        help_text=gettext_lazy("It holds from the period that begins on this day, or next after it."),
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


class Note(forms.Form):
    """What came of a task."""

    note = forms.CharField(label=gettext_lazy("What came of it"), required=False, max_length=500)


class Recount(forms.Form):
    """Which subscription is counted again."""

    subscription = forms.IntegerField(
        label=gettext_lazy("Number of the subscription"),
        min_value=1,
        max_value=NUMBER_MAX,
        help_text=gettext_lazy("It stands in the address of its page, and in the audit."),
    )


class VendorList(forms.Form):
    """A list of those whom a vendor counted in a window."""

    PLACES: ClassVar[dict[str, str]] = {
        "no column says who": "column",
        "windows that have begun": "list",
        "list": "list",
    }

    window = forms.ChoiceField(label=gettext_lazy("Period"), choices=[])
    list = forms.FileField(
        label=gettext_lazy("The list, as a CSV file"),
        help_text=gettext_lazy(
            "With a header; a column with ids, e-mail addresses or names. A column “window” may say of which period a "
            "row is. At most 3 MiB."
        ),
        widget=forms.FileInput(attrs={"accept": ".csv,text/csv"}),
    )
    column = forms.CharField(
        label=gettext_lazy("Column"),
        required=False,
        max_length=200,
        help_text=gettext_lazy("Only where its header is not one such as id, e-mail, user or name."),
        widget=forms.TextInput(attrs={"spellcheck": "false"}),
    )

    def __init__(self, *given: Any, windows: Sequence[tuple[str, str]], **more: Any) -> None:
        super().__init__(*given, **more)
        self.fields["window"].choices = windows  # type: ignore[attr-defined]

    def clean_list(self) -> Any:
        """The file, where it is not too large."""
        file = self.cleaned_data["list"]
        if file.size > LIST_BYTES_MAX:
            raise forms.ValidationError(
                gettext("It has more than 3 MiB: take a part of it, or ask rollbook reconcile on the command line.")
            )
        return file


class Subscription(forms.Form):
    """What is agreed with a customer."""

    PLACES: ClassVar[dict[str, str]] = {
        QUOTE: QUOTE,
        "no version of it is effective": "start",
        "there is no plan": "plan",
        "time zone": "zone",
        "a paid term is one year": "end",
        "the term": "end",
        "would count the same facts": "start",
        "who is a member": "assumed",
        "it has no organisation": "organisations",
        "leave out the organisation": "quantities",
        "name its organisation": "units",
        "quantity from": "quantities",
    }

    plan = forms.ChoiceField(label=gettext_lazy("Plan"))
    start = day(label=gettext_lazy("First day"))
    units = forms.IntegerField(
        label=gettext_lazy("Quantity bought"),
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
        label=gettext_lazy("Counted as"),
        required=False,
        max_length=100,
        help_text=gettext_lazy("A name, where the customer has another plan that runs at the same time."),
    )
    organisations = Lines(
        label=gettext_lazy("Organisations"),
        help_text=gettext_lazy("One a line; without any, all of the customer's, now and later."),
    )
    quantities = Quantities(
        label=gettext_lazy("Bought by each organisation"),
        help_text=gettext_lazy("One a line, such as north = 120; only where each organisation has its own allowance."),
    )
    assumed = Lines(
        label=gettext_lazy("Everybody is a member in"),
        help_text=gettext_lazy(
            "Organisations whose learners all count as members, where the plan asks who is one and their facts do "
            "not say so. One a line."
        ),
    )
    quote = forms.CharField(
        label=gettext_lazy("Prices for this customer alone"),
        required=False,
        max_length=50_000,
        help_text=gettext_lazy("Instead of the plan's: a text that begins with [tariff], as in a plan."),
        widget=forms.Textarea(
            attrs={
                "rows": 6,
                "spellcheck": "false",
                "translate": "no",
                "class": "code",
                "placeholder": PRICES_EXAMPLE,
            }
        ),
    )
    on_hold = forms.CharField(
        label=gettext_lazy("Close nothing yet, because"),
        required=False,
        max_length=500,
        help_text=gettext_lazy("Where history is still to come in: periods that are over are closed at once."),
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
