"""The service: facts come in over HTTP, are on disk when the call returns, and are in the count at once.

Owns: the tables, who may do what, the batch transaction, the API, the jobs that time triggers, and messages.
Does not own: any rule. Who counted is `metering`, on `engines.database`; what it costs is `accounting`; how an export
is read is `intake`; how a window is closed is `books`. ORM rows are storage: `contracts` alone makes model objects
of them.
"""
