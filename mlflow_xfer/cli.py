"""The console script ``mlflow-xfer`` and the modules in ``entry_points/``: parsing, help and exit codes only.

Each command is a verb of :mod:`mlflow_xfer.params.verbs`. Nothing heavy is imported before a verb runs, so
that ``--help`` answers at once.
"""

from __future__ import annotations

import atexit
import gc
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import click

from mlflow_xfer import __version__, api, logs
from mlflow_xfer.commands.running import Preempted, end_job, preemptible
from mlflow_xfer.errors import BAD_INPUT, INTERRUPTED, TRY_AGAIN, XferError
from mlflow_xfer.params import config
from mlflow_xfer.params.declare import Parameter, Shape, parameters
from mlflow_xfer.params.verbs import REMOVED, VERBS, Verb, removed

EXIT_CODES = "Exit codes: 0 done, 2 bad input, 75 try again later, 130 interrupted, 1 anything else."
SCOPED = "A phase's name before a parameter of training sets it for that phase: --target.learning_rate 2e-5."
WIDTH = 110
PROJECT = "mlflow run"
FILES = {
    "config": "take parameters from the section of this command in a YAML file; what is typed wins",
    "save": "write the parameters as a file for --config, and go on",
}
"""Options of every command that are no parameters of its verb."""


class Command(click.Command):
    """A command whose options are a verb's parameters: ``--name`` and ``--na-me`` alike, every option takes a
    value, and some parameters may come without a name.
    """

    def __init__(self, verb: Verb):
        self.verb = verb
        self.known = parameters(verb.shape)
        super().__init__(
            name=verb.name,
            params=[
                *map(_option, self.known.values()),
                *(click.Option([f"--{name}"], metavar="FILE", multiple=True) for name in FILES),
            ],
            short_help=verb.about.replace("``", ""),
            context_settings={
                "ignore_unknown_options": True,
                "allow_extra_args": True,
                "max_content_width": WIDTH,
            },
        )

    def invoke(self, ctx: click.Context) -> None:
        try:
            params = self.read(ctx)
            text = api.printed(self.verb, params, api.call(self.verb, params))
        except XferError as error:
            if self.verb.entry_point:
                end_job(error)
            raise
        if text is not None:
            click.echo(text)

    def read(self, ctx: click.Context) -> Shape:
        """The parameters that were typed, and those of a file."""
        words, rest = _split(ctx.args)
        typed = _once([(name, value) for name, values in ctx.params.items() for value in values or ()])
        path, out = typed.pop("config", None), typed.pop("save", None)
        typed = self.placed(words, typed) | typed | _once(pairs(rest))
        if path:
            if ctx.find_root().obj == PROJECT:
                typed = self._without_defaults(typed)
            named = {name.replace("-", "_"): value for name, value in typed.items()}
            typed = config.loaded(path, self.verb.name, named) | named
        params = self.verb.read(typed)
        if out:
            config.save(out, params)
        return params

    def _without_defaults(self, typed: dict[str, Any]) -> dict[str, Any]:
        """MLflow passes every default that MLproject declares: these are not what the user typed."""
        head = {name: self.known[name].typed for name in self.verb.headline}
        return {name: value for name, value in typed.items() if head.get(name) != value}

    @property
    def by_place(self) -> list[Parameter]:
        return [one for one in self.known.values() if one.facts.positional]

    def placed(self, words: Sequence[str], typed: dict[str, Any]) -> dict[str, str]:
        """Words without an option's name, in their order; a list that comes last takes all that are left.

        Raises:
            XferError: there are more than the command takes.
        """
        found, left = {}, list(words)
        free = [one for one in self.by_place if one.name not in typed]
        for one in free:
            if left:
                taken = left if one is free[-1] and one.is_list else left[:1]
                found[one.name], left = ",".join(taken), left[len(taken) :]
        if left:
            raise XferError(f"Unexpected argument {left[0]!r}.", "Parameters are --name value.")
        return found

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        words = []
        for one in self.by_place:
            word = f"{one.name.upper()}{'…' if one.is_list and one is self.by_place[-1] else ''}"
            words.append(word if one.required else f"[{word}]")
        formatter.write_usage(
            ctx.command_path, " ".join([*words, *(["[--name value …]"] * bool(self.known))])
        )

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for text in (self.verb.about, *self.verb.details):
            formatter.write_paragraph()
            with formatter.indentation():
                formatter.write_text(text.replace("``", ""))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The parameters in groups, those that matter most first."""
        for title, members in grouped(self.verb):
            with formatter.section(title[:1].upper() + title[1:]):
                formatter.write_dl([(f"--{one.name}", described(one)) for one in members], col_max=24)
        with formatter.section("Every command"):
            formatter.write_dl([(f"--{name} FILE", about) for name, about in FILES.items()], col_max=24)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Examples"):
            for example in self.verb.examples:
                formatter.write(f"{'':{formatter.current_indent}}mlflow-xfer {example}\n")
        for text in ([SCOPED] if self.verb.trains else []) + [EXIT_CODES]:
            formatter.write_paragraph()
            formatter.write_text(text)


def grouped(verb: Verb) -> Iterator[tuple[str, list[Parameter]]]:
    """The verb's parameters under their headings; those that it names itself come first."""
    known = parameters(verb.shape)
    head = [known[name] for name in verb.headline]
    groups: dict[str, list[Parameter]] = {"most used": head} if head else {}
    for one in known.values():
        if one not in head:
            groups.setdefault(one.group, []).append(one)
    yield from groups.items()


def described(one: Parameter) -> str:
    default = "must be given" if one.required else f"default {one.typed or 'empty'}"
    return f"{one.description} [{one.accepted.replace('|', ' | ')}; {default}]"


def _option(one: Parameter) -> click.Option:
    spellings = dict.fromkeys([f"--{one.name}", f"--{one.name.replace('_', '-')}"])
    return click.Option([*spellings, one.name], help=described(one), metavar="VALUE", multiple=True)


def _once(given: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Options by name; raises :class:`XferError` for one that is given several times."""
    for name, times in Counter(name for name, _ in given).items():
        if times > 1:
            raise XferError(f"--{name} is given {times} times.", "Give it once; lists have commas: 0,1,2.")
    return dict(given)


def _split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Words that come without an option's name, and the rest: options that click does not know, with their
    values."""
    words, rest, left = [], [], list(arguments)
    while left:
        word = left.pop(0)
        if not word.startswith("--"):
            words.append(word)
            continue
        rest += [word, *([left.pop(0)] if "=" not in word and left else [])]
    return words, rest


def pairs(arguments: Sequence[str]) -> list[tuple[str, str]]:
    """``--name value`` and ``--name=value`` as pairs.

    Raises:
        XferError: for anything else.
    """
    found, rest = [], list(arguments)
    while rest:
        name, given, value = rest.pop(0).partition("=")
        if not given:
            if not rest:
                raise XferError(f"Option {name} has no value.", "Every option takes a value: --name value.")
            value = rest.pop(0)
        found.append((name[2:], value))
    return found


class Commands(click.Group):
    """The verbs in the order of their table."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in REMOVED:
            raise removed(cmd_name)
        return super().get_command(ctx, cmd_name)


@click.group(
    cls=Commands,
    epilog=EXIT_CODES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": WIDTH},
)
@click.version_option(__version__, prog_name="mlflow-xfer")
def cli() -> None:
    """Which intermediate tasks make a multilingual model transfer best to languages without labels."""


for _verb in VERBS.values():
    cli.add_command(Command(_verb))


def main(arguments: Sequence[str] | None = None, caller: str | None = None) -> None:
    """The console script; ``caller``: who else runs it."""
    atexit.register(gc.freeze)  # at exit Python would search all that is loaded for cycles: half a second
    sys.exit(
        _guarded(
            lambda: cli.main(
                list(sys.argv[1:] if arguments is None else arguments), standalone_mode=False, obj=caller
            )
        )
    )


def entry_point(verb: str) -> None:
    """What a module in ``entry_points/`` runs."""
    main([verb, *sys.argv[1:]], PROJECT)


def _guarded(call: Callable[[], Any]) -> int:
    """Run ``call`` and turn what ends it into an exit code; never a traceback for bad input."""
    logs.set_up()
    try:
        with preemptible():
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


if __name__ == "__main__":
    main()
