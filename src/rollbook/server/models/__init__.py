"""The tables that Django keeps. Facts and live counts are kept by `engines.database`, whose tables have no ORM.

Owns: columns, and what a row may never be (constraints).
Does not own: rules of plans and terms: `contracts` makes model objects of rows, and those check themselves.
"""

from rollbook.server.models.contracts import (
    KINDS,
    Approval,
    PlanChange,
    PlanVersion,
    Quantity,
    ReportedCount,
    Reservation,
    Subscription,
)
from rollbook.server.models.intake import HeldFact, Person, Refusal, UnknownType
from rollbook.server.models.notices import Crossing, Done, Endpoint, Message, ReportOrder, UpgradeTask
from rollbook.server.models.parties import ApiKey, Audit, Customer, Organisation, Throttle, User
from rollbook.server.models.requests import RosterRequest
from rollbook.server.models.rules import RulesRun, RulesVersion
from rollbook.server.models.statements import Closing, Statement, StatementFile

__all__ = [
    "KINDS",
    "ApiKey",
    "Approval",
    "Audit",
    "Closing",
    "Crossing",
    "Customer",
    "Done",
    "Endpoint",
    "HeldFact",
    "Message",
    "Organisation",
    "Person",
    "PlanChange",
    "PlanVersion",
    "Quantity",
    "Refusal",
    "ReportOrder",
    "ReportedCount",
    "Reservation",
    "RosterRequest",
    "RulesRun",
    "RulesVersion",
    "Statement",
    "StatementFile",
    "Subscription",
    "Throttle",
    "UnknownType",
    "UpgradeTask",
    "User",
]
