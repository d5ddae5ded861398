"""Rollbook beside what others would count with, on the same facts, in the same run.

    python -m benchmarks.scale.run 10000000

`workload` says what the work is; each engine is a file, written as somebody who knows it well would; `side` runs one of
them in a process of its own, `run` all of them in turn, and `report` writes the page.
"""
