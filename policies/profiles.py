"""Named profiles: stages that several policies and contracts start from."""

from collections.abc import Mapping as Words
from dataclasses import dataclass

from policies.documents import Document, Node, Place, quoted
from policies.elements import identifier_of
from policies.fields import FieldCatalog
from policies.rules import StageLines, inherit, read_stages

_KEYS = frozenset({"profile", "about", "stages"})


@dataclass(frozen=True, slots=True)
class ScopeProfile:
    """A profile's lines; `file` is where they stand."""

    name: str
    stages: StageLines
    file: str


def profile_of(document: Document, catalog: FieldCatalog) -> ScopeProfile:
    """Read one profile; PolicyFileError when it cannot be accepted."""
    entries = document.entries(document.root, known=_KEYS, what="a profile")
    name = document.required(entries, "profile", line=document.root.line)
    stages = document.required(entries, "stages", line=document.root.line)
    return ScopeProfile(
        identifier_of(document, name, "`profile`"),
        read_stages(document, stages, catalog),
        document.file,
    )


def inherited_stages(
    document: Document,
    entries: Words[str, Node],
    catalog: FieldCatalog,
    profiles: Words[str, ScopeProfile],
) -> StageLines:
    """Read `stages` over the profile that `inherits` names, if it names one.

    PolicyFileError when there is no such profile, a line is wider than the profile's without a
    reason under `wider`, or a file without a profile has no stages.
    """
    own: StageLines = {}
    if "stages" in entries:
        own = read_stages(document, entries["stages"], catalog)
    if "inherits" not in entries:
        for key in ("wider", "stages"):
            if (key == "wider") == (key in entries):
                line = entries[key].line if key in entries else document.root.line
                document.fail(
                    line,
                    "The key `stages` is missing."
                    if key == "stages"
                    else "`wider` stands without `inherits`.",
                    "Write `stages:`, or `inherits:` with a profile's name.",
                )
        return own
    node = entries["inherits"]
    name = document.text(node, "`inherits`")
    if name not in profiles:
        known = ", ".join(sorted(profiles)) or "none yet; write one in profiles/"
        document.fail(node.line, f"There is no profile {quoted(name)}.", f"Profiles: {known}.")
    return inherit(profiles[name].stages, own, _reasons(document, entries))


def _reasons(document: Document, entries: Words[str, Node]) -> dict[str, tuple[str, Place]]:
    if "wider" not in entries:
        return {}
    mapping = document.mapping(entries["wider"], "`wider`")
    return {
        key.text: (
            document.text(value, "A reason"),
            Place(document.file, key.line),
        )
        for key, value in mapping.entries
    }
