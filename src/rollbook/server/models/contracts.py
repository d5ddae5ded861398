"""What was agreed: plans as their texts, subscriptions for terms, and what was bought, from when on.

A term is whole local days, its end excluded. Rows are added and dated, never changed: what held for a closed window
holds for ever.
"""

from __future__ import annotations

from django.db import models

from rollbook.server.models.lengths import FACT_ID, NAME
from rollbook.server.models.parties import Customer, Organisation

PAID, PILOT, INTERNAL, SHADOW = "paid", "pilot", "internal", "shadow"
KINDS = (
    (PAID, "paid: strictly annual, shown to the customer"),
    (PILOT, "pilot: may be shorter, not shown"),
    (INTERNAL, "any other kind: not shown"),
    (SHADOW, "shadow: runs beside another, charges nothing, not shown"),
)


class PlanVersion(models.Model):
    """The text of a plan, for ever, known by its digest. `effective_from` dates it among those of its id (D-08)."""

    plan_id = models.CharField(max_length=100, db_index=True)
    digest = models.CharField(max_length=64, unique=True)
    text = models.TextField()
    effective_from = models.DateField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "plan_version"

    def __str__(self) -> str:
        return f"{self.plan_id} {self.digest[:8]}"


class Subscription(models.Model):
    """A customer on a plan for a term.

    meter           which of the customer's meters it is, where it has several (W-a): terms of one do not overlap
    organisations   whose facts belong to it; none named means all of the customer's, now and later
    assumed         organisations whose learners all count as members, where the plan asks for membership
    quote           prices for this customer alone, the text of a [tariff]
    windows_begun   windows of the term that have begun and are metered
    close_on_hold   nothing is closed while this is set: a hold or a dispute, and why
    facts_settled   number of the last fact that closings after the term have looked at
    """

    customer = models.ForeignKey(Customer, models.PROTECT, related_name="subscriptions")
    plan = models.ForeignKey(PlanVersion, models.PROTECT, related_name="+")
    kind = models.CharField(max_length=10, choices=KINDS, default=PAID)
    meter = models.CharField(max_length=100, blank=True, default="")
    start = models.DateField()
    end = models.DateField()
    zone = models.CharField(max_length=64, default="UTC")
    anchor = models.DateField(null=True, blank=True)
    term = models.PositiveIntegerField(default=1)
    organisations = models.ManyToManyField(Organisation, blank=True, related_name="+")
    assumed = models.JSONField(default=list, blank=True)
    quote = models.TextField(blank=True, default="")
    windows_begun = models.PositiveIntegerField(default=0)
    close_on_hold = models.CharField(max_length=500, blank=True, default="")
    facts_settled = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "subscription"
        indexes = (models.Index(fields=["customer", "start"]),)
        constraints = (
            models.CheckConstraint(name="a_term_ends_after_it_starts", condition=models.Q(end__gt=models.F("start"))),
        )

    def __str__(self) -> str:
        return f"{self.customer} on {self.plan.plan_id} from {self.start}"


class Quantity(models.Model):
    """From an instant on, so many units are bought in all."""

    subscription = models.ForeignKey(Subscription, models.PROTECT, related_name="quantities")
    from_us = models.BigIntegerField()
    units = models.PositiveIntegerField()
    organisation = models.CharField(max_length=NAME, blank=True, default="")
    added_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "quantity"
        constraints = (
            models.UniqueConstraint(fields=["subscription", "organisation", "from_us"], name="one_quantity_at_once"),
        )


class Approval(models.Model):
    """From an instant on, so many more released seats may be taken by others (S-07)."""

    subscription = models.ForeignKey(Subscription, models.PROTECT, related_name="approvals")
    from_us = models.BigIntegerField()
    seats = models.PositiveIntegerField()
    added_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "approval"


class PlanChange(models.Model):
    """From the next window after an instant on, another version of the plan holds."""

    subscription = models.ForeignKey(Subscription, models.PROTECT, related_name="changes")
    from_us = models.BigIntegerField()
    plan = models.ForeignKey(PlanVersion, models.PROTECT, related_name="+")
    added_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "plan_change"
        constraints = (models.UniqueConstraint(fields=["subscription", "from_us"], name="one_plan_at_once"),)


class Reservation(models.Model):
    """A unit that was admitted and has not acted yet: nobody else is given its place until it lapses.

    object  of a unit that is a learner in one object; else empty
    """

    subscription = models.ForeignKey(Subscription, models.PROTECT, related_name="reservations")
    window_number = models.PositiveIntegerField()
    pool = models.CharField(max_length=NAME, blank=True, default="")
    organisation = models.CharField(max_length=NAME)
    learner = models.CharField(max_length=64)
    object = models.CharField(max_length=FACT_ID, blank=True, default="")
    until = models.DateTimeField()

    class Meta:
        db_table = "reservation"
        constraints = (
            models.UniqueConstraint(
                fields=["subscription", "window_number", "organisation", "learner", "object"], name="one_place_each"
            ),
        )


class ReportedCount(models.Model):
    """What somebody else's system said the count is, to be compared with ours every day."""

    subscription = models.ForeignKey(Subscription, models.PROTECT, related_name="reported_counts")
    at = models.DateTimeField()
    window_number = models.PositiveIntegerField()
    active = models.PositiveIntegerField()
    ours = models.PositiveIntegerField(null=True, blank=True)
    compared_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "reported_count"
