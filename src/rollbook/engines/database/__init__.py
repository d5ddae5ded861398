"""The query inside a database: facts are stored and metered in one transaction, on PostgreSQL and on SQLite.

Owns: tables of facts and of what is live (activations, holdings, tallies), their SQL, storing facts once for ever,
metering again what a batch touched, beginning windows, counting everything again, and answering accounting.
Does not own: the rule (`metering`), whose steps it chains; transactions, locks and who may see what (the server);
models and migrations, which run its statements; people's names.

Everything takes a DB-API cursor of psycopg 3 or sqlite3 inside a transaction that the caller commits. One transaction
at a time may change what is live of one subscription: the caller locks its customer.
"""

from rollbook.engines.database.answers import ask, ask_ahead
from rollbook.engines.database.connected import behind, prepare
from rollbook.engines.database.dialects import Database, Dialect
from rollbook.engines.database.facts import Stored, digest, store
from rollbook.engines.database.live import begin_window, rebuild, remeter
from rollbook.engines.database.recount import recount
from rollbook.engines.database.subscriptions import LiveSubscription
from rollbook.engines.database.touch import ever_linked

__all__ = [
    "Database",
    "Dialect",
    "LiveSubscription",
    "Stored",
    "ask",
    "ask_ahead",
    "begin_window",
    "behind",
    "digest",
    "ever_linked",
    "prepare",
    "rebuild",
    "recount",
    "remeter",
    "store",
]
