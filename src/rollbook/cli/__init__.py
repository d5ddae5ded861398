"""The command line. No rules live here.

Results go to standard output, everything said about them to standard error. Exit codes: 0 done; 1 something
differs (`verify`, `recount`); 2 the call, the plan or the subscription is wrong, or nothing could be read; 3 done, and
rows were rejected or links refused.

Owns: options, exit codes, and the order in which things are said.
Does not own: any figure (`library`), or how it looks (`render`).
"""

from rollbook.cli import advice, first_hour, history, outlook, proof, reports, server, statements
from rollbook.cli.commands import app, main
from rollbook.cli.intake import intake

app.command()(intake)
statements.app.command()(proof.export)
statements.app.command()(proof.prove)
app.add_typer(statements.app, name="statement")
for command in (advice.compare, advice.estimate, outlook.forecast, outlook.reconcile):
    app.command()(command)
app.command()(proof.verify)
app.command()(reports.report)
app.command()(reports.reports)
for served in (server.serve, server.worker, server.migrate, server.recount, server.backup, server.restore):
    app.command()(served)
app.command("import")(history.import_)
app.command("server-secrets")(server.server_secrets)
app.command("add-operator")(first_hour.add_operator)
app.command("add-key")(first_hour.add_key)

__all__ = ["app", "main"]
