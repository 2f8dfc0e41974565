"""Read a shot list, whatever it is written in: shots and problems, one by one."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from stills.contract.errors import InvalidRequest
from stills.shotlist.cast import make_portrait
from stills.shotlist.columns import suggest
from stills.shotlist.dependencies import find_cycles
from stills.shotlist.dialects.mulmo import is_mulmo, read_mulmo
from stills.shotlist.dialects.stills import find_shots, read_shot_list
from stills.shotlist.dialects.vimax import find_vimax_shots, read_vimax
from stills.shotlist.formats import Format, tell_format
from stills.shotlist.input_file import Source
from stills.shotlist.json_reader import parse_json
from stills.shotlist.project import Notes, Project, number_rows
from stills.shotlist.row import Row
from stills.shotlist.shot_builder import build_shot
from stills.shotlist.shots import Defaults, Problem, Shot
from stills.shotlist.tabular import csv_rows, jsonl_rows, problem

SUGGESTIONS_MAX = 20


def read_shots(
    path: str | Path, defaults: Defaults | None = None, *, encoding: str | None = None
) -> "Reading":
    """Open a shot list; `-` is standard input. `defaults` go before the file's own.

    Raises:
        InvalidRequest: there is no such file, it is empty, or the encoding is unknown.
    """
    return Reading(Source(path, encoding=encoding), defaults or Defaults())


class Reading:
    """The shots and problems of a file, in its order, portraits first. Can be gone through again.

    `notes` say once what was left out; `title` is the project's. Both are whole after the first
    time through.

    Iterating raises:
        InvalidRequest: the file as a whole can't be read.
    """

    def __init__(self, source: Source, defaults: Defaults) -> None:
        self._source = source
        self._defaults = defaults
        self._notes = Notes()
        self.format = tell_format(source)
        self.title: str | None = None

    @property
    def name(self) -> str:
        """The file's name, `stdin` for standard input."""
        return self._source.name

    @property
    def default_folder(self) -> Path:
        """Where its images go unless somebody says: beside the file, so that no two lists share."""
        return self._source.folder / f"{Path(self.name).stem}-stills"

    @property
    def notes(self) -> list[str]:
        """What was left out, and why."""
        return self._notes.texts()

    def __iter__(self) -> Iterator[Shot | Problem]:
        places: dict[str, int | str] = {}
        needs: dict[str, tuple[str, tuple[str, ...]]] = {}
        item: Shot | Problem | None = None
        for item in self._items():
            if isinstance(item, Problem):
                yield item
                continue
            if item.id in places:
                yield self._duplicate(item, places[item.id])
                continue
            places[item.id] = _place(item)
            if item.needs:
                needs[item.id] = (item.source, item.needs)
            yield item
        if item is None:
            raise InvalidRequest(f"{self.name} has no shots", action="Give at least one.")
        yield from self._wrong_needs(needs, places)

    def _items(self) -> Iterator[Shot | Problem]:
        if self.format in {Format.JSON, Format.YAML}:
            yield from self._project_items(self._read_project())
            return
        table = Project(defaults=self._defaults)
        for row in self._table_rows():
            yield row if isinstance(row, Problem) else self._make(row, table)

    def _table_rows(self) -> Iterator[Row | Problem]:
        if self.format is Format.JSONL:
            return jsonl_rows(self._source)
        return csv_rows(self._source, delimiter="\t" if self.format is Format.TSV else None)

    def _make(self, row: Row, project: Project) -> Shot | Problem:
        return build_shot(row, project, folder=self._source.folder, notes=self._notes)

    def _read_project(self) -> Project:
        name, folder = self._source.name, self._source.folder
        project = read_project(self._document(), name=name, folder=folder)
        self.title = project.title
        for text in project.notes:
            self._notes.add(text)
        return replace(project, defaults=self._defaults.over(project.defaults))

    def _document(self) -> object:
        text = self._source.document()
        if self.format is Format.JSON:
            return parse_json(text, self._source.name)
        from stills.shotlist.yaml_reader import parse_yaml  # noqa: PLC0415 - loads PyYAML

        return parse_yaml(text, self._source.name)

    def _project_items(self, project: Project) -> Iterator[Shot | Problem]:
        items = [self._make(row, project) for row in project.rows]
        yield from project.problems
        yield from self._portraits(project, items)
        yield from items

    def _portraits(self, project: Project, items: list[Shot | Problem]) -> Iterator[Shot | Problem]:
        cast = project.cast or {}
        used = {need for item in items if isinstance(item, Shot) for need in item.needs}
        drawn = {
            name: member for name, member in cast.items() if member.prompt and not member.image
        }
        wanted = [name for name, member in drawn.items() if member.portrait_id in used]
        for name in wanted:  # grows while it is walked
            wanted += [
                other for other in drawn[name].references if other in drawn and other not in wanted
            ]
        for name, member in drawn.items():
            if name not in wanted:
                self._notes.add(f"{name} of the cast is in no shot and is not drawn")
                continue
            try:
                yield make_portrait(member, cast, project.defaults)
            except InvalidRequest as error:
                yield problem(member.source, error)

    def _duplicate(self, shot: Shot, first: int | str) -> Problem:
        place = f"{self.name}:{first}" if isinstance(first, int) else first
        return Problem(
            shot.source,
            "id",
            f"id {shot.id!r} is taken by {place}",
            "Give every shot an id of its own, or none.",
        )

    def _wrong_needs(
        self, needs: Mapping[str, tuple[str, tuple[str, ...]]], known: Mapping[str, object]
    ) -> Iterator[Problem]:
        wrong = (
            (source, shot_id, name)
            for shot_id, (source, names) in needs.items()
            for name in names
            if name not in known
        )
        for number, (source, shot_id, name) in enumerate(wrong):
            near = suggest(name, list(known)) if number < SUGGESTIONS_MAX else ""
            yield Problem(
                source,
                "reference_shot",
                f"shot {shot_id!r} needs {name[:40]!r}, which is not here or can't be read",
                f"{near}Name another shot's id.",
                shot_id,
            )
        for cycle in find_cycles({shot_id: names for shot_id, (_, names) in needs.items()}):
            yield Problem(
                needs[cycle[0]][0],
                "reference_shot",
                " needs ".join(name[:40] for name in cycle),
                "Break the circle: one of them must be drawn first.",
                cycle[0],
            )


def read_project(document: object, *, name: str, folder: Path) -> Project:
    """Read a document as what it is: a MulmoScript, a ViMax storyboard, a shot list, or rows.

    Raises:
        InvalidRequest: it is none of these.
    """
    if isinstance(document, Mapping) and is_mulmo(document):
        return read_mulmo(document, name=name, folder=folder)
    vimax = find_vimax_shots(document)
    project = read_vimax(document, vimax, name=name, folder=folder) if vimax else None
    if project is not None:
        return project
    if isinstance(document, list):
        return Project(rows=number_rows(document, name))
    if isinstance(document, Mapping) and find_shots(document):
        return read_shot_list(document, name=name, folder=folder)
    if isinstance(document, Mapping) and "shots" not in document and document:
        return Project(rows=number_rows([document], name))
    raise InvalidRequest(
        f"{name} has no list of shots",
        action="Give a list of rows, or a mapping with the rows under shots:.",
    )


def _place(shot: Shot) -> int | str:
    line = shot.source.rpartition(":")[2]
    return int(line) if line.isdigit() else shot.source
