"""The way of a new user: from a folder and a CSV file through `trainers.prepare` to a trained, exported generator."""

import csv

import numpy as np
import pytest
from PIL import Image

from attr2image_tf.data.folder.check import check_folder
from attr2image_tf.data.folder.table import read_table
from attr2image_tf.data.schema import AttributeSchema
from attr2image_tf.evaluation import attribute_regressor
from attr2image_tf.evaluation.config import RegressorConfig
from tests import processes

pytestmark = pytest.mark.slow


def run(main, *arguments, folder, expected=0):
    done = processes.run(main, *arguments, folder=folder, expected=expected)
    assert expected == 0 or done.stderr.splitlines()[-1].startswith("error: ")
    return done


@pytest.fixture
def user(tmp_path):
    """A folder with 40 pictures of squares, brighter and larger by their attributes, masks and a CSV file."""
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    generator = np.random.default_rng(0)
    rows = [["file", "bright", "large"]]
    for index in range(40):
        bright, large = generator.uniform(), int(generator.integers(2))
        inside = np.zeros([64, 64], np.uint8)
        inside[16 - 8 * large:48 + 8 * large, 16 - 8 * large:48 + 8 * large] = 255
        picture = generator.integers(0, 40, [64, 64, 3]) + (inside[..., None] > 0) * int(60 + 150 * bright)
        Image.fromarray(picture.astype(np.uint8)).save(tmp_path / "images" / f"square {index}.png")
        Image.fromarray(inside).save(tmp_path / "masks" / f"square {index}.png")
        rows.append([f"square {index}.png", f"{bright:.3f}", "yes" if large else "no"])
    with open(tmp_path / "attributes.csv", "w", newline="") as file:
        csv.writer(file).writerows(rows)
    return tmp_path


@pytest.mark.nightly
def test_from_a_folder_to_an_exported_generator(user):
    files = ["--images=images", "--attributes=attributes.csv", "--image_size=32"]
    done = run("trainers.prepare", *files, "--name=squares", folder=user)
    assert "40 pictures can be used: 40 PNG; no masks (for --model=cvae and vae)" in done.stdout
    assert done.stdout.splitlines()[-1] == "Train on it with --dataset=folder:prepared/squares"
    assert np.asarray(Image.open(user / "prepared/squares/contact_sheet.png")).std() > 10
    assert "splits: 32 train, 4 validation, 4 test" in (user / "prepared/squares/report.txt").read_text()
    # Another set under that name is refused, and what there is to look at stays.
    report = (user / "prepared/squares/report.txt").read_bytes()
    done = run("trainers.prepare", *files, "--masks=masks", "--name=squares", folder=user, expected=2)
    assert "prepared from other files or settings" in done.stderr
    assert (user / "prepared/squares/report.txt").read_bytes() == report
    training = ["trainers.train", "--dataset=folder:prepared/squares", "--run=run", "--image_size=32",
                "--width=0.0625", "--epochs=1", "--prior_steps=4", "--batch_size=8", "--latent_size=4"]
    refused = run(*training, "--model=cvae", "--run=run[1]", folder=user, expected=2).stderr
    assert "run='run[1]': TensorFlow treats [ ] in a path as wildcards" in refused and not (user / "run[1]").exists()
    refused = run(*training, folder=user, expected=2).stderr
    assert "the pictures of 'folder:prepared/squares' have no masks" in refused and "--model=cvae" in refused
    done = run(*training, "--model=cvae", folder=user)
    # However its folder is spelled, it is the same set.
    for spelled in ("prepared/squares/", user / "prepared" / "squares"):
        again = [f"--dataset=folder:{spelled}" if each.startswith("--dataset") else each for each in training]
        run(*again, "--model=cvae", "--dry_run", folder=user)
    # Drawn by the exported generator, loaded as an app would.
    assert np.asarray(Image.open(user / done.stdout.splitlines()[-1])).std() > 10
    assert (user / "run/models/generator/1/saved_model.pb").is_file()


def test_a_dry_run_writes_nothing_and_attributes_are_not_written_over(user):
    files = ["--images=images", "--attributes=attributes.csv", "--masks=masks"]
    done = run("trainers.prepare", *files, "--dry_run", folder=user)
    assert "40 pictures can be used: 40 PNG; each with a mask" in done.stdout
    done = run("trainers.prepare", *files[:2], "--predict_attributes=run", folder=user, expected=2)
    assert "'attributes.csv' exists" in done.stderr and not (user / "prepared").exists()


def test_nothing_that_is_read_is_written_over(user):
    done = run("trainers.prepare", "--images=images", "--attributes=attributes.csv", "--output=.", "--name=images",
               folder=user, expected=2)
    assert "is both the folder of pictures and that of results" in done.stderr
    table = user / "prepared" / "squares" / "report.txt"
    table.parent.mkdir(parents=True)
    table.write_bytes((user / "attributes.csv").read_bytes())
    done = run("trainers.prepare", "--images=images", f"--attributes={table}", "--name=squares", folder=user,
               expected=2)
    assert "the result of the report would overwrite" in done.stderr
    assert table.read_bytes() == (user / "attributes.csv").read_bytes() and len(list(table.parent.iterdir())) == 1


def test_a_regressor_writes_the_attributes_of_pictures_that_have_none(user):
    schema = AttributeSchema.measure(("round", "red"), np.random.default_rng(0).normal(size=(20, 2)))
    config = RegressorConfig(dataset="any", image_size=32, width=2, **schema.standardisation())
    network = attribute_regressor.build(config)
    place = user / "regressor"
    place.mkdir()
    (place / "config.json").write_text(config.to_json())
    (place / "schema.json").write_text(schema.to_json())
    attribute_regressor.save(network, place)
    (user / "images" / "broken.png").write_text("no picture")
    run("trainers.prepare", "--images=images", "--attributes=new.csv", "--predict_attributes=regressor",
        "--fit=whole", folder=user)
    with open(user / "new.csv", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["file", "round", "red"] and len(rows) == 40
    name, *values = rows[7]
    picture = Image.open(user / "images" / name).resize((32, 32), Image.Resampling.LANCZOS)
    expected, _ = attribute_regressor.load(place)(np.asarray(picture)[np.newaxis])
    np.testing.assert_allclose(np.array(values, float), expected[0], atol=2e-3)
    table = read_table(user / "new.csv")
    assert len(check_folder(user / "images", table).pictures) == 40 and table.names == ("round", "red")
