"""What is agreed, and the statements that follow from it.

Owns: changes of agreements, approvals, holds and disputes, closing, statements at rest, and what moves to the
archive once windows are closed.
Does not own: what a closed window says (`rollbook.books`) and what it costs (`rollbook.accounting`).
"""
