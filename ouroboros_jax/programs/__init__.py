"""A group of chains as compiled functions: where the config ends and arrays begin.

factories  from names to learners, regimes, selectors and data
build      those put together
own        checks of a user's own parts, before anything runs
program    a group's settings and compiled calls
sizes      the static sizes of its programs at every generation
stages     what one block of chains does in one device call
eras       who drew what a fork's regime remembers
"""
