"""How fast a hunt is: trials in a second of CPU time of one core, how large they are, and where the time goes.

    python -m tests.benchmarks.bench_hunt [--seeds 300] [--first 1]

CPU time of this process, which other work on the machine makes longer only as far as it takes caches away; run it on an idle machine.
The parts: ``generate`` (the trial of a seed), ``world`` (roles, devices, schedule), ``run`` (the simulation), ``columns`` (rows into a
history), ``judge``.
"""

from __future__ import annotations

import argparse
import platform
import sys
import time
from collections.abc import Callable
from typing import TypeVar

from model.checkers import judge
from model.history.columns import from_rows
from model.history.schema import Kind
from model.sim.ties import Shuffled
from model.sim.world import World
from scenarios.hunting import generator, trial

T = TypeVar("T")


class Parts:
    """CPU seconds by part."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def of(self, part: str, call: Callable[[], T]) -> T:
        """Call, and count the time to a part."""
        began = time.process_time()
        result = call()
        self.seconds[part] = self.seconds.get(part, 0.0) + time.process_time() - began
        return result


def played(seed: int, parts: Parts) -> tuple[int, int]:
    """Play one seed by parts; returns how many messages were sent, and how many shown."""
    drawn = parts.of("generate", lambda: generator.trial(seed))
    times = trial.service_times(drawn)
    with trial.bounded(drawn.limits):
        world = parts.of("world", lambda: World(drawn.scenario, drawn.preset, drawn.seed, times, pending=Shuffled(drawn.ties)))
        result = parts.of("run", world.run)
    history = parts.of("columns", lambda: from_rows(result.header, result.rows))
    parts.of("judge", lambda: judge(history, without=trial.NOT_ASKED))
    return int((result.rows["kind"] == Kind.INVOKE).sum()), result.messages_delivered


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=300, help="trials (300)")
    parser.add_argument("--first", type=int, default=1, help="first seed (1)")
    options = parser.parse_args()
    played(options.first, Parts())  # what is loaded and cached once
    parts, sent, shown = Parts(), 0, 0
    for seed in range(options.first, options.first + options.seeds):
        more_sent, more_shown = played(seed, parts)
        sent, shown = sent + more_sent, shown + more_shown
    total, n = sum(parts.seconds.values()), options.seeds
    print(f"{n} trials of {sent / n:.0f} messages sent and {shown / n:.0f} shown, Python {platform.python_version()}")
    print(f"{n / total:.0f} trials a second of CPU time, {1e3 * total / n:.1f} ms each")
    print(", ".join(f"{part} {1e3 * seconds / n:.2f} ms" for part, seconds in parts.seconds.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
