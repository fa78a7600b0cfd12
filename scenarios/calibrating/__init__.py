"""``imbench calibrate``: what the reference server's roles cost on this machine, as a file that the simulated world reads.

``loads`` are the points of load that are played, ``windows`` what was counted in them, ``fit`` turns counts and CPU into costs, ``waits``
measures what is elapsed and no CPU, ``calibrate`` does it all in order. How and why: docs/calibration.md.
"""
