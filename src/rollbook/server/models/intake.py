"""What stands beside the facts: who a surrogate is, what waits, and what was refused.

Facts carry a surrogate, the text of a person's number. Ids, names and addresses stand here and nowhere else; erasing
a person empties them and leaves a keyed digest, which still recognises the same id when it comes again.
"""

from __future__ import annotations

from django.db import models

from rollbook.server.models.lengths import FACT_ID, LEARNER, NAME
from rollbook.server.models.parties import Customer


class Person(models.Model):
    """A learner's id as a customer knows it. `digest` is keyed and stays when everything else is erased."""

    id = models.BigAutoField(primary_key=True)
    # Found by (customer, digest) alone: an index of the customer by itself was taken for it while nothing was counted.
    customer = models.ForeignKey(Customer, models.PROTECT, db_index=False)
    digest = models.BinaryField(max_length=32)
    learner = models.CharField(max_length=LEARNER, blank=True, default="")
    name = models.CharField(max_length=300, blank=True, default="")
    email = models.CharField(max_length=320, blank=True, default="")
    erased_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "person"
        constraints = (models.UniqueConstraint(fields=["customer", "digest"], name="one_person_an_id"),)


class HeldFact(models.Model):
    """A fact that waits, visible and not counted: it lies too far ahead, or names an organisation that is nobody's."""

    FUTURE, UNKNOWN = "in the future", "unknown organisation"

    source = models.CharField(max_length=NAME)
    fact_id = models.CharField(max_length=FACT_ID)
    organisation = models.CharField(max_length=NAME, db_index=True)
    customer = models.ForeignKey(Customer, models.PROTECT, null=True, blank=True)
    reason = models.CharField(max_length=30)
    at_us = models.BigIntegerField(db_index=True)
    content = models.JSONField()
    received_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "held_fact"
        constraints = (models.UniqueConstraint(fields=["organisation", "source", "fact_id"], name="held_once"),)
        indexes = (
            models.Index(
                fields=["received_at"], condition=models.Q(reason="unknown organisation"), name="held_for_organisation"
            ),
        )


class Refusal(models.Model):
    """A fact that was refused, for those who look for it; the oldest go when there are too many.

    facts        one; or all of an organisation and a source that waited too long, and were refused at once
    resolved_at  when an operator said that it is mended
    """

    at = models.DateTimeField(auto_now_add=True, db_index=True)
    sender = models.CharField(max_length=200)
    customer = models.ForeignKey(Customer, models.PROTECT, null=True, blank=True)
    index = models.PositiveIntegerField()
    code = models.CharField(max_length=60)
    rule = models.CharField(max_length=500)
    remedy = models.CharField(max_length=500)
    facts = models.PositiveIntegerField(default=1)
    resolved_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "refusal"
        indexes = (models.Index(fields=["sender", "code", "id"], name="refusal_by_sender"),)


class UnknownType(models.Model):
    """Facts of a type that is not in the vocabulary: kept, not counted, and told. One row for each type of a customer.

    type                  empty for all of those beyond `receiving.unknown.TYPES_MAX`
    organisation, source  of the last of them
    first_at, last_at     when the first and the last of them came
    resolved_at           when an operator said that it is mended; none again as soon as another one comes
    """

    customer = models.ForeignKey(Customer, models.PROTECT)
    type = models.CharField(max_length=NAME, blank=True)
    facts = models.BigIntegerField(default=0)
    organisation = models.CharField(max_length=NAME)
    source = models.CharField(max_length=NAME)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "unknown_type"
        constraints = (models.UniqueConstraint(fields=["customer", "type"], name="one_row_a_type"),)
