"""Eclipse mosquitto, the MQTT broker that Debian packages: its presets are the three qualities of service.

One process is everything: clients connect to it, and it stores. Its configuration is written for each run, on the loopback, with
persistence as Debian ships it (``persistence true``), and is told in the header of the history.

What persistence means there: sessions, subscriptions and queued messages are in memory, and written to one file as a whole, every
``autosave_interval`` (1,800 s unless it is set), on SIGUSR1 and at a clean exit; kill -9 loses what has changed since (mosquitto.conf(5)).
A PUBACK waits for none of that. The presets ``qosN`` leave the interval as it is; ``qosN_saved`` have the shortest there is, one second.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import sys
from collections.abc import Mapping
from typing import Final

from scenarios.targets.supervised import HOST, Wanted, main

NAME: Final = "mosquitto"
PRESETS: Final[Mapping[str, str]] = {
    "qos0": "MQTT at QoS 0: written once, never acknowledged",
    "qos1": "MQTT at QoS 1: repeated until PUBACK, at least once",
    "qos2": "MQTT at QoS 2: four packets a message, exactly once",
    "qos1_saved": "MQTT at QoS 1, and the broker writes its state to disk every second",
    "qos2_saved": "MQTT at QoS 2, and the broker writes its state to disk every second",
}
SERVER: Final = __name__ if __name__ != "__main__" else "scenarios.targets.mosquitto"
LOAD: Final = "loadgen.targets.mqtt"
SBIN: Final = "/usr/sbin"
"""Where Debian puts it, which is not on everybody's path."""
AUTOSAVE_S: Final[Mapping[str, int]] = {"qos1_saved": 1, "qos2_saved": 1}
AUTOSAVE_DEFAULT_S: Final = 1800
"""mosquitto's own."""


def program() -> str | None:
    """The broker's program, if it is installed."""
    return shutil.which(NAME, path=os.pathsep.join([os.environ.get("PATH", os.defpath), SBIN]))


def missing() -> str | None:
    """What this machine lacks, in words that say what to do."""
    if program() is None:
        return "no mosquitto is installed here; on Debian `apt-get install mosquitto`"
    if importlib.util.find_spec("paho") is None:
        return "no paho-mqtt is installed here; `pip install -e '.[mqtt]'`"
    return None


def policies(preset: str) -> Mapping[str, str]:
    """What a preset means, for the header of the history."""
    return {"server": NAME, "qos": preset[3], "clean_session": "false", **settings(preset)}


def settings(preset: str) -> dict[str, str]:
    """The lines of mosquitto.conf that matter to what is delivered."""
    return {
        "persistence": "true",
        "autosave_interval": str(AUTOSAVE_S.get(preset, AUTOSAVE_DEFAULT_S)),
        "max_queued_messages": "0",  # none is dropped for want of room
        "max_inflight_messages": "0",  # to a client, of QoS 1 and 2: all at once
        "set_tcp_nodelay": "true",
    }


def command(wanted: Wanted, port: int) -> list[str]:
    """Write the configuration and return the command line. Started by root, mosquitto becomes a user of its own, whose the folder must be;
    the file of its state is named from there, so it need not reach into folders above."""
    lines = {f"listener {port}": HOST, "allow_anonymous": "true", **settings(wanted.preset), "persistence_location": "."}
    lines |= {"log_dest": "stderr", "connection_messages": "false"}
    if os.geteuid() == 0:
        owner = _owner()
        lines["user"] = owner
        shutil.chown(wanted.folder, owner)
    (wanted.folder / "mosquitto.conf").write_text("".join(f"{name} {value}\n" for name, value in lines.items()))
    return [program() or NAME, "-c", "mosquitto.conf"]


def _owner() -> str:
    """Whom it becomes: the user that its package makes, else nobody."""
    try:
        return pwd.getpwnam(NAME).pw_name
    except KeyError:
        return "nobody"


if __name__ == "__main__":
    sys.exit(main(command))
