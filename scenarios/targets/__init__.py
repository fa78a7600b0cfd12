"""Servers that are not ours, and how each is started: one module a server, listed in :mod:`registry`.

A module is a :class:`registry.Target`, and a program that starts the server and obeys the runner (:mod:`supervised`). The clients that
speak to it are another program, below ``loadgen/targets``. How to add one: ``docs/targets.md``.
"""
