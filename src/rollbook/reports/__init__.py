"""Named tables with documented columns, and the account of one learner.

Windows include their start and exclude their end; so do the columns `start` and `end`.

Owns: which columns a report has, what they mean, and the question over the metered tables that answers it.
Does not own: running the question (`engines`), formats and looks (`render`), or any counting.
"""
