"""The scenarios there are: every file of this package's folder that holds a ``SCENARIO``.

A file is found by its name, which is the scenario's; a file whose name begins with an underscore is none.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from model.scenario import Scenario
from scenarios.running.exits import CannotRun, suggestion

FOLDER = Path(__file__).resolve().parent.parent


def names() -> list[str]:
    """Names of all scenarios, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("_"))


def load(name: str) -> Scenario:
    """A scenario by its name. Raises :class:`CannotRun` where there is none of that name."""
    known = names()
    if name not in known:
        raise CannotRun(f"no scenario is called '{name}'{suggestion(name, known)} (`imbench list` shows all: {', '.join(known)})")
    scenario = import_module(f"scenarios.{name}").SCENARIO
    assert isinstance(scenario, Scenario)
    assert scenario.name == name, f"{name}.py holds the scenario {scenario.name!r}; give both one name"
    return scenario
