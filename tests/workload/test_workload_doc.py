"""docs/workload.md names every field, shape, persona and preset, with the values that the code has."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import numpy as np
import pytest

from model.workload import amounts, arrivals
from model.workload.amounts import PRESETS
from model.workload.arrivals import Bursts
from model.workload.personas import PERSONAS, Persona
from model.workload.population import PopulationPlan
from model.workload.schedule import WorkloadPlan
from model.workload.trace import COLUMNS

PAGE = (Path(__file__).parents[2] / "docs" / "workload.md").read_text()


def table(first: str) -> dict[str, list[str]]:
    """The rows of the table whose first column has this heading: the first cell's code -> the other cells."""
    body = re.search(rf"^\| {first} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    assert body is not None
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in body[1].splitlines()]
    return {cells[0].strip(" `|"): [cell.rstrip(" |") for cell in cells[1:]] for cells in rows}


def test_every_field_of_the_plans_is_there_with_its_default() -> None:
    plans = {"population": PopulationPlan(), "workload": WorkloadPlan()}
    plain = {
        f"{plan}.{k}": v for plan, value in plans.items() for k, v in msgspec.json.decode(msgspec.json.encode(value)).items()
    }
    told = {name: msgspec.json.decode(cells[0].strip("`")) for name, cells in table("field").items()}
    assert told == plain


def test_every_shape_is_there_with_its_fields() -> None:
    told = table("shape")
    assert tuple(told) == arrivals.TAGS
    for shape in arrivals.Arrivals.__args__:
        cells = told[str(shape.__struct_config__.tag)]
        fields = {name for name in shape.__struct_fields__ if name != "sha256"}
        assert set(re.findall(r"`(\w+)`", cells[0])) == fields
        for name, default in re.findall(r"`(\w+)` ([0-9.]+)", cells[0]):
            fields_with_defaults = shape.__struct_fields__[-len(shape.__struct_defaults__) :]
            assert float(default) == shape.__struct_defaults__[fields_with_defaults.index(name)]


def test_every_column_persona_and_preset_is_there() -> None:
    assert tuple(table("column")) == tuple(COLUMNS)
    assert tuple(table("persona")) == tuple(PERSONAS)
    assert tuple(table("preset")) == tuple(PRESETS)


def test_a_persona_s_fields_are_there_with_their_defaults() -> None:
    fields = re.findall(r"^\| `(\w+)` \| (\S+) \|", PAGE.partition("## Personas")[2].partition("## Amounts")[0], re.MULTILINE)
    told = {name: msgspec.json.decode(default.strip("`")) for name, default in fields if name in Persona.__struct_fields__}
    assert told == msgspec.to_builtins(Persona())


@pytest.mark.parametrize("name", PRESETS)
def test_means_and_medians_are_those_of_the_presets(name: str) -> None:
    _, median, mean, _ = table("preset")[name]
    assert float(mean) == pytest.approx(amounts.mean(name), abs=0.6)
    low, _, high = median.partition(" to ")
    found = float(np.median(amounts.draw(name, np.random.default_rng(1), 200_001)))
    assert float(low) * 0.98 <= found <= float(high or low) * 1.02


def test_the_dispersion_of_the_default_bursts_is_the_one_told() -> None:
    told = re.search(r"It is (\d+) for the default", PAGE)
    assert told is not None
    assert round(Bursts().dispersion(200, 1)) == int(told[1])
