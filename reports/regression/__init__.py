"""What a comparison comes to, told in every form that somebody reads: one model, and a renderer a form.

An exact comparison (:mod:`model.scenario.comparison`) or a statistical one (:mod:`model.scenario.paired_comparison`) becomes a
:class:`reports.regression.report.Report` by way of ``exact`` or ``paired``; these find the words. Whoever renders it says the same in
another form and decides nothing: ``text`` for a terminal, ``contract`` for programs (``schema.json`` says how), ``markdown`` for a comment
under a change, ``junit`` for CI systems, ``page`` for people with a browser, its pictures by ``pictures``. ``outputs`` writes the files.
``trunk`` keeps results in a folder of small files, and draws them as curves over commits.

The first line of each form is the finding, as a person would say it.
"""
