"""What the documentation says is what happens."""

from __future__ import annotations

import importlib.util
import io
import re
from dataclasses import fields
from pathlib import Path

import pytest

from rollbook.model.fact import COLUMNS, TYPES
from rollbook.model.plan import Meter, WindowRule
from rollbook.samples.__main__ import write
from tests.documentation import ROOT, blocks, run

EXECUTED = sorted(path for path in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")) if "```" in path.read_text())
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")


@pytest.mark.parametrize("path", EXECUTED, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_print_what_the_documentation_shows(path: Path, tmp_path: Path) -> None:
    for language, content in blocks(path.read_text(encoding="utf-8")):
        assert run(language, content, tmp_path) == content


def test_the_readme_shows_commands_with_their_output() -> None:
    shown = [content for _, content in blocks((ROOT / "README.md").read_text(encoding="utf-8"))]
    assert len(shown) >= 5
    assert all(len(content.splitlines()) > 1 for content in shown)


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.md")), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    if ".venv" in path.parts:
        return
    for target in LINK.findall(path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), f"{path.name} links to {target}, which is not there"


def test_the_command_reference_is_not_stale() -> None:
    spec = importlib.util.spec_from_file_location("generate_cli", ROOT / "docs" / "generate_cli.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (ROOT / "docs" / "cli.md").read_text(encoding="utf-8") == module.reference(), "run make docs"


def test_the_sample_is_what_its_generator_writes() -> None:
    written = io.StringIO()
    write(written)
    assert (ROOT / "src/rollbook/samples/academy.csv").read_text(encoding="utf-8") == written.getvalue()


@pytest.mark.parametrize("type_", TYPES)
def test_every_known_type_is_documented(type_: str) -> None:
    assert f"`{type_}`" in (ROOT / "docs/facts.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("column", COLUMNS)
def test_every_column_is_documented(column: str) -> None:
    assert f"`{column}`" in (ROOT / "docs/facts.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("table", [Meter, WindowRule])
def test_every_key_of_a_plan_is_documented(table: type) -> None:
    documented = (ROOT / "docs/plans.md").read_text(encoding="utf-8")
    names = {field.name: field.name for field in fields(table)} | {"member_while": "while", "opens": "holds.opens"}
    assert not [name for field in fields(table) if f"`{(name := names[field.name])}`" not in documented]
