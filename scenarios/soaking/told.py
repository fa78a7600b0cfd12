"""What came of a soak, for people: one line, one table, and where to look."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from scenarios.running.command import near
from scenarios.soaking.conduct import Soak
from scenarios.soaking.tally import Leg, Rate, Sum, rates

SET_ASIDE_TOLD: Final = 5
"""Legs; ``soak.json`` has all of them."""
_WIDTH: Final = 42
_INTERVAL: Final = 20


def told(soak: Soak) -> str:
    """A soak on a screen."""
    return "\n".join([_head(soak), "", *_table(soak), "", *_legs(soak), f"folder: {near(soak.folder.path)}"])


def _head(soak: Soak) -> str:
    order, total = soak.order, soak.total
    found = ", ".join([*(f"{many:,} {kind}" for kind, many in total.found.items()), *_crashed(total)]) or "nothing found"
    stopped = (
        " [stopped by a signal]" if soak.interrupted else " [given up: the harness failed leg after leg]" if soak.gave_up else ""
    )
    took = f"{soak.seconds / 60:.1f} min"
    return f"{order.scenario.name} {order.preset} seed {order.seed}: {found} in {total.counts.ok:,} ok messages, {took}{stopped}"


def _crashed(total: Sum) -> Iterator[str]:
    if total.crashes:
        yield f"{total.crashes:,} end{'s' if total.crashes > 1 else ''} of the server's processes that no fault had brought about"


def _table(soak: Soak) -> Iterator[str]:
    counts = soak.total.counts
    yield f"{'':{_WIDTH}}{'found':>8}{'of':>14}{'rate':>10}{'95 %':>{_INTERVAL}}"
    yield from map(_line, rates(counts))
    yield ""
    held = f"; a kill found {counts.in_flight / counts.kills:.1f} sends in flight" if counts.kills else ""
    struck = counts.kills + counts.drains
    yield f"{counts.kills:,} kills and {counts.drains:,} drains{', each proven' if struck else ''}{held}"
    if soak.total.legs and soak.order.faults_per_minute and not struck:
        yield "nothing was struck, so this says nothing of kills; give longer legs (--leg), more of them (--messages) or more kills"


def _line(rate: Rate) -> str:
    share = f"{rate.found / rate.n:.2g}" if rate.n else "–"
    return f"{f'{rate.name}, of {rate.of}':{_WIDTH}}{rate.found:>8,}{rate.n:>14,}{share:>10}{_interval(rate):>{_INTERVAL}}"


def _interval(rate: Rate) -> str:
    """One-sided where nothing was found."""
    if rate.high is None or rate.low is None:
        return "–"
    return f"{rate.low:.2g} to {rate.high:.2g}" if rate.found else f"up to {rate.high:.2g}"


def _legs(soak: Soak) -> Iterator[str]:
    total = soak.total
    late = f" (in {total.late_legs} the generator was late, which costs no message)" if total.late_legs else ""
    memory = f"; memory at most {soak.memory_max_bytes / 2**20:.0f} MiB" if soak.memory_max_bytes else ""
    yield f"legs that count: {total.legs}, of {soak.order.leg_s:g} s{late}{memory}"
    if total.set_aside:
        yield f"legs set aside: {len(total.set_aside)}"
    yield from (f"  leg {leg.number}: {'; '.join(leg.set_aside)}{_where(leg)}" for leg in total.set_aside[:SET_ASIDE_TOLD])
    if len(total.set_aside) > SET_ASIDE_TOLD:
        yield f"  ... and {len(total.set_aside) - SET_ASIDE_TOLD} more (soak.json has them)"
    for leg in total.kept:
        assert leg.folder is not None
        yield from (f"leg {leg.number}: {look}" for look in _looks(leg, near(leg.folder)))


def _where(leg: Leg) -> str:
    return f" ({near(leg.folder)})" if leg.folder is not None else ""


def _looks(leg: Leg, folder: Path) -> Iterator[str]:
    """How to look at what was found in a leg."""
    yield from (f"imbench explain {folder} --anomaly {kind}" for kind in leg.found)
