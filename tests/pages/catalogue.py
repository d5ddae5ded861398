"""The German catalogue: `python -m tests.pages.catalogue` brings the words of pages and templates into it.

Messages come from `_ = gettext` calls and from templates, by Django's own reading of them, and from what published
plans say of themselves. What is written in German stays; what nobody says any more goes. The compiled file is committed
too: a wheel and a fresh clone have it, and no program of gettext has to be there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

import rollbook.server
from rollbook.plans import published

SERVER = Path(rollbook.server.__file__).parent
FILE = SERVER / "locale" / "de" / "LC_MESSAGES" / "django.po"
KEYWORDS = {
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
}
HEAD = "# What pages say, in German. Brought up to date by `python -m tests.pages.catalogue`."


def said() -> Catalog:
    """Everything that pages say, in English, with the files in which it stands."""
    from django.utils.translation.template import templatize  # noqa: PLC0415 - settings come first

    catalogue = Catalog(
        locale="de",
        header_comment=HEAD,
        project="Rollbook",
        version="1",
        msgid_bugs_address="none",
        last_translator="none",
        language_team="German",
        fuzzy=False,
    )
    for path in _sources():
        text = path.read_text(encoding="utf-8")
        code = text if path.suffix == ".py" else templatize(text)
        name = str(path.relative_to(SERVER))
        for _, message, comments, context in extract("python", BytesIO(code.encode()), KEYWORDS):
            catalogue.add(message, locations=[(name, 0)], auto_comments=comments, context=context)
    for plan in published():
        catalogue.add(plan.summary, locations=[(f"plans/{plan.id}", 0)])
    return catalogue


def known() -> Catalog:
    """What stands in the file."""
    if not FILE.exists():
        return Catalog(locale="de")
    with FILE.open("rb") as file:
        return read_po(file, locale="de")


def compiled(catalogue: Catalog) -> bytes:
    """The bytes of the compiled file."""
    out = BytesIO()
    write_mo(out, catalogue)
    return out.getvalue()


def renew() -> list[str]:
    """Writes both files; gives what has no German words yet."""
    catalogue, before = said(), known()
    for message in catalogue:
        old = before.get(message.id, message.context)
        if message.id and old is not None:
            message.string = old.string
    catalogue.revision_date = catalogue.creation_date = before.creation_date
    FILE.parent.mkdir(parents=True, exist_ok=True)
    with FILE.open("wb") as file:
        write_po(file, catalogue, width=120, sort_by_file=True, omit_header=False)
    FILE.write_bytes(re.sub(rb"(?m)^#: .*\n", _without_lines, FILE.read_bytes()))
    FILE.with_suffix(".mo").write_bytes(compiled(known()))
    return [str(it.id) for it in catalogue if it.id and not is_translated(it)]


def is_translated(message: object) -> bool:
    """Whether all of its forms have words."""
    string = message.string  # type: ignore[attr-defined]
    return all(string) if isinstance(string, tuple) else bool(string)


def _sources() -> Iterator[Path]:
    yield from sorted((SERVER / "pages").rglob("*.py"))
    yield from sorted((SERVER / "templates").rglob("*.html"))
    yield from sorted((SERVER / "templates" / "mail").rglob("*.txt"))


def _without_lines(found: re.Match[bytes]) -> bytes:
    """Line numbers change with every change, and find nothing that a search would not."""
    return re.sub(rb":0\b", b"", found[0])


if __name__ == "__main__":
    import os

    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.server_settings")
    django.setup()
    for words in renew():
        print("no German yet:", words)  # noqa: T201 - a command of its own
