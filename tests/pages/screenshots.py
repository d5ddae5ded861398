"""Pictures of every page: `python -m tests.pages.screenshots`, at 1280 and 390 px, in light and dark, and their index.

--only NAME…  those of the tour, without the index; --to FOLDER  where they go, docs/screenshots otherwise
--language en-GB

Pictures are WebP without loss, in few colours: half as large as in all of them, and a third of a PNG.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable
from http import HTTPStatus
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from tests.pages import browsing
from tests.pages.site import Site, site
from tests.pages.tour import TOUR, Stop

WIDTHS = (1280, 390)
THEMES = ("light", "dark")
ENDINGS = tuple(f"{width}-{theme}" for width in WIDTHS for theme in THEMES)
HEIGHT_MAX = 1600
COLOURS_COMMON, COLOURS_SPREAD = 24, 24
"""Those that a page has most of are kept exactly; others, which are edges of letters and small signs, become the
nearest of those and of some that lie far apart."""

INDEX = "README.md"
HEAD = f"""# What every page looks like

`make screenshots` makes these pictures and this list: each page as somebody who may see it, at 1280 and at 390 pixels,
in light and in dark. What is longer than {HEIGHT_MAX} pixels is cut off. Customers, people and figures are the sample's.

| page | who may see it | wide, light | wide, dark | phone, light | phone, dark |
|---|---|---|---|---|---|
"""


def main() -> None:
    """Makes them."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--only", nargs="*", default=[])
    asked.add_argument("--to", default="docs/screenshots", type=Path)
    asked.add_argument("--language", default="en-GB")
    given = asked.parse_args()
    given.to.mkdir(parents=True, exist_ok=True)
    with site() as there, browsing.browser() as running, browsing.Visitors(running, there) as visitors:
        wanted = [it for it in TOUR if it.name in given.only or (not given.only and it.photographed)]
        titles = [_photograph(stop, visitors, there, given.to, given.language) for stop in wanted]
        if not given.only:
            os.environ.update(there.environment)
            (given.to / INDEX).write_text(HEAD + "".join(_lines(zip(wanted, titles, strict=True))), encoding="utf-8")
            kept = {name for it in wanted for name in names(it)}
            for file in (it for ending in ENDINGS for it in given.to.glob(f"*-{ending}.*")):
                if file.name not in kept:
                    file.unlink()


def names(stop: Stop) -> list[str]:
    """What its pictures are called."""
    return [f"{stop.name}-{ending}.webp" for ending in ENDINGS]


def _photograph(stop: Stop, visitors: browsing.Visitors, there: Site, to: Path, language: str) -> str:
    """Takes the pictures of a page, whose title it returns."""
    title = ""
    for width in WIDTHS:
        page = visitors.page(stop.who, width=width, language=language)
        answer = page.goto(there.url + there.path(stop.path))
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise RuntimeError(
                f"{stop.name} answers {answer.status}: {(Path(there.folder) / 'log').read_text()[-4000:]}"
            )
        page.wait_for_load_state("networkidle")
        title = page.title().split(" · ")[0]
        for theme in THEMES:
            page.emulate_media(color_scheme=theme)
            _keep(page.screenshot(full_page=True), to / f"{stop.name}-{width}-{theme}.webp")
        page.close()
    return title


def _keep(picture: bytes, to: Path) -> None:
    with Image.open(BytesIO(picture)) as found:
        cut = found.convert("RGB").crop((0, 0, found.width, min(found.height, HEIGHT_MAX)))
        _in_few_colours(cut).save(to, lossless=True, quality=75)


def _in_few_colours(picture: Image.Image) -> Image.Image:
    there = sorted(picture.getcolors(picture.width * picture.height) or [], reverse=True)
    spread = picture.quantize(COLOURS_SPREAD, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).convert("RGB")
    kept = [it for _, it in [*there[:COLOURS_COMMON], *(spread.getcolors() or [])]]
    nearest = {
        it: min(kept, key=lambda other, it=it: sum((a - b) ** 2 for a, b in zip(it, other, strict=True)))
        for _, it in there
    }
    picture.putdata([nearest[it] for it in picture.get_flattened_data()])
    return picture


def _lines(found: Iterable[tuple[Stop, str]]) -> Iterable[str]:
    import django  # noqa: PLC0415 - with the environment of the site

    django.setup()

    from rollbook.server.access.principals import SCOPES_OF_ROLE  # noqa: PLC0415
    from rollbook.server.models import User  # noqa: PLC0415
    from rollbook.server.pages.registry import PAGES, patterns  # noqa: PLC0415

    patterns()
    roles: dict[Any, str] = {User.OPERATOR: "operators", User.ADMINISTRATOR: "administrators", User.VIEWER: "viewers"}
    for stop, title in found:
        needs = set(PAGES[stop.page].needs) if stop.page else set()
        who = ", ".join(words for role, words in roles.items() if needs & SCOPES_OF_ROLE[role]) or "everybody"
        shown = (f"[![{title}: {name}]({name})]({name})" for name in names(stop))
        yield f"| **{title}**, `{stop.name}` | {who} | {' | '.join(shown)} |\n"


if __name__ == "__main__":
    main()
