"""What people see in a browser.

Owns: addresses, templates and the little that is said around a figure.
Does not own: figures, which come from the functions that the API calls; permissions, which are those of `access`.

To add a page, write a module of this folder and name it in `registry.MODULES`:

    @page("subscriptions/<int:number>/learners", "learners:read", name="learners")
    def learners(request: HttpRequest, principal: Principal, number: int) -> HttpResponse:
        row = subscription_for(principal, number)          # 404 for what they may not see
        shown = {"roll": roll(row, …)}                     # from the functions that the API calls
        return shell.show(request, principal, "learners/learners.html", shown, row=row, here="learners")

- `page` lets in whoever is signed in and has one of the scopes; others go to /signin, or read why not (403). What is
  wrong is raised, as in the API: `refused(…)`, `missing("learner")`, any RollbookError; the reader sees its sentences.
- A link in the navigation appears by itself once a page of that name exists: see `navigation`.
- `row=` makes it a page of one subscription, with the switcher above it; `crumbs=` are links that lead back.
- Its template extends `base.html` and fills `title`, `heading` and `content`; `lead`, `actions` if it has any. Parts to
  include are in `templates/parts`, components are classes of `static/rollbook/rollbook.css`, listed at its head.
- Numbers, days and windows are written by the filters of `tags`: `{{ used|number }}`, `{{ at|moment:zone }}`.
- Words are translated: `{% translate "…" %}`, `gettext("…")`. `python -m tests.pages.catalogue` brings new ones into
  `locale/de`, where they are to be written in German; a test finds what is missing.
- A form is a POST with `{% csrf_token %}`, answered by `shell.back(request, to, "said.")`, which shows a toast.
- Forms and links work without a script. What is loaded by itself uses htmx (`hx-get`, never `hx-on` or `js:`).
- A page needs its row in the table of `tests/pages/test_pages_by_role.py`, and its address in `tests/pages/tour.py`,
  which is walked by axe-core, at 360 px, and by `make screenshots`.
"""
