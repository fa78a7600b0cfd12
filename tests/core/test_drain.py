"""Drains: what a gateway that is asked to go tells its clients, when they leave, where to, and that nothing is lost or said twice."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest

from model.core import draws
from model.core.client import READY, WAITING, ClientSession
from model.core.codes import TEXT, Code
from model.core.drain import Farewell, drain_us
from model.core.effects import Close, Open, SendOk, SessionChanged, TellBusiness, Write
from model.core.envelopes import Attached, Detach, Up
from model.core.frames import SEND, Connect, Error, GoAway, Goodbye, Opaque, Welcome
from model.core.gateway import Gateway
from model.core.policies import PRESETS, DrainPolicy, Policies, Timers
from tests.core.chain import TIMERS, Chain

FRAME = Opaque(SEND, 1, b"")
LAST = Error(Code.SHUTTING_DOWN, TEXT[Code.SHUTTING_DOWN])
GENTLE: tuple[DrainPolicy, ...] = ("spread", "redirect")


def with_drain(drain: DrainPolicy) -> Policies:
    return msgspec.structs.replace(PRESETS["cursor"], drain=drain)


def gateway(drain: DrainPolicy, clients: int = 1, timers: Timers = TIMERS) -> Gateway:
    """One with so many sessions, on the connections 1, 2, ..., and business behind it."""
    machine = Gateway(with_drain(drain), timers, lambda *_: True)
    machine.business_up(0, [])
    for number in range(1, clients + 1):
        connect(machine, number, 0)
        machine.receive_business(Attached(number, number, ()), 0, [])
    return machine


def connect(machine: Gateway, number: int, now: int) -> list[Any]:
    out: list[Any] = []
    machine.opened(number, now, out)
    machine.receive(number, Connect(number, number, 1, b""), now, out)
    return out


def shut_down(machine: Gateway, now: int = 0) -> list[Any]:
    out: list[Any] = []
    machine.shut_down(now, out)
    return out


def client(gateways: int = 2, home: int = 0, device: int = 1) -> ClientSession:
    """A session that is ready on its first connection."""
    session, out = ClientSession(1, 1, b"", gateways, home, PRESETS["cursor"], TIMERS, draws.draws(1, device)), list[Any]()
    session.start(0, out)
    session.opened(1, 0, out)
    session.receive(1, Welcome(1, ()), 0, out)
    return session


# the gateway -----------------------------------------------------------------------------------------------------------------------------


def test_every_preset_closes_at_once_unless_a_scenario_says_otherwise() -> None:
    assert {preset.drain for preset in PRESETS.values()} == {"at_once"}
    assert set(get_args(DrainPolicy)) == {"at_once", *GENTLE}


def test_at_once_everybody_is_told_and_closed_and_who_comes_later_too() -> None:
    machine = gateway("at_once", clients=2)
    assert shut_down(machine) == [
        effect for k in (1, 2) for effect in (Write(k, LAST), Close(k, Code.SHUTTING_DOWN), TellBusiness(Detach(k, k, k, k)))
    ]
    assert connect(machine, 3, 1)[:2] == [Write(3, LAST), Close(3, Code.SHUTTING_DOWN)]
    assert len(machine) == 0


def test_clients_are_told_places_evenly_over_the_window_after_the_lead() -> None:
    out = shut_down(gateway("spread", clients=4))
    window, lead = TIMERS.drain_window_us, TIMERS.drain_lead_us
    assert out == [Write(k, GoAway(lead + window * (2 * k - 1) // 8)) for k in (1, 2, 3, 4)]


def test_under_redirect_nobody_waits_for_a_successor() -> None:
    assert shut_down(gateway("redirect", clients=1)) == [Write(1, GoAway(TIMERS.drain_window_us // 2, True))]


@pytest.mark.parametrize("drain", GENTLE)
def test_who_was_told_is_served_as_ever_until_it_leaves(drain: DrainPolicy) -> None:
    machine, out = gateway(drain), list[Any]()
    shut_down(machine)
    machine.receive(1, FRAME, 1, out)
    assert out == [TellBusiness(Up(1, FRAME))]
    machine.receive(1, Goodbye(), 2, out)
    assert len(machine) == 0


@pytest.mark.parametrize("drain", GENTLE)
def test_who_had_knocked_before_is_let_in_and_sent_on_after_the_lead(drain: DrainPolicy) -> None:
    machine, out = gateway(drain), list[Any]()
    machine.opened(2, 0, [])
    assert [effect.connection for effect in shut_down(machine)] == [1]
    machine.receive(2, Connect(2, 2, 1, b""), 1, [])
    machine.receive_business(Attached(2, 7, ()), 2, out)
    lead = TIMERS.drain_lead_us if drain == "spread" else 0
    assert out == [Write(2, Welcome(7, ())), Write(2, GoAway(lead, drain == "redirect"))]


@pytest.mark.parametrize("drain", GENTLE)
def test_who_is_left_at_the_end_is_closed_and_nobody_after_it_is_let_in(drain: DrainPolicy) -> None:
    machine, out = gateway(drain, clients=2, timers=msgspec.structs.replace(TIMERS, heartbeat_us=60_000_000)), list[Any]()
    shut_down(machine, now=5)
    end_us = 5 + drain_us(drain, TIMERS)
    assert machine.deadline == end_us
    machine.on_deadline(end_us - 1, out)
    assert (out, machine.deadline) == ([], end_us)
    machine.on_deadline(end_us, out)
    assert [e.code for e in out if type(e) is Close] == [Code.SHUTTING_DOWN] * 2
    assert connect(machine, 3, end_us)[1] == Close(3, Code.SHUTTING_DOWN)
    machine.on_deadline(machine.deadline, [])
    assert machine.deadline > end_us


def test_being_asked_twice_changes_nothing() -> None:
    machine = gateway("spread")
    shut_down(machine)
    before = machine.deadline
    assert shut_down(machine, now=1_000) == []
    assert machine.deadline == before


def test_a_drain_takes_no_longer_than_its_parts() -> None:
    timers = Timers(drain_lead_us=1, drain_window_us=10, drain_grace_us=100)
    assert [drain_us(drain, timers) for drain in ("at_once", "spread", "redirect")] == [0, 111, 110]
    places = [Farewell("spread", timers, 0, 3).next().leave_after_us]
    assert max(places) < 11


# the client ------------------------------------------------------------------------------------------------------------------------------


def test_a_client_stays_until_its_time_then_leaves_and_connects_without_a_backoff() -> None:
    session, out = client(), list[Any]()
    session.receive(1, GoAway(1_000), 0, out)
    session.on_deadline(999, out)
    assert (out, session.state, session.deadline) == ([], READY, 1_000)
    session.on_deadline(1_000, out)
    assert out == [
        Write(1, Goodbye()),
        Close(1),
        SessionChanged("disconnected", 1, 0, code=Code.SHUTTING_DOWN),
        SessionChanged("connecting", 2, 0),
        Open(2, 0),
    ]


@pytest.mark.parametrize("gateways", [2, 3, 5])
def test_a_client_sent_elsewhere_goes_to_another_gateway_and_all_others_are_taken(gateways: int) -> None:
    refuges = set()
    for device in range(1, 60):
        session, out = client(gateways, home=1, device=device), list[Any]()
        session.receive(1, GoAway(1, elsewhere=True), 0, [])
        session.on_deadline(1, out)
        refuges.add(out[-1].gateway)
    assert refuges == set(range(gateways)) - {1}


def test_a_client_of_the_only_gateway_comes_back_to_it() -> None:
    session, out = client(gateways=1), list[Any]()
    session.receive(1, GoAway(1, elsewhere=True), 0, [])
    session.on_deadline(1, out)
    assert out[-1] == Open(2, 0)


def test_a_client_whose_gateway_is_gone_before_its_time_tries_where_it_was_told_to_first() -> None:
    session, out = client(gateways=2), list[Any]()
    session.receive(1, GoAway(1_000_000, elsewhere=True), 0, [])
    session.closed(1, 10, [])
    assert session.state is WAITING
    session.on_deadline(session.deadline, out)
    assert out[-1] == Open(2, 1)


def test_a_user_who_closes_the_app_meanwhile_does_not_connect_again() -> None:
    session, out = client(), list[Any]()
    session.receive(1, GoAway(1_000), 0, [])
    session.stop(1, [])
    session.on_deadline(1_000, out)
    assert out == []


# both, with business behind them ------------------------------------------------------------------------------------------------------


def test_a_drained_gateway_is_empty_and_nothing_was_lost_or_shown_twice() -> None:
    """Messages are sent all the while, also in the moment in which a client leaves."""
    chain = Chain(users=4, gateways=2, policies=with_drain("redirect"))
    chain.connect_all()
    chain._at_gateway(0, chain.gateways[0].shut_down)
    sent = 0
    while len(chain.gateways[0]):
        for device in (1, 2):
            chain.send(device, b"%d" % sent)
            sent += 1
        chain.wait(0.1)
    chain.wait(3)
    assert chain.now <= drain_us("redirect", TIMERS) + 3_200_000
    said = sorted(b"%d" % n for n in range(sent))
    assert sent > 40
    assert all(sorted(chain.shown(device)) == said for device in (1, 2, 3, 4))
    assert sum(len(chain.seen(device, SendOk)) for device in (1, 2)) == sent
    assert [len(chain.seen(device, Open)) for device in (1, 2, 3, 4)] == [2, 1, 2, 1]
