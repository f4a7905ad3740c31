"""What the host does between device calls: generation after generation, shown and stored.

loop       a group's generations, from where its store left off to the last
restore    its chains saved to disk, and restored
progress   its chains on the devices, advanced by a segment, a generation or a step of a fit
ahead      compiling the programs of the next groups meanwhile
interrupt  Ctrl-C and SIGTERM, acted on between calls
report     a bar, or log lines
lines      the sentences at the start and the end
"""
