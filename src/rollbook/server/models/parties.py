"""Who there is: customers with their organisations, people who sign in, programs with keys, and what they did."""

from __future__ import annotations

from collections.abc import Iterator

from django.contrib.auth.models import AbstractUser
from django.db import models

from rollbook.server.models.lengths import NAME


class Customer(models.Model):
    """Who pays. Everything that is metered for a customer is serialised by a lock on this row.

    Deeds before `archived_until_us`, with numbers up to `archived_last`, lie in the customer's archive, but for those
    of guests. Both rise only. `archived_generation` is the ledger in which they lie: there is another where one holds
    what this database does not know, as after a restore.
    """

    name = models.CharField(max_length=200, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)
    archived_until_us = models.BigIntegerField(default=0, db_default=0)
    archived_last = models.BigIntegerField(default=0, db_default=0)
    archived_facts = models.BigIntegerField(default=0, db_default=0)
    archived_generation = models.BigIntegerField(default=1, db_default=1)

    class Meta:
        db_table = "customer"

    def __str__(self) -> str:
        return self.name


class Organisation(models.Model):
    """Whose facts and roster are kept apart. Facts name it; it belongs to one customer for ever."""

    name = models.CharField(max_length=NAME, unique=True)
    customer = models.ForeignKey(Customer, models.PROTECT, related_name="organisations")

    class Meta:
        db_table = "organisation"

    def __str__(self) -> str:
        return self.name


class User(AbstractUser):
    """Somebody who signs in. An operator is the vendor's and sees every customer; others see their own only.

    disabled_at  when they were last disabled; sessions and links from before end for ever
    language     in which they last read a page, such as de: mail is written in it; empty before, which is English
    """

    OPERATOR, ADMINISTRATOR, VIEWER = "operator", "administrator", "viewer"
    ROLES = ((OPERATOR, "operator"), (ADMINISTRATOR, "customer's administrator"), (VIEWER, "viewer"))

    role = models.CharField(max_length=20, choices=ROLES, default=VIEWER)
    customer = models.ForeignKey(Customer, models.PROTECT, null=True, blank=True, related_name="users")
    disabled_at = models.DateTimeField(null=True, blank=True)
    language = models.CharField(max_length=10, blank=True, default="")

    class Meta(AbstractUser.Meta):
        db_table = "rollbook_user"
        constraints = (
            models.CheckConstraint(
                name="operators_have_no_customer_and_others_one",
                condition=models.Q(role="operator", customer__isnull=True)
                | (~models.Q(role="operator") & models.Q(customer__isnull=False)),
            ),
        )

    def get_session_auth_hash(self) -> str:
        """What a session has to have been begun with: it ends with the password, and when its user is disabled."""
        return self._ending(super().get_session_auth_hash())

    def get_session_auth_fallback_hash(self) -> Iterator[str]:
        """The same under former secret keys."""
        return map(self._ending, super().get_session_auth_fallback_hash())

    def _ending(self, of_password: str) -> str:
        return of_password if self.disabled_at is None else f"{of_password}-{self.disabled_at.timestamp()}"


class ApiKey(models.Model):
    """A program's key. Only a digest is kept: a secret of 256 random bits needs no slow hash.

    customer  whose data it is for; none for the vendor's own platform, which sends for all
    scopes    what it may do, see `access.principals.SCOPES`
    old_digest, old_valid_until   of the secret before the last rotation, while it still holds
    """

    name = models.CharField(max_length=200)
    prefix = models.CharField(max_length=12, unique=True)
    digest = models.CharField(max_length=64)
    old_digest = models.CharField(max_length=64, blank=True, default="")
    old_valid_until = models.DateTimeField(null=True, blank=True)
    scopes = models.JSONField(default=list)
    customer = models.ForeignKey(Customer, models.PROTECT, null=True, blank=True, related_name="api_keys")
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "api_key"

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix})"


class Audit(models.Model):
    """Who did what, when. Only ever added to; it names no learner.

    actor   a user's name, an API key's prefix, or the job that did it
    action  dotted, such as `statement.closed`
    object  what it was done to, such as `subscription 7`
    """

    at = models.DateTimeField(auto_now_add=True, db_index=True)
    actor = models.CharField(max_length=200)
    action = models.CharField(max_length=100)
    object = models.CharField(max_length=300, blank=True)
    customer = models.ForeignKey(Customer, models.PROTECT, null=True, blank=True)
    details = models.JSONField(default=dict)

    class Meta:
        db_table = "audit"
        indexes = (
            models.Index(fields=["actor", "id"], name="audit_by_actor"),
            models.Index(fields=["action", "id"], name="audit_by_action"),
        )


class Throttle(models.Model):
    """How often something happened since an instant, see `access.throttle`. `since` is seconds since 1970."""

    kind = models.CharField(max_length=10)
    bucket = models.BigIntegerField()
    since = models.BigIntegerField()
    count = models.PositiveIntegerField()

    class Meta:
        db_table = "throttle"
        constraints = (models.UniqueConstraint(fields=["kind", "bucket"], name="one_count_each"),)
