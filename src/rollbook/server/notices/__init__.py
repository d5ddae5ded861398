"""What the server tells people and systems.

Owns: which events there are and who learns of each, the outbox and its delivery, crossings of thresholds, upgrades.
Does not own: figures, which come from `accounting`; when things are due, which `operation.jobs` derives.
A message is written in the transaction of what it tells: it exists exactly when that happened.
"""
