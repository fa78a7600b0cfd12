"""``imbench capacity``: the highest offered load that keeps a promise, in either world.

``promises`` reads what is promised, ``search`` decides which rate is played next and what came of it all, ``trial`` plays one run and says
what it was like, ``capacity`` does it all in order, ``told`` says it in words. docs/capacity.md.
"""
