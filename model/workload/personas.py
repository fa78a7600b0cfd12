"""Personas: who says much, who only reads, who speaks in groups, and whose app is open only now and then.

Rules of the file:

- A plan's personas are pairs of a persona (or a preset's name) and the share of users who are like that; exactly so many, rounded, and
  which users is drawn by key. Without personas everybody is alike and has the app open throughout.
- Weights say how often a persona is the one who sends, beside others; the rate of all together stays the plan's. Whose app is closed
  sends nothing, and the others send that much more.
- An app is open and closed by turns, for lengths drawn independently: an alternating renewal process, begun as it goes on, by the stay
  that holds the beginning of the load (:func:`model.workload.amounts.length_biased`) at a uniform place in it.
- Nobody sends in the last ``linger_s`` of a session: people see their message go out before they put the phone away. At the contract's
  deadline or more, no answer that a system gives in time is ever missed because the schedule closed the app.

The presets; weights are assumed, and round:

| persona | what | source |
|---|---|---|
| ``regular`` | the weight of everybody | |
| ``chatty`` | ten times as many sends | |
| ``lurker`` | a tenth | most users are: 90 of 100 (Nielsen, "The 90-9-1 Rule for Participation Inequality", 2006) |
| ``group_owner`` | speaks in groups twenty times as often | |
| ``commuter`` | the app open for ``app_session``, then away for ``app_pause`` | :mod:`model.workload.amounts` |

Whose app is closed when the load ends opens it again then (:mod:`model.scenario.script`), so that a run can be read back in full.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from model.core import draws
from model.workload import amounts
from model.workload.amounts import SHARES_OFF_MAX, Amount

Int = NDArray[np.int64]
Bool = NDArray[np.bool_]
Floats = NDArray[np.float64]

STAY_MIN_US = 1_000.0
"""Shortest time for which an app is open, or closed: a tail that is drawn shorter is that."""
STAY_MIN_S, STAY_MAX_S = 0.01, 86_400.0
"""Of a length as it is planned: it is shortened with the scenario; a day is the longest load."""


class Persona(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How one kind of user behaves."""

    sends: float = 1.0
    """Weight among the senders of direct messages."""
    group_sends: float = 1.0
    """Weight among the senders in groups."""
    open_s: Amount | None = None
    """How long the app is open at a time; null: throughout."""
    away_s: Amount = "app_pause"
    """How long it is closed in between."""
    linger_s: float = 5.0
    """How long it stays open after the last send; the default is the contract's default deadline."""

    def scaled(self, factor: float) -> Persona:
        """The same in a run that is shortened: times multiplied; who is always there has none."""
        if self.open_s is None:
            return self
        times = {name: amounts.scaled(getattr(self, name), factor) for name in ("open_s", "away_s", "linger_s")}
        return msgspec.structs.replace(self, **times)


PERSONAS: dict[str, Persona] = {
    "regular": Persona(),
    "chatty": Persona(sends=10, group_sends=10),
    "lurker": Persona(sends=0.1, group_sends=0.1),
    "group_owner": Persona(group_sends=20),
    "commuter": Persona(open_s="app_session"),
}

Mix = tuple[tuple[Persona | str, float], ...]
"""Personas with their shares."""


def resolved(persona: Persona | str) -> Persona:
    """What a preset's name stands for. KeyError for one that does not exist."""
    return PERSONAS[persona] if isinstance(persona, str) else persona


def scaled(mix: Mix, factor: float) -> Mix:
    """The same with times shortened; names stay where there is nothing to shorten."""
    return tuple((one if resolved(one).open_s is None else resolved(one).scaled(factor), share) for one, share in mix)


@dataclass(frozen=True, slots=True)
class Apps:
    """When apps are open during the load: sessions [open, close) in parallel arrays, sorted by device and then by time.

    A session that the load's beginning or end cuts has that for its own. Devices without a session in the load have none here.
    """

    begin_us: int
    end_us: int
    device: Int
    open_us: Int
    close_us: Int
    sends_until_us: Int
    """From here on nobody sends before the session ends."""

    def sending(self, device: Int, t_us: Int) -> Bool:
        """Whether each device may send at each instant of the load."""
        span = self.end_us - self.begin_us + 1
        at = np.searchsorted(self._codes(self.device, self.open_us, span), self._codes(device, t_us, span), "right") - 1
        if not len(self.device):
            return np.zeros(len(device), np.bool_)
        return np.asarray((at >= 0) & (self.device[at] == device) & (t_us < self.sends_until_us[at]))

    def _codes(self, device: Int, t_us: Int, span: int) -> Int:
        return device * span + (t_us - self.begin_us)

    def open_at(self, device: Int, t_us: int) -> Bool:
        """Which of some devices have the app open at an instant; at the end: just before it."""
        holds = (self.open_us <= t_us) & ((t_us < self.close_us) | (self.close_us == self.end_us))
        return np.isin(device, self.device[holds])

    def switches(self) -> list[tuple[int, int, bool]]:
        """Every opening and closing within the load, in order of time: instant, device, whether it opens."""
        opens, closes = self.open_us > self.begin_us, self.close_us < self.end_us
        t_us = np.concatenate([self.open_us[opens], self.close_us[closes]])
        device = np.concatenate([self.device[opens], self.device[closes]])
        opening = np.arange(len(t_us)) < opens.sum()
        order = np.lexsort((device, t_us))
        return list(zip(t_us[order].tolist(), device[order].tolist(), opening[order].tolist(), strict=True))


@dataclass(frozen=True, slots=True)
class Crowd:
    """What becomes of a mix: by user number (0 is nobody), the weights; and when apps are open, None for throughout."""

    sends: Floats
    group_sends: Floats
    apps: Apps | None


def crowd(mix: Mix, users: int, begin_us: int, end_us: int, seed: int) -> Crowd:
    """Who is who, and whose app is open when; users are numbered from 1, as their devices are."""
    rng = np.random.default_rng(draws.key(seed, draws.TOPOLOGY, 1))
    order = rng.permutation(users) + 1
    bounds = np.rint(np.cumsum([0.0, *(share for _, share in mix)]) * users).astype(np.int64)
    who = [(resolved(one), order[bounds[i] : bounds[i + 1]]) for i, (one, _) in enumerate(mix)]
    sends, group_sends = np.zeros(users + 1), np.zeros(users + 1)
    for persona, members in who:
        sends[members], group_sends[members] = persona.sends, persona.group_sends
    if all(persona.open_s is None for persona, _ in who):
        return Crowd(sends, group_sends, None)
    parts = [_sessions(persona, members, begin_us, end_us, rng) for persona, members in who]
    device, open_us, close_us, until_us = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    at = np.lexsort((open_us, device))
    return Crowd(sends, group_sends, Apps(begin_us, end_us, device[at], open_us[at], close_us[at], until_us[at]))


def _sessions(persona: Persona, users: Int, begin_us: int, end_us: int, rng: np.random.Generator) -> tuple[Int, Int, Int, Int]:
    """Sessions of users of one persona: device, open, close, and until when they send; all users at once, one stay after the other."""
    if persona.open_s is None:
        count = len(users)
        return users, np.full(count, begin_us), np.full(count, end_us), np.full(count, end_us)
    stays = (persona.away_s, persona.open_s)
    share = amounts.mean(persona.open_s) / (amounts.mean(persona.open_s) + amounts.mean(persona.away_s))
    is_open = rng.random(len(users)) < share
    first = (amounts.length_biased(stays[0]), amounts.length_biased(stays[1]))
    begun = np.full(len(users), begin_us)
    ended = begin_us + (_stays_us(first, is_open, rng) * rng.random(len(users))).astype(np.int64)
    found: list[tuple[Int, Int, Int]] = []
    while len(users):
        found.append((users[is_open], begun[is_open], np.minimum(ended[is_open], end_us)))
        left = ended < end_us
        users, begun, is_open = users[left], ended[left], ~is_open[left]
        ended = begun + _stays_us(stays, is_open, rng).astype(np.int64)
    device, open_us, close_us = (np.concatenate(columns) for columns in zip(*found, strict=True))
    some = close_us > open_us  # of a first stay, nothing may be left
    device, open_us, close_us = device[some], open_us[some], close_us[some]
    cut = close_us == end_us  # it goes on after the load
    return device, open_us, close_us, np.where(cut, end_us, close_us - round(persona.linger_s * 1e6))


def _stays_us(stays: tuple[Amount, Amount], is_open: Bool, rng: np.random.Generator) -> Floats:
    """A length for each user, of being away or of having the app open."""
    away_s, open_s = (amounts.draw(stay, rng, len(is_open)) for stay in stays)
    return np.clip(np.where(is_open, open_s, away_s) * 1e6, STAY_MIN_US, 1e15)


# what cannot be ---------------------------------------------------------------------------------------------------------------------


def problems(mix: Mix) -> Iterator[str]:
    """What is wrong with a mix, in words that begin with its place."""
    if not mix:
        return
    for i, (one, share) in enumerate(mix):
        if isinstance(one, str) and one not in PERSONAS:
            yield f"personas.{i}.0 is '{one}', which is no preset; presets are {', '.join(PERSONAS)}"
            return
        if not 0 < share <= 1:
            yield f"personas.{i}.1 is {share:g}; give a share above 0, up to 1"
        yield from _problems(f"personas.{i}.0", resolved(one))
    total = sum(share for _, share in mix)
    if abs(total - 1) > SHARES_OFF_MAX:
        yield f"personas: the shares add up to {total:g}; give shares that add up to 1"
    for name in ("sends", "group_sends"):
        if not any(getattr(resolved(one), name) > 0 for one, _ in mix):
            yield f"personas: {name} is 0 for all; give one of them a weight"


def _problems(name: str, persona: Persona) -> Iterator[str]:
    for field in ("sends", "group_sends"):
        weight = getattr(persona, field)
        if not 0 <= weight <= 1e6:
            yield f"{name}.{field} is {weight:g}; give a weight of 0 to 1000000"
    if persona.open_s is not None:
        yield from amounts.problems(f"{name}.open_s", persona.open_s, STAY_MIN_S, STAY_MAX_S, " seconds")
        yield from amounts.problems(f"{name}.away_s", persona.away_s, STAY_MIN_S, STAY_MAX_S, " seconds")
    if not 0 <= persona.linger_s <= STAY_MAX_S:
        yield f"{name}.linger_s is {persona.linger_s:g}; give 0 to {STAY_MAX_S:g} seconds"
