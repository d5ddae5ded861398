"""`django-admin add_operator EMAIL`: the first operator, whom nobody else could add; or a new link for one.

It prints a link with which the operator sets a password. Whoever may run it may do everything anyway.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.validators import validate_email
from django.db import transaction

from rollbook.server import audit, signin
from rollbook.server.models import User

ACTOR = "add_operator"


class Command(BaseCommand):
    """See the module."""

    help = "Adds an operator, and prints the link with which they set their password; again it prints a new link."

    def add_arguments(self, parser: CommandParser) -> None:
        """The address."""
        parser.add_argument("email", help="their e-mail address, with which they sign in")

    def handle(self, *_: Any, email: str, **__: Any) -> None:
        """Adds or finds them. Raises CommandError for no address, and for somebody who is no operator."""
        email = email.strip().lower()
        try:
            validate_email(email)
        except ValidationError:
            raise CommandError(f'"{email}" is no e-mail address') from None
        with transaction.atomic():
            user, added = User.objects.get_or_create(username=email, defaults={"email": email, "role": User.OPERATOR})
            if user.role != User.OPERATOR or not user.is_active:
                raise CommandError(f"{email} is there already, and is no operator who may sign in")
            if added:
                user.set_unusable_password()
                user.save(update_fields=["password"])
            audit.record(ACTOR, "user.added" if added else "user.link-made", f"user {user.pk}", role=user.role)
        base = settings.CONFIGURATION["ROLLBOOK_BASE_URL"].rstrip("/")
        self.stdout.write(f"{base}{signin.password_link(user)}")
