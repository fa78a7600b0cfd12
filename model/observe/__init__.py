"""Effects into history rows, for both worlds.

The only place that knows both the rules and the history. A shell that drives a client session tells its :class:`ClientObserver` what
goes in (a submit, a frame) and what comes out (effects); a world tells its :class:`RunObserver` of devices, members, the schedule,
faults and phases. Nothing here decides anything.
"""

from model.observe.client import ClientObserver
from model.observe.run import RunObserver, content_hash, header

__all__ = ["ClientObserver", "RunObserver", "content_hash", "header"]
