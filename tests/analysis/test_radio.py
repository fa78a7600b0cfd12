"""The energy of heartbeats, against sums made by hand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from model.analysis.radio import HOUR_US, RADIOS, Radio, of_heartbeats, of_traffic
from model.core.frames import Ping, Pong
from model.sim.sizes import SEGMENT_HEADER_BYTES, link_bytes

S = 1_000_000
ROUND = Radio(promotion_mw=1000, promotion_us=S // 2, tail=((800, 4 * S), (200, 6 * S)))


def test_a_heartbeat_beyond_the_tail_wakes_the_radio_every_time() -> None:
    """Every minute: 60 times half a second at 1 W, four at 0.8 W and six at 0.2 W, 4.9 J each; awake for 10.5 s each."""
    cost = of_heartbeats(ROUND, 60 * S, 168)
    assert (cost.wake_ups, cost.awake_s, cost.bytes) == (60, 630, 60 * 168)
    assert cost.joules == pytest.approx(60 * (0.5 + 3.2 + 1.2))


def test_one_within_the_tail_never_lets_it_sleep_and_keeps_the_first_stage_alive() -> None:
    """Every five seconds: 720 times four seconds at 0.8 W and one at 0.2 W; every three: 0.8 W throughout."""
    assert of_heartbeats(ROUND, 5 * S, 0).joules == pytest.approx(720 * (3.2 + 0.2))
    always = of_heartbeats(ROUND, 3 * S, 0)
    assert (always.wake_ups, always.awake_s) == (0, 3600)
    assert always.joules == pytest.approx(0.8 * 3600)


def test_the_published_figures_of_lte_by_hand() -> None:
    """A minute: 60 x (1.2107 W x 0.2601 s + 1.06 W x 11.576 s) = 755.1 J. A day of it is 5.03 Wh, half a phone's battery."""
    cost = of_heartbeats(RADIOS["4g"], 60 * S, 0)
    assert cost.joules == pytest.approx(60 * (0.314903 + 12.27056), rel=1e-5)
    assert cost.joules * 24 / 3600 == pytest.approx(5.03, abs=0.01)


def test_beyond_the_tail_energy_falls_as_one_over_the_interval() -> None:
    for radio in RADIOS.values():
        minute, longer = (of_heartbeats(radio, t * S, 100) for t in (60, 240))
        assert minute.joules == pytest.approx(4 * longer.joules)
        assert minute.bytes == 4 * longer.bytes


@pytest.mark.parametrize("interval_s", [3, 5, 9, 11, 60])
def test_regular_traffic_is_heartbeats(interval_s: int) -> None:
    closed = of_heartbeats(ROUND, interval_s * S, 100)
    beats = list(range(0, HOUR_US, interval_s * S))
    counted = of_traffic(ROUND, beats, 100 * len(beats), HOUR_US)
    assert counted.wake_ups == pytest.approx(closed.wake_ups, abs=1)
    assert counted.joules == pytest.approx(closed.joules, rel=0.02)
    assert counted.bytes == pytest.approx(closed.bytes, rel=0.01)


def test_messages_between_heartbeats_save_their_wake_ups() -> None:
    """A ping within the tail of a message finds the radio awake: 0, 1 and 30 s wake it twice, for a second of tail and two whole ones."""
    cost = of_traffic(ROUND, [0, S, 30 * S], 300, HOUR_US)
    assert cost.wake_ups == 2
    assert cost.joules == pytest.approx(2 * 0.5 + 0.8 + 2 * (3.2 + 1.2))
    assert of_traffic(ROUND, [], 0, HOUR_US).joules == 0


def test_the_table_of_the_page_is_what_the_formula_says() -> None:
    page = (Path(__file__).parents[2] / "docs" / "model.md").read_text()
    rows = [
        [int(x) for x in row]
        for row in re.findall(r"^\| (\d+) s \| (\d+) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$", page, re.MULTILINE)
    ]
    beat = link_bytes(Ping(200)) + link_bytes(Pong(200, ())) + 2 * SEGMENT_HEADER_BYTES
    assert len(rows) == 4
    for interval_s, total, wakes, *joules in rows:
        costs = [of_heartbeats(RADIOS[name], interval_s * S, beat) for name in ("4g", "3g", "wifi")]
        assert (total, wakes) == (round(costs[0].bytes), round(costs[0].wake_ups))
        assert joules == [round(cost.joules) for cost in costs]


def test_no_interval_is_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        of_heartbeats(ROUND, 0, 100)
