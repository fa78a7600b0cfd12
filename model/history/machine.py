"""The machine a run was made on, as a value: numbers measured on different machines are not compared without saying so.

Read from ``/proc`` and the interpreter; what the system does not tell is an empty string or 0, never a guess. It is asked for by
whoever starts a run, and passed into the manifest.
"""

from __future__ import annotations

import hashlib
import os
import platform
from importlib import metadata
from pathlib import Path

import msgspec

PACKAGES = ("simpy", "numpy", "pandas", "scipy", "pyarrow", "msgspec", "protobuf", "locust", "gevent", "uvloop")
"""Packages whose version can change a result."""


class Machine(msgspec.Struct, frozen=True):
    """What a run ran on."""

    cpu: str = ""
    cores: int = 0
    """Cores this process may use."""
    kernel: str = ""
    python: str = ""
    packages: dict[str, str] = {}
    """Versions, of those installed."""

    @property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits, the same where times are comparable: of CPU, cores and Python's minor version.

        The kernel is not in it: hosted runners change theirs every few weeks, and a history of measures would begin anew each time.
        """
        minor = ".".join(self.python.split(".")[:2])
        return hashlib.sha256(f"{self.cpu}\n{self.cores}\n{minor}".encode()).hexdigest()[:12]


def this_machine() -> Machine:
    """The machine of this process."""
    return Machine(
        cpu=_cpu(Path("/proc/cpuinfo")),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 0,
        kernel=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        packages={name: version for name in PACKAGES if (version := _version(name))},
    )


def _cpu(cpuinfo: Path) -> str:
    """The model of the first CPU; ARM's cpuinfo has none, so there its architecture."""
    try:
        lines = cpuinfo.read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    models = [value.strip() for name, _, value in (line.partition(":") for line in lines) if name.strip() == "model name"]
    return models[0] if models else platform.machine()


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
