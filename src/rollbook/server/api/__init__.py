"""The API under /v1: requests in, answers out.

Owns: routes, their schemas, and the words of their answers.
Does not own: what is done, which stands in the modules of `rollbook.server`.
"""
