"""A calibration finds costs that were planted in counters, and reads counters and waits for what they are."""

from __future__ import annotations

import json
import os
from pathlib import Path

import msgspec
import numpy as np
import pytest

from model.core.frames import PING, SEND
from model.history.recorder import MemoryRecorder
from model.history.schema import Header, Kind, Phase
from model.scenario import Kill, Scenario, tally
from model.sim.service_times import ServiceTimes
from model.sim.service_times import load as load_times
from reference_server.storage.database import CHECKPOINT_PAGES
from scenarios.calibrating import delays, disk, loads, waits
from scenarios.calibrating.calibrate import Calibration, Played, calibrate
from scenarios.calibrating.command import told
from scenarios.calibrating.disk import PAGES, SYNC_VALUES, WRITES, Commits, Disk, with_checkpoints
from scenarios.calibrating.fit import FLOOR_US, Fit, Point, fit
from scenarios.calibrating.windows import GATEWAY, TERMS, UNSOLD, Totals, Window, cut
from scenarios.running import doctor, settings
from scenarios.running.exits import CannotRun
from scenarios.running.metrics import Sample
from scenarios.running.progress import Silent
from tests.cli.conftest import Command, imbench  # noqa: F401  the fixture

COSTS = {"turn": 20.0, "frame": 7.0, "write": 5.0, "kib": 0.5}


def planted(noise: float = 0.0, seed: int = 1) -> list[Point]:
    """Points of load of all kinds, and the CPU that they cost, but for a relative noise."""
    luck = np.random.default_rng(seed)
    points = []
    for k in range(20):
        frames = float(luck.integers(2_000, 60_000))
        turns, writes = frames / float(luck.integers(1, 20)), frames / float(luck.integers(1, 4))
        counts = {"frame": frames, "turn": turns, "write": writes, "kib": frames * float(luck.choice([0.1, 4.0]))}
        cpu_us = sum(COSTS[term] * count for term, count in counts.items()) * (1 + noise * luck.standard_normal())
        points.append(Point(f"point {k}", counts, cpu_us))
    return points


# the fit -----------------------------------------------------------------------------------------------------------------------------


def test_costs_are_found_in_counts_and_cpu() -> None:
    found = fit(planted(), tuple(COSTS))
    assert found.costs == pytest.approx(COSTS)
    assert found.worst < 1e-9


def test_noise_of_a_few_percent_moves_costs_by_a_few_percent() -> None:
    found = fit(planted(noise=0.02), tuple(COSTS))
    for term, cost in COSTS.items():
        assert found.costs[term] == pytest.approx(cost, rel=0.25), term
    assert 0.01 < found.worst < 0.1


def test_what_was_not_counted_costs_nothing_and_no_cost_is_negative() -> None:
    found = fit(planted(noise=0.1), (*COSTS, "never"))
    assert found.costs["never"] == 0
    assert min(found.costs.values()) >= 0


def test_what_moves_with_others_is_told_to_be_within_their_costs() -> None:
    """A result for each frame, always: their sum is found, and which of the two has none is said."""
    points = [Point(p.name, {**p.counts, "result": p.counts["frame"]}, p.cpu_us) for p in planted()]
    found = fit(points, (*COSTS, "result", "never"))
    assert found.costs["frame"] + found.costs["result"] == pytest.approx(COSTS["frame"])
    assert found.absorbed in (("frame",), ("result",))
    assert fit(planted(), (*COSTS, "never")).absorbed == ()
    calibrated = Calibration(load_times(), {"business": found}, Disk((), ()), {})
    line = next(line for line in told(calibrated, Path("mine.json")).splitlines() if "not told apart" in line)
    assert line.endswith(f"within the costs of others: {found.absorbed[0]}")


def test_a_load_that_was_not_looked_at_twice_is_called_too_short() -> None:
    with pytest.raises(CannotRun, match=r"'standard, quiet' was too short .* --seconds"):
        _ = Played(loads.probe(0.2), (), Header("live"), rows(audit_us=1).rows()).under_load


def test_a_kernel_that_does_not_tell_cpu_by_thread_is_found_out_before_anything_is_played(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert doctor.tells_threads() == Path("/proc/self/schedstat").exists()
    monkeypatch.setattr(doctor, "tells_threads", lambda: False)
    monkeypatch.setattr(waits, "cores", lambda: ([0], [1]))
    with pytest.raises(CannotRun, match="does not tell CPU by thread"):
        calibrate(1.0, "", "", Silent())


def test_a_small_point_counts_as_much_as_a_large_one() -> None:
    """Two points that no cost can explain together: the error is shared, not left to the small one."""
    found = fit([Point("small", {"frame": 100_000}, 1e6), Point("large", {"frame": 10_000_000}, 1.2e8)], ("frame",))
    errors = {residual.name: residual.error for residual in found.residuals}
    assert errors["small"] == pytest.approx(-errors["large"], rel=0.25)


def test_the_worst_error_is_not_that_of_next_to_nothing() -> None:
    found = fit([*planted(), Point("idle", {"frame": 1}, FLOOR_US)], tuple(COSTS))
    assert found.worst < 0.02
    with pytest.raises(ValueError, match="no points"):
        fit([], tuple(COSTS))


def test_every_cost_of_the_roles_is_one_that_is_fitted_and_the_other_way_round() -> None:
    fitted = {f"{role}_{term}_us" for role, terms in TERMS.items() for term in terms if term not in UNSOLD}
    measured_apart = {
        "storage_sync_us",
        "storage_checkpoint_wait_us",
        "storage_checkpoint_kib_wait_us",
        "gateway_start_us",
        "business_start_us",
        "loopback_us",
        "loopback_jitter_us",
        "local_us",
    }
    of_scenarios = {"gateway_handshake_us", "business_account_us"}
    wanted = {name for name in ServiceTimes.__struct_fields__ if name.endswith("_us")}
    assert wanted == fitted | measured_apart | of_scenarios | {"unexplained_us"}


# windows -----------------------------------------------------------------------------------------------------------------------------

SCENARIO = Scenario("s", "?", ramp_s=1.0, warm_up_s=0.5, duration_s=2.0)


def sample(t_us: int, pid: int, main_us: float, **counts: int) -> Sample:
    found = [0] * tally.SIZE
    for name, count in counts.items():
        found[getattr(tally, name) if name.isupper() else {"send": SEND, "ping": PING}[name]] = count
    return Sample(t_us, "gateway", f"gateway-{pid}", pid, 0, 0, main_us=main_us, tally=tuple(found))


def rows(audit_us: int) -> MemoryRecorder:
    recorder = MemoryRecorder()
    recorder.record(Kind.PHASE, audit_us, code=Phase.AUDIT)
    return recorder


def test_a_window_is_what_was_counted_between_two_looks() -> None:
    """The load begins at 1.0 s, is measured from 1.5 s on and ends at 3.0 s; two gateways, one of which comes only later."""
    samples = [
        sample(t, pid, main_us=rate * t, TURNS=t // 1000, send=t // 500, ping=7)
        for t in range(0, 4_000_001, 250_000)
        for pid, rate in ((1, 0.25), (2, 0.5))
        if not (pid == 2 and t < 2_000_000)
    ]
    windows = {window.name: window for window in cut("a point", SCENARIO, samples, rows(audit_us=3_400_000).rows())}
    assert list(windows) == ["a point: ramp", "a point: load", "a point: audit"]
    ramp, load, audit = windows.values()
    assert [window.seconds for window in (ramp, load, audit)] == [1.0, 1.5, 0.75]
    point = load.points()["gateway"]
    assert point.cpu_us == 1_500_000 * 0.25  # the second one was not there at its beginning
    assert (point.counts["turn"], point.counts["forward"], point.counts["own"]) == (1_500, 3_000, 0)
    assert (point.counts["first"], ramp.points()["gateway"].counts["first"]) == (0, 1)
    assert audit.points()["gateway"].cpu_us == 750_000 * 0.75
    assert set(point.counts) >= set(GATEWAY)


def test_the_load_is_that_of_the_busier_side() -> None:
    """Over a second, 0.6 s of CPU on the server's cores and 0.4 s on the load process's one."""
    totals = {"gateway": Totals(main_us=400_000), "business": Totals(main_us=100_000, others_us=100_000)}
    window = Window("a point: load", 1.0, totals | {"generator": Totals(main_us=400_000)})
    assert (window.busy(cores=1), window.busy(cores=2)) == (0.6, 0.4)


def test_a_run_that_was_not_looked_at_has_no_window() -> None:
    assert list(cut("a point", SCENARIO, [], rows(audit_us=1).rows())) == []


# tallies -----------------------------------------------------------------------------------------------------------------------------


def test_a_tally_is_read_while_it_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(tally.TALLY_VARIABLE, str(tmp_path))
    counters = tally.open_tally(17)
    counters[tally.TURNS] += 3
    counters[SEND] += 1
    found = tally.read_tally(tally.tally_path(tmp_path, 17))
    assert (found[tally.TURNS], found[SEND], sum(found)) == (3, 1, 4)
    assert tally.read_tally(tmp_path / "absent") == ()
    monkeypatch.delenv(tally.TALLY_VARIABLE)
    tally.open_tally(18)[tally.TURNS] += 1
    assert len(list(tmp_path.iterdir())) == 1


def test_counters_have_a_place_each() -> None:
    places = {name: value for name, value in vars(tally).items() if name in COUNTERS}
    assert sorted(places.values()) == [tally.OTHERS + i for i in range(len(tally.NAMES)) if i not in (19, 20, 21, 23, 24, 25)]
    assert [tally.NAMES[place - tally.OTHERS] for place in places.values()] == [COUNTERS[name] for name in places]


COUNTERS = {
    "TURNS": "turns", "OPENED": "opened", "ENVELOPES_IN": "envelopes_in", "ENVELOPES_OUT": "envelopes_out", "WRITES": "writes",
    "FRAMES_OUT": "frames_out", "CLIENT_BYTES": "client_bytes", "LINK_BYTES": "link_bytes", "RESULTS": "results",
    "TARGETS": "targets", "COMMITS": "commits", "ROWS": "rows", "CONVERSATIONS": "conversations",
    "BYTES_KEPT": "bytes_kept", "READS": "reads",
    "PAGE_ROWS": "page_rows", "PAGE_BYTES": "page_bytes", "COMMIT_US": "commit_elapsed_us", "RESTED": "rests_brief",
    "COMMIT_RESTED": "commit_rests_brief",
}  # fmt: skip


@pytest.mark.parametrize(
    ("rested_us", "found"), [(0, -1), (99, -1), (100, 0), (500, 1), (2_000, 2), (7_999, 2), (8_000, 3), (10**9, 3)]
)
def test_rests_are_brief_short_middle_or_long(rested_us: int, found: int) -> None:
    assert tally.rest_class(rested_us) == found


# loads, waits and delays -------------------------------------------------------------------------------------------------------------


def test_points_of_load_can_be_played_and_differ_in_what_they_are_designed_to_tell_apart() -> None:
    points = [loads.probe(3), loads.low(3, (200, 0.1)), *loads.others(3, 100), loads.restart(3, 500)]
    for point in points:
        settings.apply(point.scenario, [])
    assert len({point.name for point in points}) == len(points)
    assert len({point.scenario.workload.payload_bytes for point in points}) >= 3
    assert len({point.scenario.population.group_size for point in points}) >= 2
    assert len({point.scenario.timers.heartbeat_us for point in points}) >= 2
    assert {fault.node for point in points for fault in point.scenario.faults if isinstance(fault, Kill)} == {
        "gateway-1",
        "business",
    }


def test_rates_follow_from_the_load_of_another_point() -> None:
    """Load grows more slowly than the rate: twice as much load is more than twice as many sends."""
    assert loads.low(3, (1_000, 0.30)).scenario.workload.rate_per_s == pytest.approx(1_000)
    assert loads.high(3, (1_000, 0.30)).scenario.workload.rate_per_s == pytest.approx(1_000 * 2 ** (1 / loads.GROWTH))
    assert loads.low(3, (1_000, 0.0)).scenario.workload.rate_per_s == loads.RATE_MAX


def commits(rest_us: float, rows: int, elapsed_us: float, cpu_us: float, pages: float = 1.0, count: int = 2) -> Commits:
    return Commits(rest_us, rows, min(rows, 70), 512, (elapsed_us,) * count, (cpu_us,) * count, (pages,) * count)


def test_the_wait_for_the_disk_is_what_is_elapsed_and_no_cpu_by_the_rest_before_it() -> None:
    """Groups too large to be what commits are like under load are left out."""
    found = Disk(
        (commits(0.0, 1, 300.0, 100.0), commits(0.0, 5, 90.0, 100.0), commits(0.0, 100, 9e3, 1e3), commits(1e3, 1, 500.0, 100.0)),
        (),
    )
    awake, rested = found.sync_us()
    assert (len(awake), awake[0], awake[-1]) == (SYNC_VALUES, 0.0, 200.0)
    assert list(awake) == sorted(awake)
    assert set(rested) == {400.0}
    points = found.points()[:-1]
    assert [point.cpu_us for point in points] == [200, 200, 2_000, 200]
    assert points[2].counts == {"commit": 2, "row": 200, "conversation": 140, "kib": 100}
    assert points[3].counts["rest_short"] == 2


def test_checkpoints_follow_from_the_pages_that_commits_write() -> None:
    """A commit writes 2 pages, a conversation in it 1 more, and a KiB another 3."""
    kinds = tuple(commits(0.0, rows, 1.0, 1.0, pages=2 + min(rows, 70) + 1.5 * rows) for rows in (1, 5, 100, 200))
    shares = Disk(kinds, ()).checkpoints_of()
    assert shares == {name: pytest.approx(pages / PAGES, rel=1e-6) for name, pages in zip(WRITES, (2, 1, 3), strict=True)}
    point = with_checkpoints(Point("load", {"commit": 100, "conversation": 200, "kib": 200}, 1.0), shares)
    assert point.counts["checkpoint"] == pytest.approx(1.0)
    assert point.counts["checkpoint_kib"] == 200


def test_a_checkpoint_waits_for_the_disk_by_what_is_in_it() -> None:
    found = Disk((), tuple((kib, 900.0 + 10 * kib, 400.0) for kib in (50.0, 100.0, 200.0)))
    assert found.checkpoint_wait_us() == pytest.approx((500.0, 10.0))
    assert found.points()[-1] == Point("checkpoints", {"checkpoint": 3, "checkpoint_kib": 350.0}, 1_200.0)
    assert Disk((), ()).checkpoint_wait_us() == (0.0, 0.0)


def test_the_pages_of_a_checkpoint_are_the_servers() -> None:
    assert PAGES == CHECKPOINT_PAGES


def test_a_way_is_half_a_trip_without_the_slowest_hundredth() -> None:
    trips = [100.0] * 50 + [140.0] * 49 + [9_000.0]
    least, jitter = delays.one_way(trips)
    assert least == 50
    assert jitter == pytest.approx(20 * 49 / 99)


def test_roles_that_share_one_core_are_no_way_apart() -> None:
    assert waits.delay("unix", [3], [3]) == (0.0, 0.0)


# the whole of it ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.live
@pytest.mark.slow
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="the load process needs a core of its own")
def test_commits_and_ways_are_measured(tmp_path: Path) -> None:
    found = disk.measure(tmp_path, 8)
    assert {len(kind.elapsed_us) for kind in found.commits} == {8, 2 * 8}
    assert all(
        0 < cpu <= elapsed * 1.5 for kind in found.commits for elapsed, cpu in zip(kind.elapsed_us, kind.cpu_us, strict=True)
    )
    assert all(pages >= 1 for kind in found.commits for pages in kind.pages)
    assert all(0 < cpu <= elapsed * 1.5 for _, elapsed, cpu in found.checkpoints)
    assert found.checkpoints
    server, generator = waits.cores()
    least, jitter = waits.delay("tcp", generator, server)
    assert least >= 0
    assert jitter >= 0


@pytest.mark.live
@pytest.mark.nightly
@pytest.mark.timeout(600)
def test_a_short_calibration_from_beginning_to_end(
    imbench: Command,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever a busy machine measures, it is a calibration: read, positive where it must be, and used by a run."""
    monkeypatch.chdir(tmp_path)
    answer = imbench("calibrate", "--seconds", 1, "--out", "mine.json", "--json")
    assert answer.status == 0, answer.err
    printed = json.loads(answer.out)
    times = load_times(tmp_path / "mine.json")
    assert msgspec.convert(printed["times"], ServiceTimes) == times
    assert len(times.standard) == 2
    assert times.gateway_start_us > 10_000
    assert sum(times.rests_us("gateway")) + times.gateway_turn_us + times.gateway_forward_us > 0
    fits = msgspec.convert(printed["fits"], dict[str, Fit])
    for role, found in fits.items():
        assert len(found.residuals) >= 8, role
    assert list(tmp_path.iterdir()) == [tmp_path / "mine.json"]
    assert imbench("run", "access_restart", "--short", "--service-times", "mine.json", "--out", tmp_path / "runs").status == 0
    validated = imbench("validate", "--quick", "--calibration", "mine.json", "--out", "validation")
    assert validated.status in (0, 1, 3), validated.err  # of a busy machine nothing is promised
    assert {path.name for path in (tmp_path / "validation").iterdir()} == {
        "promises.json", "predictions.json", "measurements.json", "results.json", "runs",
        "table.txt", "table.csv", "errors.svg", "errors.png",
    }  # fmt: skip
    assert validated.out.splitlines()[0] == json.loads((tmp_path / "validation" / "results.json").read_text())["conclusion"]
    told = [
        (tmp_path / "validation" / name).stat().st_mtime_ns for name in ("promises.json", "predictions.json", "measurements.json")
    ]
    assert told == sorted(told)
