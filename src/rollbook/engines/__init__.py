"""Where the metering query runs.

Owns: running the query on an engine, and the result as tables that reports ask.
Does not own: the rule (`metering`), reading files (`intake`), or how results look (`reports`, `render`).
"""
