"""A trace is played as it was recorded: instants, senders, conversations, sizes; what it does not say is drawn."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from model.history import at_rest
from model.history.columns import from_rows
from model.scenario import Scenario
from model.sim.world import run
from model.workload import trace
from model.workload.arrivals import Replay
from model.workload.population import PopulationPlan, populate
from model.workload.schedule import Schedule, WorkloadPlan, plan
from model.workload.trace import TraceError
from scenarios.running import settings

S = 1_000_000
PEOPLE = populate(PopulationPlan(users=20, group_size=5), 2, 1)
MEMBERS = {c.conversation: c.members for c in PEOPLE.conversations}


def planned(path: Path, seconds: int = 10, **changes: object) -> Schedule:
    load = msgspec.structs.replace(WorkloadPlan(arrivals=Replay(str(path))), **changes)
    return plan(PEOPLE, load, 3 * S, (3 + seconds) * S, 1)


def csv(folder: Path, text: str) -> Path:
    path = folder / "trace.csv"
    path.write_text(text)
    return path


def test_instants_alone_are_kept_and_all_else_is_drawn(tmp_path: Path) -> None:
    schedule = planned(csv(tmp_path, "t_s\n0.5\n0.25\n2\n11\n"))
    assert schedule.t_us.tolist() == [3_250_000, 3_500_000, 5_000_000]  # in order, and none beyond the load
    assert all(d in MEMBERS[c] for d, c in zip(schedule.device.tolist(), schedule.conversation.tolist(), strict=True))
    assert len(schedule.payload(0)) == 120


def test_what_is_said_of_a_row_is_played_and_what_is_empty_is_drawn(tmp_path: Path) -> None:
    group = next(c for c in PEOPLE.conversations if c.kind == "group")
    pair = next(c for c in PEOPLE.conversations if c.kind == "direct")
    speaker, (anna, ben) = group.members[2], pair.members
    rows = [f"1,{speaker},{group.conversation},,300", f"2,{ben},,{anna},", f"3,{speaker},,,20", "4,,,,25"]
    schedule = planned(csv(tmp_path, "t_s,user,conversation,peer,bytes\n" + "\n".join(rows) + "\n"))
    assert schedule.device.tolist()[:3] == [speaker, ben, speaker]
    assert schedule.conversation.tolist()[:2] == [group.conversation, pair.conversation]
    assert speaker in MEMBERS[int(schedule.conversation[2])]
    assert [len(schedule.payload(i)) for i in range(4)] == [300, 120, 20, 25]


def test_a_parquet_file_says_the_same_as_csv(tmp_path: Path) -> None:
    path = tmp_path / "trace.parquet"
    pq.write_table(pa.table({"t_s": [0.5, 0.25], "user": pa.array([3, None], pa.int32()), "bytes": [50, 60]}), path)
    schedule, same = planned(path), planned(csv(tmp_path, "t_s,user,bytes\n0.5,3,50\n0.25,,60\n"))
    for name in ("t_us", "device", "conversation", "payload_bytes"):
        assert (getattr(schedule, name) == getattr(same, name)).all()


def test_a_run_s_own_schedule_is_played_again_as_it_was(tmp_path: Path) -> None:
    scenario = Scenario("s", "?", population=PopulationPlan(users=20), workload=WorkloadPlan(rate_per_s=40), duration_s=5)
    result = run(scenario, "cursor", 1)
    path = tmp_path / "history.parquet"
    at_rest.write(from_rows(result.header, result.rows), path)
    was = plan(populate(scenario.population, 2, 1), scenario.workload, scenario.load_begin_us, scenario.at_us(5), 1)
    again = planned(path)
    for name in ("t_us", "device", "conversation", "send_counter"):
        assert (getattr(again, name) == getattr(was, name)).all()


def test_a_trace_that_was_located_is_found_from_anywhere_and_missed_when_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = csv(tmp_path, "t_s\n1\n")
    monkeypatch.chdir(tmp_path)
    replay = trace.located(Replay("trace.csv"))
    monkeypatch.chdir("/")
    assert trace.read(replay).t_us.tolist() == [S]
    path.write_text("t_s\n2\n")
    with pytest.raises(TraceError, match="is not what it was"):
        trace.read(trace.located(replay))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("user\n1\n", "has no column 't_s'; columns are t_s, user"),
        ("t_s,colour\n1,2\n", "has a column 'colour'"),
        ("t_s\n-1\n", "has a t_s that is empty or no time"),
        ("t_s,user\n,1\n", "has a t_s that is empty or no time"),
        ("t_s\nsoon\n", "cannot be read as a table"),
        ("", "cannot be read as a table"),
        ("t_s,user\n1,-2\n", "has a user of -2; they count from 1"),
        ("t_s,bytes\n1,99999\n", "has bytes of 99999; give at most 16384"),
        ("t_s,conversation\n1,3\n", "says where to and not from whom"),
        ("t_s,user\n1,21\n", "user 21 is not in the population"),
        ("t_s,user,conversation\n1,1,999\n", "user 1 is in no conversation 999; give the seed"),
        ("t_s,user,peer\n1,1,1\n", "users 1 and 1 have no direct conversation"),
    ],
)
def test_a_trace_that_cannot_be_played_is_refused_in_one_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(TraceError) as refused:
        planned(csv(tmp_path, text))
    assert words in str(refused.value)
    assert "trace.csv" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    for make in (lambda: trace.located(Replay(str(tmp_path / "absent.csv"))), lambda: planned(tmp_path / "absent.csv")):
        with pytest.raises(TraceError, match=r"absent\.csv"):
            make()
    (tmp_path / "a.parquet").write_bytes(b"PAR1 and nothing else")
    with pytest.raises(TraceError, match="no whole Parquet file"):
        planned(tmp_path / "a.parquet")


def test_who_is_in_no_conversation_cannot_send(tmp_path: Path) -> None:
    odd = populate(PopulationPlan(users=3, groups_per_user=0), 1, 1)
    alone = next(u for u in odd.users if u not in odd.conversations[0].members)
    load = WorkloadPlan(arrivals=Replay(str(csv(tmp_path, f"t_s,user\n1,{alone}\n"))))
    with pytest.raises(TraceError, match=f"user {alone} is in no conversation; give population.groups_per_user"):
        plan(odd, load, 0, 5 * S, 1)


def test_an_empty_trace_is_an_empty_schedule(tmp_path: Path) -> None:
    assert len(planned(csv(tmp_path, "t_s,user\n"))) == 0
    assert np.array_equal(planned(csv(tmp_path, "t_s\n")).t_us, [])


def test_a_scenario_knows_its_trace_by_its_whole_path_and_content_so_that_every_process_plays_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("trace.csv").write_text("t_s\n1\n")
    scenario = settings.apply(Scenario("s", "?"), ['workload.arrivals={"shape":"replay","path":"trace.csv"}'])
    digest = hashlib.sha256(b"t_s\n1\n").hexdigest()[:16]
    assert scenario.workload.arrivals == Replay(str(tmp_path / "trace.csv"), digest)
    assert settings.apply(scenario, []) == scenario
