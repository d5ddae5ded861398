"""A sample of every report, made from the sample facts: to see what a report holds before there are facts of one's own.

Owns: one CSV for each table that a report can be, the prices they use, and what writes them
(`python -m rollbook.samples.reports FOLDER`). Does not own: what a report says (`reports`).
"""
