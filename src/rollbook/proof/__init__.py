"""Proof: digests of canonical rows, trees over salted leaves, and what a comparison of two statements finds.

Owns what makes a figure checkable by somebody else. It does not own figures (`accounting`) nor files (`books`). It
draws no randomness and asks no clock: secrets are handed in.
"""
