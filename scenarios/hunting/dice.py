"""Draws by name: a feature that comes or goes does not shift what the others draw, so a seed stays much the same trial."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar
from zlib import crc32

from model.core import draws

T = TypeVar("T")


class Dice:
    """The draws of one seed. ``name`` says what is drawn; each call with a name is a draw of its own."""

    __slots__ = ("_base", "_calls")

    def __init__(self, seed: int) -> None:
        self._base = draws.key(seed)
        self._calls: dict[str, int] = {}

    def share(self, name: str) -> float:
        """Uniform in [0, 1)."""
        call = self._calls[name] = self._calls.get(name, 0) + 1
        return draws.key(self._base, crc32(name.encode()), call) / 2**64

    def chance(self, name: str, probability: float = 0.5) -> bool:
        """True with this probability."""
        return self.share(name) < probability

    def whole(self, name: str, least: int, most: int) -> int:
        """Uniform among least .. most, both included."""
        return least + int(self.share(name) * (most - least + 1))

    def log(self, name: str, least: float, most: float) -> float:
        """Between least and most, uniform in the logarithm: small ones as often as large ones."""
        return float(least * (most / least) ** self.share(name))

    def pick(self, name: str, options: Sequence[T]) -> T:
        """One of them, all alike."""
        return options[int(self.share(name) * len(options))]
