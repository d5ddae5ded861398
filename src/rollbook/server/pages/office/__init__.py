"""The vendor's back office: what needs attention, customers, subscriptions, plans, and what the server does by itself.

Owns: pages for operators alone; each needs `manage`.
Does not own: rules. Whatever is changed here goes through the functions that the API calls, which check and audit it.
"""
