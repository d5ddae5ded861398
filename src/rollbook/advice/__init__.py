"""What to do about the figures: compare plans, estimate a rollout, forecast, reconcile a vendor's list.

Everything is deterministic: what is drawn by chance is drawn from a stated seed.

Owns: what would have been, what will probably be, and where two lists differ.
Does not own: what was counted (`metering`), what it costs (`accounting`), files and the clock, or any looks.
"""
