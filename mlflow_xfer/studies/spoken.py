"""In which languages a study is scored, known before it is run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlflow_xfer.errors import Problems
from mlflow_xfer.phases.plan import Plan
from mlflow_xfer.studies.study import Contrast, Study


def spoken_by(study: Study, plans: Mapping[str, Plan]) -> dict[str, list[str]]:
    """By target, the languages that every arm with that target is scored in.

    Raises:
        XferError: arms that are scored in others than those before them: scores of different languages would
            be compared.
    """
    found: dict[str, tuple[str, list[str]]] = {}
    problems = Problems()
    for name, plan in plans.items():
        for target, phase in plan.transfers[0].evaluations.items():
            own = sorted({rows.language for rows in phase.rows if rows.split == (phase.split or "test")})
            first, there = found.setdefault(target, (name, own))
            if own != there:
                problems.add(
                    f"Study {study.name}: on {target} arm {name!r} is scored in {', '.join(own)}, and "
                    f"{first!r} in {', '.join(there)}.",
                    "Arms are compared in the same languages: say `languages` in `shared`; a contrast's own "
                    "`languages` keep it to some of them.",
                )
    problems.raise_if_any()
    return {target: codes for target, (_, codes) in found.items()}


def kept_to(
    where: str, one: Contrast, spoken: Mapping[str, Sequence[str]], problems: Problems
) -> dict[str, list[str]]:
    """Of each target of a contrast the languages that it is about; what it names and is not scored goes to
    ``problems``."""
    named = {*one.targets, *one.less}
    about = {task: codes for task, codes in spoken.items() if not named or task in named}
    kept = {
        task: [code for code in codes if code in (one.languages or codes)] for task, codes in about.items()
    }
    scored = sorted({code for codes in about.values() for code in codes})
    if lost := [code for code in one.languages if code not in scored]:
        problems.add(
            f"{where}: none of {', '.join(about)} is scored in {', '.join(lost)}.",
            f"They are scored in {', '.join(scored)}: name `languages` among these.",
        )
    elif empty := [task for task in about if named and not kept[task]]:
        problems.add(
            f"{where}: {', '.join(empty)} {'is' if len(empty) == 1 else 'are'} scored in none of its "
            f"languages ({', '.join(one.languages)}).",
            "Leave out such targets, or give the contrast languages of all of them.",
        )
    return {task: codes for task, codes in kept.items() if not one.targets or task in one.targets}
