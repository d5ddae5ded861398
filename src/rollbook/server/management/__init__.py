"""Commands of `django-admin` that the server adds."""
