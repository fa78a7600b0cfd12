"""Waiting lines in closed form: what a CPU, a disk or a link must come to in the long run if its arrivals and services are as assumed.

Units are the caller's: rates per unit of time, means in that unit. A line is given as a :class:`Line`; every function is a pure formula.

Sources: [K] Kleinrock, "Queueing Systems, Volume 1: Theory", 1975; [H] Harchol-Balter, "Performance Modeling and Design of Computer
Systems", 2013; Erlang 1917 for B and C; Pollaczek 1930 and Khinchine 1932 for M/G/1; Burke 1956 for tandems. "Response" is the time from
arrival to departure, "wait" the part of it before service.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp


class TheoryError(ValueError):
    """A line that the formulas do not cover: its message says which number is impossible."""


@dataclass(frozen=True, slots=True)
class Line:
    """The long run of one waiting line."""

    utilisation: float
    """Share of the servers that is busy."""
    wait: float
    """Mean time before service, of those who are let in."""
    response: float
    """Mean time from arrival to departure, of those who are let in."""
    number: float
    """Mean number present."""
    lost: float = 0.0
    """Share of arrivals that find no place."""


def _require(arrivals: float, service: float) -> None:
    if not (arrivals > 0 and service > 0):
        raise TheoryError(f"arrivals of {arrivals} and a service of {service}: both must be above 0")


def _stable(load: float) -> None:
    if load >= 1:
        raise TheoryError(f"a load of {load:.3g} of what the servers can do: without a bound on the line it grows for ever")


def mm1(arrivals: float, service: float) -> Line:
    """Poisson arrivals, exponential service of this mean, one server, unbounded line ([K] 3.2). Also, by insensitivity, the means of
    processor sharing with *any* distribution of service ([H] 30.2), where ``wait`` is what sharing adds."""
    return mg1(arrivals, service, 1.0)


def md1(arrivals: float, service: float) -> Line:
    """The same with a service that is always as long: a link that puts equal frames on the wire."""
    return mg1(arrivals, service, 0.0)


def mg1(arrivals: float, service: float, variation2: float) -> Line:
    """Any service with this squared coefficient of variation, in the order of arrival (Pollaczek, Khinchine; [K] 5.6)."""
    _require(arrivals, service)
    load = arrivals * service
    _stable(load)
    wait = load * service * (1 + variation2) / (2 * (1 - load))
    return Line(load, wait, wait + service, arrivals * (wait + service))


def erlang_b(servers: int, offered: float) -> float:
    """Share of arrivals that find ``servers`` servers all busy where nobody waits, by the recursion that does not overflow ([K] 3.6)."""
    blocked = 1.0
    for k in range(1, servers + 1):
        blocked = offered * blocked / (k + offered * blocked)
    return blocked


def mmc(arrivals: float, service: float, servers: int) -> Line:
    """Several servers, one unbounded line (Erlang C; [K] 3.5)."""
    _require(arrivals, service)
    offered = arrivals * service
    load = offered / servers
    _stable(load)
    blocked = erlang_b(servers, offered)
    waits = blocked / (1 - load * (1 - blocked))
    wait = waits * service / (servers * (1 - load))
    return Line(load, wait, wait + service, arrivals * (wait + service))


def mmc_response_quantile(arrivals: float, service: float, servers: int, quantile: float) -> float:
    """The quantile of the response of the same line, in the order of arrival.

    A wait is nothing, or with Erlang's probability exponential with the rate at which the line can catch up ([K] 3.5); the response is
    that and an exponential service. Found by bisection on its tail.
    """
    _require(arrivals, service)
    load = arrivals * service / servers
    _stable(load)
    if not 0 <= quantile < 1:
        raise TheoryError(f"a quantile of {quantile}: it must be 0 or more, and below 1")
    low, high = 0.0, service
    while _mmc_tail(arrivals, service, servers, high) > 1 - quantile:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _mmc_tail(arrivals, service, servers, middle) > 1 - quantile else (low, middle)
    return high


def _mmc_tail(arrivals: float, service: float, servers: int, t: float) -> float:
    """The share of responses longer than ``t``."""
    rate, catching_up = 1 / service, servers / service - arrivals
    blocked = erlang_b(servers, arrivals * service)
    waits = blocked / (1 - arrivals * service / servers * (1 - blocked))
    served = exp(-rate * t)
    if abs(catching_up - rate) < 1e-9 * rate:
        both = (1 + rate * t) * served
    else:
        both = (catching_up * served - rate * exp(-catching_up * t)) / (catching_up - rate)
    return (1 - waits) * served + waits * both


def mm1k(arrivals: float, service: float, places: int) -> Line:
    """One server and ``places`` in all, that of the one in service among them; who finds none is lost ([K] 3.6)."""
    _require(arrivals, service)
    if places < 1:
        raise TheoryError(f"{places} places: there must be one at least, for the one in service")
    weights = [(arrivals * service) ** n for n in range(places + 1)]
    share = [weight / sum(weights) for weight in weights]
    number = sum(n * p for n, p in enumerate(share))
    lost = share[-1]
    response = number / (arrivals * (1 - lost))
    return Line(1 - share[0], response - service, response, number, lost)


def tandem(arrivals: float, services: list[float]) -> Line:
    """Exponential servers one after another: what leaves an M/M/1 line is Poisson again (Burke), so means add up. ``utilisation`` is the
    busiest one's."""
    lines = [mm1(arrivals, service) for service in services]
    return Line(
        max(line.utilisation for line in lines),
        sum(line.wait for line in lines),
        sum(line.response for line in lines),
        sum(line.number for line in lines),
    )
