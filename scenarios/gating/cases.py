"""Which runs are gated: few and short, so that every change can be held against them, and such that most rules have their part.

Kills, a lost ack, dead connections, torn frames and a disk that stands still on a bad Wi-Fi, in each way of delivering messages (loss,
duplicates, order, recovery, what retransmission costs); a storm of log-ins through a door that counts (attempts, time to come back); and a
long time with few messages (heartbeats, radios that wake up). Of the mutants of the rules that the hunt is tested with, they show two out
of three at once; rarer ones are the hunt's to find.
"""

from __future__ import annotations

from typing import Final

import msgspec

from model.scenario import AckLost, Fault, HalfOpen, Kill, StorageStall, TornFrame
from model.scenario.comparison import Case

_FAULTS: Final[tuple[Fault, ...]] = (
    Kill("gateway-1", at_s=0.5, back_s=0.7),
    AckLost("gateway-2", at_s=0.8, heal_s=1.2),
    HalfOpen("gateway-2", at_s=1.3, share=0.5),
    Kill("business", at_s=1.8, back_s=2.0),
    TornFrame("gateway-2", at_s=2.3, heal_s=2.8),
    Kill("gateway-2", at_s=2.9, back_s=3.1),
    StorageStall("business", at_s=3.3, heal_s=3.5),
)


def _rough(faults: tuple[Fault, ...]) -> tuple[str, ...]:
    return (
        "population.users=40",
        "workload.rate_per_s=60",
        "workload.direct_share=0.3",
        "network=wifi_bad",
        'contract.fails={"not_recovered":false,"outage":false}',  # no fault has the time after it that recovery is judged in
        f"faults={msgspec.json.encode(faults).decode()}",
    )


_QUIET: Final = (
    "population.users=12",
    "workload.rate_per_s=0.05",
    "duration_s=300",
    "faults=[]",
    "timers.heartbeat_us=30000000",
    "timers.pong_timeout_us=5000000",
)

CASES: Final = (
    Case("access_restart", "cursor", settings=_rough(_FAULTS)),
    Case("access_restart", "timer", settings=_rough(_FAULTS)),
    Case("access_restart", "naive", settings=_rough(tuple(fault for fault in _FAULTS if not isinstance(fault, AckLost)))),
    Case(
        "reconnect_storm", settings=("population.users=100", "policies.admission=bounded_queue", "policies.admission_hint=spread")
    ),
    Case("standard_mix", settings=_QUIET),
)
