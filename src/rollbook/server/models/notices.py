"""What somebody has to be told: crossings of thresholds, messages on their way, and orders for reports.

A message is written in the transaction that caused it, and is sent afterwards until it arrives or is given up.
"""

from __future__ import annotations

from django.db import models

from rollbook.server.models.contracts import Subscription
from rollbook.server.models.lengths import NAME
from rollbook.server.models.parties import ApiKey, Customer, User


class Crossing(models.Model):
    """A threshold was reached, once per threshold, pool and window; by what happened, or by what is foreseen."""

    subscription = models.ForeignKey(Subscription, models.PROTECT, related_name="crossings")
    window_number = models.PositiveIntegerField()
    pool = models.CharField(max_length=NAME, blank=True, default="")
    percent = models.PositiveIntegerField()
    forecast = models.BooleanField(default=False)
    used = models.PositiveIntegerField()
    allowance = models.PositiveIntegerField()
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "crossing"
        constraints = (
            models.UniqueConstraint(
                fields=["subscription", "window_number", "pool", "percent", "forecast"], name="told_once"
            ),
        )


class Endpoint(models.Model):
    """Where webhooks go. `secret` signs them (Standard Webhooks); `events` is what it wants, nothing means all.

    state  active; gone, when the receiver said so (410), until somebody switches it on again; removed, for ever
    """

    ACTIVE, GONE, REMOVED = "active", "gone", "removed"

    customer = models.ForeignKey(Customer, models.PROTECT, null=True, blank=True, related_name="endpoints")
    url = models.URLField(max_length=2000)
    secret = models.CharField(max_length=200)
    events = models.JSONField(default=list, blank=True)
    state = models.CharField(max_length=10, default=ACTIVE)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True)

    class Meta:
        db_table = "endpoint"


class Message(models.Model):
    """One message to one address: the outbox. `message_id` is the same however often it is sent.

    channel      mail or webhook
    state        waiting, sent, or dead when it was given up and may be sent again
    next_at      when it is tried (again)
    answered     the HTTP status of the last answer to a webhook; none where nobody answered
    """

    MAIL, WEBHOOK = "mail", "webhook"
    WAITING, SENT, DEAD = "waiting", "sent", "dead"

    message_id = models.CharField(max_length=60, unique=True)
    channel = models.CharField(max_length=10)
    event = models.CharField(max_length=100)
    customer = models.ForeignKey(Customer, models.PROTECT, null=True, blank=True)
    endpoint = models.ForeignKey(Endpoint, models.PROTECT, null=True, blank=True)
    address = models.CharField(max_length=320, blank=True, default="")
    content = models.JSONField()
    state = models.CharField(max_length=10, default=WAITING)
    attempts = models.PositiveIntegerField(default=0)
    next_at = models.DateTimeField()
    last_error = models.CharField(max_length=500, blank=True, default="")
    answered = models.PositiveSmallIntegerField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "outbox"
        indexes = (
            models.Index(fields=["next_at"], condition=models.Q(state="waiting"), name="outbox_waiting"),
            models.Index(fields=["id"], condition=models.Q(state="dead"), name="outbox_dead"),
            models.Index(fields=["customer", "created_at"]),
            models.Index(fields=["endpoint", "id"], name="outbox_of_endpoint"),
        )


class ReportOrder(models.Model):
    """A report that is sent when a window closes, or on the first of each month (W-23).

    created_by, created_by_key  who ordered it: somebody, or a program
    paused                      why nothing is sent, in words, until somebody takes the order over
    """

    subscription = models.ForeignKey(Subscription, models.PROTECT, related_name="report_orders")
    report = models.CharField(max_length=40)
    by = models.CharField(max_length=20, blank=True, default="")
    format = models.CharField(max_length=10, default="csv")
    address = models.CharField(max_length=320)
    every = models.CharField(max_length=10, default="close")
    last_sent_for = models.CharField(max_length=20, blank=True, default="")
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True)
    created_by_key = models.ForeignKey(ApiKey, models.SET_NULL, null=True, blank=True)
    paused = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        db_table = "report_order"


class UpgradeTask(models.Model):
    """For the vendor's sales side: who has gone beyond what is included, and the size that would fit (A-24, A-38)."""

    subscription = models.ForeignKey(Subscription, models.PROTECT, related_name="upgrade_tasks")
    pool = models.CharField(max_length=NAME, blank=True, default="")
    units_that_fit = models.PositiveIntegerField()
    opened_at = models.DateTimeField(auto_now_add=True)
    done_at = models.DateTimeField(null=True, blank=True)
    note = models.CharField(max_length=500, blank=True, default="")

    class Meta:
        db_table = "upgrade_task"
        constraints = (
            models.UniqueConstraint(
                fields=["subscription", "pool"], condition=models.Q(done_at__isnull=True), name="one_open_task"
            ),
        )


class Done(models.Model):
    """What a job last did for an object, where no other table tells: until when a day is done, and who is alive.

    job       its name
    number    of the subscription, or 0 where it is about none
    done_for  what was done, such as the day 2026-03-01
    """

    job = models.CharField(max_length=40)
    number = models.BigIntegerField(default=0)
    done_for = models.CharField(max_length=40)
    at = models.DateTimeField()

    class Meta:
        db_table = "job_done"
        constraints = (models.UniqueConstraint(fields=["job", "number"], name="one_mark_each"),)
