"""What ``imbench serve`` puts together for the reference server: its configuration, from options of the command line.

Users are numbered from 1 and talk in the conversations of the default population; tokens are made with the secret, which is read from a
file, or from the environment, or else invented for this once and told to nobody.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from model.core.policies import PRESETS, Timers
from model.workload.population import PopulationPlan, populate
from scenarios.running.exits import DAMAGED, MISSING, CannotRun

SECRET_VARIABLE = "IMBENCH_SECRET"
SECRET_DIGITS_MIN = 32
SEED = 1
"""Conversations are those a run with this seed would have."""


@contextmanager
def server_config(data: Path, preset: str, users: int, gateways: int, secret_file: Path | None) -> Iterator[Path]:
    """A configuration file for the server, deleted afterwards. Raises :class:`CannotRun` for a missing folder or a bad secret."""
    if not data.is_dir():
        raise CannotRun(f"--data {data}: there is no such folder; make it with `mkdir -p {data}`", MISSING)
    conversations = populate(PopulationPlan(users=users), gateways, SEED).conversations
    plain = {
        "secret_hex": secret(secret_file) or secrets.token_hex(32),
        "conversations": conversations,
        "policies": PRESETS[preset],
        "timers": Timers(),
    }
    with tempfile.TemporaryDirectory(prefix="imbench-") as folder:
        path = Path(folder) / "config.json"
        path.touch(mode=0o600)
        path.write_bytes(msgspec.json.encode(plain))
        yield path


def secret(path: Path | None) -> str:
    """The key of the tokens, in hexadecimal: in that file, or in the environment; empty where it is in neither. Raises
    :class:`CannotRun`."""
    if path is None:
        return _checked(os.environ[SECRET_VARIABLE], SECRET_VARIABLE) if SECRET_VARIABLE in os.environ else ""
    try:
        return _checked(path.read_text().strip(), f"--secret-file {path}")
    except FileNotFoundError:
        raise CannotRun(f"--secret-file {path}: there is no such file; make one with `openssl rand -hex 32`", MISSING) from None
    except UnicodeDecodeError:
        raise CannotRun(f"--secret-file {path}: it is no text; make one with `openssl rand -hex 32`", DAMAGED) from None


def _checked(text: str, where: str) -> str:
    """The text, if it is a key; the key itself is never repeated."""
    try:
        bytes.fromhex(text)
    except ValueError:
        raise CannotRun(f"{where}: it is no hexadecimal number; make one with `openssl rand -hex 32`", DAMAGED) from None
    if len(text) < SECRET_DIGITS_MIN:
        raise CannotRun(f"{where}: it is shorter than {SECRET_DIGITS_MIN} digits; make one with `openssl rand -hex 32`", DAMAGED)
    return text
