"""Tokens: proof that a device may log in as a user. A keyed hash (HMAC-SHA-256, RFC 2104) over both ids; no expiry yet."""

from __future__ import annotations

import hashlib
import hmac


def mint(secret: bytes, user: int, device: int) -> bytes:
    """The token of (user, device): 32 bytes."""
    return hmac.digest(secret, b"imbench-token:%d:%d" % (user, device), hashlib.sha256)


def check(secret: bytes, user: int, device: int, token: bytes) -> bool:
    """Whether ``token`` proves (user, device), in time independent of where it differs."""
    return hmac.compare_digest(mint(secret, user, device), token)
