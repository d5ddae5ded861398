"""What whoever runs the server sees of it: logs, figures for Prometheus, probes, and how far behind it is.

Does not own: the audit, which is kept for whoever uses it (`access.audit`). Nothing here names a learner.
"""
