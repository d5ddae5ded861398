"""Closed statements: the record, and the files that belong to it, byte by byte as a book has them.

Neither is ever changed. Numbers have no gaps within a subscription: the constraint refuses a second one. Beside them
stands what became of statements that are not closed yet.
"""

from __future__ import annotations

from django.db import models

from rollbook.server.models.contracts import Subscription


class Statement(models.Model):
    """One statement of a subscription. `record` is its canonical JSON; `window_number` is none for a note.

    adjusts    numbers of the windows that it adjusts
    last_fact  number of the last fact that was known when it was closed
    disputed   why it is disputed, while it is; by whose side, and since when
    """

    CUSTOMER, VENDOR = "customer", "vendor"

    subscription = models.ForeignKey(Subscription, models.PROTECT, related_name="statements")
    number = models.PositiveIntegerField()
    window_number = models.PositiveIntegerField(null=True, blank=True)
    digest = models.CharField(max_length=64)
    record = models.JSONField()
    adjusts = models.JSONField(default=list)
    closed_at = models.DateTimeField(auto_now_add=True)
    closed_by = models.CharField(max_length=200)
    last_fact = models.BigIntegerField(default=0)
    disputed = models.CharField(max_length=500, blank=True, default="")
    disputed_by = models.CharField(max_length=10, blank=True, default="")
    disputed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "statement"
        constraints = (
            models.UniqueConstraint(fields=["subscription", "number"], name="statement_numbers_are_unique"),
            models.UniqueConstraint(fields=["subscription", "window_number"], name="a_window_is_closed_once"),
        )
        indexes = (models.Index(fields=["id"], condition=~models.Q(disputed=""), name="statement_disputed"),)


class StatementFile(models.Model):
    """A piece of at most 1 MiB of a file beside a statement: evidence, facts, its secret, the text of a plan."""

    subscription = models.ForeignKey(Subscription, models.PROTECT, related_name="files")
    number = models.PositiveIntegerField()
    name = models.CharField(max_length=120)
    part = models.PositiveIntegerField()
    content = models.BinaryField()

    class Meta:
        db_table = "statement_file"
        constraints = (
            models.UniqueConstraint(fields=["subscription", "name", "part"], name="a_piece_is_written_once"),
        )


class Closing(models.Model):
    """A statement that is to come: whether somebody was asked and has approved it, and what keeps it from being closed.

    number         that it will have; `window_number` is none for a note
    withheld       why it could not be closed when that was last tried, at `withheld_at`; empty where it was not
    """

    subscription = models.ForeignKey(Subscription, models.PROTECT, related_name="closings")
    number = models.PositiveIntegerField()
    window_number = models.PositiveIntegerField(null=True, blank=True)
    asked_at = models.DateTimeField(null=True, blank=True)
    approved_at = models.DateTimeField(null=True, blank=True)
    approved_by = models.CharField(max_length=200, blank=True, default="")
    withheld = models.CharField(max_length=500, blank=True, default="")
    withheld_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "closing"
        indexes = (
            models.Index(
                fields=["id"],
                condition=models.Q(asked_at__isnull=False, approved_at__isnull=True),
                name="closing_asked",
            ),
            models.Index(fields=["id"], condition=~models.Q(withheld=""), name="closing_withheld"),
        )
        constraints = (models.UniqueConstraint(fields=["subscription", "number"], name="one_closing_a_statement"),)
