"""What the host does between device calls: generation after generation, shown and stored.

loop       a group's generations, from where its store left off to the last
restore    what is on disk of its chains, and back
progress   its chains on the devices, a segment, a generation or a step of a fit further
ahead      programs of the next groups compiled meanwhile
interrupt  Ctrl-C and SIGTERM, heard between calls
report     a bar, or log lines
lines      the sentences at the start and the end
"""
