"""Parameters that the company decides: each with its bound, and none guessed for it.

A policy says what a vendor may see. Around it stand numbers that the rules leave to the company,
such as how fast a vendor answers and which department takes a complaint. As long as one that only
the company can decide is unset, no policy is activated.
"""

from collections.abc import Mapping as Words
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from types import MappingProxyType

from policies.documents import Document, Mapping, Node, Scalar, read_document
from policies.errors import ParametersUnsetError

UNSET = "null"
_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: `clause` of the rules it belongs to, bounds (None: any), choices if few.

    A parameter with neither bound nor choices is a text. `default` None means that only the
    company can decide it.
    """

    name: str
    clause: str
    default: str | None = None
    least: int | None = None
    most: int | None = None
    choices: tuple[str, ...] = ()


def _number(name: str, clause: str, default: int | None, least: int, most: int) -> Parameter:
    return Parameter(name, clause, None if default is None else str(default), least, most)


def _choice(name: str, clause: str, default: str, *choices: str) -> Parameter:
    return Parameter(name, clause, default, choices=choices)


PARAMETERS = MappingProxyType(
    {
        parameter.name: parameter
        for parameter in (
            _number("service.satisfaction_min_pct", "2.1.3", None, 0, 100),
            _number("sla.vendor_task_hours", "2.1.3", 4, 1, 24),
            _number("meeting.min_per_month", "2.4.1", 1, 1, 31),
            _choice("scorecard.period", "2.4.3", "month", "month", "quarter"),
            _number("evaluation.min_per_year", "2.4.3", 1, 1, 12),
            _number("rectify.issue_days", "2.4.4", 3, 1, 30),
            _number("rectify.deadline_critical_days", "2.4.4", 5, 1, 5),
            _number("rectify.deadline_major_days", "2.4.4", 10, 1, 30),
            _number("rectify.deadline_minor_days", "2.4.4", 30, 1, 90),
            _number("special.forward_minutes", "3.2.3", 30, 1, 1440),
            _number("special.answer_days", "3.2.3", 3, 1, 15),
            _number("record.metadata_minutes", "3.3.1", 30, 1, 1440),
            _number("record.recording_hours", "3.3.1", 12, 1, 24),
            # GB/T 45251-2025 asks for two; the measures for consumer finance companies for five.
            _number("retain.recordings_years", "3.3.1", 5, 2, 30),
            Parameter("report.daily_due", "3.3.2", "T+1 10:00"),
            Parameter("report.weekly_due", "3.3.2", "Monday 12:00"),
            Parameter("report.monthly_due", "3.3.2", "3rd working day 18:00"),
            _choice("analysis.period", "3.3.3", "month", "month", "quarter"),
            _number("repay.claim_hours", "3.4.1", 24, 1, 72),
            _number("repay.match_days", "3.4.1", 1, 1, 5),
            _number("repay.stop_contact_minutes", "3.4.1", 15, 1, 60),
            _number("writeoff.min_effort_months", "3.4.3", None, 1, 60),
            _number("writeoff.min_effort_attempts", "3.4.3", None, 1, 1000),
            _number("writeoff.min_effort_contacts", "3.4.3", None, 0, 1000),
            _number("writeoff.record_days", "3.4.3", 5, 1, 30),
            Parameter("window.green", "4.2.2", "working days 09:00-18:00"),
            Parameter("calendar.id", "4.2.2", "CN"),
            _number("consent.max_days", "4.2.2", 7, 1, 30),
            _choice("consent.evidence", "4.2.2", "recording", "recording", "written"),
            _number("complaint.days", "4.3.2", 15, 1, 15),
            _number("inspect.per_quarter", "5.1", 1, 1, 90),
            _number("spot.min_calls", "5.1", 30, 1, 100_000),
            _number("spot.pct", "5.1", 2, 1, 100),
            _number("vendor.violation_lookback_years", "2.1.1", 3, 3, 30),
            Parameter("routing.special", "3.2.3"),
            Parameter("routing.complaint", "4.3.1"),
            Parameter("routing.repay", "3.4.1"),
            Parameter("routing.guidance", "3.2.1"),
        )
    }
)


def read_parameters(directory: Traversable) -> dict[str, str | None]:
    """Read `parameters.yaml` of a directory of policies: every parameter, None where unset.

    A parameter that the file leaves out has its default. A directory without the file has the
    defaults alone. PolicyFileError when a name is unknown or a value is out of bounds.
    """
    source = directory.joinpath("parameters.yaml")
    if not source.is_file():
        return {name: parameter.default for name, parameter in PARAMETERS.items()}
    return parameters_of(read_document(source, source.name))


def parameters_of(document: Document) -> dict[str, str | None]:
    """Read the parameters of a document; see read_parameters."""
    found = {name: parameter.default for name, parameter in PARAMETERS.items()}
    top = document.entries(document.root, known=frozenset({"parameters"}), what="the parameters")
    listed = document.required(top, "parameters", line=document.root.line)
    lines: Mapping = document.mapping(listed, "`parameters`")
    for name, node in document.entries(
        lines, known=frozenset(PARAMETERS), what="`parameters`"
    ).items():
        is_unset = isinstance(node, Scalar) and node.text.strip() == UNSET
        found[name] = None if is_unset else _value(document, node, PARAMETERS[name])
    return found


def unset_parameters(parameters: Words[str, str | None]) -> tuple[str, ...]:
    """The names of those that are unset, in the order of the rules."""
    return tuple(name for name in PARAMETERS if parameters.get(name) is None)


def verify_decided(parameters: Words[str, str | None]) -> None:
    """Raise ParametersUnsetError with all names while one parameter is unset."""
    unset = unset_parameters(parameters)
    if unset:
        raise ParametersUnsetError(unset)


def _value(document: Document, node: Node, parameter: Parameter) -> str:
    text = document.text(node, f"`{parameter.name}`")
    if parameter.choices and text not in parameter.choices:
        document.fail(
            node.line,
            f"`{parameter.name}` has a value that is not known.",
            f"Use one of {', '.join(parameter.choices)}.",
        )
    if parameter.least is not None and parameter.most is not None:
        is_number = text.isascii() and text.isdigit() and len(text) <= _DIGITS
        if not is_number or not parameter.least <= int(text) <= parameter.most:
            document.fail(
                node.line,
                f"`{parameter.name}` is out of bounds (rules {parameter.clause}).",
                f"Write {parameter.least} to {parameter.most}, or {UNSET} while undecided.",
            )
    return text
