"""Drain: how a gateway goes that is asked to, and what it tells its clients.

A process that closes all its connections at once sends everyone to log in at once, and to knock where nobody is. The policies:

| policy | a client is told | leaves | connects to |
|---|---|---|---|
| ``at_once`` | Error ``SHUTTING_DOWN``, the end | now | the same address after its backoff, then the others |
| ``spread`` | GoAway, with a time of its own | after the lead, within the window | the same address, where a successor serves by then |
| ``redirect`` | GoAway, with a time of its own | within the window | any other gateway, drawn by the client |

Rules of the file:

- Times are places in a line, evenly over the window: log-ins come at a steady rate, which is what a draw at random only does on average.
- Until its time a client is served as ever. It leaves by itself, so nobody waits for anything: what was unanswered is answered on its new
  connection, as after any reconnect.
- Whoever is let in meanwhile, having connected before the door was closed, leaves after the lead.
- Whoever is still there ``drain_grace_us`` after the last place is closed with an Error: the end does not depend on clients.

``spread`` needs somebody who starts the successor before the predecessor is gone, and moves each client once; ``redirect`` needs nobody
and leaves the crowd where it went, so where all gateways are restarted in turn, those of the first ones move again.

Prior art. HTTP/2's GOAWAY announces a shutdown, and lets what was begun end (RFC 9113, 6.8); a WebSocket says only why it closes: 1001,
going away (RFC 6455, 7.4.1). Chat gateways tell clients to reconnect while the connection still lives: Discord's opcode 7, Reconnect, and
the ``resume_gateway_url`` of a session; Slack's ``disconnect`` messages of the reasons ``warning`` and ``refresh_requested``. MQTT 5 may
redirect, with a Server Reference beside the reason codes 0x9C and 0x9D (MQTT 5.0, 4.11). A successor that takes the listening socket over
while its predecessor drains: Naseer et al., "Zero Downtime Release: Disruption-free Load Balancing of a Multi-Billion User Website",
SIGCOMM 2020. None of those tells a client *when* to leave; the place in a line is that of :mod:`model.core.admission`.
"""

from __future__ import annotations

from model.core.frames import GoAway
from model.core.policies import DrainPolicy, Timers


class Farewell:
    """One drain that has begun at ``now``, of a gateway with so many ``clients``. ``end_us``: when whoever is left is closed."""

    __slots__ = ("_clients", "_elsewhere", "_lead_us", "_told", "_window_us", "end_us")

    def __init__(self, policy: DrainPolicy, timers: Timers, now: int, clients: int) -> None:
        self._elsewhere = policy == "redirect"
        self._lead_us = timers.drain_lead_us if policy == "spread" else 0
        self._window_us = timers.drain_window_us
        self._clients, self._told = clients, 0
        self.end_us = now + drain_us(policy, timers)

    def next(self) -> GoAway:
        """What one more client is told: the clients there were have a place each, those after them leave after the lead."""
        place = self._told
        self._told += 1
        wait_us = self._window_us * (2 * place + 1) // (2 * self._clients) if place < self._clients else 0
        return GoAway(self._lead_us + wait_us, self._elsewhere)


def drain_us(policy: DrainPolicy, timers: Timers) -> int:
    """How long a drain takes at most, in microseconds: from being asked to go until nobody is left."""
    if policy == "at_once":
        return 0
    lead_us = timers.drain_lead_us if policy == "spread" else 0
    return lead_us + timers.drain_window_us + timers.drain_grace_us
