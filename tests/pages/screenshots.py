"""Pictures of every page: `python -m tests.pages.screenshots`, at 1280 and 390 px, light and dark, in few colours.

--only NAME…  those of the tour; --to FOLDER  where they go, docs/screenshots otherwise; --language en-GB
"""

from __future__ import annotations

import argparse
from io import BytesIO
from pathlib import Path

from PIL import Image

from tests.pages import browsing
from tests.pages.site import site
from tests.pages.tour import TOUR

WIDTHS = (1280, 390)
THEMES = ("light", "dark")
COLOURS = 128
"""Pages have few: a picture is a quarter as large."""

HEIGHT_MAX = 2400


def main() -> None:
    """Makes them."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--only", nargs="*", default=[])
    asked.add_argument("--to", default="docs/screenshots", type=Path)
    asked.add_argument("--language", default="en-GB")
    given = asked.parse_args()
    given.to.mkdir(parents=True, exist_ok=True)
    with site() as there, browsing.browser() as running:
        visitors = browsing.Visitors(running, there)
        for stop in TOUR:
            if stop.name not in given.only and (given.only or not stop.photographed):
                continue
            for width in WIDTHS:
                page = visitors.page(stop.who, width=width, language=given.language)
                page.goto(there.url + there.path(stop.path))
                page.wait_for_load_state("networkidle")
                for theme in THEMES:
                    page.emulate_media(color_scheme=theme)
                    _keep(page.screenshot(full_page=True), given.to / f"{stop.name}-{width}-{theme}.png")
                page.close()
        visitors.leave()


def _keep(picture: bytes, to: Path) -> None:
    with Image.open(BytesIO(picture)) as found:
        cut = found.convert("RGB").crop((0, 0, found.width, min(found.height, HEIGHT_MAX)))
        _in_few_colours(cut).save(to, optimize=True)


def _in_few_colours(picture: Image.Image) -> Image.Image:
    """With the colours that it has most of, exactly: pages are flat, and all others are edges of letters."""
    most = sorted(picture.getcolors(picture.width * picture.height) or [], reverse=True)[:COLOURS]
    palette = Image.new("P", (1, 1))
    palette.putpalette([part for _, colour in most for part in colour])
    return picture.quantize(palette=palette, dither=Image.Dither.NONE)


if __name__ == "__main__":
    main()
