"""Breaking the live world: the faults of a scenario, done to real processes, sockets and files.

``nemesis`` runs in the runner: it knows when each fault is due, tells the supervisor, the proxy or the disk, and records what each has
proven. ``proxy`` is a process between clients and gateways, and between gateways and business, wherever a fault of the scenario needs one:
``doors`` has one door for each node it stands before, ``pipes`` one pipe for each connection through it, ``deeds`` what each fault does
to them. A run without such faults has no proxy.

The words are those of :mod:`model.scenario.faults`, and the simulated twin of all of this is :mod:`model.sim.faults`.
"""
