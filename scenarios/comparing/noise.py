"""The noise of machines, kept: for each machine a small file with pairs of runs of one build, by case and measure.

A machine is known by its fingerprint (:attr:`model.history.machine.Machine.fingerprint`), a case by its name and the digest of its
scenario: noise of another machine, or of another load, is none. Whoever compares a build with itself adds to it; the newest pairs are kept.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from model.history.machine import Machine
from scenarios.running.exits import CANNOT_CREATE, DAMAGED, CannotRun

VERSION: Final = 1
KEPT: Final = 200
"""Pairs kept of a case."""
ENOUGH: Final = 8
"""Pairs without which there is no floor: the median of fewer says little of how far the next one may be."""


class Noise(msgspec.Struct, frozen=True):
    """Of one machine. ``cases``: by the key of a case (:func:`key`), for each pair logarithms of one run over the other, by measure."""

    machine: Machine
    cases: dict[str, list[dict[str, float]]] = {}
    version: int = VERSION


class _Versioned(msgspec.Struct):
    version: int


def key(name: str, digest: str) -> str:
    """Of a case, by its name and the digest of its scenario."""
    return f"{name} {digest}"


def read(folder: Path, machine: Machine) -> Noise:
    """What is known of this machine's noise, which may be nothing. Raises :class:`CannotRun` for a file that cannot be used."""
    path = where(folder, machine)
    found = at(path) if path.exists() else Noise(machine)
    if found.machine.fingerprint != machine.fingerprint:
        raise CannotRun(f"{path}: is the noise of another machine ({found.machine.cpu}); remove it and measure anew", DAMAGED)
    return found


def at(path: Path) -> Noise:
    """The noise in a file, of whichever machine. Raises :class:`CannotRun`."""
    try:
        text = path.read_bytes()
        version = msgspec.json.decode(text, type=_Versioned).version
        if version != VERSION:
            raise CannotRun(
                f"{path}: is of version {version}, and this imbench reads {VERSION}; remove it and measure anew", DAMAGED
            )
        return msgspec.json.decode(text, type=Noise)
    except (OSError, msgspec.DecodeError) as error:
        raise CannotRun(f"{path}: cannot be read ({error}); remove it and measure anew", DAMAGED) from None


def ratios(noise: Noise, case: str, measure: str) -> list[float]:
    """The known pairs of a measure, those that have a figure."""
    return [pair[measure] for pair in noise.cases.get(case, ()) if math.isfinite(pair.get(measure, math.nan))]


def check(folder: Path) -> None:
    """Raise :class:`CannotRun` where no noise could be kept there: before anything is played. Makes the folder."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotRun(
            f"--noise {folder}: cannot be made ({error.strerror}); choose another folder, or the default", CANNOT_CREATE
        ) from None


def add(folder: Path, machine: Machine, found: Mapping[str, Sequence[Mapping[str, float]]]) -> Path:
    """Keep further pairs of a machine, by case, beside what is known by now: another comparison may have added to it meanwhile. Returns the
    file. Raises :class:`CannotRun`."""
    cases = dict(read(folder, machine).cases)
    for case, pairs in found.items():
        cases[case] = [*cases.get(case, ()), *map(dict, pairs)][-KEPT:]
    path = where(folder, machine)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(msgspec.json.format(msgspec.json.encode(Noise(machine, cases)), indent=1) + b"\n")
        os.replace(partial, path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise CannotRun(f"{path}: cannot be written ({error}); the noise known is what it was", CANNOT_CREATE) from None
    return path


def where(folder: Path, machine: Machine) -> Path:
    """The file of a machine."""
    return folder / f"{machine.fingerprint}.json"
