"""The SimPy world: the rules of ``model.core`` on simulated links, CPUs and disks; the only place that imports SimPy.

``kernel`` runs callbacks on a SimPy environment, ``pending`` holds them; ``network`` is the physics of plain links, ``rough`` of those
that need more, ``paths`` chooses; ``clocks`` are devices' that are wrong, ``faults`` what goes wrong; ``node`` is a CPU that works in
turns, and ``access``, ``business`` and ``storage`` are the roles, named as their live twins; ``devices`` are the clients; ``world`` is
one run. ``receiving`` and ``retries`` are small models beside it, without the rules.
What is modelled and what is left out: ``docs/model.md``.
"""

from model.sim.world import SimResult, run

__all__ = ["SimResult", "run"]
