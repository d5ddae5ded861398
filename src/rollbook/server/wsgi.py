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
# A request makes thousands of objects and hardly a circle of them. To look for circles after every 700 took a fifth of
# the time of a page of 10,000 seats, and made every twentieth call twice as long.
gc.set_threshold(50_000, 20, 50)
# What ends frozen is never freed, of which libraries complain in words that are no line of the log.
atexit.register(gc.unfreeze)
