"""The meter: a unit is active in a window when one of its presences overlaps it.

Owns: cutting terms into windows, the rule itself twice over (`reference`, in plain Python and written to be
read, and `query`, the same rule as one relational query in named steps), classes, and what becomes of each fact.
Does not own: reading files, running the query (`engines`), allowances and money, or the clock.
"""
