"""Service times: what a turn of a role's loop, a frame, a row and a commit cost, and where these numbers were measured.

``service_times.json`` beside this file is written by ``python -m tests.benchmarks.measure_service_times`` from a run of the real roles.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from model.scenario import LoginCost

PATH = Path(__file__).with_name("service_times.json")


class ServiceTimes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All in microseconds of one core, but for the commit and the starts, which are elapsed time."""

    gateway_turn_us: float
    """A turn of the loop: waking up, and the system calls of its reads and writes that do not grow with their content."""
    gateway_frame_in_us: float
    gateway_frame_out_us: float
    """A frame written to one connection."""
    gateway_envelope_us: float
    """An envelope from business."""
    business_turn_us: float
    business_envelope_us: float
    """An envelope from a gateway, its frame decoded and handled."""
    business_result_us: float
    """A result of storage, answered and fanned out, but for the envelopes."""
    business_envelope_out_us: float
    storage_commit_us: float
    """One group commit, durable."""
    storage_row_us: float
    """A row in it, or a page read."""
    gateway_start_us: float
    """From starting the process to its listening socket."""
    business_start_us: float
    provenance: dict[str, str]
    """Machine, date, command, what was measured and how."""
    gateway_handshake_us: float = 0.0
    """What opening a connection costs beyond its frames: TLS, which the reference server has not."""
    business_account_us: float = 0.0
    """What a log-in that is let in costs beyond its envelopes."""

    def with_log_ins(self, cost: LoginCost) -> ServiceTimes:
        """These times with the log-ins of a scenario."""
        return msgspec.structs.replace(self, gateway_handshake_us=cost.handshake_us, business_account_us=cost.account_us)


def load(path: Path = PATH) -> ServiceTimes:
    """The committed service times. Raises ``msgspec.ValidationError`` for a file of another shape, OSError where there is none."""
    return msgspec.json.decode(path.read_bytes(), type=ServiceTimes)
