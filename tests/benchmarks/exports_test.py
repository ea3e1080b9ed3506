"""Laws of the forms that benchmarks compare."""

import pathlib
import sys

import numpy as np
import pytest

from attr2image_tf.data.schema import AttributeSchema
from attr2image_tf.models.folding import fold
from attr2image_tf.signatures.generator import Generator
from attr2image_tf.signatures.publishing import publish
from benchmarks import exports
from export import litert_file
from tests.tiny import make_model

pytestmark = [pytest.mark.slow,
              pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from Linux' /proc")]


@pytest.fixture
def forms(tmp_path) -> dict[str, pathlib.Path]:
    file = tmp_path / "tiny.tflite"
    file.write_bytes(litert_file.convert(make_model()))
    model = make_model()
    fold(model, gradients=False)
    module = Generator(model, AttributeSchema.measure(list("abc"), np.random.default_rng(0).normal(size=(20, 3))))
    return {"LiteRT": file, "SavedModel": publish(module, module.signatures(), tmp_path / "float32")}


def test_a_form_loads_and_draws_in_a_process_of_its_own(forms):
    for name, path in forms.items():
        measured = exports.measure_load(exports.Form(path, draw=None), times=1)
        assert set(measured) == {"load_seconds", "first_seconds", "memory_gib"}
        assert all(0.0 < value < 100.0 for value in measured.values()), (name, measured)
