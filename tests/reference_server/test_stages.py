"""A role that is told to live on does so, whatever its turn has planned by then."""

from __future__ import annotations

import asyncio
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

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
