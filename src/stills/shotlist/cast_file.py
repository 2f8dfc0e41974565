"""A cast in a file of its own, for the shot lists of a whole film."""

from collections.abc import Mapping
from pathlib import Path

from stills.contract.errors import InvalidRequest
from stills.shotlist.cast import read_cast
from stills.shotlist.formats import Format, detect_format
from stills.shotlist.input_file import InputFile
from stills.shotlist.json_reader import parse_json
from stills.shotlist.project import Project, read_variables


def read_document(file: InputFile, file_format: Format) -> object:
    """Read a JSON or YAML file.

    Raises:
        InvalidRequest: it can't be read.
    """
    text = file.document()
    if file_format is Format.JSON:
        return parse_json(text, file.name)
    from stills.shotlist.yaml_reader import parse_yaml  # noqa: PLC0415 - loads PyYAML

    return parse_yaml(text, file.name)


def read_cast_file(path: Path) -> Project:
    """Read members by name, as under `cast:` of a project, and its `variables` if it has both.

    Raises:
        InvalidRequest: the file can't be read, or has no members.
    """
    file = InputFile(path)
    document = read_document(file, detect_format(file))
    outer: Mapping[str, object] = {}
    if isinstance(document, Mapping) and "cast" in document:
        outer, document = document, document["cast"]
    if not isinstance(document, Mapping) or not document:
        raise InvalidRequest(
            f"{file.name} has no cast",
            field="cast",
            action="Write names, each with a prompt or an image, such as anna: a tall woman.",
        )
    cast, problems = read_cast(document, name=file.name, folder=file.folder)
    variables, wrong = read_variables(outer.get("variables"), name=file.name)
    return Project(cast=cast, variables=variables, problems=(*problems, *wrong))
