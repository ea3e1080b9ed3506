"""Laws of the LiteRT file: it draws what the model draws, as nearly as its weights allow."""

import json

import numpy as np
import pytest
from PIL import Image

from attr2image_tf.evaluation import metrics
from attr2image_tf.run_folder import RunFolder
from export import litert_file as litert
from tests.evaluation import tiny
from tests.tiny import make_model

pytestmark = pytest.mark.slow

# Peak signal-to-noise ratio, dB: rounding alone; the 11 bits of half floats; the 8 of integers, of which a person sees
# nothing.
LEAST = {"float32": 100.0, "float16": 60.0, "int8": 40.0}


@pytest.fixture(scope="module")
def schema():
    return tiny.make_dataset().schema


@pytest.fixture(scope="module", params=["vae", "cvae", "discvae"])
def model(request, schema):
    return tiny.make_model(request.param, schema)


@pytest.fixture(scope="module")
def files(model):
    """The content of the model's file by kind of weights."""
    return {weights: litert.convert(model, weights=weights) for weights in litert.WEIGHTS}


@pytest.fixture(scope="module")
def run(schema, tmp_path_factory):
    folder = RunFolder(tmp_path_factory.mktemp("runs") / "tiny")
    tiny.write_run(folder, "discvae", schema)
    return folder.path


@pytest.mark.parametrize("weights", litert.WEIGHTS)
def test_the_file_draws_what_the_model_draws(model, files, schema, weights):
    random = np.random.default_rng(0)
    noise, attributes = random.normal(size=(4, model.latent_size)).astype(np.float32), schema.draw({}, 4)
    content = files[weights]
    expected, found = litert.compare(model, litert.load(content), noise, attributes)
    assert expected.std() > 0.01
    # What gives latents away takes them, too.
    drawn = litert.load(content)(noise=noise[:1], attributes=attributes[:1])
    decoded = litert.load(content, "decode")(latents=drawn["latents"], attributes=attributes[:1])
    np.testing.assert_allclose(decoded["images"], drawn["images"], atol=1e-6)
    assert metrics.peak_signal_to_noise(metrics.pixel_error(found, expected)).min() > LEAST[weights]


def test_smaller_weights_make_a_smaller_file():
    # Wide enough that kernels are most of the file.
    int8, float16, float32 = (len(litert.convert(make_model("cvae", width=0.25), weights=weights))
                              for weights in litert.WEIGHTS)
    assert int8 < 0.7 * float16 < 0.5 * float32


def test_unknown_weights_are_refused(model):
    with pytest.raises(ValueError, match="weights='int4'; expected one of int8"):
        litert.convert(model, weights="int4")


def test_export_writes_the_file_what_an_app_must_know_and_a_sheet(run, tmp_path):
    report = litert.export_litert(run, tmp_path / "out" / "tiny.tflite", samples=3)
    about = json.loads((tmp_path / "out" / "tiny.json").read_text())
    decode = litert.load((tmp_path / "out" / "tiny.tflite").read_bytes(), "decode")
    images = decode(latents=np.zeros((1, about["latent_size"]), np.float32),
                    attributes=np.array([about["schema"]["mean"]], np.float32))["images"]
    assert images.shape == (1, about["image_size"], about["image_size"], 3)
    assert about["mean_difference"] == report["mean_difference"] <= report["largest_difference"]
    assert np.asarray(Image.open(tmp_path / "out" / "tiny.png")).shape[1] > 100


@pytest.mark.parametrize("name", ["config.tflite", "schema.tflite"])
def test_a_file_of_the_run_is_not_written_over(run, name):
    before = {path: path.read_bytes() for path in run.iterdir() if path.is_file()}
    with pytest.raises(ValueError, match=f"result of '.*{name}' would overwrite '.*json', which is read"):
        litert.export_litert(run, run / name)
    assert {path: path.read_bytes() for path in run.iterdir() if path.is_file()} == before
