"""What a platform was asked to do, and what it answered.

Status changes that are decided here become facts at once. Where a platform said that it does them, each is a request as
well, of which the platform says that it was done, or why it was not.
"""

from __future__ import annotations

from django.db import models

from rollbook.server.models.intake import Person
from rollbook.server.models.lengths import BYTES_MAX, FACT_ID, NAME
from rollbook.server.models.parties import Customer


class RosterRequest(models.Model):
    """One change of a status that a platform is asked to make.

    organisation, person, object  whom it is about, as the fact says it
    what         the type of the fact, such as enrolment.disabled; its source is always rollbook
    fact_id      the fact's id
    at_us        its instant, UTC microseconds
    asked_at     when it was asked for
    state        requested, until it is answered; done; refused, then the fact is taken back; expired, answered no more
    why          why it was refused, as the platform says it
    answered_by  who answered, as the audit calls them
    told         of a refused one, whether the customer was told
    """

    REQUESTED, DONE, REFUSED, EXPIRED = "requested", "done", "refused", "expired"

    id = models.BigAutoField(primary_key=True)
    # Found by the indexes below alone.
    customer = models.ForeignKey(Customer, models.PROTECT, db_index=False)
    organisation = models.CharField(max_length=NAME)
    person = models.ForeignKey(Person, models.PROTECT, db_index=False)
    object = models.CharField(max_length=BYTES_MAX["object"], blank=True, default="")
    what = models.CharField(max_length=40)
    fact_id = models.CharField(max_length=FACT_ID)
    at_us = models.BigIntegerField()
    asked_at = models.DateTimeField()
    state = models.CharField(max_length=10, default=REQUESTED)
    why = models.CharField(max_length=500, blank=True, default="")
    answered_at = models.DateTimeField(null=True, blank=True)
    answered_by = models.CharField(max_length=200, blank=True, default="")
    told = models.BooleanField(default=False)

    class Meta:
        db_table = "roster_request"
        constraints = (models.UniqueConstraint(fields=["customer", "fact_id"], name="asked_once"),)
        indexes = (
            models.Index(fields=["customer", "id"], name="asked_of_customer"),
            models.Index(fields=["customer", "state", "id"], name="asked_by_state"),
            models.Index(fields=["person", "id"], name="asked_of_person"),
            models.Index(fields=["state", "asked_at"], name="asked_when"),
            models.Index(fields=["customer"], condition=models.Q(state="refused", told=False), name="asked_untold"),
        )
