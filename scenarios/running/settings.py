"""Changing a scenario from the command line: ``--set workload.rate_per_s=50``.

A setting is a path of field names, and a value in JSON (``50``, ``true``, ``[]``); what is no JSON is text. Elements of a list are
counted from 0: ``faults.0.at_s=5``. A path is checked against the scenario's own fields, the result against their types and against
what the worlds can play. Nothing is guessed: what does not fit is refused, with the names that would.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final, cast, get_args, get_type_hints

import msgspec

from model.checkers import kinds
from model.core import policies
from model.core.policies import Policies
from model.scenario import ColdRoutes, Fault, Partition, RollingRestart, Scenario, faults, machines, networks
from model.workload import amounts, arrivals, population, schedule
from model.workload.arrivals import Replay
from scenarios.running.exits import CannotRun, suggestion

GATEWAYS_MAX: Final = 64
CORES_MAX: Final = 256
"""More than all roles of the most gateways and their successors can use at once."""
ACK_TIMEOUT_LEAST_US: Final = 1_000
"""Of the longest wait for an ack: far below what any commit takes, each message is sent again and again until the run is nothing else."""
PROBLEMS_TOLD: Final = 8
"""Of one scenario: all that a person makes by hand, and not one for each of a thousand faults."""


def apply(scenario: Scenario, settings: Sequence[str], option: str = "--set") -> Scenario:
    """The scenario with settings ``field=value`` applied in turn. Raises :class:`CannotRun`, whose text names the ``option`` that they came
    from."""
    for setting in settings:
        scenario = _applied(scenario, setting, f"{option} {setting}")
    if found := list(problems(scenario)):
        more = f"; and {len(found) - PROBLEMS_TOLD} more" if len(found) > PROBLEMS_TOLD else ""
        raise CannotRun(f"the scenario cannot be played: {'; '.join(found[:PROBLEMS_TOLD])}{more}")
    return _with_trace(scenario) if isinstance(scenario.workload.arrivals, Replay) else scenario


def _with_trace(scenario: Scenario) -> Scenario:
    """A scenario that knows where its trace is, whoever plays it, and what is in it."""
    from model.workload import trace  # it needs what reads tables: not for every command

    try:
        replay = trace.located(cast(Replay, scenario.workload.arrivals))
        problem = next(trace.check(replay, scenario.population.users), None)
    except trace.TraceError as error:
        problem = str(error)
    if problem is not None:
        raise CannotRun(f"the trace cannot be played: {problem}")
    return msgspec.structs.replace(scenario, workload=msgspec.structs.replace(scenario.workload, arrivals=replay))


def _applied(scenario: Scenario, setting: str, said: str) -> Scenario:
    path, equals, text = setting.partition("=")
    if not equals or not path:
        raise CannotRun(f"{said}: write it as field=value, such as --set workload.rate_per_s=50")
    plain = msgspec.to_builtins(scenario)
    place, at = plain, scenario
    *folders, last = path.split(".")
    for name in folders:
        place, at = place[_key(said, at, name)], _inside(said, at, name)
    place[_key(said, at, last)] = _value(said, text)
    try:
        return msgspec.convert(plain, Scenario)
    except msgspec.ValidationError as error:
        raise CannotRun(
            f"{said}: {_plain(error)}{_fields_of_a_fault(str(error), plain)}{_choices(str(error), scenario)}"
        ) from None


def _value(said: str, text: str) -> Any:
    """JSON, or else text; what begins as a list or an object does and is none was meant to be JSON."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        if text.lower().lstrip("+-") in ("nan", "inf", "infinity"):
            raise CannotRun(f"{said}: {text} is no number that could be played; give a finite one") from None
        if text[:1] in ("{", "["):
            raise CannotRun(f"{said}: the value is no JSON ({error}); mind that the shell takes quotes away") from None
        return text


def _key(said: str, at: Any, name: str) -> Any:
    """``name`` as a key of the plain form of ``at``, if it is one."""
    if isinstance(at, dict):
        return name
    if isinstance(at, tuple) and name.isdigit() and int(name) < len(at):
        return int(name)
    valid = _names(at)
    if name in valid:
        return name
    if at == ():
        raise CannotRun(f"{said}: there is no '{name}' to change, for the list is empty; give all of it, as JSON: [...]")
    if not valid:
        raise CannotRun(f"{said}: there is nothing called '{name}' inside a single value; leave '.{name}' out")
    raise CannotRun(f"{said}: there is no field '{name}'{suggestion(name, valid)} (fields here: {', '.join(valid)})")


def _names(at: Any) -> tuple[str, ...]:
    """What there is inside a part of the scenario, by name."""
    if isinstance(at, tuple):
        return tuple(str(i) for i in range(len(at)))
    return at.__struct_fields__ if isinstance(at, msgspec.Struct) else ()


def _inside(said: str, at: Any, name: str) -> Any:
    key = _key(said, at, name)
    if isinstance(at, dict):
        if key not in at:
            raise CannotRun(f"{said}: there is no '{name}' to look into (here: {', '.join(at) or 'nothing'})")
        return at[key]
    return at[key] if isinstance(at, tuple) else getattr(at, key)


def _plain(error: msgspec.ValidationError) -> str:
    """msgspec's words without its notation: what was expected, and where."""
    text, _, where = str(error).partition(" - at `$.")
    tags = {"fault": faults.TAGS, "shape": arrivals.TAGS, "spread": amounts.TAGS}
    of = where.rstrip("`").rpartition(".")[2]
    known = f" ({of}s: {', '.join(tags[of])})" if text.startswith("Invalid value") and of in tags else ""
    return f"{text.replace('`', '')}{' for ' + where.rstrip('`') if where else ''}{known}"


def _choices(error: str, scenario: Scenario) -> str:
    """What may stand where a name is wrong, as far as the scenario shows it: the fields of an object, the values of a field."""
    text, _, where = error.partition(" - at `$")
    at: Any = scenario
    *folders, last = re.findall(r"\w+", where)
    for name in (*folders, last) if (unknown := re.search("unknown field `(.*)`", text)) else folders:
        at = getattr(at, name, None)
    if not isinstance(at, msgspec.Struct):
        return ""
    if unknown:
        return f"{suggestion(unknown[1], at.__struct_fields__)} (fields here: {', '.join(at.__struct_fields__)})"
    values = get_args(get_type_hints(type(at)).get(last)) if text.startswith("Invalid enum value") else ()
    return f" (choices: {', '.join(map(str, values))})" if values else ""


def _fields_of_a_fault(error: str, plain: Any) -> str:
    """All fields that the fault has of which the error speaks, for msgspec names the first that is wrong."""
    found = re.search(r"at `\$\.faults\[(\d+)\]", error)
    fault = plain["faults"][int(found[1])] if found else None
    tag = fault.get("fault") if isinstance(fault, dict) else None
    if tag not in faults.TAGS:
        return ""
    fields = msgspec.structs.fields(faults.FAULTS[faults.TAGS.index(tag)])
    needed = [field.name for field in fields if field.required]
    others = [field.name for field in fields if not field.required]
    return f" ({'an' if tag[0] in 'aeiou' else 'a'} {tag} needs {', '.join(needed)}{' and may have ' if others else ''}{', '.join(others)})"


def check_mix(scenario: Scenario, preset: str) -> None:
    """Raises :class:`CannotRun` for a preset that the scenario's policies turn into a mix that cannot be played."""
    wrong = policies.problem(scenario.preset(preset)) if preset in policies.PRESETS else None
    if wrong is not None:
        raise CannotRun(f"preset {preset}: {wrong}")


# what no world can play ------------------------------------------------------------------------------------------------------------


def problems(scenario: Scenario) -> Iterator[str]:
    """What is wrong with a scenario, in words; faults are measured by its gateways and its length, if those are right."""
    yield from (text for holds, text in _conditions(scenario) if not holds)
    if 1 <= scenario.gateways <= GATEWAYS_MAX and _within(scenario.duration_s, 0, math.inf):
        for i, fault in enumerate(scenario.faults):
            yield from (text for holds, text in _fault_conditions(scenario, f"faults.{i}", fault) if not holds)


def _conditions(scenario: Scenario) -> Iterator[tuple[bool, str]]:
    people, load = scenario.population, scenario.workload
    yield 1 <= scenario.gateways <= GATEWAYS_MAX, f"gateways is {scenario.gateways}; give 1 to {GATEWAYS_MAX}"
    yield scenario.cores is None or 1 <= scenario.cores <= CORES_MAX, f"cores is {scenario.cores}; give 1 to {CORES_MAX}"
    yield from _merged(scenario)
    yield _within(scenario.ramp_s, 0.1, 3600), f"ramp_s is {scenario.ramp_s:g}; give 0.1 to 3600 seconds"
    yield _within(scenario.duration_s, 0.1, 86_400), f"duration_s is {scenario.duration_s:g}; give 0.1 to 86400 seconds"
    yield (
        not scenario.duration_s > 0 or _within(scenario.warm_up_s, 0, scenario.duration_s),
        f"warm_up_s is {scenario.warm_up_s:g}; give 0 to {scenario.duration_s:g}, its duration_s",
    )
    yield scenario.short_scale > 0, f"short_scale is {scenario.short_scale:g}; give more than 0"
    life_s = scenario.connection_life_s
    yield _within(life_s, 0, math.inf), f"connection_life_s is {life_s:g}; give a mean in seconds, or 0 for connections that last"
    for name in scenario.login.__struct_fields__:
        cost_us = getattr(scenario.login, name)
        yield _within(cost_us, 0, 1e9), f"login.{name} is {cost_us:g}; give 0 to 1000000000 microseconds"
    for name in ("login_burst", "logins_max", "heartbeat_proofs", "heartbeat_losses_max"):
        many = getattr(scenario.timers, name)
        yield many >= 1, f"timers.{name} is {many}; give at least 1"
    yield from _policies(scenario.policies)
    yield (
        scenario.policies.get("heartbeat") != "adaptive" or scenario.timers.heartbeat_max_us >= scenario.timers.heartbeat_us,
        f"timers.heartbeat_max_us is {scenario.timers.heartbeat_max_us}; give at least {scenario.timers.heartbeat_us}, its heartbeat_us",
    )
    yield from _durations(scenario)
    yield from ((False, f"population.{text}") for text in population.problems(people))
    yield from ((False, f"workload.{text}") for text in schedule.problems(load, scenario.duration_s))
    yield from ((False, text) for text in networks.problems(scenario.network))
    yield from ((False, text) for text in machines.problems(scenario.clocks, scenario.disk, scenario.starved))
    wrong = kinds.problem(scenario.contract)
    yield wrong is None, str(wrong)


def _merged(scenario: Scenario) -> Iterator[tuple[bool, str]]:
    """One process has one database and so one gateway; it has one core, and no network within it."""
    if scenario.merged:
        yield (
            scenario.gateways == 1,
            f"merged is one process, which has one gateway; set gateways=1 as well, not {scenario.gateways}",
        )
        yield scenario.cores is None, f"merged is one process on one core; leave cores out, not {scenario.cores}"
        for i, fault in enumerate(scenario.faults):
            parts = isinstance(fault, Partition | ColdRoutes)
            yield (
                not parts,
                f"faults.{i} is a {faults.tag(fault)}, between gateway and business; merged, there is nothing between them",
            )


def _policies(changed: dict[str, str]) -> Iterator[tuple[bool, str]]:
    names = Policies.__struct_fields__
    for name, value in changed.items():
        yield name in names, f"policies names '{name}'{suggestion(name, names)} (policies: {', '.join(names)})"
        if name not in names:
            continue
        choices = [str(choice) for choice in get_args(get_type_hints(Policies)[name])]
        yield value in choices, f"policies.{name} is '{value}'{suggestion(value, choices)} (choices: {', '.join(choices)})"


def _durations(scenario: Scenario) -> Iterator[tuple[bool, str]]:
    for name in scenario.timers.__struct_fields__:
        found = getattr(scenario.timers, name)
        if name.endswith("_us"):
            yield found >= 1, f"timers.{name} is {found}; give at least 1 microseconds"
    longest, least = scenario.timers.ack_timeout_max_us, max(scenario.timers.ack_timeout_us, ACK_TIMEOUT_LEAST_US)
    yield longest >= least, f"timers.ack_timeout_max_us is {longest}; give at least {least}, no less than ack_timeout_us"


def _fault_conditions(scenario: Scenario, name: str, fault: Fault) -> Iterator[tuple[bool, str]]:
    nodes = faults.struck(fault, scenario.gateways)
    named = enumerate(fault.nodes) if isinstance(fault, RollingRestart) else [(None, fault.node)]
    for i, node in named:
        place = f"{name}.node" if i is None else f"{name}.nodes.{i}"
        near = "" if re.fullmatch(r"gateway-\d+", node) else suggestion(node, nodes)  # one number is as near as another
        yield node in nodes, f"{place} is '{node}'{near}; nodes are {', '.join(nodes)}"
    yield (
        _within(fault.at_s, 0, scenario.duration_s),
        f"{name}.at_s is {fault.at_s:g}; give 0 to {scenario.duration_s:g}, its duration_s",
    )
    yield from ((False, f"{name}.{text}") for text in faults.problems(fault))


def _within(value: float, low: float, high: float) -> bool:
    return math.isfinite(value) and low <= value <= high
