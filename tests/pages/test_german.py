"""No page speaks English to whoever reads German: the tour is walked, and every word of it looked up.

What is English is told by the catalogue: a word of its English side that its German side never has. Left out is what is
marked as English (`lang="en"`), code, what somebody typed or a plan is called, and the documentation.
"""

from __future__ import annotations

import re

import pytest

from rollbook.plans import published
from tests.pages import catalogue
from tests.pages.browsing import open_everything
from tests.pages.rostered import WHY
from tests.pages.tour import TOUR

WORD = re.compile(r"[A-Za-zÄÖÜäöüß]{3,}")

TEXTS = """() => {
  const left = '[lang=en], code, pre, .mono, script, style, template, textarea, input[type=text], select[name=zone]';
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = [];
  for (let it = walker.nextNode(); it; it = walker.nextNode())
    if (it.data.trim() && !it.parentElement.closest(left)) found.push(it.data);
  for (const it of document.querySelectorAll('[aria-label], [placeholder], [title]'))
    if (!it.closest('[lang=en], [translate=no]'))
      found.push(...['aria-label', 'placeholder', 'title'].map((name) => it.getAttribute(name) ?? ''));
  return [document.title, ...found];
}"""

CODES = re.compile(r"\S+@\S+|[\w-]+(?:[.:/_-]+[\w-]+)+…?")
"""Names of events, scopes and files, e-mail addresses, ids."""

TYPED = (
    *(it.title for it in published()),
    "two of our testers are in it",
    "history is still to be taken in",
    "Old dashboard",
    "Weekly figures",
    "sample",  # the source of its facts
    "„nobody“",  # what is searched for
    WHY,
    "The live counts and a fresh count of all facts differ in window 1: count the subscription again",
)
"""What plans are called, and what somebody typed, or the worker wrote down, when the site was made."""

CODED = {"audit", "deliveries", "problems"}
"""Pages of operators which show what was written down when it happened, in the server's own words."""


def words(texts) -> set[str]:
    """Words of texts, without what is filled in."""
    return {it.casefold() for text in texts for it in WORD.findall(re.sub(r"%\(\w+\)s|<[^>]*>", " ", text))}


def english() -> set[str]:
    """Words that English sentences have and German ones do not."""
    both = [(it.id, it.string) for it in catalogue.known() if it.id]
    sides = zip(*[(_all(said), _all(german)) for said, german in both], strict=True)
    said, german = ([text for texts in side for text in texts] for side in sides)
    return words(said) - words(german)


def _all(forms) -> list[str]:
    return list(forms) if isinstance(forms, tuple | list) else [forms]


def said(text: str) -> str:
    """A text without what is data."""
    for data in TYPED:
        text = re.sub(re.escape(data), " ", text, flags=re.IGNORECASE)
    return CODES.sub(" ", text)


WALKED = [it for it in TOUR if it.page not in {"help-page", *CODED}]


@pytest.mark.parametrize("stop", WALKED, ids=lambda it: it.name)
def test_a_page_in_german_has_no_english_word(visit, stop):
    page = visit(stop.who, stop.path, language="de")
    page.wait_for_load_state("networkidle")
    open_everything(page)
    left = english()
    found = {text.strip(): here for text in page.evaluate(TEXTS) if (here := sorted(words([said(text)]) & left))}
    assert found == {}
