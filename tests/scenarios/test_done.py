"""What a role did in a whole run is what all of its processes have counted, those that were killed among them."""

from __future__ import annotations

from array import array
from pathlib import Path

from model.scenario.tally import CLIENT_BYTES, ROWS, SIZE, tally_path
from scenarios.running.metrics import Sample, done


def counted(folder: Path, pid: int, place: int, count: int) -> None:
    tally = array("q", bytes(8 * SIZE))
    tally[place] = count
    tally_path(folder, pid).write_bytes(tally.tobytes())


def test_a_killed_process_and_its_successor_count_together_and_so_do_all_gateways(tmp_path: Path) -> None:
    looks = [
        (0, "gateway", 11),
        (1, "gateway", 11),
        (2, "gateway", 12),
        (0, "gateway", 21),
        (0, "business", 31),
        (0, "generator", 41),
    ]
    for pid, place, count in ((11, CLIENT_BYTES, 100), (12, CLIENT_BYTES, 20), (21, CLIENT_BYTES, 3), (31, ROWS, 7)):
        counted(tmp_path, pid, place, count)
    found = done([Sample(t_us, role, role, pid, 0, 0) for t_us, role, pid in looks], tmp_path)
    assert found.keys() == {"gateway", "business"}
    assert (found["gateway"]["client_bytes"], found["business"]["rows"]) == (123, 7)
