"""The forms in which one generator can be shipped, each as a file or folder and a function that draws with it.

An app that imports TensorFlow alone has oneDNN where TensorFlow takes it by default. On processors where that is not so
(x86 without VNNI instructions), TF_ENABLE_ONEDNN_OPTS=0 measures what such an app sees.
"""

import dataclasses
import json
import pathlib
import statistics
import subprocess
import sys
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from attr2image_tf import models
from attr2image_tf.config import ModelConfig
from attr2image_tf.data.schema import AttributeSchema
from attr2image_tf.models import AttributeModel
from attr2image_tf.models.folding import fold
from attr2image_tf.signatures.generator import Generator
from attr2image_tf.signatures.publishing import STORAGE, publish
from export import litert_file as litert

KERAS, FLOAT32 = "plain Keras export", "float32"
# A program of its own: nothing of this package may be needed to serve.
_LOAD = pathlib.Path(__file__).with_name("load_form.py")


@dataclasses.dataclass(frozen=True)
class Form:
    """A generator as it is shipped.

    Attributes:
        path: the file or folder.
        draw: function of attributes [B, A] and seed [B, 2] that waits for B pictures.
        largest_batch: int. LiteRT files are of batch 1.
    """

    path: pathlib.Path
    draw: Callable
    largest_batch: int = 256

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(file.stat().st_size for file in [self.path, *self.path.rglob("*")] if file.is_file())


def paper_size() -> tuple[AttributeModel, AttributeSchema]:
    """A new network of the paper's size with the 73 attributes of LFW; weights do not matter for the time."""
    schema = AttributeSchema.measure([f"attribute {i}" for i in range(73)],
                                     np.random.default_rng(0).normal(size=(200, 73)))
    return models.create(ModelConfig(attribute_mean=tuple(schema.mean.tolist()),
                                     attribute_standard_deviation=tuple(schema.standard_deviation.tolist()))), schema


def make_forms(create_model: Callable[[], AttributeModel], schema: AttributeSchema, folder: pathlib.Path,
               *, threads: int) -> dict[str, Form]:
    """All forms by name.

    Args:
        create_model: function that gives the model anew, not folded.
        schema: AttributeSchema.
        folder: where they are written.
        threads: int. Of LiteRT.
    """
    forms = {KERAS: keras_export(create_model(), folder / "keras")}
    for weights, storage in STORAGE.items():
        model = create_model()
        fold(model, storage, gradients=False)
        module = Generator(model, schema)
        forms[weights] = _saved_model(publish(module, module.signatures(), folder / weights))
    for weights in litert.WEIGHTS:
        path = folder / f"{weights}.tflite"
        path.write_bytes(litert.convert(create_model(), weights=weights))
        forms[f"LiteRT {weights}"] = litert_form(path, create_model().latent_size, threads)
    return forms


def keras_export(model: AttributeModel, path: pathlib.Path) -> Form:
    """What Keras itself exports of the model: nothing folded, training's variables kept."""
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint("generate", lambda attributes, seed: {"images": model.generate(attributes, seed)["images"]}, [
        tf.TensorSpec([None, model.config.attribute_count], tf.float32, "attributes"),
        tf.TensorSpec([None, 2], tf.int32, "seed")])
    archive.write_out(str(path), verbose=False)
    return _saved_model(path)


def litert_form(path: pathlib.Path, latent_size: int, threads: int) -> Form:
    """A LiteRT file, and the draw of noise that an app makes before it."""
    generate = litert.load(path.read_bytes(), threads=threads)

    def draw(attributes, seed):
        noise = np.random.default_rng(seed[0]).normal(size=(1, latent_size)).astype(np.float32)
        return generate(noise=noise, attributes=attributes)["images"]

    return Form(path, draw, largest_batch=1)


def measure_load(form: Form, times: int) -> dict[str, float]:
    """Medians of load_seconds, first_seconds and memory_gib over so many fresh processes; needs Linux."""
    answers = [json.loads(subprocess.run([sys.executable, "-I", str(_LOAD), str(form.path)], check=True,
                                         stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1])
               for _ in range(times)]
    return {name: statistics.median(answer[name] for answer in answers) for name in answers[0]}


def _saved_model(path):
    loaded = tf.saved_model.load(str(path))

    def draw(attributes, seed):
        # The loaded object holds the variables, so it is what must stay.
        generate = loaded.signatures["generate"]
        return generate(attributes=tf.constant(attributes), seed=tf.constant(seed))["images"].numpy()

    return Form(path, draw)
