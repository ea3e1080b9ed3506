"""The whole path on the official files: archives, masks, training, export, an app. A tiny network, one epoch."""

import csv
import importlib.util
import json
import pathlib
import subprocess
import sys
import tarfile

import numpy as np
import pytest
from PIL import Image

from tests.processes import run

pytestmark = pytest.mark.nightly

APP = """
import sys
import tensorflow as tf
generator = tf.saved_model.load(sys.argv[1])
about = generator.signatures["describe"](request=tf.constant([0]))
assert about["names"].shape[1] == 73, about["names"].shape
drawn = generator.signatures["generate"](attributes=tf.repeat(about["mean"], 2, 0), seed=tf.constant([[0, 1], [0, 2]]))
assert drawn["images"].shape == (2, 32, 32, 3)
assert float(tf.reduce_max(tf.abs(drawn["images"][0] - drawn["images"][1]))) > 0.0
assert not [name for name in sys.modules if name.startswith(("attr2image_tf", "tensorflow_probability"))]
"""


def infer(exported, folder, source):
    """Finds, fills in and edits a picture that is one of two files, through the exported latent optimiser."""
    pictures, output = folder / "pictures", folder / "inferred"
    pictures.mkdir()
    with tarfile.open(pathlib.Path(source) / "lfw" / "lfw-funneled.tgz") as archive:
        member = next(member for member in archive if member.name.endswith(".jpg"))
        (pictures / "face.jpg").write_bytes(archive.extractfile(member).read())
    (pictures / "broken.jpg").write_bytes(b"no picture")
    arguments = ["trainers.infer", f"--models={exported}", f"--images={pictures}", f"--output={output}",
                 "--region=45,45,160", "--hide=100,100,140,130"]
    refused = run(*arguments, "--set=Smilling=1", expected=2)
    assert "unknown attribute 'Smilling'. Did you mean 'Smiling'" in refused.stderr and not output.exists()
    done = run(*arguments, "--set=Smiling=max")
    assert "broken.jpg" in done.stderr and "1 of 2 pictures were left out" in done.stderr
    assert sorted(path.name for path in output.iterdir() if not path.name.startswith(".")) == [
        "face.json", "face.png", "face_result.png", "sheet.png"]
    record = json.loads((output / "face.json").read_text())
    assert record["region"] == [45, 45, 160] and len(record["attributes"]) == 73
    before, after = (np.asarray(Image.open(path)) for path in (pictures / "face.jpg", output / "face_result.png"))
    assert after.shape == (250, 250, 3) and (after[:45] == before[:45]).all()
    assert (after[100:130, 100:140] != before[100:130, 100:140]).any()
    if importlib.util.find_spec("mtcnn"):
        run(*arguments[:-2], "--region=face", "--face=1", "--hide=100,100,140,130")
        record = json.loads((output / "face.json").read_text())
        assert record["region"]["middle"] == pytest.approx([125, 125], abs=20) and record["face"]["number"] == 1


def test_from_the_official_archives_to_an_app(real_lfw, tmp_path):
    source, prepared = real_lfw
    data = [f"--data_dir={source}", f"--prepared_dir={prepared}", "--image_size=32"]
    training = ["trainers.train", "--flagfile=lfw.flags", f"--run={tmp_path / 'run'}", "--width=0.0625",
                "--epochs=1", "--prior_steps=20", "--batch_size=64", *data]
    counts = run(*training, "--dry_run").stdout
    assert "train: 8,737 examples, validation: 727 examples, test: 2,258 examples" in counts
    output = run(*training).stdout

    sheet = pathlib.Path(output.strip().splitlines()[-1])
    assert np.asarray(Image.open(sheet)).std() > 10
    with open(tmp_path / "run" / "log.csv", newline="") as file:
        [row] = csv.DictReader(file)
    assert np.isfinite(float(row["validation_lower_bound"]))
    exported = tmp_path / "run" / "models"
    subprocess.run([sys.executable, "-c", APP, exported / "generator" / "1"], check=True)
    infer(exported, tmp_path, source)

    refused = run(*training, "--learning_rate=1", expected=2)
    assert "another configuration" in refused.stderr
