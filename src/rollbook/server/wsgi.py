"""What a WSGI server calls."""

from __future__ import annotations

import atexit
import gc
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "rollbook.server.settings")
application = get_wsgi_application()

# What is loaded by now stays for ever: looked through again and again, it would keep every hundredth request waiting.
gc.collect()
gc.freeze()
# What ends frozen is never freed, of which libraries complain in words that are no line of the log.
atexit.register(gc.unfreeze)
