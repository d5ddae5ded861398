"""A platform of your own: when something happens, say so. Four lines, and they survive a server that is away."""

import os

from rollbook.client import Client

rollbook = Client(os.environ["ROLLBOOK_URL"], os.environ["ROLLBOOK_KEY"], spool=os.environ["ROLLBOOK_SPOOL"])


def logged_in(login_id: str, learner: str, at: str) -> None:
    """Call it where your platform lets somebody in. `login_id` is the number of that login in your own database."""
    rollbook.send(
        [{"id": f"login-{login_id}", "occurred_at": at, "learner": learner, "type": "login", "source": "own"}]
    )


if __name__ == "__main__":
    logged_in("4711", "ana", "2026-03-02T09:00:00Z")
    rollbook.close()
