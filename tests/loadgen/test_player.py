"""What a player does with a scenario: the script becomes operations of real client sessions, and all of it history."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from loadgen.latencies import CONNECT, DELIVER, NO_ANSWER, SEND, Latencies
from loadgen.player import Device
from model.core.client import State
from model.core.codes import TEXT, Code
from model.core.frames import CLIENT_KINDS, PING, Error
from model.core.policies import Timers
from model.history.recorder import Rows
from model.history.schema import Contract, Kind, Phase, Via
from model.scenario import Scenario
from model.wire import FrameDecoder, encode
from model.workload.population import PopulationPlan
from model.workload.schedule import WorkloadPlan
from tests.loadgen.fakes import COMMIT_US, HOP_US, World

SCENARIO = Scenario(
    "small",
    "Does a player do what a script says?",
    population=PopulationPlan(users=10),
    workload=WorkloadPlan(rate_per_s=100),
    timers=Timers().scaled(0.1),
    ramp_s=0.2,
    warm_up_s=0.2,
    duration_s=1.0,
    contract=Contract(quiet_us=400_000, drain_bound_us=3_000_000),
)

Key = tuple[int, int, int]


def of_kind(rows: Rows, kind: Kind) -> Rows:
    found: Rows = rows[rows["kind"] == kind]
    return found


def messages(rows: Rows) -> list[Key]:
    """The identities in rows, in order."""
    return list(zip(rows["sender"].tolist(), rows["conversation"].tolist(), rows["send_counter"].tolist(), strict=True))


def owed(world: World) -> Counter[tuple[int, Key]]:
    """Every intended message once for every member of its conversation."""
    members = {c.conversation: c.members for c in world.player.play.population.conversations}
    intended = messages(of_kind(world.recorder.rows(), Kind.INTEND))
    return Counter((user, message) for message in intended for user in members[message[1]])


def seen(rows: Rows, kind: Kind) -> Counter[tuple[int, Key]]:
    found = of_kind(rows, kind)
    return Counter(zip(found["device"].tolist(), messages(found), strict=True))


@pytest.fixture(scope="module")
def undisturbed() -> World:
    world = World(SCENARIO)
    world.play()
    return world


def test_every_intended_send_is_invoked_at_its_instant_with_its_content(undisturbed: World) -> None:
    rows = undisturbed.recorder.rows()
    intended, invoked = of_kind(rows, Kind.INTEND), of_kind(rows, Kind.INVOKE)
    assert len(intended) > 50
    for field in ("t_us", "device", "conversation", "send_counter", "content_hash"):
        assert intended[field].tolist() == invoked[field].tolist()


def test_every_send_is_ok_once_and_shown_and_read_back_once_by_every_member(undisturbed: World) -> None:
    rows = undisturbed.recorder.rows()
    assert sorted(messages(of_kind(rows, Kind.OK))) == sorted(messages(of_kind(rows, Kind.INTEND)))
    assert seen(rows, Kind.DELIVER) == owed(undisturbed)
    assert seen(rows, Kind.READ_BACK) == owed(undisturbed)


def test_phases_come_in_order_and_the_run_ends(undisturbed: World) -> None:
    phases = of_kind(undisturbed.recorder.rows(), Kind.PHASE)["code"].tolist()
    assert phases == [Phase.WARM_UP, Phase.MEASURE, Phase.DRAIN, Phase.QUIET, Phase.AUDIT, Phase.END]
    assert undisturbed.player.finished


def test_the_run_ends_as_soon_as_everything_is_read_back(undisturbed: World) -> None:
    rows = undisturbed.recorder.rows()
    ended = int(of_kind(rows, Kind.PHASE)["t_us"][-1])
    assert 0 <= ended - int(of_kind(rows, Kind.READ_BACK_DONE)["t_us"].max()) <= 50_000


def test_what_a_gateway_sends_live_is_recorded_before_and_after_dedupe(undisturbed: World) -> None:
    rows = undisturbed.recorder.rows()
    shown = rows[(rows["kind"] == Kind.DELIVER) & (rows["via"] == Via.LIVE)]
    assert sorted(messages(of_kind(rows, Kind.WIRE))) == sorted(messages(shown))


def test_who_is_lost_in_the_quiet_time_is_waited_for() -> None:
    world = World(SCENARIO)
    while Phase.QUIET not in of_kind(world.play(until_us=world.now + 50_000), Kind.PHASE)["code"]:
        world.now += 50_000
    world.gateways[0].kill()
    world.play(until_us=world.now + 200_000)
    world.gateways[0].start()
    rows = world.play()
    phases = of_kind(rows, Kind.PHASE)
    assert phases["code"].tolist()[2:] == [Phase.DRAIN, Phase.QUIET, Phase.DRAIN, Phase.QUIET, Phase.AUDIT, Phase.END]
    assert int(phases["t_us"][-3]) >= int(of_kind(rows, Kind.READY)["t_us"].max())
    assert seen(rows, Kind.READ_BACK) == owed(world)


def test_who_is_never_let_in_does_not_keep_the_others_from_being_quiet() -> None:
    world = World(SCENARIO)
    world.strangers = {1}
    rows = world.play()
    assert of_kind(rows, Kind.PHASE)["code"].tolist()[2:] == [Phase.DRAIN, Phase.QUIET, Phase.AUDIT, Phase.END]
    assert 1 not in of_kind(rows, Kind.READY)["device"]
    assert len(of_kind(rows, Kind.CONNECTING)[of_kind(rows, Kind.CONNECTING)["device"] == 1]) > 5


def test_the_quiet_time_is_quiet(undisturbed: World) -> None:
    """Frames other than heartbeats begin it anew, so between QUIET and AUDIT there is no operation and no delivery."""
    rows = undisturbed.recorder.rows()
    begins = {int(row["code"]): int(row["t_us"]) for row in of_kind(rows, Kind.PHASE)}
    quiet, audit = begins[Phase.QUIET], begins[Phase.AUDIT]
    moved = np.isin(rows["kind"], [Kind.ATTEMPT, Kind.OK, Kind.WIRE, Kind.DELIVER, Kind.RECEIVE_CONFIRMED])
    assert audit - quiet >= SCENARIO.contract.quiet_us
    assert not (moved & (rows["t_us"] > quiet) & (rows["t_us"] < audit)).any()


def test_the_population_is_recorded_with_its_homes_and_memberships(undisturbed: World) -> None:
    rows, population = undisturbed.recorder.rows(), undisturbed.player.play.population
    devices = of_kind(rows, Kind.DEVICE)
    assert dict(zip(devices["device"].tolist(), devices["node"].tolist(), strict=True)) == {
        user: population.homes[user] + 1 for user in population.users
    }
    assert len(of_kind(rows, Kind.MEMBER)) == sum(len(c.members) for c in population.conversations)


def test_two_plays_of_one_seed_record_the_same_rows(undisturbed: World) -> None:
    assert World(SCENARIO).play().tobytes() == undisturbed.recorder.rows().tobytes()
    assert World(SCENARIO, seed=2).play().tobytes() != undisturbed.recorder.rows().tobytes()


@pytest.mark.parametrize("split", [1, 7])
def test_the_size_of_chunks_makes_no_difference(undisturbed: World, split: int) -> None:
    assert World(SCENARIO, split=split).play().tobytes() == undisturbed.recorder.rows().tobytes()


@pytest.mark.parametrize("preset", ["naive", "timer"])
def test_other_presets_come_to_their_end_too(preset: str) -> None:
    world = World(SCENARIO, preset)
    rows = world.play()
    assert world.player.finished
    assert len(of_kind(rows, Kind.OK)) == len(of_kind(rows, Kind.INTEND))


def test_a_gateway_that_dies_and_comes_back_costs_connections_and_no_message() -> None:
    world = World(SCENARIO)
    victim = world.gateways[0]
    world.after(500_000, victim.kill)
    world.after(800_000, victim.start)
    rows = world.play()
    assert len(of_kind(rows, Kind.DISCONNECTED)) >= 5
    assert len(of_kind(rows, Kind.READY)) > 10
    assert seen(rows, Kind.DELIVER) == owed(world)
    assert seen(rows, Kind.READ_BACK) == owed(world)
    assert Via.SYNC in of_kind(rows, Kind.DELIVER)["via"]


# one turn ------------------------------------------------------------------------------------------------------------------------


def started(world: World) -> Device:
    """A device whose session is ready, just before the load."""
    world.play(until_us=SCENARIO.load_begin_us - 50_000)
    device = world.player.devices[1]
    assert device.session.state is State.READY
    return device


def test_what_a_device_writes_in_one_turn_leaves_in_one_write() -> None:
    """After a reconnect a device repeats its open sends together."""
    world = World(SCENARIO)
    world.play(until_us=700_000)
    world.gateways[0].kill()
    world.play(until_us=1_190_000)
    world.gateways[0].start()
    world.play()
    turns = [len(FrameDecoder(CLIENT_KINDS).feed(data)) for line in world.lines.values() for data in line.writes]
    assert max(turns) > 1
    assert sum(turns) == world.player.frames_out
    assert sum(len(data) for line in world.lines.values() for data in line.writes) == world.player.bytes_out


def test_nonsense_from_the_server_ends_that_connection_only() -> None:
    world = World(SCENARIO)
    device = started(world)
    before = world.lines[1].closes
    world.player.received(device, device.session.connection, b"\xff" * 64)
    assert device.session.state is State.WAITING
    assert world.lines[1].closes == before + 1
    assert world.player.devices[2].session.state is State.READY
    rows = world.play()
    assert seen(rows, Kind.READ_BACK) == owed(world)


def test_bytes_of_a_connection_that_was_given_up_are_not_seen() -> None:
    world = World(SCENARIO)
    device = started(world)
    old = device.session.connection
    world.player.lost(device, old)
    counted, recorded = world.player.frames_in, len(world.recorder.rows())
    world.player.received(device, old, encode(Error(43, "late")))
    assert (world.player.frames_in, len(world.recorder.rows())) == (counted, recorded)


def test_in_a_late_turn_that_takes_time_rows_stay_in_the_order_of_time() -> None:
    """A turn that plays a step and then a device's deadline records the second later, whatever was due first."""
    world = World(SCENARIO)
    world.play(until_us=400_000)
    world.tick_us = 1
    for gateway in world.gateways:
        gateway.kill()  # devices try again and again, by deadline
    for _ in range(20):
        rows = world.play(until_us=world.now + 20_000)
        world.now += 60_000  # nobody had time for the player
    happened = rows[~np.isin(rows["kind"], [Kind.DEVICE, Kind.MEMBER, Kind.INTEND])]
    assert len(happened) > 200
    assert (np.diff(happened["t_us"]) >= 0).all()


def test_early_turns_do_nothing() -> None:
    world = World(SCENARIO)
    started(world)
    counted = world.player.frames_out
    for _ in range(3):
        assert world.player.deadline > world.now
        world.player.turn()
    assert world.player.frames_out == counted


def test_heartbeats_are_written_by_the_deadline_heap() -> None:
    world = World(SCENARIO)
    world.play()
    frames = [frame for data in world.lines[1].writes for frame in FrameDecoder(CLIENT_KINDS).feed(data)]
    assert sum(frame.kind == PING for frame in frames) >= 3


def test_a_stopped_player_says_goodbye_and_hears_nothing_more() -> None:
    world = World(SCENARIO)
    world.play(until_us=600_000)
    world.player.stop()
    rows = world.recorder.rows()
    assert len(of_kind(rows, Kind.DISCONNECTED)) == 10
    assert {device.session.state for device in world.player.devices.values()} == {State.STOPPED}
    world.play(until_us=700_000)
    assert len(world.recorder.rows()) == len(rows)


# what Locust is shown ---------------------------------------------------------------------------------------------------------------


def test_latencies_count_from_the_intended_time() -> None:
    reports: list[tuple[str, int, int, str]] = []
    world = World(SCENARIO, watcher=lambda schedule: Latencies(lambda *sample: reports.append(sample), schedule))
    rows = world.play()
    sends = [sample for sample in reports if sample[0] == SEND]
    others = [sample for sample in reports if sample[0] == DELIVER]
    delivered = of_kind(rows, Kind.DELIVER)
    assert len(sends) == len(of_kind(rows, Kind.OK))
    assert len(others) == int((delivered["via"] != Via.OWN).sum())
    assert {microseconds for _, microseconds, _, _ in sends} == {2 * HOP_US + COMMIT_US}
    assert all(length >= 120 and not why for _, _, length, why in others)


def test_an_attempt_to_connect_is_a_sample_that_says_why_it_failed() -> None:
    reports: list[tuple[str, int, int, str]] = []
    world = World(SCENARIO, watcher=lambda schedule: Latencies(lambda *sample: reports.append(sample), schedule))
    world.strangers = {1}
    world.gateways[0].kill()
    world.play(until_us=500_000)
    reasons = Counter(why for name, _, _, why in reports if name == CONNECT)
    assert reasons.keys() == {"", NO_ANSWER, TEXT[Code.BAD_TOKEN]}
    assert reasons[""] == len(world.player.devices) - 1


def test_a_late_submit_is_measured_from_when_it_was_wanted() -> None:
    """The shell wakes up 30 ms late: the history has t_inv as it was, the latency has the delay in it."""
    reports: list[tuple[str, int, int, str]] = []
    world = World(SCENARIO, watcher=lambda schedule: Latencies(lambda *sample: reports.append(sample), schedule))
    t_int = int(world.player.play.schedule.t_us[10])
    world.play(until_us=t_int - 1)
    world.now = t_int + 30_000
    world.play(until_us=world.now + 10_000)
    invoked = of_kind(world.recorder.rows(), Kind.INVOKE)["t_us"].tolist()
    assert invoked[10] == t_int + 30_000
    assert max(microseconds for _, microseconds, _, _ in reports) == 30_000 + 2 * HOP_US + COMMIT_US
