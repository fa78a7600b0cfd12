"""Networks as values: what lies between a device and its gateway, by preset, in full, or as a mix of both.

A scenario's ``network`` is the name of a preset (``"4g"``), a full :class:`Network`, or pairs of either with the share of
users who have it (``[["4g", 0.6], ["wifi_good", 0.4]]``; who has which is drawn by key). The default is the loopback of the
live world.

The presets, one direction each; a *tail* of "lognormal 12.5, 1.44" has a median of 12.5 ms and a standard deviation of its
logarithm of 1.44. Letters name the sources below; what has none is assumed, and round.

| preset | least, ms | tail, ms | Mbit/s up, down | loss, in bursts of | NAT forgets after |
|---|---|---|---|---|---|
| ``loopback`` | 0.06 | exponential 0.04 [a] | no limit | none | never |
| ``lan`` | 0.2 | exponential 0.05 [b] | 1000, 1000 | none | never |
| ``wifi_good`` | 5 [c] | lognormal 1.5, 1.48 [d] | 20, 100 [e] | 0.1 %, 20 ms | 1 h [f] |
| ``wifi_bad`` | 5 [c] | lognormal 10, 1.26 [g] | 1, 5 | 2 %, 100 ms | 4 min [f] |
| ``5g`` | 7 | lognormal 7, 0.8 [h] | 21, 166 [i] | 0.1 %, 50 ms | 10 min [j] |
| ``4g`` | 15 | lognormal 12.5, 1.44 [k] | 6, 13 [l] | 0.2 %, 100 ms | 10 min [j] |
| ``3g`` | 100 | lognormal 50, 0.8 [m] | 0.768, 1.6 [m] | 1 %, 200 ms | 5 min [j] |
| ``satellite_leo`` | 10 | lognormal 15, 0.67 [n] | 17, 178 [n] | 0.4 %, 100 ms [n] | 1 h |
| ``satellite_geo`` | 270 [o] | exponential 45 [p] | 3, 19 [p] | 0.5 %, 200 ms | 1 h |
| ``hostile`` | 50 | lognormal 100, 1.3 | 0.05, 0.2 | 5 %, 300 ms | 1 min |

``hostile`` besides loses its cell of 20 devices for 5 s every minute, changes address every five minutes, and gives a
connection up after 30 s: worse than anything measured, made to break things. The cellular presets change address every half
hour of use.

Sources: [a] this project's reference machine. [b] half of the 0.5 ms round trip inside a data centre of Dean, "Software
Engineering Advice from Building Large-Scale Distributed Systems", 2007. [c] half of the 10 ms median round trip of fixed
lines world-wide, Ookla, "Speedtest Global Index", November 2022. [d] half of the Wi-Fi hop of Sui et al., "Characterizing
and Improving WiFi Latency in Large-Scale Operational Networks", MobiSys 2016: median 3 ms, 90th percentile 20 ms (their
99th, 250 ms, lies above this fit's 94 ms). [e] the FCC's benchmark of fixed broadband, 2024. [f] Hätönen et al., "An
Experimental Study of Home Gateway Characteristics", IMC 2010: TCP bindings from four minutes on, an hour in the middle; RFC
5382 asks for 2 h 4 min. [g] half of the hop of Pei et al., "WiFi can be the weakest link of round trip network latency in
the wild", INFOCOM 2016: half of the packets above 20 ms, a tenth above 100 ms. [h] median round trip of 28 ms of mobile
lines world-wide, Ookla as [c]. [i] median of 5G world-wide, Ookla, "Growing and Slowing: The State of 5G Worldwide in
2021". [j] Wang et al., "An Untold Story of Middleboxes in Cellular Networks", SIGCOMM 2011: firewalls of some carriers drop
connections idle for minutes. [k] Catchpoint in Daoudi, "Network Latency, 4G", Web Performance Calendar 2013: median round
trip 55 ms, standard deviation 132 ms. [l] Huang et al., "A Close Examination of Performance and Power Characteristics of 4G
LTE Networks", MobiSys 2012: medians of 13 and 6 Mbit/s. [m] WebPageTest's profile "3G", at the 60th to 70th percentile of
what Google measured: 1.6 Mbit/s, 768 kbit/s, 300 ms. [n] Michel et al., "A First Look at Starlink Performance", IMC 2022:
least round trip 20 ms, quartiles 40, 50 and 60 ms. [o] 239 ms at least from ground to ground by light, Huston, "Testing LEO
and GEO satellite services in Australia", 2022. [p] Ookla, third quarter of 2021: median round trips of 629 (Viasat) and 744
ms (HughesNet), 19 Mbit/s down."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal

import msgspec

Tail = Literal["exponential", "lognormal"]
MINUTE_US = 60e6
TIME_MAX_US = 24 * 60 * MINUTE_US
"""Of every time of a network: a day, the longest load of a scenario; the sums of many stay far inside 64 bits."""
SHARES_OFF_MAX = 1e-6
"""By how much shares of a mix may miss 1: rounding, not a forgotten tenth."""


class Network(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One kind of link, the same both ways but for its bandwidth. 0 switches off what has no other meaning for 0.

    Times in microseconds, as far as their names do not say otherwise. Bytes are never lost while a connection lives: loss
    is delay, until ``give_up_us``."""

    delay_us: float = 60.0
    """Least one-way delay."""
    jitter_us: float = 40.0
    """The tail above it: mean of the exponential, median of the lognormal."""
    tail: Tail = "exponential"
    sigma: float = 1.0
    """Of the lognormal tail: standard deviation of its logarithm."""
    loss: float = 0.0
    """Probability that a segment must be retransmitted; with ``burst_us``, the share of time for which every segment is lost."""
    burst_us: float = 0.0
    """Mean length of a stretch of loss (Gilbert's two states, in continuous time); 0: segments are lost one by one."""
    retransmit_us: float = 200_000.0
    """Least variance term of the retransmission time-out (RFC 6298; Linux's TCP_RTO_MIN), doubled with each further retransmission."""
    give_up_us: float = 924_600_000.0
    """How long a sender retransmits before it calls the connection dead: Linux's tcp_retries2 of 15, or a TCP_USER_TIMEOUT."""
    up_bit_s: float = 0.0
    """Bandwidth of the device's uplink, bits per second; 0: none to speak of is used up."""
    down_bit_s: float = 0.0
    nat_idle_us: float = 0.0
    """A connection silent both ways for longer is forgotten by the NAT: what is sent later vanishes. 0: never."""
    outage_every_us: float = 0.0
    """Mean time between two outages, in which nothing passes; exponential. 0: none."""
    outage_us: float = 0.0
    """Mean length of an outage; exponential."""
    cell: int = 1
    """How many devices share a cell: its outages are theirs together."""
    handover_every_us: float = 0.0
    """Mean time between two changes of a device's address; exponential. The device knows at once, its gateway is told nothing. 0: none."""

    def scaled(self, factor: float) -> Network:
        """With everything that plays on the protocol's scale of time shortened; delays, losses and bandwidths stay what they are."""
        names = ("give_up_us", "nat_idle_us", "outage_every_us", "outage_us", "handover_every_us")
        return msgspec.structs.replace(self, **{name: getattr(self, name) * factor for name in names})


def _mobile(**fields: float) -> Network:
    return Network(**fields, tail="lognormal", handover_every_us=30 * MINUTE_US)  # type: ignore[arg-type]


NETWORKS: dict[str, Network] = {
    "loopback": Network(),
    "lan": Network(delay_us=200, jitter_us=50, up_bit_s=1e9, down_bit_s=1e9),
    "wifi_good": Network(
        delay_us=5_000,
        jitter_us=1_500,
        tail="lognormal",
        sigma=1.48,
        loss=0.001,
        burst_us=20_000,
        up_bit_s=20e6,
        down_bit_s=100e6,
        nat_idle_us=60 * MINUTE_US,
    ),
    "wifi_bad": Network(
        delay_us=5_000,
        jitter_us=10_000,
        tail="lognormal",
        sigma=1.26,
        loss=0.02,
        burst_us=100_000,
        up_bit_s=1e6,
        down_bit_s=5e6,
        nat_idle_us=4 * MINUTE_US,
    ),
    "5g": _mobile(
        delay_us=7_000,
        jitter_us=7_000,
        sigma=0.8,
        loss=0.001,
        burst_us=50_000,
        up_bit_s=21e6,
        down_bit_s=166e6,
        nat_idle_us=10 * MINUTE_US,
    ),
    "4g": _mobile(
        delay_us=15_000,
        jitter_us=12_500,
        sigma=1.44,
        loss=0.002,
        burst_us=100_000,
        up_bit_s=6e6,
        down_bit_s=13e6,
        nat_idle_us=10 * MINUTE_US,
    ),
    "3g": _mobile(
        delay_us=100_000,
        jitter_us=50_000,
        sigma=0.8,
        loss=0.01,
        burst_us=200_000,
        up_bit_s=768e3,
        down_bit_s=1.6e6,
        nat_idle_us=5 * MINUTE_US,
    ),
    "satellite_leo": Network(
        delay_us=10_000,
        jitter_us=15_000,
        tail="lognormal",
        sigma=0.67,
        loss=0.004,
        burst_us=100_000,
        up_bit_s=17e6,
        down_bit_s=178e6,
        nat_idle_us=60 * MINUTE_US,
    ),
    "satellite_geo": Network(
        delay_us=270_000,
        jitter_us=45_000,
        loss=0.005,
        burst_us=200_000,
        up_bit_s=3e6,
        down_bit_s=19e6,
        nat_idle_us=60 * MINUTE_US,
    ),
    "hostile": Network(
        delay_us=50_000,
        jitter_us=100_000,
        tail="lognormal",
        sigma=1.3,
        loss=0.05,
        burst_us=300_000,
        give_up_us=MINUTE_US / 2,
        up_bit_s=50e3,
        down_bit_s=200e3,
        nat_idle_us=MINUTE_US,
        outage_every_us=MINUTE_US,
        outage_us=5e6,
        cell=20,
        handover_every_us=5 * MINUTE_US,
    ),
}

Links = Network | str | tuple[tuple[Network | str, float], ...]
"""What a scenario may call its network."""


def resolved(links: Links) -> tuple[tuple[Network, float], ...]:
    """The networks of a mix with their shares; one has the share 1. KeyError for a preset that does not exist."""
    mix = links if isinstance(links, tuple) else ((links, 1.0),)
    return tuple((one if isinstance(one, Network) else NETWORKS[one], share) for one, share in mix)


def sole(links: Links) -> Network:
    """The one network of a scenario that does not mix several. ValueError for a mix."""
    ((network, _),) = resolved(links)
    return network


def scaled(links: Links, factor: float) -> Links:
    """The same with its times shortened, see :meth:`Network.scaled`; what has none to shorten is left as it is."""
    if isinstance(links, tuple):
        return tuple((one, share) for one, (_, share) in zip((_scaled(one, factor) for one, _ in links), links, strict=True))
    return _scaled(links, factor)


def _scaled(one: Network | str, factor: float) -> Network | str:
    return (one if isinstance(one, Network) else NETWORKS[one]).scaled(factor)


# what cannot be ---------------------------------------------------------------------------------------------------------------------


def problems(links: Links) -> Iterator[str]:
    """What is wrong with a scenario's network, in words, the first first; nothing for one that can be played."""
    if not isinstance(links, tuple):
        yield from _problems("network", links)
        return
    for i, (one, share) in enumerate(links):
        yield from _problems(f"network.{i}.0", one)
        if not 0 < share <= 1:
            yield f"network.{i}.1 is {share:g}; give a share above 0, up to 1"
    total = sum(share for _, share in links)
    if abs(total - 1) > SHARES_OFF_MAX:
        yield f"network's shares add up to {total:g}; give shares that add up to 1"


def _problems(name: str, network: Network | str) -> Iterator[str]:
    if isinstance(network, str):
        if network not in NETWORKS:
            yield f"{name} is '{network}', which is no preset; presets are {', '.join(NETWORKS)}"
        return
    yield from (f"{name}.{text}" for holds, text in _conditions(network) if not holds)


def _conditions(network: Network) -> Iterator[tuple[bool, str]]:
    for field in network.__struct_fields__:
        value = getattr(network, field)
        if field.endswith("_us"):
            yield 0 <= value <= TIME_MAX_US, f"{field} is {value:g}; give 0 to {TIME_MAX_US:g} microseconds, a day"
        if field.endswith("_bit_s"):
            yield math.isfinite(value) and value >= 0, f"{field} is {value:g}; give at least 0 bits per second, 0 for no limit"
    yield 0 <= network.loss <= 0.5, f"loss is {network.loss:g}; give 0 to 0.5"
    yield 0 <= network.sigma <= 3, f"sigma is {network.sigma:g}; give 0 to 3, beyond which a lognormal has no mean to speak of"
    yield network.cell >= 1, f"cell is {network.cell}; give at least 1 device"
    yield network.retransmit_us > 0 or network.loss == 0, "retransmit_us is 0; give more than 0 where there is loss"
    yield network.give_up_us > 0, "give_up_us is 0; give more than 0"
    paired = (network.outage_us > 0) == (network.outage_every_us > 0)
    yield paired, "outage_us and outage_every_us go together; give both, or neither"
