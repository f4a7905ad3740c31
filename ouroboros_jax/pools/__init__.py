"""Pools: a regime's table realised as rows, as statistics of each source, or as recipes.

A `Realisation` draws a generation's new points and hands the learner a `base.Pool` of everything
that the regime trains on; a `Memory` is what a chain keeps of earlier data sets for it.
"""
