"""What is agreed, and the statements that follow from it.

Owns: changes of agreements, approvals, holds and disputes, closing, and statements at rest.
Does not own: what a closed window says (`rollbook.books`) and what it costs (`rollbook.accounting`).
"""
