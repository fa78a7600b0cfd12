"""The search for bugs in the rules: ``imbench hunt``.

Each seed makes one *trial*: a small scenario with whatever faults, timers, sizes, delays and order of ties the seed draws, played in
the simulated world and judged by the same judges as every run. A trial has two phases: in the first anything may go wrong; then every
fault is healed and everything must converge, or the trial fails.

- ``dice`` draws, ``generator`` makes a trial of a seed, ``faults`` the faults in it; a random subset of the features is on in each trial.
- ``trial`` is the value, and plays it; ``search`` plays many, in several processes; ``probes`` tells what the trials never came to.
- ``shrink`` makes a failing trial small, ``kept`` keeps it for ever, ``told`` says all that in words.

Prior art: swarm testing, that is, leaving features out at random (Groce, Zhang, Eide, Chen, Regehr: "Swarm testing", ISSTA 2012);
deterministic simulation with random faults (FoundationDB: Zhou et al., SIGMOD 2021; TigerBeetle's VOPR, with its liveness phase);
delta debugging (Zeller, Hildebrandt: "Simplifying and isolating failure-inducing input", IEEE TSE 2002).
"""
