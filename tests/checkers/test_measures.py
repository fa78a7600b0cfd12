"""The numbers: latency by class, availability and outages, recovery, reconnection, series."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from model.checkers import judge
from model.checkers.latency import summary
from model.history.schema import FaultKind, Kind, Via
from tests.checkers.planting import Planting
from tests.corpus.further_time import NEAR_MISSES
from tests.corpus.planted import one_gateway_dead, three, traffic


def measures(p: Planting) -> dict[str, Any]:
    return judge(p.history()).measures


def test_sends_by_outcome() -> None:
    p = Planting()
    p.message("x", "a", at=1, pos=1)
    p.send("y", "a", at=2, fail=3)
    p.send("z", "a", at=3, info=8)
    p.send("w", "a", at=4)
    p.intends("v", "a", at=5)
    sends = measures(p)["sends"]
    del sends["in_flight_at_fault"]
    assert sends == {"intended": 5, "invoked": 4, "ok": 1, "fail": 1, "info": 1, "open": 1}


# latency ----------------------------------------------------------------------------------------------------------------------


def test_quantiles_need_ten_samples_beyond_them() -> None:
    numbers = summary(np.arange(1, 100, dtype=np.float64))
    assert (numbers["p50_us"], numbers["p90_us"], numbers["max_us"]) == (50, None, 99)
    assert summary(np.arange(1, 101, dtype=np.float64))["p90_us"] == 90


def test_infinity_is_printed_as_more_than_the_run() -> None:
    samples = np.concatenate([np.full(980, 40.0), np.full(20, np.inf)])
    numbers = summary(samples)
    assert (numbers["p90_us"], numbers["p99_us"], numbers["max_us"], numbers["infinite"]) == (40, ">run", ">run", 20)


def test_samples_of_zero_count() -> None:
    p = Planting("a b")
    for place in range(1, 31):
        p.send(f"m{place}", "a", at=place, ok=float(place), pos=place)
        p.shown(f"m{place}", "b", at=float(place))
    latency = measures(p)["latency"]
    for name in ("ack", "end_to_end_live", "send_lag", "service"):
        assert (latency[name]["n"], latency[name]["max_us"]) == (30, 0), name


def test_latency_is_from_the_intended_time_and_service_is_not() -> None:
    p = Planting("a b")
    p.send("x", "a", at=1, invoked=1.5, written=1.6, ok=1.7, pos=1)
    p.shown("x", "b", at=1.9)
    latency = measures(p)["latency"]
    assert latency["ack"]["max_us"] == 700_000
    assert latency["end_to_end_live"]["max_us"] == 900_000
    assert latency["send_lag"]["max_us"] == 500_000
    assert latency["service"]["max_us"] == 100_000


def test_ack_of_an_unknown_outcome_is_infinite_and_of_a_failure_apart() -> None:
    p = Planting("a b")
    p.message("x", "a", at=1, pos=1)
    p.send("y", "a", at=2, info=3)
    p.send("z", "a", at=3, fail=3.1)
    ack = measures(p)["latency"]["ack"]
    assert (ack["n"], ack["infinite"], ack["max_us"]) == (2, 1, ">run")


def test_catch_up_is_timed_from_readiness_and_never_pooled() -> None:
    p = Planting("a b c")
    p.connects("a b", at=0)
    p.connects("c", at=0)
    p.disconnects("c", at=0.9)
    p.send("x", "a", at=1, ok=1.02, pos=1)
    p.shown("x", "b", at=1.03)
    p.connects("c", at=60, connection=2)
    p.shown("x", "c", at=60.3, via=Via.SYNC, connection=2)
    latency = measures(p)["latency"]
    assert (latency["end_to_end_live"]["n"], latency["end_to_end_live"]["max_us"]) == (1, 30_000)
    assert (latency["end_to_end_catch_up"]["n"], latency["end_to_end_catch_up"]["max_us"]) == (1, 300_000)
    assert latency["fan_out"]["max_us"] == 59_300_000


def test_late_is_counted_by_the_class_of_the_delivery() -> None:
    p = Planting("a b c")
    p.connects("a b c", at=0)
    p.disconnects("c", at=0.9)
    p.send("x", "a", at=1, ok=1.02, pos=1)
    p.shown("x", "b", at=2.5)
    p.connects("c", at=60, connection=2)
    p.shown("x", "c", at=60.9, via=Via.SYNC, connection=2)
    (late,) = (a for a in judge(p.history()).anomalies if a.kind == "late")
    assert (late.count, late.witnesses[0].device) == (1, "b")


# availability -----------------------------------------------------------------------------------------------------------------


def refused(p: Planting, begin: int, end: int, sender: str = "a") -> None:
    for at in range(begin, end):
        p.send(f"no{sender}{at}", sender, at=at, fail=at + 0.1)


def test_outage_lasts_from_the_first_failure_to_the_next_success() -> None:
    p = Planting()
    traffic(p, 1, 10, every=1.0)
    refused(p, 10, 13)
    traffic(p, 15, 20, every=1.0)
    everyone = measures(p)["availability"]["all"]
    assert everyone["send"] == pytest.approx(14 / 17)
    assert (everyone["longest_outage_us"], everyone["at_least"]) == (5_000_000, False)


def test_single_failure_is_no_outage() -> None:
    p = Planting()
    traffic(p, 1, 10, every=1.0)
    refused(p, 10, 11)
    traffic(p, 30, 40, every=1.0)
    assert measures(p)["availability"]["all"]["longest_outage_us"] == 0


def test_leading_outage_counts() -> None:
    p = Planting()
    refused(p, 1, 8)
    traffic(p, 10, 20, every=1.0)
    judgement = judge(p.history())
    assert judgement.measures["availability"]["all"]["longest_outage_us"] == 9_000_000
    assert "outage" in {a.kind for a in judgement.anomalies if a.fails}


def test_trailing_outage_counts_as_at_least() -> None:
    p = Planting()
    traffic(p, 1, 10, every=1.0)
    refused(p, 10, 20)
    judgement = judge(p.history())
    everyone = judgement.measures["availability"]["all"]
    assert (everyone["longest_outage_us"], everyone["at_least"]) == (9_000_000, True)
    assert "outage" in {a.kind for a in judgement.anomalies if a.fails}


def test_ok_after_the_deadline_is_a_failed_operation() -> None:
    p = Planting("a b")
    p.message("x", "a", at=1, pos=1)
    p.message("y", "a", at=2, pos=2, took=5.5)
    availability = measures(p)["availability"]
    assert (availability["all"]["send"], availability["all"]["delivery"]) == (0.5, 0.5)
    assert availability["gateways"]["gateway-1"]["send"] == 0.5


def test_send_that_was_never_handed_over_was_still_intended() -> None:
    p = Planting("a b")
    p.message("x", "a", at=1, pos=1)
    p.intends("y", "a", at=2)
    assert measures(p)["availability"]["all"]["send"] == 0.5


def test_a_dead_gateway_shows_in_its_own_availability_where_the_average_is_fine() -> None:
    found = judge(one_gateway_dead().history()).measures["availability"]
    assert found["all"]["longest_outage_us"] == 0
    assert found["gateways"]["gateway-1"] == {"send": 1.0, "delivery": 1.0, "longest_outage_us": 0, "at_least": False}
    assert found["gateways"]["gateway-2"]["longest_outage_us"] == 20_000_000
    assert found["gateways"]["gateway-2"]["send"] < 0.7


def test_worst_devices_are_named() -> None:
    p = Planting("a b c")
    for place in range(1, 20):
        p.send(f"m{place}", "a", at=place, ok=place + 0.02, pos=place)
        p.shown(f"m{place}", "b", at=place + 0.03)
        p.shown(f"m{place}", "c", at=place + 0.03 if place > 9 else place + 40)
    worst = measures(p)["availability"]["devices_worst"][0]
    assert worst == {"device": "c", "of": "delivery", "longest_outage_us": 9_000_000, "at_least": False}


# faults -----------------------------------------------------------------------------------------------------------------------


def test_recovery_is_when_windows_are_good_again() -> None:
    p = Planting(load_ends=60)
    traffic(p, 1, 20, every=0.1)
    p.fault(at=20, healed=21)
    for place in range(20):
        p.send(f"no{place}", "a", at=20 + place / 10, fail=20.05 + place / 10)
    traffic(p, 22, 60, every=0.1)
    (fault,) = measures(p)["recovery"]["faults"]
    assert fault["time_us"] == pytest.approx(6_900_000, abs=100_000), "the last refusal leaves the window 5 s after 21.9 s"
    assert fault["during"] == {"intended": 11, "succeeded": 0}


def test_detection_and_reconnection_by_client() -> None:
    p = Planting("a b c", load_ends=60)
    p.connects("a b", at=0)
    p.connects("c", at=0, node="gateway-2")
    traffic(p, 1, 20)
    p.fault(at=20.2, healed=21)
    p.disconnects("a b", at=20.3)
    p.tries("a b", at=20.8, connection=2)
    p.connects("a", at=22, connection=3)
    p.connects("b", at=22.5, connection=3)
    p.sync("b", after=0, upto=0, at=23, done=23.1, connection=3)
    traffic(p, 30, 58)
    numbers = measures(p)
    (fault,) = numbers["recovery"]["faults"]
    assert (fault["detection"]["n"], fault["detection"]["max_us"]) == (2, 100_000)
    assert (fault["reconnection"]["n"], fault["reconnection"]["max_us"]) == (2, 2_300_000)
    reconnect = numbers["reconnect"]
    assert (reconnect["n"], reconnect["max_us"], reconnect["peak_per_s"]) == (2, 2_200_000, 2)
    assert (reconnect["attempts_per_client_max"], reconnect["attempts_per_client_mean"]) == (2, 2.0)


def test_switching_off_by_schedule_is_no_lost_connection() -> None:
    p = Planting("a b c")
    p.connects("a b c", at=0)
    three(p)
    p.off("c", at=5, until=20)
    p.disconnects("c", at=5)
    p.connects("c", at=20, connection=2)
    assert measures(p)["reconnect"]["n"] == 0


def test_device_that_never_came_back_reconnects_in_infinity() -> None:
    p = Planting("a b c")
    p.connects("a b c", at=0)
    three(p)
    p.disconnects("c", at=5)
    p.tries("c", at=100, connection=2)
    assert measures(p)["reconnect"]["max_us"] == ">run"


def test_sends_in_flight_at_a_fault_by_outcome() -> None:
    p = Planting("a b")
    p.send("x", "a", at=1, ok=3, pos=1)
    p.send("y", "a", at=1, fail=3)
    p.send("z", "a", at=1, info=3)
    p.send("w", "a", at=1)
    p.send("before", "a", at=1, ok=1.9, pos=2)
    p.send("after", "a", at=2.1, ok=3, pos=3)
    p.fault(at=2, healed=2.5)
    assert measures(p)["sends"]["in_flight_at_fault"] == {"ok": 1, "fail": 1, "info": 2}


# order, series ----------------------------------------------------------------------------------------------------------------


def test_out_of_order_counts_distinct_messages_of_all_kinds_of_order() -> None:
    p = Planting("a b c")
    p.send("x", "a", at=1, ok=1.1, pos=1)
    p.send("y", "a", at=1.2, ok=1.3, pos=2)
    p.shown("y", "b c", at=1.4)
    p.shown("x", "b c", at=1.5)
    order = measures(p)["order"]
    assert (order["fifo_live"], order["session_nonmonotonic"], order["out_of_order"]) == (1, 1, 1)


def test_series_count_seconds_in_bins() -> None:
    p = Planting("a b")
    p.connects("a b", at=0)
    p.message("x", "a", at=1.05, pos=1)
    p.send("y", "a", at=1.07, fail=1.08)
    p.disconnects("b", at=2)
    series = measures(p)["series"]
    at = series["t_s"].index(1.0)
    assert series["bin_s"] == pytest.approx(0.2), "210 s are too long for bins of 0.1 s"
    assert (series["send_availability"][at], series["ok"][at], series["fail"][at]) == (0.5, 1, 1)
    assert series["send_availability"][at + 1] is None
    assert series["delivered_per_s"][at] == pytest.approx(2 / 0.2)
    assert (series["connected_devices"][at], series["connected_devices"][at + 6]) == (2, 1)
    assert len({len(values) for name, values in series.items() if name != "bin_s"}) == 1


def test_series_have_the_median_and_the_p99_of_each_bin() -> None:
    p = Planting("a b")
    for n in range(1, 11):
        p.message(f"m{n}", "a", at=1 + n / 1000, pos=n, took=n / 100)
    series = measures(p)["series"]
    at = series["t_s"].index(1.0)
    assert (series["ack_p50_us"][at], series["ack_p99_us"][at]) == (50_000, 100_000)
    assert (series["end_to_end_live_p50_us"][at], series["end_to_end_live_p99_us"][at]) == (60_000, 110_000)


# who belongs to a fault, and what the schedule did ------------------------------------------------------------------------------


def after_a_fault(p: Planting, cut: bool = False) -> dict[str, Any]:
    """What is measured of a fault of gateway-1 from 20 s to 21 s."""
    p.connects("a b c", at=0)
    kind = FaultKind.CUT if cut else FaultKind.KILL
    for row, at in ((Kind.FAULT_PLANNED, 20), (Kind.FAULT_BEGUN, 20), (Kind.FAULT_HEALED, 20 if cut else 21)):
        p._row(row, at, node="gateway-1", value=1, code=kind)
    traffic(p, 1, 58, every=1.0)
    fault: dict[str, Any] = measures(p)["recovery"]["faults"][0]
    return fault


def test_a_loss_that_the_schedule_ordered_is_no_detection() -> None:
    p = Planting("a b c", load_ends=60)
    p.off("c", at=20.5, until=40)
    p.disconnects("c", at=20.5)
    p.connects("c", at=40, connection=2)
    p.disconnects("b", at=20.2)
    p.connects("b", at=22, connection=2)
    fault = after_a_fault(p)
    assert (fault["detection"]["n"], fault["detection"]["max_us"]) == (1, 200_000)
    assert (fault["reconnection"]["n"], fault["reconnection"]["max_us"]) == (1, 2_000_000)


def test_a_loss_after_a_killed_node_was_back_is_no_detection_and_one_after_a_cut_is() -> None:
    for cut in (False, True):
        p = Planting("a b c", load_ends=60)
        p.disconnects("b", at=30)
        p.connects("b", at=31, connection=2)
        assert after_a_fault(p, cut)["detection"]["n"] == int(cut)


def test_a_device_switched_off_before_it_is_back_says_nothing_of_reconnection() -> None:
    p = Planting("a b c", load_ends=60)
    p.disconnects("b c", at=20.2)
    p.off("c", at=20.5, until=40)
    p.connects("b", at=22, connection=2)
    p.connects("c", at=40, connection=2)
    fault = after_a_fault(p)
    assert (fault["detection"]["n"], fault["reconnection"]["n"], fault["reconnection"]["max_us"]) == (2, 1, 2_000_000)
    reconnect = measures(p)["reconnect"]
    assert (reconnect["n"], reconnect["max_us"]) == (1, 1_800_000)


def test_availability_of_a_gateway_is_that_of_the_devices_that_were_there() -> None:
    p = Planting("a b", load_ends=60)
    p.connects("a", at=0)
    p.connects("a", at=10, connection=2, node="gateway-2")
    p.message("x", "a", at=5, pos=1)
    p.message("y", "a", at=10, pos=2)
    refused(p, 20, 21)
    gateways = measures(p)["availability"]["gateways"]
    assert {name: found["send"] for name, found in gateways.items()} == {"gateway-1": 1.0, "gateway-2": 0.5}


def test_what_is_still_open_when_a_recording_breaks_off_counts_once_it_waited_long_enough() -> None:
    p = Planting("a b")
    p.message("x", "a", at=1, pos=1)
    p.send("long", "a", at=2)
    p.send("short", "a", at=5)
    p.message("y", "a", at=7.9, pos=2)
    p.send("late", "a", at=2.5, ok=2.6, pos=3)
    p.recording_ends(at=8)
    latency = measures(p)["latency"]
    assert (latency["ack"]["n"], latency["ack"]["infinite"]) == (4, 1)
    assert (latency["end_to_end_live"]["n"], latency["end_to_end_live"]["infinite"]) == (3, 1)


def test_recovery_from_nothing_that_was_felt_takes_no_time() -> None:
    p = NEAR_MISSES["as_many_unanswered_before_the_fault_as_after"].plant()
    assert measures(p)["recovery"]["time_us"] == 0


def test_a_class_without_a_base_leaves_the_time_of_recovery_unknown() -> None:
    assert measures(NEAR_MISSES["a_class_that_had_no_base"].plant())["recovery"]["time_us"] is None


def test_no_acks_where_answers_were_not_recorded() -> None:
    p = Planting("a b")
    p.send("x", "a", at=1, pos=1, stored=True)
    p.shown("x", "b", at=1.03)
    assert measures(p)["latency"]["ack"]["n"] == 0
