"""The main that draws sheets, as a user starts it."""

import numpy as np
import pytest
from PIL import Image

from attr2image_tf import data
from attr2image_tf.client.checks import requested_rows
from attr2image_tf.evaluation import pictures, sheets
from attr2image_tf.run_folder import RunFolder
from tests import processes
from tests.evaluation import tiny


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("draw")
    tiny.write_run(RunFolder(place / "run"), "cvae", tiny.make_dataset().schema)
    return place


def draw(folder, *arguments, expected=0):
    done = processes.run("trainers.draw", "--run=run", *arguments, folder=folder, expected=expected, HOME=str(folder))
    return done.stdout if expected == 0 else done.stderr.strip().splitlines()[-1]


@pytest.mark.slow
def test_requests_become_a_sheet(folder):
    printed = draw(folder, '--request="Circle"=max,Red=min', "--request=", "--count=2", "--output=~/new/sheet.png")
    assert printed.strip().splitlines()[-1] == str(folder / "new" / "sheet.png")
    run = RunFolder(folder / "run")
    schema = run.read_schema()
    requests = {"Circle=max\nRed=min": {"Circle": "max", "Red": "min"}, "any": {}}
    rows = {label: requested_rows(schema, request, seed=0, count=2, varied=True, correlated=True)[0]
            for label, request in requests.items()}
    expected = sheets.samples(run.load_model(), rows, count=2, seed=0)
    # Rounding may go the other way.
    assert np.abs(np.asarray(Image.open(folder / "new" / "sheet.png")).astype(int) - expected).max() <= 1


@pytest.mark.slow
def test_correlated_says_what_the_others_do_whether_they_vary_or_not(folder):
    def drawn(*arguments):
        draw(folder, "--request=Circle=max", "--count=2", "--output=correlated.png", *arguments)
        return np.asarray(Image.open(folder / "correlated.png"))

    for varied in ("--varied", "--novaried"):
        along, alone = drawn(varied), drawn(varied, "--nocorrelated")
        np.testing.assert_array_equal(along, drawn(varied, "--correlated"))
        assert (along != alone).any()


@pytest.mark.slow
def test_a_blind_sheet_has_as_many_real_pictures_as_samples_and_a_key(folder):
    printed = draw(folder, "--sheet=blind", "--pictures=8", "--seed=3")
    assert printed.strip().splitlines()[-1] == "run/blind.png"
    rows = (folder / "run" / "blind.key.csv").read_text().splitlines()
    assert rows[0] == "number,what" and [row.split(",")[0] for row in rows[1:]] == [str(n) for n in range(1, 9)]
    assert sorted(row.split(",")[1] for row in rows[1:]) == ["real"] * 4 + ["sample"] * 4
    sheet = np.asarray(Image.open(folder / "run" / "blind.png"))
    # One row of eight pictures at the right, twice as large as they are, with two white pixels between them.
    tiles = [sheet[2:66, sheet.shape[1] - 66 * (8 - place):][:64:2, :64:2] for place in range(8)]
    real = {image.tobytes() for image in pictures.read(data.load("emblems", image_size=tiny.SIZE), "test").images}
    for tile, row in zip(tiles, rows[1:], strict=True):
        assert (tile.tobytes() in real) == (row.split(",")[1] == "real"), row


def test_the_key_of_a_blind_sheet_is_that_of_its_pictures():
    images = np.full((16, 64, 64, 3), 200, np.uint8)
    sheet, key = sheets.blind(lambda attributes, seeds: np.full((len(seeds), 64, 64, 3), 0.2), images,
                              np.zeros((16, 3), np.float32), seed=1)
    # Two rows of eight pictures at the right, white between them.
    first = sheet.shape[1] - 8 * 66
    tiles = [sheet[row:, first + column:][:60, :60] for row in (4, 70) for column in range(0, 8 * 66, 66)]
    assert key == ["real" if np.median(tile) == 200 else "sample" for tile in tiles]
    assert key.count("real") == 8 and key != sorted(key)


@pytest.mark.parametrize(("arguments", "message"), [
    (["--output=run/config.json"], "pictures cannot be written with the ending '.json'"),
    (["--output=run"], "output='run' is a folder; name a file"),
    (["--run=run[1]"], "TensorFlow treats [ ] in a path as wildcards")])
def test_what_cannot_be_is_reported_before_any_work(folder, arguments, message):
    before = sorted(folder.rglob("*"))
    assert message in draw(folder, *arguments, expected=2)
    assert sorted(folder.rglob("*")) == before
