"""What people see in a browser.

Owns: addresses, templates and the little that is said around a figure.
Does not own: figures, which come from the functions that the API calls; permissions, which are those of `access`.
"""
