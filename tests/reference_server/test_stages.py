"""A role that is told to live on does so, whatever its turn has planned by then."""

from __future__ import annotations

import asyncio
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from reference_server import stages
from reference_server.access import stages as access
from reference_server.business import stages as business


@pytest.mark.parametrize(
    ("module", "arm", "stage"), [(access, access._arm, "read"), (business, business._at_end_of_turn, "received")]
)
def test_a_turn_that_was_planned_before_it_was_disarmed_ends_as_any_other(
    module: ModuleType, arm: Any, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the process says that it lives on, and kills itself at the end of that turn: an accident in the eyes of its supervisor."""
    ended: list[str] = []
    shell = SimpleNamespace(flush=lambda: ended.append("flushed"), tell_gateways=lambda: ended.append("told"), dirty=[])
    shell.end_turn = shell.flush
    monkeypatch.setitem(module.STANDS, stage, lambda _: True)
    for name in ("end_at", "end_when_written"):
        monkeypatch.setattr(module, name, lambda *_: ended.append("killed"))

    async def turn() -> None:
        disarm = arm(shell, stage)
        asyncio.get_running_loop().call_soon(shell.end_turn)
        assert disarm()
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    asyncio.run(turn())
    assert ended == ["flushed"]
    assert shell.end_turn is shell.flush


@pytest.mark.parametrize(("left", "turns"), [([10, 10, 0], 2), ([10] * 99, 10)])
def test_a_process_waits_for_what_it_has_written_and_not_for_who_never_reads(
    left: list[int], turns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``left``: bytes that wait in this process at each look; a turn takes a tenth of the bound."""
    ended: list[str] = []
    looks, now_s, planned = iter(left), 0.0, list[Any]()
    transport: Any = SimpleNamespace(get_write_buffer_size=lambda: next(looks))
    loop = SimpleNamespace(time=lambda: now_s, call_soon=lambda call, *given: planned.append((call, given)))
    monkeypatch.setattr("asyncio.get_running_loop", lambda: loop)
    monkeypatch.setattr(stages, "end_at", ended.append)
    stages.end_when_written("forwarded", [transport])
    for turn in range(1, turns + 1):
        assert ended == []
        now_s = turn * stages.TAKEN_MAX_S / 10
        call, given = planned.pop()
        call(*given)
    assert ended == ["forwarded"]
    assert planned == []
