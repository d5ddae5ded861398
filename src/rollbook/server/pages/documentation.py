"""The documentation of this very version: read from the package, or from the checkout that runs.

Names are those of files without `.md`, such as `server/senders`; programs to copy are called as they are. Nothing else
is ever read: who asks for another name finds nothing. Markdown becomes HTML with raw HTML off; what links to a file
that is not here is plain text.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

PACKAGED = Path(__file__).parent.parent / "documentation"
"""Where a wheel has `docs` and `examples`; see pyproject.toml."""

CHECKOUT = Path(__file__).parents[4]

FOLDERS = ("docs", "docs/server", "docs/guides", "docs/producers", "docs/decisions", "examples/senders")
SUFFIXES = (".md", ".py", ".sh")
DEPTH = 3
"""Headings to this level are listed and found."""


@dataclass(frozen=True, slots=True)
class Heading:
    """One heading: its level from 1, words, and anchor as GitHub makes it, which links in documents use."""

    level: int
    words: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Document:
    """One document. `path` is that of its file from the root, `folder` where it is listed."""

    name: str
    path: str
    folder: str
    title: str
    headings: tuple[Heading, ...]
    html: SafeString


@dataclass(frozen=True, slots=True)
class Found:
    """A heading that was looked for."""

    document: Document
    heading: Heading


@cache
def documents() -> dict[str, Document]:
    """All of them, by name."""
    texts = {path: (root / path).read_text(encoding="utf-8") for root in (_root(),) for path in _paths(root)}
    return {name_of(path): _read(path, text, frozenset(texts)) for path, text in texts.items()}


def search(words: str) -> list[Found]:
    """Headings that have all of the words; those of whole documents first."""
    wanted = words.casefold().split()[:10]
    found = [
        Found(it, heading)
        for it in documents().values()
        for heading in it.headings
        if wanted and all(word in f"{it.title} {heading.words}".casefold() for word in wanted)
    ]
    return sorted(found, key=lambda it: (it.heading.level, it.document.path.startswith("docs/decisions")))


def name_of(path: str) -> str:
    """What a file is called in addresses."""
    return path.removeprefix("docs/").removesuffix(".md").removesuffix("/README")


def _root() -> Path:
    return PACKAGED if PACKAGED.is_dir() else CHECKOUT


def _paths(root: Path) -> Iterator[str]:
    for folder in FOLDERS:
        for file in sorted((root / folder).glob("*")):
            # Documents of a checkout have programs beside them that make others; examples are to be copied.
            if file.suffix == ".md" or (file.suffix in SUFFIXES and folder.startswith("examples")):
                yield f"{folder}/{file.name}"


def _read(path: str, text: str, known: frozenset[str]) -> Document:
    folder = posixpath.dirname(path)
    if not path.endswith(".md"):
        name = posixpath.basename(path)
        html = mark_safe(f'<pre tabindex="0"><code>{escape(text)}</code></pre>')  # noqa: S308 - escaped
        return Document(name_of(path), path, folder, name, (Heading(1, name, ""),), html)
    tokens = _MARKDOWN.parse(text)
    headings = tuple(_anchored(tokens))
    for place, token in enumerate(tokens):
        if token.children:
            token.children = list(_linked(token.children, folder, known))
        # The corner of a table heads nothing.
        if token.type == "th_open" and not tokens[place + 1].content:
            token.tag = tokens[place + 2].tag = "td"
    title = headings[0].words if headings else path
    body = _without_title(tokens)
    html = mark_safe(_MARKDOWN.renderer.render(body, _MARKDOWN.options, {}))  # noqa: S308 - raw HTML is off
    return Document(name_of(path), path, folder, title, headings, html)


def _anchored(tokens: Sequence[Token]) -> Iterator[Heading]:
    """Gives every heading its anchor."""
    taken: dict[str, int] = {}
    for place, token in enumerate(tokens):
        if token.type != "heading_open":
            continue
        words = "".join(it.content for it in tokens[place + 1].children or ())
        slug = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
        taken[slug] = taken.get(slug, -1) + 1
        anchor = f"{slug}-{taken[slug]}" if taken[slug] else slug
        token.attrSet("id", anchor)
        if int(token.tag[1]) <= DEPTH:
            yield Heading(int(token.tag[1]), words, anchor)


def _linked(children: Sequence[Token], folder: str, known: frozenset[str]) -> Iterator[Token]:
    """Links to documents lead to their pages; those to other files are no links."""
    dropped = 0
    for token in children:
        if token.type == "link_open":
            to = _address(str(token.attrGet("href") or ""), folder, known)
            if not to:
                dropped += 1
                continue
            token.attrSet("href", to)
        elif token.type == "link_close" and dropped:
            dropped -= 1
            continue
        elif token.type == "image":
            continue
        yield token


def _address(href: str, folder: str, known: frozenset[str]) -> str:
    if href.startswith(("https://", "http://", "#", "mailto:")):
        return href
    target, _, anchor = href.partition("#")
    path = posixpath.normpath(posixpath.join(folder, target))
    path = path if path in known else f"{path}/README.md"
    return f"/help/{name_of(path)}" + (f"#{anchor}" if anchor else "") if path in known else ""


def _without_title(tokens: list[Token]) -> list[Token]:
    """The title is the page's own."""
    first = bool(tokens) and tokens[0].type == "heading_open" and tokens[0].tag == "h1"
    return tokens[3:] if first else tokens


def _pre(_self: RendererHTML, tokens: Sequence[Token], place: int, *_: Any) -> str:
    """Code can be scrolled by keyboard too."""
    return f'<pre tabindex="0"><code>{escape(tokens[place].content)}</code></pre>\n'


def _table_open(_self: RendererHTML, *_: Any) -> str:
    return '<div class="scrolls" tabindex="0"><table class="table">\n'


def _table_close(_self: RendererHTML, *_: Any) -> str:
    return "</table></div>\n"


def _parser() -> MarkdownIt:
    made = MarkdownIt("commonmark", {"html": False}).enable("table")
    made.add_render_rule("fence", _pre)
    made.add_render_rule("code_block", _pre)
    made.add_render_rule("table_open", _table_open)
    made.add_render_rule("table_close", _table_close)
    return made


_MARKDOWN = _parser()
