"""The adaptive heartbeat: how a client finds the longest silence that its network bears, and stays just below it.

A NAT or a firewall forgets a connection that is silent for long enough, and tells neither end. A ping in time keeps it; each ping costs a
battery far more than its bytes. How long is long enough differs from network to network, and nobody says. So a client tries:

- It begins at the least interval. Each interval that is silent but for its ping, and is answered, is a proof; after ``heartbeat_proofs`` of
  them in a row the interval grows by a step, up to the longest.
- A ping that is not answered has cost the connection. After ``heartbeat_losses_max`` of them without a proof in between, the interval
  goes back by a step and a third, to one that was proven, with a margin; and there it stays.
- Where even that is lost so often, the network is another one: it begins anew, at the least.

An interval in which something else was said proves nothing, since that kept the connection alive too. A loss counts in any case: what was
said into a dead connection does not show why it is dead. One that has another cause than silence (a gateway that died, a tunnel) is why a
single loss changes nothing.

It is the design of WeChat's client, as far as Tencent has published it: Mars, ``mars/stn/src/smart_heartbeat.cc`` and
``mars/stn/config.h`` (least 3.5 or 4.5 minutes, longest 10 or 14.8, by version; a step of 60 s and a margin of 20 s; three or five
proofs, two or three losses). Left out of it: what it remembers of each network by name; three pings at the least interval after each
connection and whenever the app is in front; that it tries a longer interval again after a day. Other searches, by halves and by doubling,
with their bounds: Rahman, Uddin, Hasan, Rahman, Kaykobad, "Using Adaptive Heartbeat Rate on Long-Lived TCP Connections", IEEE/ACM
Transactions on Networking 26(1), 2018.
"""

from __future__ import annotations

from model.core.policies import HeartbeatPolicy, Timers

MARGIN = 3
"""The margin below a proven interval is this part of a step: Mars takes 20 s of 60 s."""


class Heartbeat:
    """One device's search, over all its connections. ``interval_us`` is the time to the next ping."""

    __slots__ = ("_losses", "_proofs", "_proves", "_settled", "_silent", "_timers", "interval_us")

    def __init__(self, timers: Timers) -> None:
        self._timers = timers
        self.interval_us = timers.heartbeat_us
        self._proofs = self._losses = 0  # in a row, at this interval
        self._settled = False  # whether it has been too long, or the longest, once
        self._silent = False  # since the last pong
        self._proves = False  # whether the ping under way ends an interval that was silent

    def stirred(self) -> None:
        """Something was said, by either end."""
        self._silent = False

    def pinged(self) -> None:
        """A ping goes out."""
        self._proves = self._silent

    def answered(self) -> None:
        """Its pong has come."""
        if self._proves:
            self._losses = 0
            if not self._settled:
                self._proven()
        self._silent, self._proves = True, False

    def unanswered(self) -> None:
        """No pong has come in time, and the connection is given up."""
        self._proofs = 0
        if self.interval_us <= self._timers.heartbeat_us:
            return  # no interval is shorter
        self._losses += 1
        if self._losses < self._timers.heartbeat_losses_max:
            return
        self._losses, timers = 0, self._timers
        if self._settled:
            self.interval_us = timers.heartbeat_us
        else:
            back_us = timers.heartbeat_step_us + timers.heartbeat_step_us // MARGIN
            self.interval_us = max(timers.heartbeat_us, self.interval_us - back_us)
        self._settled = not self._settled

    def _proven(self) -> None:
        timers = self._timers
        self._proofs += 1
        if self._proofs < timers.heartbeat_proofs:
            return
        self._proofs = 0
        if self.interval_us >= timers.heartbeat_max_us:
            self._settled = True
        else:
            self.interval_us = min(self.interval_us + timers.heartbeat_step_us, timers.heartbeat_max_us)


def longest_us(policy: HeartbeatPolicy, timers: Timers) -> int:
    """The longest interval between two pings of a living device, in microseconds: by it a gateway knows silence from death."""
    return timers.heartbeat_us if policy == "fixed" else max(timers.heartbeat_us, timers.heartbeat_max_us)
