"""Laws of what is shown after each epoch."""

import types

import numpy as np
import pytest
from PIL import Image

from attr2image_tf import models
from attr2image_tf.config import ModelConfig, RunConfig
from attr2image_tf.data.emblems import open_emblems
from attr2image_tf.run_folder import RunFolder
from trainers.journal import Journal


@pytest.mark.parametrize(("train", "validation"), [(4, 3), (2, 1), (20, 10)])
@pytest.mark.slow
def test_sheets_show_as_many_pictures_as_there_are(tmp_path, train, validation):
    dataset = open_emblems(image_size=32, train=train, validation=validation, test=1)
    model = models.create(ModelConfig(
        model="cvae", image_size=32, width=1 / 16, latent_size=4, attribute_mean=tuple(dataset.schema.mean.tolist()),
        attribute_standard_deviation=tuple(dataset.schema.scale.tolist())))
    config = RunConfig(dataset="emblems", model=model.config, epochs=1, batch_size=2)
    row = {"train_lower_bound": 1.0, "validation_lower_bound": 1.0, "pictures_per_second": 1.0}
    Journal(RunFolder(tmp_path), dataset, config)(
        types.SimpleNamespace(model=model, learner=types.SimpleNamespace(
            describe=str, pictures=lambda batch, seeds: {})), 0, row)
    shown = min(8, train, validation)
    for name in ("samples", "reconstructions"):
        sheet = np.asarray(Image.open(tmp_path / "samples" / f"{name}_0001.png"))
        assert sheet.shape[0] // 34 == shown
