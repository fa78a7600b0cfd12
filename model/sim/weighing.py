"""What the links of a run carry: frames and bytes by direction, and how often a device's radio is woken for it.

Counting costs a call for each segment, so a run is weighed only where that is asked for. A lane that is weighed is the same lane behind a
count: nothing that happens is changed, so neither is the trace. Bytes are those of :mod:`model.sim.sizes`, with the headers of their
segments; a segment without content, of a handshake or of an end, counts with its headers and as no frame. Everything counts when it is
sent, whatever becomes of it. A radio is woken by the first segment, and by each that comes or goes more than its tail after the one before
(:mod:`model.analysis.radio`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from model.analysis.radio import RADIOS
from model.sim.kernel import Kernel
from model.sim.sizes import is_frame, link_bytes

TAIL_US: Final = RADIOS["4g"].tail_us


@dataclass(slots=True)
class Weight:
    """Of all links of a run."""

    frames_up: int = 0
    bytes_up: int = 0
    frames_down: int = 0
    bytes_down: int = 0
    wake_ups: int = 0
    last_us: dict[int, int] = field(default_factory=dict)
    """When each device last sent or was sent something."""

    def stir(self, device: int, now: int) -> None:
        """A device's radio carries something."""
        last = self.last_us.get(device)
        self.wake_ups += last is None or now - last > TAIL_US
        self.last_us[device] = now if last is None else max(last, now)

    def counters(self) -> dict[str, float]:
        """The sums, by name."""
        names = ("frames_up", "bytes_up", "frames_down", "bytes_down", "wake_ups")
        return {name: getattr(self, name) for name in names}


class Weighed:
    """A lane behind a count."""

    def __init__(self, lane: Any, weight: Weight, kernel: Kernel, device: int, *, up: bool) -> None:
        self._lane, self._weight, self._kernel, self._device, self._up = lane, weight, kernel, device, up

    def carry(self, lag_us: int, callback: Callable[..., None], *args: Any) -> None:
        """As the lane does."""
        weight, item = self._weight, args[-1]
        frames, size = int(is_frame(item)), link_bytes(item)
        if self._up:
            weight.frames_up, weight.bytes_up = weight.frames_up + frames, weight.bytes_up + size
        else:
            weight.frames_down, weight.bytes_down = weight.frames_down + frames, weight.bytes_down + size
        weight.stir(self._device, self._kernel.now + lag_us)
        self._lane.carry(lag_us, callback, *args)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._lane, name)
