"""A scenario is a value: strict, digestible, and the same question in its short form."""

from __future__ import annotations

import hashlib

import msgspec
import pytest

from model.history.schema import Contract
from model.scenario import NETWORKS, Clocks, Cut, Kill, Network, Scenario, Step
from model.workload.arrivals import Bursts, Spike
from model.workload.personas import Persona
from model.workload.schedule import WorkloadPlan

ONE = Scenario("one", "what if?", faults=(Kill("gateway-1", 10, 12), Cut("gateway-2", 20)))


def test_the_short_form_scales_times_and_timers_and_keeps_rates_and_sizes() -> None:
    short = ONE.short()
    assert short.duration_s == ONE.duration_s * ONE.short_scale
    assert short.faults == (Kill("gateway-1", 2, 2.4000000000000004), Cut("gateway-2", 4))
    assert short.timers.heartbeat_us == ONE.timers.heartbeat_us * ONE.short_scale
    assert short.timers.send_tries_max == ONE.timers.send_tries_max
    assert short.contract.quiet_us == Contract().quiet_us * ONE.short_scale
    assert short.contract.promise_us == Contract().promise_us
    assert short.workload == ONE.workload
    assert short.population == ONE.population


def test_a_scenario_survives_json_and_its_digest_tells_it_from_others() -> None:
    again = msgspec.json.decode(msgspec.json.encode(ONE), type=Scenario)
    assert again == ONE
    assert again.digest() == ONE.digest()
    assert ONE.short().digest() != ONE.digest()


def test_the_short_form_shortens_what_plays_on_the_protocol_s_scale_of_time_and_no_delay() -> None:
    short = msgspec.structs.replace(ONE, network="4g", clocks=Clocks(50, 7, (Step(10, 5),))).short()
    network = short.network
    assert isinstance(network, Network)
    assert network.nat_idle_us == NETWORKS["4g"].nat_idle_us * ONE.short_scale
    assert (network.delay_us, network.loss, network.up_bit_s) == (15_000, 0.002, 6e6)
    assert short.clocks == Clocks(50, 7, (Step(2, 1),))
    assert ONE.short().network == Network()


def test_the_workload_s_times_are_shortened_with_the_others() -> None:
    load = WorkloadPlan(arrivals=Spike(10, 20, 5), personas=((Persona(open_s=10.0, away_s=20.0), 1.0),))
    short = msgspec.structs.replace(ONE, workload=load).short().workload
    assert short.arrivals == Spike(2, 4, 5)
    assert short.personas == ((Persona(open_s=2.0, away_s=4.0, linger_s=1.0), 1.0),)
    assert short.rate_per_s == load.rate_per_s


def test_a_digest_is_what_it_was_before_a_field_came_that_has_its_default() -> None:
    plain = msgspec.to_builtins(msgspec.json.decode(msgspec.json.encode(ONE), type=Scenario))
    del plain["workload"]["arrivals"], plain["workload"]["personas"], plain["starved"]
    for name in ("heartbeat_max_us", "heartbeat_step_us", "heartbeat_proofs", "heartbeat_losses_max"):
        del plain["timers"][name]
    before = hashlib.sha256(msgspec.json.encode(plain, order="sorted")).hexdigest()[:16]
    assert ONE.digest() == before
    for load in (
        WorkloadPlan(arrivals=Bursts()),
        WorkloadPlan(personas=(("regular", 1.0),)),
        WorkloadPlan(payload_bytes="sms_english"),
    ):
        other = msgspec.structs.replace(ONE, workload=load)
        assert other.digest() != before
        assert msgspec.json.decode(msgspec.json.encode(other), type=Scenario).workload == load
    adaptive = msgspec.structs.replace(ONE, policies={"heartbeat": "adaptive"})
    longer = msgspec.structs.replace(ONE.timers, heartbeat_max_us=60_000_000)
    assert msgspec.structs.replace(ONE, timers=longer).digest() == before  # nobody goes by it
    assert msgspec.structs.replace(adaptive, timers=longer).digest() != adaptive.digest()


def test_unknown_fields_are_errors() -> None:
    with pytest.raises(msgspec.ValidationError, match="durations"):
        msgspec.json.decode(b'{"name": "a", "question": "b", "durations": 1}', type=Scenario)
    with pytest.raises(msgspec.ValidationError, match="nodes"):
        msgspec.json.decode(b'{"name":"a","question":"b","faults":[{"fault":"kill","nodes":"x"}]}', type=Scenario)
