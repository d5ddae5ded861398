"""A book is a folder of closed statements, with the evidence and the facts that they rest on.

Owns the files: numbered without gaps, each written whole or not at all, never changed. It does not own what a
statement says (`accounting`) nor how it is proven (`proof`), and decides nothing that these do not.
"""
