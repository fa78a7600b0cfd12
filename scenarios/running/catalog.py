"""The scenarios there are: every file of this package's folder that holds a ``SCENARIO``.

A file is found by its name, which is the scenario's; a file whose name begins with an underscore is none.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from model.scenario import Scenario
from model.scenario.sweep import Sweep
from scenarios.running.exits import CannotRun, suggestion

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from scenarios.running.replicate import Measuring, Replication

    Conclusion = Callable[[pd.DataFrame], str]

FOLDER = Path(__file__).resolve().parent.parent


def names() -> list[str]:
    """Names of all scenarios, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("_"))


def load(name: str) -> Scenario:
    """A scenario by its name. Raises :class:`CannotRun` where there is none of that name."""
    scenario = _module(name).SCENARIO
    assert isinstance(scenario, Scenario)
    assert scenario.name == name, f"{name}.py holds the scenario {scenario.name!r}; give both one name"
    return scenario


def short(name: str) -> Scenario:
    """The short form of a scenario, in sizes as well where its sweep says so. Raises :class:`CannotRun`."""
    from scenarios.running.settings import apply

    return apply(load(name).short(), sweep(name).short_settings)


def sweep(name: str) -> Sweep:
    """The sweep that a scenario's file declares; one without axes where it declares none. Raises :class:`CannotRun`."""
    found = getattr(_module(name), "SWEEP", Sweep(axes=()))
    assert isinstance(found, Sweep)
    return found


def replication(name: str) -> Replication | None:
    """How a scenario's file makes a replication itself, where that is no run of the scenario."""
    found: Replication | None = getattr(_module(name), "replication", None)
    return found


def reads(name: str) -> tuple[str, ...]:
    """The fields of the scenario that such a replication looks at: any other would be ignored."""
    found: tuple[str, ...] = getattr(_module(name), "READS", ())
    return found


def figures(name: str) -> Measuring:
    """What is measured on a finished run of a scenario: what its file says, or what all have in common."""
    from scenarios.running import replicate

    found: Measuring = getattr(_module(name), "figures", replicate.figures)
    return found


def conclusion(name: str) -> Conclusion | None:
    """What a scenario's file says of a finished sweep, if it does: a function of the table of replications that returns text."""
    found: Conclusion | None = getattr(_module(name), "conclusion", None)
    return found


def _module(name: str) -> ModuleType:
    known = names()
    if name not in known:
        raise CannotRun(f"no scenario is called '{name}'{suggestion(name, known)} (`imbench list` shows all: {', '.join(known)})")
    return import_module(f"scenarios.{name}")
