"""Laws of exports whose kernels are stored in 16 bits."""

import pytest
import tensorflow as tf

from attr2image_tf.models.folding import fold
from attr2image_tf.run_folder import RunFolder
from export import publishing
from export.generator import Generator
from tests.evaluation import tiny

pytestmark = pytest.mark.slow


def test_half_the_bits_take_half_the_space_and_draw_nearly_the_same(tmp_path):
    folder = RunFolder(tmp_path / "run")
    tiny.write_run(folder, "cvae", tiny.make_dataset().schema)
    model = folder.load_model()
    fold(model, tf.float16, gradients=False)
    module = Generator(model, folder.read_schema())
    functions = module.signatures()
    version = publishing.publish(module, functions, tmp_path / "generator")
    mean, largest = publishing.picture_difference(folder.path, version, samples=3)
    assert 0.0 < mean < largest < 1.0
    read = {variable.ref(): variable for name in ("encode", "generate") for variable in functions[name].graph.variables}
    full = 4 * sum(variable.shape.num_elements() for variable in read.values())
    assert (version / "variables" / "variables.data-00000-of-00001").stat().st_size < 0.6 * full
