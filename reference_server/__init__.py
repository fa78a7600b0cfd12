"""The reference server: the rules of ``model.core`` in real processes, over real sockets, on a real database.

Every role is a process: ``access`` (a gateway), ``business`` (the business node, with ``storage`` on a writer thread of its own), and
``serve`` (the supervisor that starts and watches them). A role is a *shell*: it feeds inputs to its machine, carries out the effects,
and arms one timer for the machine's deadline. A decision found here and not in the machine is a bug.
"""
