"""Runs continued from a stored generation under other settings.

fork         what may change, and the groups of the chains that continue
lineage      where a fork comes from, and its chains in the source
inheritance  the source's generations, copied
"""
