"""What a run records about itself: its header, devices, members, schedule, faults, processes and phases."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache

import msgspec

from model.core.codes import Code
from model.core.policies import Policies, Timers
from model.history.recorder import Recorder
from model.history.schema import Contract, FaultKind, Header, Kind, Phase
from model.workload.population import Population
from model.workload.schedule import Schedule


@lru_cache(maxsize=1 << 14)
def content_hash(payload: bytes) -> int:
    """64 bits of BLAKE2b over a message's payload, never 0 (which stands for "none").

    Cached, since every member of a conversation sees the same payload within a short time.
    """
    return int.from_bytes(hashlib.blake2b(payload, digest_size=8).digest(), "little") or 1


def header(
    *,
    world: str,
    scenario: str,
    scenario_digest: str,
    preset: str,
    seed: int,
    contract: Contract,
    policies: Policies,
    timers: Timers,
    nodes: Mapping[int, str],
    load_begin_us: int,
    closed_loop: bool = False,
) -> Header:
    """The header of a run; policies and timers spelt out, so that a history explains itself."""
    resends = timers.resends_max if policies.delivery == "pending" else 0
    return Header(
        world=world,
        scenario=scenario,
        scenario_digest=scenario_digest,
        preset=preset,
        seed=seed,
        contract=msgspec.structs.replace(contract, resends_allowed=resends),
        policies=msgspec.to_builtins(policies),
        timers_us={name: value for name, value in msgspec.to_builtins(timers).items() if name.endswith("_us")},
        nodes=dict(nodes),
        codes={int(code): code.name.lower() for code in Code},
        load_begin_us=load_begin_us,
        closed_loop=closed_loop,
    )


class RunObserver:
    """Records what is true of the whole run. Times in microseconds since its start."""

    __slots__ = ("_record",)

    def __init__(self, recorder: Recorder) -> None:
        self._record = recorder.record

    def population(self, population: Population, gateway_nodes: Mapping[int, int], now: int) -> None:
        """Every device with its home gateway (``gateway_nodes``: index of a gateway -> its node number), every membership."""
        for user in population.users:
            self._record(Kind.DEVICE, now, device=user, user=user, node=gateway_nodes[population.homes[user]])
        for conversation in population.conversations:
            for user in conversation.members:
                self._record(Kind.MEMBER, now, user=user, conversation=conversation.conversation)

    def schedule(self, schedule: Schedule) -> None:
        """Every intended send at its instant."""
        rows = zip(
            schedule.t_us.tolist(),
            schedule.device.tolist(),
            schedule.conversation.tolist(),
            schedule.send_counter.tolist(),
            strict=True,
        )
        for i, (t_us, device, conversation, counter) in enumerate(rows):
            digest = content_hash(schedule.payload(i))
            self._record(Kind.INTEND, t_us, device, conversation, device, counter, content_hash=digest)

    def phase(self, phase: Phase, now: int) -> None:
        """A phase of the run begins."""
        self._record(Kind.PHASE, now, code=phase)

    def fault_planned(self, fault: int, kind: FaultKind, node: int, at_us: int, stage: int = 0) -> None:
        """The scenario wants this fault; ``stage``: of a kill that waits for one."""
        self._record(Kind.FAULT_PLANNED, at_us, node=node, value=fault, code=kind, epoch=stage)

    def fault_begun(self, fault: int, kind: FaultKind, node: int, now: int, count: int, stage: int = 0) -> None:
        """Proof that a fault took effect, on so many processes, connections, frames or bytes to begin with; and at which stage."""
        self._record(Kind.FAULT_BEGUN, now, node=node, value=fault, code=kind, seq=count, epoch=stage)

    def fault_healed(self, fault: int, kind: FaultKind, node: int, now: int, count: int) -> None:
        """Proof that a fault is over; ``count`` is how many it has struck in all."""
        self._record(Kind.FAULT_HEALED, now, node=node, value=fault, code=kind, seq=count)

    def process_started(self, node: int, process: int, now: int) -> None:
        """A process serves; ``process`` is its pid, in sim its incarnation."""
        self._record(Kind.PROCESS_STARTED, now, node=node, value=process)

    def process_exited(self, node: int, process: int, status: int, now: int) -> None:
        """A process is gone, with its exit status or minus its signal."""
        self._record(Kind.PROCESS_EXITED, now, node=node, value=process, code=status)
