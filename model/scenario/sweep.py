"""A sweep as a value: one scenario over a grid of choices, each point replicated with seeds of its own.

A scenario file whose question needs several runs holds a :class:`Sweep` beside its scenario. An axis is a named list of choices, a choice
some settings of the scenario's fields, written as for ``--set``; the grid has every combination. What a replication measures is told by
the scenario file (:mod:`scenarios.running.sweep`), how the result is shown by its pictures. Nothing here runs anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

import msgspec

from model.history.machine import Machine
from model.scenario.faults import World


class Choice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One place on an axis: its label, and the settings ``field=value`` that make it; none where the scenario file knows the label.
    ``preset=P`` chooses the preset, as if it were a field."""

    label: str
    settings: tuple[str, ...] = ()


class Axis(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is varied. The first choice is the one that others are compared with."""

    name: str
    choices: tuple[Choice, ...]
    more: tuple[Choice, ...] = ()
    """Choices that are made only where they are asked for."""


class Measure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A number of a replication, by the name under which it is returned, and how it is told."""

    name: str
    title: str
    unit: str = ""
    of: str = ""
    """Where the number counts something: the name of the figure that says of how many. It is then told as a share."""


class HeatMap(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="picture", tag="heat_map"):
    """One measure over two axes, one picture for each choice of the others."""

    measure: str
    x: str
    y: str
    log: bool = True


class Curves(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="picture", tag="curves"):
    """Measures over an axis of numbers, with their intervals: a line for each choice of ``by``, or for each measure."""

    measures: tuple[str, ...]
    x: str
    by: str | None = None
    log_x: bool = True
    log_y: bool = True


class Sweep(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A grid of choices. Seeds of replications are 1, 2, ...: the same for every point, so that points share their luck."""

    axes: tuple[Axis, ...]
    measures: tuple[Measure, ...] = ()
    """The first ones are told; a replication may return more, which stand in the tables. Empty: all it returns."""
    pictures: tuple[HeatMap | Curves, ...] = ()
    replications: int = 5
    preset: str = "cursor"
    short_settings: tuple[str, ...] = ()
    """What the short form changes in the scenario, beyond its own short form."""
    short_axes: tuple[Axis, ...] = ()
    """The axes of the short form that differ from those of the whole, by their names."""
    short_replications: int = 2

    def short(self) -> Sweep:
        """The same question over fewer points, with fewer replications."""
        return msgspec.structs.replace(self.over(self.short_axes), replications=self.short_replications)

    def over(self, axes: tuple[Axis, ...]) -> Sweep:
        """With these axes in place of those of the same names, and the others behind."""
        given = {axis.name: axis for axis in axes}
        kept = tuple(given.pop(axis.name, axis) for axis in self.axes)
        return msgspec.structs.replace(self, axes=kept + tuple(given.values()))

    def points(self) -> Iterator[Mapping[str, Choice]]:
        """Every combination of choices, by axis; the last axis varies fastest."""
        for combination in product(*(axis.choices for axis in self.axes)):
            yield dict(zip((axis.name for axis in self.axes), combination, strict=True))


def axis(field: str, *values: Any) -> Axis:
    """An axis over a field of the scenario, ``axis("gateways", 1, 2)``, or over presets, ``axis(PRESET, "naive", "cursor")``."""
    plain = [value if isinstance(value, str) else msgspec.json.encode(value).decode() for value in values]
    return Axis(field, tuple(Choice(value, (f"{field}={value}",)) for value in plain))


PRESET = "preset"
"""The axis, or the setting of a choice, that is no field of the scenario but the preset it is played with."""
RECORD = "sweep.json"
REPLICATIONS, SUMMARY, DIFFERENCES = "replications.csv", "summary.csv", "differences.csv"


class SweepRecord(msgspec.Struct, frozen=True):
    """``sweep.json`` of a sweep's folder: what was asked, where, and whether all of it was run. Times are UTC, ISO 8601."""

    scenario: str
    scenario_digest: str
    question: str
    sweep: Sweep
    started: str
    jobs: int
    commit: str = ""
    machine: Machine = Machine()
    finished: str | None = None
    runs: int = 0
    """Replications that came to their end."""
    planned: int = 0
    service_times: dict[str, Any] = {}
    """Where the service times come from that it was simulated with: as a calibration says it."""
    interrupted: bool = False
    world: World = "sim"
    not_counted: dict[str, int] = {}
    """Runs that are left out of the summary, by why: the harness failed, the world cannot play it, a judge crashed, and the like."""
    version: int = 1
