"""What an entry of a task file may say: shapes, checked strictly, with errors in the user's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from mlflow_xfer.errors import XferError
from mlflow_xfer.kinds.kind import KINDS
from mlflow_xfer.params.settings import Recipe
from mlflow_xfer.registry import unknown
from mlflow_xfer.tasks.entry_values import Column, Format, Labels, Language, Part, Split, Word, Words
from mlflow_xfer.tasks.yaml_source import Located


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class HubEntry(Strict):
    path: str = Field("", description="id of the data set on the hub: organisation/name")
    config: str = Field("", description="its configuration; {language} is filled in")
    revision: str = Field("", description="commit (recommended) or branch")
    splits: dict[Split, str] = Field(default_factory=dict, description="names of the splits there")
    columns: dict[str, Column] = Field(default_factory=dict, description="the kind's column: the data set's")
    labels: Labels = Field(default_factory=list, description="names of integer labels in their order")
    where: dict[str, Word] = Field(default_factory=dict, description="only rows whose column has this value")
    codes: dict[Language, Word] = Field(
        default_factory=dict, description="what {language} stands for, where not the code"
    )
    drop: Words = Field(default_factory=list, description="labels whose rows are left out")


def _kind(name: str) -> str:
    if name not in KINDS:
        raise PydanticCustomError("enum", "unknown kind")
    return name


class Entry(Strict):
    """One task of a task file."""

    extends: str | None = Field(
        None, description="a task of the catalogue whose entry is taken over where this one says nothing"
    )
    kind: Annotated[str, AfterValidator(_kind)] | None = Field(
        None,
        description=(
            "`classification` (columns `text_a`, `text_b`, `label`), `tagging` (`words`, `tags`), "
            "`multiple_choice` (`context`, `question`, `choices`, `label`), `span_qa` (`context`, "
            "`question`, `answers`), `retrieval` (`source`: the query, `target`: the candidate, `context`: "
            "read after it, `gold`: ids of right candidates), `regression` (`text_a`, `text_b`, `label`: a "
            "number), `span_cases` (as `span_qa`, in test cases: `id` is test/case/question)"
        ),
    )
    files: dict[Split, Part] = Field(
        default_factory=dict,
        description=(
            "train, validation, test (retrieval also pool: candidates for all languages): a file, a list of "
            "files, {path, ids, exclude_ids}, or one of these per language; {language} in a name is filled in"
        ),
    )
    hub: HubEntry | None = Field(None, description="a data set of the hub instead of files")
    format: Format | None = Field(
        None,
        description=(
            "tsv (no quoting), csv, jsonl, json, parquet, conll, conllu, squad, parallel, text; default: "
            "from the names"
        ),
    )
    header: bool | None = Field(
        None,
        description="whether csv and tsv begin with a line of names; default: if columns are given by name",
    )
    columns: dict[str, Column] = Field(
        default_factory=dict,
        description=(
            "the kind's column: name (a.b = inside, also of each object of a list), position from 0 (tsv, "
            "csv, conll), or a list of these (choices; texts are joined)"
        ),
    )
    labels: Labels | None = Field(
        None,
        description=(
            "names; or {in the file: name}; or a file with one per line (or a JSON list). Multiple choice: "
            "what the file says for the first choice, the second, …; or {in the file: place from 0}"
        ),
    )
    offsets: Literal["characters", "utf-16", "bytes"] = Field(
        "characters",
        description=(
            "what answer_start counts: characters (code points), utf-16 (units: JavaScript, Java) or bytes"
        ),
    )
    language: Language = Field("en", description="language of files that do not say so")
    languages: list[Language] | None = Field(
        None,
        description=(
            "languages of files named with {language} (default: those there are), or in language_column"
        ),
    )
    language_column: str | None = Field(None, description="the column that says a row's language")
    codes: dict[Language, Word] = Field(
        default_factory=dict,
        description=(
            "what stands for a language in names and in language_column, where not its code: {zh: zh-CN}"
        ),
    )
    where: dict[str, Word] = Field(
        default_factory=dict,
        description=(
            "only rows whose column has this value (x*: begins with x; {language}*: with its code, which no "
            "letter goes on: fil-1 is not of fi)"
        ),
    )
    drop: Words = Field(default_factory=list, description="labels whose rows are left out")
    validation_fraction: float | None = Field(
        None, gt=0, lt=1, description="cut so much of the training rows off as validation split"
    )
    metric: str | None = Field(None, description="default: the kind's")
    uses: Words | None = Field(None, description="intermediate, target; default: what the splits allow")
    trained: bool = Field(
        True, description="false: scored straight from the backbone; retrieval without train split: false"
    )
    scheme: str | None = Field(
        None,
        description=(
            "tagging: how tags mark entities: bare (a tag is the type of its words, only O is outside), "
            "iob1, iob2, iobes, bilou; xtreme: by the first letter of each tag, as XTREME reads parts of "
            "speech. Default: what the labels say"
        ),
    )
    pooled: bool = Field(
        False,
        description=(
            "retrieval: the candidates of all languages are one pool; right is what is right in any "
            "language, by equal ids of the queries"
        ),
    )
    prefix: str = Field(
        "", description="retrieval: text before each query and candidate, blanks included (`'query: '`)"
    )
    passage_prefix: str = Field("", description="retrieval: text before each candidate instead")
    template: str = Field(
        "",
        description=(
            "multiple choice by likelihood: Jinja of `context`, `question`, `choices` and `choice`; what is "
            "read, then three bars, then what is scored (default: the choice)"
        ),
    )
    recipe: Recipe | None = Field(None, description="what auto means for training settings")
    domain: str = Field("general", description="for reports")
    skills: Words = Field(default_factory=list, description="for reports")
    overlaps: Words = Field(
        default_factory=list, description="tasks whose test data overlap with this one's training data"
    )
    family: Word = Field(
        "",
        description=(
            "a word shared by tasks that are trained on the same rows, on parts of them or on translations: "
            "as intermediate tasks of one another they are shown as `same task`, outside averages, contrasts "
            "and searches. Default: its name; with extends and no data of its own: that task's"
        ),
    )
    dev_of: Words = Field(
        default_factory=list,
        description=(
            "tasks whose test data are (translations of) this one's validation data: it selects no "
            "checkpoint for them"
        ),
    )
    description: str = ""
    licence: str = ""
    citation: str = ""
    version: int = Field(1, ge=1, description="raise it when the meaning of the files changes")


MAPPINGS = {
    "files": "{train: train.tsv, test: test.tsv}",
    "hub": "{path: organisation/name, splits: {train: train}}",
    "splits": "{train: train, test: test}",
    "columns": "{text_a: premise, label: gold}, the kind's column and the file's name of it, or its position",
    "where": "{genre: news}, a column and the value that its rows have",
    "codes": "{zh: zh-CN}, a language and what stands for it",
    "recipe": "{num_train_epochs: 5}",
}
"""What is written in the fields that are mappings."""


def problems_of(declared: Any, content: Located, place: tuple[Any, ...]) -> list[XferError]:
    """Everything that is wrong with the shape of an entry."""
    if not isinstance(declared, dict):
        return [
            XferError(
                f"{content.at(*place)}: task {place[-1]!r} is not a mapping of fields.",
                "kind: classification …",
            )
        ]
    try:
        entry = Entry.model_validate(declared)
    except ValidationError as error:
        return [_in_words(fault, content, place) for fault in error.errors()]
    odd = [use for use in entry.uses or () if use not in ("intermediate", "target")]
    return (
        [XferError(f"{content.at(*place, 'uses')}: {unknown('use', odd[0], ('intermediate', 'target'))}")]
        if odd
        else []
    )


def _in_words(fault: Mapping[str, Any], content: Located, place: tuple[Any, ...]) -> XferError:
    inner: tuple[Any, ...] = tuple(part for part in fault["loc"] if part != "[key]")
    where, name = content.at(*place, *inner), ".".join(map(str, inner))
    if fault["type"] == "extra_forbidden":
        shape = {"hub": HubEntry, "recipe": Recipe}.get(str(inner[0]), Entry) if len(inner) > 1 else Entry
        wrong = unknown("field", str(fault["loc"][-1]), shape.model_fields)
        return XferError(f"{where}: {wrong.what}", wrong.hint)
    if fault["type"] == "enum":
        wrong = unknown("kind", str(fault["input"]), KINDS.names())
        return XferError(f"{where}: {wrong.what}", wrong.hint or f"Accepted: {', '.join(KINDS.names())}")
    if fault["type"] in ("dict_type", "model_type", "list_type"):
        field = str(inner[-1])
        said = f"{fault['input']!r:.40}"
        shape, example = (
            ("a list", f"[{said}]")
            if fault["type"] == "list_type"
            else ("a mapping", MAPPINGS.get(field, "{name: value}"))
        )
        return XferError(
            f"{where}: task {place[-1]!r}, {name} is {said}, and has to be {shape}.", f"{field}: {example}"
        )
    return XferError(
        f"{where}: task {place[-1]!r}, {name}: {fault['msg'].removeprefix('Value error, ')}.".replace(
            "..", "."
        )
    )
