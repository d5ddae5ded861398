"""Facts come in: what was sent is read, stored, metered and announced in one transaction.

Owns: the batch and its fates, facts that wait, what these facts would add, and whether a learner may start.
Does not own: HTTP (`api`), and the storage of facts and counts (`rollbook.engines.database`).
"""
