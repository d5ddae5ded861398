"""What is counted now: the rows of what is agreed as model objects, live counts, and what is asked of them.

Owns: `contracts`, which alone makes model objects of rows; surrogates of people; usage, the roll, who was not counted
and why; snapshots of the facts for whatever may take longer.
Does not own: how facts come in (`receiving`), and any rule (`rollbook.metering`).
"""
