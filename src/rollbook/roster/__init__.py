"""Rosters: snapshots become status facts, actions and rules become status facts, and the roster is a view of them.

Pure, like metering: no clock, disk, network or database; instants and zones are parameters. Nobody is counted here,
and nothing has a price: whom a change makes active is metering's, and what that costs is accounting's.
"""
