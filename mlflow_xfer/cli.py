"""The console script ``mlflow-xfer`` and the modules in ``entry_points/``: parsing and exit codes only.

Each verb hands what was typed to the function of the same name in :mod:`mlflow_xfer.api`. Nothing heavy is
imported before a verb runs, so that ``--help`` answers at once.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import click

from mlflow_xfer import __version__, params
from mlflow_xfer.errors import BAD_INPUT, INTERRUPTED, TRY_AGAIN, XferError

EXIT_CODES = "Exit codes: 0 done, 2 bad input, 75 try again later, 130 interrupted, 1 anything else."


class Verb(click.Command):
    """A command whose options are a verb's parameters;
    ``--name`` and ``--na-me`` alike, every option takes a value.
    """

    def __init__(
        self, name: str, shape: type[params.Shape], call: Callable[[dict[str, str]], Any], **more: Any
    ):
        order = list(params.HEADLINE.get(name, ()))
        fields = sorted(
            shape.model_fields.items(),
            key=lambda item: order.index(item[0]) if item[0] in order else len(order),
        )
        options: list[click.Parameter] = [
            _option(field_name, field) for field_name, field in fields if field_name != "scoped"
        ]
        settings = {"ignore_unknown_options": True, "allow_extra_args": True}
        trains = issubclass(shape, params.Trained)
        note = (
            "A phase's name before a training parameter sets it for that phase: --target.learning_rate 2e-5. "
            if trains
            else ""
        )
        super().__init__(
            name,
            params=options,
            callback=None,
            help=params.about(shape),
            epilog=note + EXIT_CODES,
            context_settings=settings,
            **more,
        )
        self.call = call

    def invoke(self, ctx: click.Context) -> Any:
        typed = {name: value for name, value in ctx.params.items() if value is not None}
        rest = list(ctx.args)
        if self.name == "report":  # RUN… without an option's name
            runs = [rest.pop(0) for _ in range(len(rest)) if rest and not rest[0].startswith("--")]
            typed |= {"runs": ",".join(runs)} if runs else {}
        return self.call(typed | dict(pairs(rest)))


def _option(name: str, field: Any) -> click.Option:
    spellings = dict.fromkeys([f"--{name}", f"--{name.replace('_', '-')}"])
    text = (
        f"{field.description} [{params.accepted_by(field)}; default "
        f"{params.typed(field.get_default(call_default_factory=True))}]"
    )
    return click.Option([*spellings, name], help=text, metavar="VALUE")


def pairs(arguments: Sequence[str]) -> list[tuple[str, str]]:
    """``--name value`` and ``--name=value`` as pairs.

    Raises:
        XferError: for anything else.
    """
    found, rest = [], list(arguments)
    while rest:
        name, given, value = rest.pop(0).partition("=")
        if not name.startswith("--"):
            raise XferError(f"Unexpected argument {name!r}.", "Parameters are --name value.")
        if not given:
            if not rest:
                raise XferError(f"Option {name} has no value.", "Every option takes a value: --name value.")
            value = rest.pop(0)
        found.append((name[2:], value))
    return found


def _api(name: str) -> Callable[[dict[str, str]], Any]:
    def call(typed: dict[str, str]) -> Any:
        from mlflow_xfer import api

        return getattr(api, name)(**typed)

    return call


@click.group(epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="mlflow-xfer")
def cli() -> None:
    """Which intermediate tasks make a multilingual model transfer best to languages without labels."""


def _ranked(typed: dict[str, str]) -> None:
    found, wanted = _api("rank")(typed), params.parse("rank", typed)
    assert isinstance(wanted, params.Rank)
    click.echo(json.dumps(found.as_dict(), indent=2) if wanted.output == "json" else found.text())


PRINTED = {"rank": _ranked}
"""Verbs whose answer goes to standard output; the others leave it in MLflow and log a link."""

for _name, _shape in params.VERBS.items():
    cli.add_command(Verb(_name, _shape, PRINTED.get(_name) or _api(_name)))


@cli.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
@click.option(
    "--verb",
    default="transfer",
    type=click.Choice(sorted(params.VERBS)),
    help="the command to plan (default transfer)",
)
@click.option(
    "--json", "as_json", default="false", type=click.Choice(["true", "false"]), help="print the plan as JSON"
)
@click.option(
    "--overlap",
    default="false",
    type=click.Choice(["true", "false"]),
    help="compare training with test rows now, which may take a while",
)
@click.pass_context
def plan(ctx: click.Context, verb: str, as_json: str, overlap: str) -> None:
    """Print the phases a command would run, each once, and what is reused.
    Takes that command's parameters.
    """
    from mlflow_xfer import api

    made = api.plan(verb, overlap == "true", **dict(pairs(ctx.args)))
    click.echo(json.dumps(made.as_dict(), indent=2) if as_json == "true" else made.text())


@cli.command()
@click.argument("name", required=False)
@click.option("--kind", help="only tasks of this kind")
@click.option("--use", type=click.Choice(["intermediate", "target"]), help="only tasks for this use")
@click.option("--language", help="only tasks with a test set in this language")
@click.option("--skill", help="only tasks made of this skill (the embedded suite declares them)")
@click.option(
    "--domain", help="only tasks of this domain (general, biomedical, legal, science, or a task file's own)"
)
@click.option("--check", metavar="FILE", help="read a task file and all its data, and report what is wrong")
@click.option("--task_file", "--task-file", metavar="FILE", help="list this file's tasks too")
def tasks(
    name: str | None,
    kind: str | None,
    use: str | None,
    language: str | None,
    skill: str | None,
    domain: str | None,
    check: str | None,
    task_file: str | None,
) -> None:
    """List tasks, explain the task NAME, or check a task file."""
    from mlflow_xfer import listing

    click.echo(
        listing.check(check)
        if check
        else listing.tasks(
            name, kind=kind, use=use, language=language, skill=skill, domain=domain, task_file=task_file
        )
    )


@cli.command()
@click.argument("name", required=False)
def suites(name: str | None) -> None:
    """List the suites (benchmarks), or the tasks and languages of the suite NAME."""
    from mlflow_xfer import listing

    click.echo(listing.suites(name))


@cli.command()
@click.argument("codes", required=False)
@click.option("--family", help="only languages of this family")
@click.option("--script", help="only languages in this script (ISO 15924: Latn, Cyrl …)")
@click.option("--benchmark", help="only languages of this set (xtreme-r, masakhaner, americasnli)")
@click.option("--measures", help="comma list of distances to show; --show distances explains them")
@click.option("--to", default="en", help="the language distances are measured to (default en)")
@click.option(
    "--show",
    default="languages",
    type=click.Choice(["languages", "distances"]),
    help="the languages, or which distances there are",
)
def languages(
    codes: str | None,
    family: str | None,
    script: str | None,
    benchmark: str | None,
    measures: str | None,
    to: str,
    show: str,
) -> None:
    """List languages (or CODES, a comma list) with their distances; blank is not known, never 0."""
    from mlflow_xfer import listing

    filters = {"family": family, "script": script, "benchmark": benchmark, "to": to}
    click.echo(
        listing.distances() if show == "distances" else listing.languages_table(codes, measures, **filters)
    )


@cli.command()
@click.argument("run")
def lineage(run: str) -> None:
    """Print what RUN (an id) was made from, back to its base model."""
    from mlflow_xfer import api

    click.echo(api.lineage(run))


@cli.command()
@click.option(
    "--predictions",
    required=True,
    metavar="DIR",
    help="folder with one folder a task, as in predictions/xnli/test-sw.tsv",
)
@click.option("--labels", required=True, metavar="DIR", help="labels in the same shape")
@click.option("--suite", default="xtreme", help="xtreme, xtreme-r or mini (default xtreme)")
@click.option(
    "--track", default="false", type=click.Choice(["true", "false"]), help="log the figures into a run"
)
def score(predictions: str, labels: str, suite: str, track: str) -> None:
    """Score predictions by the suite's own rules: JSON to stdout, a table to stderr."""
    from mlflow_xfer import api
    from mlflow_xfer.scoring.submission import table

    found = api.score(predictions, labels, suite, track == "true")
    click.echo(table(found), err=True)
    click.echo(json.dumps(found, indent=2, ensure_ascii=False))


@cli.command()
@click.argument("model")
@click.argument("file")
@click.option("--task", help="which target or head, where the model has several")
@click.option(
    "--format",
    "form",
    default="tsv",
    type=click.Choice(["tsv", "jsonl"]),
    help="what is printed (default tsv)",
)
def predict(model: str, file: str, task: str | None, form: str) -> None:
    """Try MODEL (a run, directory or hub id) on your own examples in FILE (.txt, .tsv, .csv or .jsonl).

    A line of a .txt file is a text or, with tabs in between: two texts; context and question; context,
    question and choices. The other formats name these columns. A model without a task head says which text is
    nearest to each.
    """
    from mlflow_xfer import api

    rows = api.predict(model, file, task)
    if form == "jsonl":
        click.echo("\n".join(json.dumps(row, ensure_ascii=False) for row in rows))
        return
    names = list(dict.fromkeys(name for row in rows for name in row if name != "id"))
    names = [
        *(name for name in names if name in ("prediction", "cosine")),
        *(name for name in names if name not in ("prediction", "cosine")),
    ]
    click.echo(
        "\n".join(
            "\t".join(line)
            for line in [names, *([_cell(row.get(name, "")) for name in names] for row in rows)]
        )
    )


def _cell(value: Any) -> str:
    """A value in a TSV: lists (tags, words) between blanks, choices between bars; no tab, no line break."""
    joined = (
        (" | " if any(" " in str(item) for item in value) else " ").join(map(str, value))
        if isinstance(value, list)
        else str(value)
    )
    return " ".join(joined.split())


@cli.command()
@click.argument("runs", metavar="RUN[,RUN…]")
@click.option("--out", required=True, metavar="DIR", help="a new folder for the predictions")
@click.option("--suite", default="xtreme", help="whose format and completeness to check (default xtreme)")
def submission(runs: str, out: str, suite: str) -> None:
    """Gather predictions in XTREME's format (of several runs the best of each target by dev),
    and validate them.
    """
    from mlflow_xfer import api

    chosen, findings = api.submission(runs, out, suite)
    for task, run in chosen.items():
        click.echo(f"{task}: run {run}")
    for finding in findings:
        click.echo(str(finding))
    click.echo(
        f"written to {out}; a leaderboard would "
        f"{'refuse it' if any(f.refused for f in findings) else 'take it'}"
    )


@cli.command()
def sync() -> None:
    """Deliver what earlier commands could not log because the tracking server was away."""
    from mlflow_xfer import api

    click.echo(api.sync())


@cli.command()
def doctor() -> None:
    """Show what this environment would do:
    versions beside the tested ones, the store, caches, runs left open.
    """
    from mlflow_xfer import api

    click.echo(api.doctor())


def main(arguments: Sequence[str] | None = None) -> None:
    """The console script."""
    sys.exit(
        _guarded(
            lambda: cli.main(list(sys.argv[1:] if arguments is None else arguments), standalone_mode=False)
        )
    )


def entry_point(verb: str) -> None:
    """What a module in ``entry_points/`` runs."""
    main([verb, *sys.argv[1:]])


class Preempted(BaseException):
    """SIGTERM: the scheduler wants the machine back. The phase is KILLED and the same command resumes it."""


def _guarded(call: Callable[[], Any]) -> int:
    """Run ``call`` and turn what ends it into an exit code; never a traceback for bad input."""
    logging.basicConfig(
        level=os.environ.get("XFER_LOG_LEVEL", "INFO"), format="%(message)s", stream=sys.stderr
    )
    for noisy in ("httpx", "datasets", "alembic", "mlflow", "urllib3", "filelock", "fsspec"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    signal.signal(signal.SIGTERM, _on_sigterm)
    try:
        call()
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        error.show()
        return BAD_INPUT
    except XferError as error:
        click.echo(f"error: {error}", err=True)
        return error.exit_code
    except (KeyboardInterrupt, click.exceptions.Abort):
        click.echo("interrupted: the same command goes on from the last checkpoint", err=True)
        return INTERRUPTED
    except Preempted:
        click.echo("terminated: the same command goes on from the last checkpoint", err=True)
        return TRY_AGAIN
    except Exception:
        traceback.print_exc()
        return 1
    return 0


def _on_sigterm(*_: Any) -> None:
    raise Preempted


if __name__ == "__main__":
    main()
