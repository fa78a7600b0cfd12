"""Exact gates: simulated runs of fixed seeds against what they came to when last accepted.

``cases`` says which runs, ``play`` plays one and takes its measures, ``baselines`` keeps what was accepted, ``compare`` names what differs,
``command`` is ``imbench gate``. Absolute times on a shared machine vary by a factor of two; what is simulated does not vary at all, so any
difference is a change of what the system does, and is told as one.
"""
