"""A scenario as a value: one question with everything needed to run it, in either world.

A scenario file holds one :class:`Scenario` under a docstring that states Question, Set-up, Expectation and What would surprise us.
Times are seconds from the beginning of the load; the ramp, in which connections are made, comes before. Nothing here runs anything.
"""

from __future__ import annotations

import hashlib
from typing import Literal

import msgspec

from model.core.policies import PRESETS, Policies, Timers
from model.history.schema import Contract
from model.scenario import faults, networks
from model.scenario.faults import (
    AckLost,
    Blackhole,
    ClockStep,
    ColdRoutes,
    Cut,
    Deaf,
    Delay,
    DiskFull,
    Drain,
    Fault,
    HalfOpen,
    Kill,
    NatDrop,
    Partition,
    Pause,
    Refuse,
    Roam,
    RollingRestart,
    SlowConsumer,
    StorageStall,
    Throttle,
    TornFrame,
    World,
)
from model.scenario.machines import Clocks, Disk, Starved, Step
from model.scenario.networks import NETWORKS, Links, Network
from model.workload.population import PopulationPlan
from model.workload.schedule import WorkloadPlan

__all__ = [
    "NETWORKS",
    "WORLDS",
    "AckLost",
    "Blackhole",
    "ClockStep",
    "Clocks",
    "ColdRoutes",
    "Cut",
    "Deaf",
    "Delay",
    "Disk",
    "DiskFull",
    "Drain",
    "Fault",
    "HalfOpen",
    "Kill",
    "Links",
    "NatDrop",
    "Network",
    "Partition",
    "Pause",
    "Refuse",
    "Roam",
    "RollingRestart",
    "Scenario",
    "SlowConsumer",
    "Starved",
    "Step",
    "StorageStall",
    "Throttle",
    "TornFrame",
    "Verdict",
    "World",
]

Verdict = Literal["valid", "invalid", "harness_invalid", "unknown"]
WORLDS: tuple[World, ...] = ("sim", "live")


class LoginCost(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """CPU of a log-in in the simulated world, beyond its frames; the live one has its own. Zero is the reference server on the loopback,
    which has no TLS and asks nobody who a token belongs to."""

    handshake_us: float = 0.0
    """At the gateway, for every connection that is opened, whoever is let in: a TLS handshake."""
    account_us: float = 0.0
    """At business, for every log-in that a gateway lets in: account, session and contacts are read, presence is told."""


class Scenario(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One question. Every field but ``name`` and ``question`` has a default."""

    name: str
    question: str
    gateways: int = 2
    merged: bool = False
    """Whether access and business are one process, which has one gateway: what strikes either, as a process, strikes both."""
    population: PopulationPlan = PopulationPlan()
    workload: WorkloadPlan = WorkloadPlan()
    network: Links = Network()
    """The simulated world's: a preset's name, a full value, or a mix (:mod:`model.scenario.networks`). The live world has the loopback,
    which this default resembles, and skips a scenario that asks for another."""
    clocks: Clocks = Clocks()
    """The devices', in the simulated world."""
    disk: Disk = Disk()
    """Storage's, in the simulated world."""
    starved: Starved | None = None
    """The load generator's, to see that the harness is found out; null: it has all the CPU it wants."""
    cores: int | None = None
    """Cores that gateways and business share in the simulated world, as processes of one host do; null: each has one of its own."""
    login: LoginCost = LoginCost()
    connection_life_s: float = 0.0
    """Mean life of a connection until the network ends it, in the simulated world (exponential, until the load ends); 0: for ever."""
    timers: Timers = Timers()
    policies: dict[str, str] = {}
    """What this scenario changes in the policies of every preset, by the name of the policy."""
    ramp_s: float = 3.0
    """Connections are opened evenly over the first half of it."""
    warm_up_s: float = 2.0
    """Load that is judged, but no base for comparisons."""
    duration_s: float = 30.0
    faults: tuple[Fault, ...] = ()
    contract: Contract = Contract()
    expected: dict[str, Verdict] = {}
    """The verdict this scenario expects of a preset, in both worlds."""
    short_scale: float = 0.2
    """What the short form multiplies times and timers with."""

    def preset(self, name: str) -> Policies:
        """The policies of a preset, as this scenario changes them.

        KeyError for an unknown one, ``msgspec.ValidationError`` where ``policies`` names no policy, or none of its choices.
        """
        return msgspec.convert(msgspec.to_builtins(PRESETS[name]) | self.policies, Policies) if self.policies else PRESETS[name]

    @property
    def load_begin_us(self) -> int:
        """Microseconds from the start of a run to its load."""
        return round(self.ramp_s * 1e6)

    def at_us(self, seconds: float) -> int:
        """An instant of the scenario on the clock of a run."""
        return self.load_begin_us + round(seconds * 1e6)

    def short(self) -> Scenario:
        """The same question in a few seconds: times, timers and the contract's durations scaled, rates and sizes kept."""
        k = self.short_scale
        return msgspec.structs.replace(
            self,
            warm_up_s=self.warm_up_s * k,
            duration_s=self.duration_s * k,
            workload=self.workload.scaled(k),
            faults=tuple(faults.scaled(fault, k) for fault in self.faults),
            network=self.network if self.network == Network() else networks.scaled(self.network, k),
            clocks=self.clocks.scaled(k),
            starved=None if self.starved is None else self.starved.scaled(k),
            timers=self.timers.scaled(k),
            contract=_scaled_contract(self.contract, k),
        )

    def digest(self) -> str:
        """SHA-256 of the scenario as canonical JSON, 16 hexadecimal digits. A field that came later is left out while it has its default,
        so that the digests of scenarios that do not use it stay what they were."""
        as_read = msgspec.json.decode(msgspec.json.encode(self), type=Scenario)  # 10 and 10.0 are the same time
        plain = msgspec.to_builtins(as_read)
        for name in _LATER:
            if getattr(as_read.workload, name) == getattr(WorkloadPlan(), name):
                del plain["workload"][name]
        if as_read.starved is None:
            del plain["starved"]
        if self.policies.get("heartbeat", "fixed") == "fixed":  # scaled, they differ from their defaults and mean as little
            for name in _OF_ADAPTIVE_HEARTBEATS:
                del plain["timers"][name]
        return hashlib.sha256(msgspec.json.encode(plain, order="sorted")).hexdigest()[:16]


_LATER = ("arrivals", "personas")
"""Fields of the workload that came after the first digests were made."""
_OF_ADAPTIVE_HEARTBEATS = ("heartbeat_max_us", "heartbeat_step_us", "heartbeat_proofs", "heartbeat_losses_max")
"""Timers that came later, too, and say something under one policy only."""


def _scaled_contract(contract: Contract, k: float) -> Contract:
    """Durations that follow the protocol's timers are scaled; what a person would notice (the promise) is not."""
    names = ("deadline_us", "window_us", "window_step_us", "outage_budget_us", "quiet_us", "drain_bound_us")
    return msgspec.structs.replace(contract, **{name: round(getattr(contract, name) * k) for name in names})
