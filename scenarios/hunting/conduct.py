"""How devices and the server treat connections: promises of the design that are no loss, duplicate or disorder, so that no judge of users'
histories looks at them; read from the history as the judges do, without the rules.

- ``evicted``: a device's newest connection is never closed in favour of an older one.
- ``turned_away``: a connection that the server let in is not told that it never came in; but where business has forgotten who is there
  (a fault of its own), it has to be.
- ``uncertain``: where sends are repeated until there is a definite answer, nobody is told "it may have been sent".
- ``hammering``: after n failures in a row a device waits at least as long as its backoff says, whatever opened in between. Where the
  wait is drawn from 0 on (full jitter) nothing can be said of a single one. Who leaves a gateway because it was told when to has waited."""

from __future__ import annotations

from collections.abc import Iterator

from model.history.columns import History
from model.history.schema import FaultKind, Kind

EVICTED, TURNED_AWAY, UNCERTAIN, HAMMERING = "evicted", "turned_away", "uncertain", "hammering"
MEANINGS = {
    EVICTED: "a device's newest connection was closed in favour of an older one",
    TURNED_AWAY: "a connection that was let in was told that it never came in",
    UNCERTAIN: "a device gave up a send that is to be repeated until it is answered",
    HAMMERING: "a device tried to connect again sooner than its backoff says",
}
_BREACHES = {"stale_connect": EVICTED, "taken_over": EVICTED, "not_attached": TURNED_AWAY}
"""Name of the code with which a device's newest connection ends -> what is wrong with that."""


def findings(history: History, clocks: bool = True) -> Iterator[tuple[str, str]]:
    """(kind, what happened) for every breach. ``clocks``: devices' are right, so that waits can be measured."""
    yield from _uncertain(history)
    breaches = {number: _BREACHES[name] for number, name in history.header.codes.items() if name in _BREACHES}
    if (history.code[history.rows_of(Kind.FAULT_BEGUN)] == FaultKind.COLD_ROUTES).any():
        breaches = {number: kind for number, kind in breaches.items() if kind != TURNED_AWAY}
    told_when = {n for n, name in history.header.codes.items() if name == "shutting_down"} if _sends_away(history) else set()
    failed: dict[int, int] = {}
    earliest: dict[int, int] = {}
    rows = history.rows_of(Kind.CONNECTING, Kind.READY, Kind.DISCONNECTED)
    columns = (
        history.kind[rows].tolist(),
        history.t_us[rows].tolist(),
        history.device[rows].tolist(),
        history.code[rows].tolist(),
    )
    for kind, t_us, device, code in zip(*columns, strict=True):
        if kind == Kind.READY:
            failed[device] = 0
        elif kind == Kind.DISCONNECTED:
            if code in breaches:
                yield (
                    breaches[code],
                    f"{history.names.devices[device]} was told {history.header.codes[code]} at {t_us / 1e6:.6f} s",
                )
            if code not in told_when:
                earliest[device] = t_us + least_wait_us(history, failed.get(device, 0))
                failed[device] = failed.get(device, 0) + 1
        elif clocks and t_us < earliest.get(device, 0):
            early = earliest[device] - t_us
            yield (
                HAMMERING,
                f"{history.names.devices[device]} connected at {t_us / 1e6:.6f} s, {early} us before its wait was over",
            )


def _sends_away(history: History) -> bool:
    """Whether gateways that go tell their clients when to leave."""
    return history.header.policies.get("drain", "at_once") != "at_once"


def _uncertain(history: History) -> Iterator[tuple[str, str]]:
    if history.header.policies["send"] == "until_definite":
        for row in history.rows_of(Kind.INFO).tolist():
            why = history.header.codes.get(int(history.code[row]), "?")
            device = history.names.devices[history.device[row]]
            yield UNCERTAIN, f"{device} gave a send up at {history.t_us[row] / 1e6:.6f} s: {why}"


def least_wait_us(history: History, failed: int) -> int:
    """The least wait after ``failed`` failures in a row and one more, by policy."""
    timers = history.header.timers_us
    base_us, most_us = timers["backoff_base_us"], timers["backoff_max_us"]
    ceiling_us = min(most_us, base_us << min(failed, 20))
    least = {
        "fixed": timers["backoff_fixed_us"],
        "exponential": ceiling_us,
        "equal_jitter": ceiling_us // 2,
        "decorrelated": min(base_us, most_us),
    }
    return least.get(history.header.policies["backoff"], 0)
