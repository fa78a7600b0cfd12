"""The configuration of a server: one JSON file that every role reads.

It holds what all roles must agree on: the policies and timers of the run, the conversations that the store is provisioned with, and
the secret that tokens are made with. Addresses and folders are arguments of each role, not configuration. Unknown fields are errors.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from model.core.drain import drain_us
from model.core.log import Conversation
from model.core.policies import Policies, Timers


class ServerConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What all roles of one server agree on. ``secret_hex``: the key of the tokens, at least 16 bytes, in hexadecimal."""

    secret_hex: str
    conversations: tuple[Conversation, ...] = ()
    policies: Policies = Policies()
    timers: Timers = Timers()

    @property
    def secret(self) -> bytes:
        """The key that tokens are made and checked with (:mod:`model.core.tokens`)."""
        return bytes.fromhex(self.secret_hex)


class ConfigError(Exception):
    """The configuration cannot be used; the text is one line that says what to do. ``missing``: there is no such file."""

    def __init__(self, text: str, *, missing: bool = False) -> None:
        super().__init__(text)
        self.missing = missing


SECRET_BYTES_MIN = 16
"""Bytes of the shortest secret: 128 bits, beyond guessing."""
DRAIN_S_MAX = 7.5
"""Seconds that a drain may take: with the 2 s that closed connections have to be closed by their clients too, and half a second for the end
of the process, this is what a supervisor waits for on SIGTERM before it kills."""


def read_config(path: Path) -> ServerConfig:
    """The configuration in ``path``. Raises :class:`ConfigError`."""
    try:
        config = msgspec.json.decode(path.read_bytes(), type=ServerConfig)
    except OSError as error:
        text = f"cannot read the configuration {path}: {error.strerror}; name a readable file with --config"
        raise ConfigError(text, missing=isinstance(error, FileNotFoundError)) from None
    except msgspec.DecodeError as error:  # a ValidationError is one, and names the field
        raise ConfigError(f"the configuration {path} is not usable: {error}") from None
    _check(path, config)
    return config


def write_config(path: Path, config: ServerConfig) -> None:
    """Leave a configuration in ``path``, readable by its owner alone, since it holds the secret."""
    path.touch(mode=0o600)
    path.write_bytes(msgspec.json.encode(config))


def _check(path: Path, config: ServerConfig) -> None:
    try:
        short = len(config.secret) < SECRET_BYTES_MIN
    except ValueError:
        short = True
    if short:
        raise ConfigError(f"the configuration {path}: secret_hex must be at least {2 * SECRET_BYTES_MIN} hexadecimal digits")
    drain_s = drain_us(config.policies.drain, config.timers) / 1e6
    if drain_s > DRAIN_S_MAX:
        text = (
            f"the configuration {path}: a drain would take up to {drain_s:g} s; shorten timers.drain_lead_us, drain_window_us or"
        )
        raise ConfigError(f"{text} drain_grace_us, to {DRAIN_S_MAX:g} s in all")
    ids = [c.conversation for c in config.conversations]
    if len(set(ids)) != len(ids):
        raise ConfigError(f"the configuration {path}: a conversation is listed twice")
