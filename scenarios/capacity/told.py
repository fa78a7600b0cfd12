"""A capacity in words: the answer first, then what it rests on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from model.checkers.amounts import NOTHING, duration
from scenarios.capacity.capacity import SATURATED, Point, Resource, Result
from scenarios.capacity.promises import named
from scenarios.capacity.search import KNEE, SURE
from scenarios.capacity.trial import SERVER

GENERATOR: Final = "generator"


def told(result: Result) -> str:
    """All of it, for people."""
    promised = ", ".join([*map(named, result.promises), "and the contract of the scenario"])
    head = f"{result.scenario} {result.preset} {result.world}: {promised}"
    parts = [answer(result), *_knee(result), saturation(result), _confidence(result)]
    notes = [f"note: {note}" for note in result.notes]
    return "\n".join([head, *filter(None, parts), *notes, "", *_table(result)])


def answer(result: Result) -> str:
    """The capacity, or why there is none."""
    last, first, beyond = (_rate(r) for r in (result.last_pass_per_s, result.first_failure_per_s, result.unmeasured_per_s))
    why = next((point.reason for point in result.points if point.answer in ("broken", "harness", "open")), "")
    so_far = f"kept at {last} so far" if result.last_pass_per_s else "nothing was kept yet"
    match result.outcome:
        case "found":
            return f"capacity: {last}; last pass {last}, first failure {first} ({why})"
        case "at_least":
            return f"capacity: at least {last}, the highest rate asked for; give a higher --to to find its end"
        case "below":
            return f"capacity: below {first}, the lowest rate asked for ({why}); give a lower --from"
        case "harness":
            cause = (
                "the load generator saturated" if result.is_generator_saturated else "the machine was too busy to measure more"
            )
            bound = f"at least {last}" if result.last_pass_per_s else "unknown"
            return f"capacity: {bound}: {cause}, at {beyond} ({why})"
        case "unknown":
            return f"capacity: unknown ({why}); {so_far}"
    failure = f", broken at {first}" if result.first_failure_per_s else ""
    return f"capacity: the search was not finished; {so_far}{failure}"


def _rate(rate_per_s: float | None) -> str:
    return NOTHING if rate_per_s is None else f"{rate_per_s:,g} messages/s"


def _knee(result: Result) -> Iterator[str]:
    of = result.knee_of.replace("_", " ").replace(".", " ")
    if result.knee_per_s is not None:
        yield f"knee: about {_rate(float(f'{result.knee_per_s:.2g}'))}, where {of} is {KNEE:g} times its least value at a lower rate"
    elif len(result.points) > 1:
        yield f"knee: none seen; {of} was nowhere {KNEE:g} times its least value at a lower rate"


def saturation(result: Result) -> str:
    """What saturated at the first failure, by name; or that nothing did, and what was busiest. Nothing where nothing was broken."""
    if result.is_generator_saturated:
        return "saturated: the load generator; the server might take more"
    of_server = [resource for resource in result.resources if resource.name != GENERATOR]
    if result.outcome not in ("found", "below") or not of_server:
        return ""
    full = [resource for resource in of_server if (resource.at_first_failure or 0) >= SATURATED]
    if full:
        return f"saturated: {'; '.join(map(_resource, full))}"
    return f"saturated: nothing, so messages waited for something else than CPU; busiest was {_resource(of_server[0])}"


_WORDS: Final = {SERVER: "the cores that the server shares", "storage": "storage (its thread and the disk)"}


def _resource(resource: Resource) -> str:
    shares = [
        f"{share:.0%} busy at the {where}"
        for share, where in ((resource.at_first_failure, "first failure"), (resource.at_last_pass, "last pass"))
        if share is not None
    ]
    return f"{_WORDS.get(resource.name, resource.name)}, {', '.join(shares)}"


def _confidence(result: Result) -> str:
    runs = result.plan.runs
    if runs == 1:
        return "confidence: one run at each rate, so none; give --runs 3 or more"
    return (
        f"confidence: each rate by the majority of up to {runs} fresh runs of {result.seconds:g} s; if a rate is kept by {SURE:.0%} of"
        f" such runs, or by {1 - SURE:.0%}, that is wrong about it with chance {result.error:.1%}"
    )


def _table(result: Result) -> Iterator[str]:
    promised = [f"{promise.of}.p{promise.quantile * 100:g}" for promise in result.promises]
    names = list(dict.fromkeys(name for point in result.points for name in point.busy))
    heads = ["messages/s", "", "kept", *(name.replace("end_to_end.", "").replace(".", " ") for name in promised), *names]
    rows = [[f"{p.rate_per_s:,g}", p.answer, f"{p.kept}/{p.runs}", *_cells(p, promised, names)] for p in result.points]
    widths = [max(len(row[i]) for row in [heads, *rows]) for i in range(len(heads))]
    for row in [heads, *rows] if rows else []:
        yield "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _cells(point: Point, promised: list[str], names: list[str]) -> Iterator[str]:
    yield from (duration(point.late_us.get(name)) for name in promised)
    yield from (f"{point.busy[name]:.0%}" if name in point.busy else NOTHING for name in names)
