"""What can go wrong between here and the server. Every error carries problems with place, rule and remedy."""

from __future__ import annotations

from rollbook.errors import Problem, RollbookError


class ClientError(RollbookError):
    """The base of everything that the client raises."""

    code = "client"


class UnavailableError(ClientError):
    """The server cannot be reached, is overloaded, or failed. The same call may succeed later.

    after_seconds  how long the server asked to wait; 0 where it did not say
    """

    code = "client-unavailable"

    def __init__(self, problem: Problem, after_seconds: float = 0) -> None:
        self.after_seconds = after_seconds
        super().__init__(problem)


class RefusedError(ClientError):
    """The server understood and said no. The same call will be refused again, and is never repeated.

    status  the status of HTTP
    """

    code = "client-refused"

    def __init__(self, problem: Problem, status: int) -> None:
        self.status = status
        super().__init__(problem)


class SpoolError(ClientError):
    """Facts cannot be kept on disk: none of the batch that was being kept is promised."""

    code = "client-spool"


class SpoolFullError(SpoolError):
    """As much waits on disk as was allowed. None of the batch was kept."""

    code = "client-spool-full"


class SpoolBusyError(SpoolError):
    """Another process uses the folder."""

    code = "client-spool-busy"
