"""SQLite for Django, where whoever writes waits in a queue: `base` is the backend, `turns` the queue.

Owns: who writes next.
Does not own: what is written. SQLite itself lets whoever asks at the right moment write, and its busy handler asks ever
more rarely: beside four senders one of them waited for ten seconds, while each batch took a tenth of one.
"""
