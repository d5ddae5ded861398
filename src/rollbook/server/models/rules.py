"""Enrolment rules of customers (W-07, W-31): versions, which are added and never edited, and what each run decided.

No row names a learner: what a run did to whom stands in its facts.
"""

from __future__ import annotations

from django.db import models

from rollbook.server.models.parties import Customer


class RulesVersion(models.Model):
    """One text of a customer's rules, whole.

    number         within the customer, from 1
    text           the TOML text
    organisations  whose enrolments it goes by; none named means all of the customer's, now and later
    zone           whose midnights its days begin at
    state          trial, in which it is evaluated and changes nothing; on; off. At most one is on, and one in trial
    since          when its state became what it is: it runs at the midnights after that
    changed_by     who made it so, as the audit calls them
    """

    TRIAL, ON, OFF = "trial", "on", "off"

    customer = models.ForeignKey(Customer, models.PROTECT, related_name="rules_versions")
    number = models.PositiveIntegerField()
    text = models.TextField()
    organisations = models.JSONField(default=list, blank=True)
    zone = models.CharField(max_length=64)
    state = models.CharField(max_length=10, default=TRIAL)
    since = models.DateTimeField()
    changed_by = models.CharField(max_length=200)
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=200)

    class Meta:
        db_table = "rules_version"
        constraints = (
            models.UniqueConstraint(fields=["customer", "number"], name="one_number_each"),
            models.UniqueConstraint(
                fields=["customer", "state"], condition=~models.Q(state="off"), name="one_on_and_one_in_trial"
            ),
        )


class RulesRun(models.Model):
    """What a version decided for one local day, once.

    day          in the zone of the version
    at           the instant of its facts: the midnight that begins the day, or when somebody agreed
    state        trial, nothing was changed; done; nothing, as there was nothing to do; stopped by its budget; agreed
                 and done; refused; failed, and nothing was decided: the next run of the day that does not is this row
    decided      facts by type
    learners     whom they are about
    newly        of each subscription, by its number, how many units would newly count, in the window that runs or in
                 the next
    newly_active the same of all subscriptions together: what the budget is held against
    budget       how many it may be
    told         what fell due to be told, [cycle, step, enrolments]
    is_cut       more was due than one run does: the next one goes on
    digest       keyed, of all that was decided: what agreeing names
    problems     of a failed one, why in words: place, rule and remedy of each
    answered_by  who agreed or refused, as the audit calls them
    """

    TRIAL, DONE, NOTHING, STOPPED, AGREED, REFUSED = "trial", "done", "nothing", "stopped", "agreed", "refused"
    FAILED = "failed"

    customer = models.ForeignKey(Customer, models.PROTECT, related_name="rules_runs")
    version = models.ForeignKey(RulesVersion, models.PROTECT, related_name="runs")
    day = models.DateField()
    at = models.DateTimeField()
    state = models.CharField(max_length=10)
    decided = models.JSONField(default=dict)
    learners = models.PositiveIntegerField(default=0)
    newly = models.JSONField(default=dict)
    newly_active = models.PositiveIntegerField(default=0)
    budget = models.PositiveIntegerField(default=0)
    told = models.JSONField(default=list)
    is_cut = models.BooleanField(default=False)
    digest = models.CharField(max_length=64)
    problems = models.JSONField(default=list)
    created_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True, blank=True)
    answered_by = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        db_table = "rules_run"
        indexes = (models.Index(fields=["customer", "id"], name="rules_runs_of_customer"),)
        constraints = (models.UniqueConstraint(fields=["version", "day"], name="one_run_a_day"),)
