"""Runs continued from a stored generation under other settings.

fork         what may change, and the groups of the chains that go on
lineage      where a fork comes from, and who its chains are there
inheritance  the source's generations, copied
"""
