"""Shot lists of film crews: scenes, framing and a cast in a file of its own."""

import pytest

from stills.contract.errors import InvalidRequest
from stills.shotlist.options import ListOptions
from stills.shotlist.reader import read_shots
from stills.shotlist.shots import Defaults, Problem, Shot

SMALL = Defaults(size="64*64")


@pytest.fixture
def read(tmp_path):
    """Write a file and read its shots, its problems and the notes."""

    def write_and_read(content, name="a.csv", **options):
        path = tmp_path / name
        path.write_text(content, encoding="utf-8")
        shot_list = read_shots(path, SMALL, options=ListOptions(**options))
        items = list(shot_list)
        shots = [item for item in items if isinstance(item, Shot)]
        problems = [item for item in items if isinstance(item, Problem)]
        return shots, problems, shot_list.notes

    return write_and_read


@pytest.mark.parametrize(
    ("scene", "shot", "shot_id"),
    [
        ("1", "A", "1A"),
        ("1", "2", "1-2"),
        ("1", "1A", "1A"),
        ("1", "11", "1-11"),
        ("1", "1", "1-1"),
        ("12b", "A", "12b-A"),
        ("INT. HOUSE", "3", "INT. HOUSE-3"),
        ("", "7", "7"),
    ],
)
def test_scene_and_shot_are_the_id(read, scene, shot, shot_id):
    """Different shots keep different ids: scene 1, shot 11 is not scene 11, shot 1."""
    shots, problems, _ = read(f"Scene,Shot #,Description\n{scene},{shot},a kite\n")
    assert not problems
    assert shots[0].id == shot_id


def test_an_id_takes_precedence_over_scene_and_shot(read):
    """The number 0 is an id, too."""
    shots, _, _ = read("Scene,Shot,id,prompt\n1,A,kite,a kite\n")
    assert shots[0].id == "kite"
    shots, _, _ = read('{"idx": 0, "scene": 1, "shot": "A", "prompt": "x"}', "a.jsonl")
    assert shots[0].id == "0"


@pytest.mark.parametrize(
    ("content", "unused"),
    [
        ("Scene,prompt\n1,a kite\n", "Scene"),
        ("id,Scene,Shot,prompt\nkite,1,A,a kite\n", "Scene, Shot"),
    ],
)
def test_a_scene_that_is_not_in_the_id_is_noted(read, content, unused):
    """Nothing is ignored silently."""
    shots, _, notes = read(content)
    assert len(shots) == 1
    assert notes == [f"not used for stills: {unused}"]


def test_a_shot_without_a_scene_has_that_of_the_row_above(read):
    """Sheets merge the cells of a scene; a row without a shot keeps its own id."""
    shots, _, _ = read("Scene,Shot,prompt\n1,A,x\n,B,y\n2,A,z\n,B,u\n,,v\n")
    assert [one.id for one in shots] == ["1A", "1B", "2A", "2B", "shot-0005"]


def test_a_row_that_can_t_be_read_ends_its_scene(read):
    """The rows below may belong to the scene that it would have started."""
    shots, problems, _ = read("Scene,Shot,prompt\n1,A,x\n2,A\n,B,y\n")
    assert len(problems) == 1
    assert [one.id for one in shots] == ["1A", "B"]


@pytest.mark.parametrize("heading", ["Description", "Action", "prompt"])
def test_the_description_or_the_action_is_the_prompt(read, heading):
    """A prompt takes precedence over both."""
    shots, _, _ = read(f"{heading}\na kite\n")
    assert shots[0].request.prompt == "a kite"
    shots, _, _ = read("Action,Description,prompt\nx,y,a kite\n")
    assert shots[0].request.prompt == "a kite"


FRAMED = "Lens,Movement,Angle,Shot Size,prompt\n85mm,dolly in,low angle,Close-up,a keeper\n"


def test_framing_starts_the_prompt_if_asked_to(read):
    """The order is size, angle, movement, lens, however the columns are ordered."""
    shots, _, notes = read(FRAMED, weave=True)
    assert shots[0].request.prompt == "Close-up, low angle, dolly in, 85mm. a keeper"
    assert not notes


def test_framing_is_left_out_with_a_note(read):
    """The request is that of a list without these columns, and so is its bill."""
    shots, _, notes = read(FRAMED)
    plain, _, _ = read("prompt\na keeper\n")
    assert shots[0].request == plain[0].request
    assert notes == ["left out of the prompts: Shot Size, Angle, Movement, Lens; --weave adds them"]


def test_only_the_cells_that_are_filled_are_woven(read):
    """A row without any keeps its prompt."""
    shots, _, _ = read("Shot Size,Lens,prompt\nWide.,,a kite\n,,a beach\n", weave=True)
    assert [one.request.prompt for one in shots] == ["Wide. a kite", "a beach"]


def test_framing_of_another_type_is_a_problem(read):
    """It names the column."""
    _, (problem,), _ = read('{"prompt": "x", "camera_angle": [1]}', "a.jsonl", weave=True)
    assert problem.field == "camera_angle"


@pytest.fixture
def cast_file(tmp_path):
    """Two members, one with an image next to the file."""
    folder = tmp_path / "film"
    folder.mkdir()
    path = folder / "cast.yaml"
    path.write_text("anna: a tall woman\nBen Lee: {image: ben.png}\n", encoding="utf-8")
    return path


def test_cells_name_members_of_the_cast_s_file(read, cast_file):
    """Case and spaces make no difference, and portraits come first."""
    shots, problems, _ = read('prompt,Cast\na walk,"Anna, ben lee"\n', cast_file=cast_file)
    assert not problems
    portrait, walk = shots
    assert (portrait.id, portrait.is_portrait) == ("cast-anna", True)
    assert walk.needs == ("cast-anna",)
    assert walk.references[1].image == str(cast_file.parent / "ben.png")


def test_a_project_may_have_a_cast_file_too(read, cast_file):
    """Its members take precedence over those of the list."""
    shots, problems, _ = read(
        "cast: {anna: a child, dog: a dog}\nshots:\n- {prompt: a walk, cast: [anna, dog]}\n",
        "a.yaml",
        cast_file=cast_file,
    )
    assert not problems
    assert {one.id: one.request.prompt for one in shots} == {
        "cast-anna": "a tall woman",
        "cast-dog": "a dog",
        "shot-0001": "a walk",
    }


def test_an_unknown_member_is_a_problem(read, cast_file):
    """It is reported with the members that exist."""
    _, (problem,), _ = read("prompt,cast\na walk,Clara\n", cast_file=cast_file)
    assert problem.message == "'Clara' is not in the cast"
    assert "The cast is anna, Ben Lee." in problem.action


def test_a_cast_file_without_members_is_refused(read, tmp_path):
    """So is a list, or a file that does not exist."""
    path = tmp_path / "cast.yaml"
    path.write_text("- anna\n", encoding="utf-8")
    with pytest.raises(InvalidRequest, match=r"cast\.yaml has no cast"):
        read("prompt\nx\n", cast_file=path)
    with pytest.raises(InvalidRequest, match="can't be read"):
        read("prompt\nx\n", cast_file=tmp_path / "none.yaml")


def test_members_may_be_under_a_key(read, tmp_path):
    """A whole project file can be the cast's file."""
    path = tmp_path / "film.yaml"
    path.write_text("title: A film\ncast: {anna: a woman}\nshots: []\n", encoding="utf-8")
    shots, _, _ = read("prompt,cast\na walk,ANNA\n", cast_file=path)
    assert shots[0].id == "cast-anna"
