"""The command line. No rules live here.

Results go to standard output, everything said about them to standard error. Exit codes: 0 done; 1 something
differs (`verify`, `recount`), or a budget stopped it (`roster run`); 2 the call, the plan or the subscription is wrong,
or nothing could be read; 3 done, and rows were rejected or links refused.

Owns: options, exit codes, and the order in which things are said.
Does not own: any figure (`library`), or how it looks (`render`).
"""

from rollbook.cli import advice, first_hour, history, ledger, outlook, proof, reports, roster, server, statements
from rollbook.cli.commands import app, main
from rollbook.cli.grouped import BILL, COUNT, FILL, MANAGE, PLAN, RUN
from rollbook.cli.intake import intake

app.command(rich_help_panel=COUNT)(intake)
statements.app.command()(proof.export)
statements.app.command()(proof.prove)
app.command(rich_help_panel=COUNT)(reports.report)
app.command(rich_help_panel=COUNT)(reports.reports)
app.add_typer(ledger.app, name="ledger", rich_help_panel=COUNT)
app.add_typer(roster.app, name="roster", rich_help_panel=MANAGE)
for command in (advice.compare, advice.estimate, outlook.forecast):
    app.command(rich_help_panel=PLAN)(command)
app.add_typer(statements.app, name="statement", rich_help_panel=BILL)
for checked in (proof.verify, outlook.reconcile):
    app.command(rich_help_panel=BILL)(checked)
for served in (server.serve, server.worker, server.migrate, server.recount, server.archive):
    app.command(rich_help_panel=RUN)(served)
for kept in (server.backup, server.restore):
    app.command(rich_help_panel=RUN)(kept)
app.command("server-secrets", rich_help_panel=RUN)(server.server_secrets)
app.command("import", rich_help_panel=FILL)(history.import_)
app.command("add-operator", rich_help_panel=FILL)(first_hour.add_operator)
app.command("add-key", rich_help_panel=FILL)(first_hour.add_key)

__all__ = ["app", "main"]
