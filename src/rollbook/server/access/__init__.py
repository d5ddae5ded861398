"""Who somebody is, and what they may do.

Owns: principals and their scopes, users, keys, signing in, how often anybody may call, and the audit.
Does not own: the pages of signing in (`pages`), and what routes need, which stands at each of them.
"""
