"""Read a shot list in any format: shots and problems, one by one."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from stills.contract.errors import InvalidRequest
from stills.shotlist.cast_file import read_cast_file, read_document
from stills.shotlist.columns import suggest
from stills.shotlist.dependencies import find_cycles
from stills.shotlist.dialects.mulmo import is_mulmo, read_mulmo
from stills.shotlist.dialects.stills import find_shots, read_shot_list
from stills.shotlist.dialects.vimax import find_vimax_shots, read_vimax
from stills.shotlist.formats import Format, detect_format
from stills.shotlist.input_file import InputFile
from stills.shotlist.kept_ids import KeptId, KeptIds
from stills.shotlist.options import ListOptions
from stills.shotlist.project import Notes, Project, number_rows
from stills.shotlist.remembered import Remembered
from stills.shotlist.row import Row
from stills.shotlist.scenes import fill_scenes
from stills.shotlist.shot_builder import build_portrait, build_shots
from stills.shotlist.shots import Defaults, Problem, Shot
from stills.shotlist.tabular import csv_rows, jsonl_rows
from stills.shotlist.unknown_columns import UnknownColumns

SUGGESTIONS_MAX = 20


def read_shots(
    path: str | Path,
    defaults: Defaults | None = None,
    *,
    encoding: str | None = None,
    options: ListOptions | None = None,
) -> "ShotList":
    """Open a shot list; `-` is standard input. `defaults` take precedence over the file's own.

    Raises:
        InvalidRequest: the file does not exist, is empty or not a shot list, or the encoding is
            unknown.
    """
    file = InputFile(path, encoding=encoding)
    return ShotList(file, defaults or Defaults(), options or ListOptions())


class ShotList:
    """The shots and problems of a file, in its order, after the portraits of its cast.

    It can be iterated over several times, and gives the same each time. `notes` and `title`, the
    project's, are complete after the first time.

    Iterating raises:
        InvalidRequest: the file as a whole can't be read.
    """

    def __init__(self, file: InputFile, defaults: Defaults, options: ListOptions) -> None:
        self._file = file
        self._defaults = defaults
        self._options = options
        self._notes = Notes()
        self._kept_ids = KeptIds()
        self._remembered: Remembered | None = None
        self.format = detect_format(file)
        self.title: str | None = None

    @property
    def name(self) -> str:
        """The file's name; `stdin` for standard input."""
        return self._file.name

    @property
    def default_folder(self) -> Path:
        """The default output folder: next to the file, so that two lists never share one."""
        return self._file.folder / f"{Path(self.name).stem}-stills"

    @property
    def notes(self) -> list[str]:
        """What was left out of the file, and why."""
        return self._notes.texts()

    def keep_ids(self, kept: Mapping[str, KeptId]) -> None:
        """Use these ids and seeds for the rows without ids, by the ids of their positions."""
        self._kept_ids = KeptIds(kept)

    def add_note(self, text: str) -> None:
        """Add something that the user should know."""
        self._notes.add(text)

    def __iter__(self) -> Iterator[Shot | Problem]:
        items = self._read() if self._remembered is None else self._remembered
        return map(self._kept_ids.apply, items)

    def _read(self) -> Iterator[Shot | Problem]:
        """Read the list, and remember it if it is read to its end."""
        remembered = Remembered()
        try:
            for item in self._checked():
                remembered.add(item)
                yield item
            if remembered.finish():
                self._remembered = remembered
        finally:
            if self._remembered is not remembered:
                remembered.forget()

    def _checked(self) -> Iterator[Shot | Problem]:
        sources: dict[str, int | str] = {}
        needs: dict[str, tuple[str, tuple[str, ...]]] = {}
        takes: set[str] = set()
        item: Shot | Problem | None = None
        refused: str | None = None
        for item in self._items():
            if isinstance(item, Problem):
                yield item
                continue
            if item.take_of is None:
                refused = None
            elif item.take_of == refused:
                continue  # a take of the duplicate just before
            if item.id in sources:
                yield self._duplicate(item, sources[item.id])
                refused = item.id
                continue
            sources[item.id] = _short_source(item)
            if item.needs:
                needs[item.id] = (item.source, item.needs)
                if item.take_of is not None:
                    takes.add(item.id)
            yield item
        if item is None:
            raise InvalidRequest(f"{self.name} has no shots", action="Add at least one.")
        yield from self._wrong_needs(needs, sources, takes)

    def _items(self) -> Iterator[Shot | Problem]:
        if self.format in {Format.JSON, Format.YAML}:
            yield from self._project_items(self._with_cast_file(self._read_project()))
            return
        if self._options.cast_file is None:
            table, unknown = Project(defaults=self._defaults), UnknownColumns()
            for row in self._table_rows(self._options):
                yield from self._build(row, table, unknown)
            yield from unknown.problems()
            return
        project = self._with_cast_file(Project(defaults=self._defaults))
        options = replace(self._options, keep_unknown=project.variables is not None)
        rows = tuple(self._table_rows(options))
        yield from self._project_items(replace(project, rows=rows))

    def _with_cast_file(self, project: Project) -> Project:
        """Add the members and variables of the cast's file, which precede those of the list."""
        if self._options.cast_file is None:
            return project
        given = read_cast_file(self._options.cast_file)
        variables = project.variables
        if given.variables is not None:
            variables = {**(variables or {}), **given.variables}
        return replace(
            project,
            cast={**(project.cast or {}), **(given.cast or {})},
            variables=variables,
            problems=(*project.problems, *given.problems),
        )

    def _table_rows(self, options: ListOptions) -> Iterator[Row | Problem]:
        if self.format is Format.JSONL:
            return jsonl_rows(self._file)
        if self.format is Format.XLSX:
            from stills.shotlist.workbook import workbook_rows  # noqa: PLC0415 - loads openpyxl

            return fill_scenes(workbook_rows(self._file, options))
        delimiter = "\t" if self.format is Format.TSV else None
        return fill_scenes(csv_rows(self._file, options, delimiter=delimiter))

    def _build(
        self, row: Row | Problem, project: Project, unknown: UnknownColumns
    ) -> Sequence[Shot | Problem]:
        if isinstance(row, Problem):
            return [row]
        row = row._replace(values=self._options.without_ignored(row.values))
        row = unknown.leave_out(row)
        return build_shots(
            row, project, folder=self._file.folder, notes=self._notes, options=self._options
        )

    def _read_project(self) -> Project:
        name, folder = self._file.name, self._file.folder
        document = read_document(self._file, self.format)
        project = read_project(document, name=name, folder=folder)
        self.title = project.title
        for text in project.notes:
            self._notes.add(text)
        return replace(project, defaults=self._defaults.over(project.defaults))

    def _project_items(self, project: Project) -> Iterator[Shot | Problem]:
        project = project.with_template_names()
        unknown = UnknownColumns(project.template_names)
        items = [item for row in project.rows for item in self._build(row, project, unknown)]
        yield from (*project.problems, *unknown.problems())
        yield from self._portraits(project, items)
        yield from items

    def _portraits(self, project: Project, items: list[Shot | Problem]) -> Iterator[Shot | Problem]:
        cast = project.cast or {}
        used = {need for item in items if isinstance(item, Shot) for need in item.needs}
        described = {
            name: member for name, member in cast.items() if member.prompt and not member.image
        }
        needed = [name for name, member in described.items() if member.portrait_id in used]
        for name in needed:  # grows during the loop
            needed += [
                other.member
                for other in described[name].references
                if other.member in described and other.member not in needed
            ]
        for name, member in described.items():
            if name not in needed:
                self._notes.add(f"cast member {name} is in no shot and was left out")
                continue
            try:
                yield build_portrait(member, project)
            except InvalidRequest as error:
                yield Problem.of(member.source, error)

    def _duplicate(self, shot: Shot, first: int | str) -> Problem:
        source = f"{self.name}:{first}" if isinstance(first, int) else first
        take = "" if shot.take_of is None else f" of take {shot.take} of {shot.take_of!r}"
        return Problem(
            shot.source,
            "id",
            f"duplicate id {shot.id!r}{take}, already used in {source}",
            "Give every shot a different id, or none.",
        )

    def _wrong_needs(
        self,
        needs: Mapping[str, tuple[str, tuple[str, ...]]],
        known: Mapping[str, object],
        takes: Collection[str],
    ) -> Iterator[Problem]:
        """Yield the problems of needs; those of further takes are reported with the first one."""
        wrong = (
            (source, shot_id, name)
            for shot_id, (source, names) in needs.items()
            for name in names
            if name not in known and shot_id not in takes
        )
        for number, (source, shot_id, name) in enumerate(wrong):
            near = suggest(name, list(known)) if number < SUGGESTIONS_MAX else ""
            yield Problem(
                source,
                "reference_shot",
                f"shot {shot_id!r} needs {name[:40]!r}, which is missing or invalid",
                f"{near}Use the id of another shot.",
                shot_id,
            )
        for cycle in find_cycles({shot_id: names for shot_id, (_, names) in needs.items()}):
            yield Problem(
                needs[cycle[0]][0],
                "reference_shot",
                " needs ".join(name[:40] for name in cycle),
                "Break the cycle: one of them must come first.",
                cycle[0],
            )


def read_project(document: object, *, name: str, folder: Path) -> Project:
    """Read a MulmoScript, a ViMax storyboard, a shot list, or plain rows.

    Raises:
        InvalidRequest: it has no list of shots.
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
        action="Write a list of rows, or a mapping with the rows under shots:.",
    )


def _short_source(shot: Shot) -> int | str:
    line = shot.source.rpartition(":")[2]
    return int(line) if line.isdigit() else shot.source
