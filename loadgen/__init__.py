"""Many real clients around the one client session of ``model.core``; there is no second implementation of its rules.

Two processes play the same :class:`model.scenario.job.LoadJob` in the same way; they differ only in how bytes move:

- Locust users on gevent sockets, with Locust's statistics and web page::

      IMBENCH_JOB=job.json python -m locust -f loadgen/locustfile.py --headless -u USERS -r USERS --only-summary

- asyncio on uvloop, for high rates and for tests::

      IMBENCH_JOB=job.json python -m loadgen.asyncio_driver

``USERS`` is the population's number of users. Either prints ``imbench-load ready`` when everything is planned, waits for the start file,
records devices, members, the schedule, phases and all that its clients do and see, and leaves its health. Exit codes: 0 after END, 143
when a signal ended it before, 64 for a job it cannot play, 70 for a bug, 74 where the recording cannot be made or continued. Processes
and faults are recorded by whoever starts and kills the servers.

By hand, against a server that runs already (``locust -f loadgen/locustfile.py --help`` lists the ``--im-*`` options)::

    locust -f loadgen/locustfile.py --im-gateways 127.0.0.1:7001,127.0.0.1:7002 --im-secret-file secret.hex

A job may be for one :class:`model.scenario.job.Part` of the devices; so several processes play one run, and know of each other by
:mod:`ensemble`. With ``--master`` Locust has its workers do that, on any machines (:mod:`masters`, :mod:`machines`, :mod:`clocks`).

The modules: :mod:`player` is everything that is not I/O; :mod:`driver` is what both processes do around it for a job; :mod:`gevent_lines`
and :mod:`asyncio_driver` move bytes, from an address of :mod:`sources`; :mod:`stage` is where plays take place in Locust;
:mod:`latencies` measures what is shown, :mod:`histograms` counts it, :mod:`statistics` and :mod:`page` show it in Locust; :mod:`health`
watches the process itself. ``import locust`` patches the interpreter: nothing imports :mod:`locustfile`, it is always a process of its own.
"""
