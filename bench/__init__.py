"""
Measure the hot paths against their floors: `make bench`, or `python -m bench B1 B3 [--quick]`.

A floor is the least that the same machine needs for the same promise: a bare Django view with one
statement, a bare cipher call, the provider's own time. Ours and the floor run in turns, three
rounds at least; what counts is the median of the ratios, because absolute figures are the machine's.
"""
