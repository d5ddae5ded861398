"""Reports that were ordered by mail (W-23): each is made when it is sent, and attached.

The outbox says which report it is and never holds its rows: those name learners. Whether whoever ordered it, or
asked for it, still may is asked when it is made, see `standing`.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from rollbook.errors import UsageError
from rollbook.server.models import Message, Subscription
from rollbook.server.notices import failures, standing
from rollbook.server.notices.mail import ATTACHMENT_BYTES_MAX, Attachment
from rollbook.server.notices.webhooks import Result

log = structlog.get_logger(__name__)

REPORT = "report.sent"


@dataclass(frozen=True, slots=True)
class Attached:
    """What goes with a mail, or why it cannot be sent now."""

    file: Attachment | None = None
    failed: Result | None = None


def attached(message: Message) -> Attached:
    """The file of a message about a report that was ordered, if its order still holds."""
    order = standing.known().filter(pk=message.content["data"].get("order")).first()
    if why := "the order was removed" if order is None else standing.of_message(order, message):
        return Attached(failed=Result(why, final=True))
    from rollbook.server.live import snapshots  # noqa: PLC0415 - reports rest on everything else, and few messages need them

    data = message.content["data"]
    try:
        row = Subscription.objects.select_related("customer", "plan").get(pk=data["subscription"])
        name, kind, file = snapshots.report_file(row, data["report"], data["by"], data["format"], named=True)
        with file:
            return Attached(file=(name, kind, file.read(ATTACHMENT_BYTES_MAX + 1)))
    except UsageError:
        return Attached(failed=Result("there is no such report any more", final=True))
    except Exception as error:  # noqa: BLE001 - one report that cannot be made holds up no other message
        log.error("report.failed", message=message.message_id, **failures.told(error))  # noqa: TRY400 - no words of it
        return Attached(failed=Result(f"the report could not be made: {type(error).__name__}"))
