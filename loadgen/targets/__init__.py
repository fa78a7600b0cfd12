"""Load for servers that are not ours: the same job, schedule, phases and history as our own clients, other clients.

:mod:`playing` is what every target needs: it plays the job and turns what a client tells into rows. A target is one more module with the
clients, in the server's own client library (:mod:`mqtt`), and is a process of its own::

    IMBENCH_JOB=job.json python -m loadgen.targets.mqtt

How to add one: ``docs/targets.md``.
"""
