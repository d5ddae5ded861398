"""Sample facts to try Rollbook on: half a year of a small academy, made up here and nowhere real.

Owns: `academy.csv`, and the seeded generator that wrote it (`python -m rollbook.samples > academy.csv`); `groups.csv`,
which tells in which groups its learners are.
Does not own: test cases; those stand beside the plans they are for.
"""
