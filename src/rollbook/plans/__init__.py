"""The published plans: one folder each, with the rules, what was read where, and cases that anybody can check by hand.

Owns: the folders, finding a plan by its id or by the path of a file, and the list of all ids.
Does not own: what a plan may say (`model.plan`), how facts are counted under it (`metering`), or running its cases
(the tests do).
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from rollbook.errors import PlanError, Problem
from rollbook.model.keys import nearest
from rollbook.model.plan import Plan, parse_plan

PLAN_FILE = "plan.toml"
"""The name of the rules in each plan's folder."""


@cache
def published() -> tuple[Plan, ...]:
    """Every published plan, by id."""
    return tuple(
        parse_plan((folder(id_) / PLAN_FILE).read_text(encoding="utf-8"), f"{id_}/{PLAN_FILE}") for id_ in _ids()
    )


def find_plan(name_or_path: str, relative_to: Path | None = None) -> Plan:
    """The published plan of that id, or the plan in the file at that path, which ends in .toml.

    relative_to  the folder from which a relative path is read; the current one where none is given

    Raises PlanError where there is no such plan, naming the nearest id, or where the file is not a valid plan.
    """
    if name_or_path.endswith(".toml"):
        return _read(relative_to / name_or_path if relative_to else Path(name_or_path))
    for plan in published():
        if plan.id == name_or_path:
            return plan
    raise PlanError(
        Problem(
            "plan",
            f'there is no published plan "{name_or_path}"{nearest(name_or_path, _ids())}',
            f"name one of {', '.join(_ids())}, or give the path of a .toml file",
        )
    )


def folder(plan_id: str) -> Traversable:
    """The folder of a published plan: its rules, README.md and cases."""
    return resources.files(__name__) / plan_id


@cache
def _ids() -> tuple[str, ...]:
    return tuple(sorted(entry.name for entry in resources.files(__name__).iterdir() if (entry / PLAN_FILE).is_file()))


def _read(path: Path) -> Plan:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise PlanError(Problem(str(path), "there is no such file", "correct the path of the plan")) from None
    except (OSError, UnicodeDecodeError) as error:
        raise PlanError(Problem(str(path), f"the file cannot be read: {error}", "give a text file in UTF-8")) from None
    return parse_plan(text, str(path))
