"""How several processes that play one run know what the others are at."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec
import pytest

from loadgen.ensemble import STALE_US, Ensemble, FolderBoard, Report
from model.history.schema import Phase
from model.scenario.job import Part
from model.scenario.script import Progress
from model.workload.population import PopulationPlan, populate

SETTLED = Progress(unready=0, unsettled=0, auditing=0, activity=7)
NOW = 5_000_000


@pytest.fixture
def board(tmp_path: Path) -> FolderBoard:
    return FolderBoard(tmp_path, 3)


@pytest.fixture
def leader(board: FolderBoard) -> Ensemble:
    return Ensemble(Part(0, 3), board, lambda: NOW)


def test_every_user_is_in_one_part_and_parts_share_users_and_gateways_evenly() -> None:
    population = populate(PopulationPlan(users=103), 2, 1)
    parts = [Part(index, 4).users(population) for index in range(4)]
    assert sorted(user for part in parts for user in part) == list(population.users)
    assert {len(part) for part in parts} == {25, 26}
    for part in parts:
        homes = Counter(population.homes[user] for user in part)
        assert abs(homes[0] - homes[1]) <= 1
    assert Part().users(population) == population.users


def test_the_progress_of_all_is_the_sum(board: FolderBoard, leader: Ensemble) -> None:
    board.post(Report(1, NOW - 10, Phase.DRAIN, Progress(1, 2, 3, 4)))
    board.post(Report(2, NOW - 20, Phase.DRAIN, Progress(10, 20, 30, 40)))
    assert leader.together(SETTLED, Phase.DRAIN) == Progress(11, 22, 33, 51)


def test_who_has_said_nothing_for_long_is_not_settled(board: FolderBoard, leader: Ensemble) -> None:
    board.post(Report(1, NOW, Phase.DRAIN, SETTLED))
    assert leader.together(SETTLED, Phase.QUIET).unsettled == 1  # part 2 has said nothing yet
    board.post(Report(2, NOW - STALE_US - 1, Phase.DRAIN, SETTLED))
    assert leader.together(SETTLED, Phase.QUIET).unsettled == 1
    board.post(Report(2, NOW - STALE_US, Phase.DRAIN, SETTLED))
    assert leader.together(SETTLED, Phase.QUIET) == msgspec.structs.replace(SETTLED, activity=21)


def test_what_a_part_has_yet_to_read_back_is_told_to_others_and_not_to_itself(board: FolderBoard, leader: Ensemble) -> None:
    follower = Ensemble(Part(1, 3), board, lambda: NOW)
    board.post(Report(2, NOW, Phase.AUDIT, SETTLED))
    leader.together(SETTLED, Phase.AUDIT)
    own = Progress(0, 0, 5, 7, asked=5)
    assert follower.together(own, Phase.AUDIT, unasked=40) == Progress(0, 0, 5, 21, asked=5)
    assert leader.together(SETTLED, Phase.AUDIT) == Progress(0, 0, 45, 21)


def test_nothing_is_read_back_before_everyone_has_begun_to(board: FolderBoard, leader: Ensemble) -> None:
    for part in (1, 2):
        board.post(Report(part, NOW, Phase.DRAIN, SETTLED))
    assert leader.together(SETTLED, Phase.AUDIT).auditing == 2
    for part in (1, 2):
        board.post(Report(part, NOW, Phase.AUDIT, SETTLED))
    assert leader.together(SETTLED, Phase.AUDIT).auditing == 0


def test_everyone_knows_the_phase_of_the_leader_also_after_its_end(board: FolderBoard, leader: Ensemble) -> None:
    follower = Ensemble(Part(2, 3), board, lambda: NOW)
    assert follower.led() is None
    follower.together(SETTLED, Phase.DRAIN)
    assert follower.led() is None
    leader.together(SETTLED, Phase.AUDIT)
    assert follower.led() is Phase.AUDIT
    leader.end()
    assert follower.led() is Phase.END
