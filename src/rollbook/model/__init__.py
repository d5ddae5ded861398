"""The vocabulary of Rollbook as frozen values: facts, windows, plans, subscriptions.

Windows include their start and exclude their end.

Owns: the words and what makes each valid; reading plans and subscriptions from the text of a TOML file.
Does not own: where the text comes from (files, a database), how facts are counted, or the clock.
"""
