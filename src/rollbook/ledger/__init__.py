"""Facts at rest: written once, sorted so that counting them again is little more than reading two columns.

A ledger is a folder. What stands in it is never edited: a build adds a segment, several small segments are written
together as one, and the manifest, replaced in one step, says which ones count. Whatever it does not name is not there.

Owns: the layout of the folder, building and joining segments, recognising what is there already, checking what lies on
disk, and handing the facts to a reader.
Does not own: what a fact is and which rows are refused (`intake`), what counts (`metering`), how it runs (`engines`).
"""

from rollbook.ledger.building import Built, build
from rollbook.ledger.layout import Manifest, Segment, is_ledger
from rollbook.ledger.manifests import read_manifest
from rollbook.ledger.store import LedgerStore, opened

__all__ = ["Built", "LedgerStore", "Manifest", "Segment", "build", "is_ledger", "opened", "read_manifest"]
