"""Templates of prompts: Jinja, as in PromptSource and lm-evaluation-harness.

``{{ context }} {{ question }} ||| {{ choice }}``: what is read, and after ``|||`` what is scored (without it:
the choice). The variables are those of a row, and ``choice`` the one that is asked about.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from mlflow_xfer.errors import XferError

CUT = "|||"
VARIABLES = ("context", "question", "choices", "choice")


class Template:
    """A template that was checked.

    Raises:
        XferError: it is no template, names other variables, or fails on a row.
    """

    def __init__(self, text: str):
        from jinja2 import TemplateError, meta
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        self.text = text
        environment = ImmutableSandboxedEnvironment()
        try:
            odd = meta.find_undeclared_variables(environment.parse(text)) - set(VARIABLES)
            self.parts = [environment.from_string(part) for part in text.split(CUT)]
        except TemplateError as error:
            raise XferError(f"template={text!r} does not read: {error}.", _EXAMPLE) from error
        if odd or len(self.parts) > 2:
            wrong = f"names {', '.join(sorted(odd))}" if odd else f"has more than one {CUT}"
            raise XferError(f"template={text!r} {wrong}.", f"Variables: {', '.join(VARIABLES)}. {_EXAMPLE}")

    def of(self, row: Mapping[str, Any], choice: str) -> tuple[str, str]:
        """What is read and what is scored of one choice of a row."""
        try:
            said = [part.render(**row, choice=choice).strip() for part in self.parts]
        except Exception as error:  # whatever a user's template does to a row
            raise XferError(f"template={self.text!r} fails on {choice!r:.60}: {error}.", _EXAMPLE) from error
        if len(said) == 1:
            said.append(choice)
        if not said[1]:
            raise XferError(f"template={self.text!r} leaves nothing to score of {choice!r:.60}.", _EXAMPLE)
        return said[0], said[1]


_EXAMPLE = "Like: '{{ context }} {{ question }} ||| {{ choice }}'"


@lru_cache(maxsize=8)
def template_of(text: str) -> Template:
    return Template(text)
