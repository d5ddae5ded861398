"""What runs beside requests: the worker and its jobs, serving, migrations, recounts, backups, the demonstration.

Does not own: what a job does, which is `receiving`, `billing` and `notices`; it decides when.
"""
