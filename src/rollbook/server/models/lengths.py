"""How long the texts of a fact may be here, in bytes of UTF-8: an entry of an index holds about 2,700.

Longer ones are refused in words when they come in, see `rollbook.server.receiving.ingest`.
"""

BYTES_MAX = {
    "source": 256,
    "id": 512,
    "organisation": 256,
    "learner": 1024,
    "type": 256,
    "object": 512,
    "session": 512,
    "actor": 1024,
    "impersonator": 1024,
    "voids": 512,
    "attributes": 4096,
}
"""By the name of the column."""

NAME, FACT_ID, LEARNER = BYTES_MAX["organisation"], BYTES_MAX["id"], BYTES_MAX["learner"]
