"""The generator as the content of one LiteRT file.

    generate: noise [1, Z], attributes [1, A] -> images [1, H, W, 3] in [0, 1], latents [1, Z]
    decode: latents [1, Z], attributes [1, A] -> images [1, H, W, 3] in [0, 1]

The app draws the noise from N(0, 1), since LiteRT has no seeded random numbers; the run's prior maps it to latents.
"""

import json
import os
import pathlib
import tempfile

import numpy as np
import tensorflow as tf

from attr2image_tf import pixels
from attr2image_tf.config import LITERT_WEIGHTS as WEIGHTS
from attr2image_tf.files import check_outputs, replacing, write_text
from attr2image_tf.models import AttributeModel
from attr2image_tf.models.folding import fold
from attr2image_tf.run_folder import RunFolder
from attr2image_tf.signatures.publishing import save_quietly


def convert(model: AttributeModel, *, weights: str = "int8") -> bytes:
    """The content of a LiteRT file with the signatures generate and decode, which share their weights.

    Args:
        model: AttributeModel, its weights final and not folded yet; folded here, as LiteRT likes it.
        weights: one of WEIGHTS. int8 keeps a scale for each output channel and computes with int8 activations, whose
            scale is found at each call ("dynamic range quantisation"); float16 computes in float32.

    Raises:
        ValueError: unknown weights.
    """
    if weights not in WEIGHTS:
        raise ValueError(f"weights={weights!r}; expected one of {', '.join(WEIGHTS)}.")
    fold(model, gradients=False)

    def decode(latents, attributes):
        return {"images": pixels.unit_from_model_range(model.decode(latents, attributes)["images"])}

    def generate(noise, attributes):
        latents = model.latents_from_noise(noise, attributes)
        return decode(latents, attributes) | {"latents": latents}

    attributes = tf.TensorSpec([1, model.config.attribute_count], tf.float32, "attributes")
    signatures = {name: tf.function(function).get_concrete_function(
        tf.TensorSpec([1, model.latent_size], tf.float32, of), attributes)
        for name, function, of in (("generate", generate, "noise"), ("decode", decode, "latents"))}
    module = tf.Module()
    module.read = [variable for function in signatures.values() for variable in function.graph.variables]
    with tempfile.TemporaryDirectory() as folder:
        # By way of a SavedModel, whose signature the file keeps; a bare function's names get lost.
        save_quietly(module, folder, signatures)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=list(signatures))
        if weights != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if weights == "float16":
            converter.target_spec.supported_types = [tf.float16]
        return converter.convert()


def load(content: bytes, signature: str = "generate", *, threads: int = 1):
    """A signature as a function that returns a dictionary of arrays, from the content of a file.

    Raises:
        ImportError: ai-edge-litert, of the extra `litert`, is not installed.
    """
    from ai_edge_litert.interpreter import Interpreter
    return Interpreter(model_content=content, num_threads=threads).get_signature_runner(signature)


def compare(model: AttributeModel, generate, noise, attributes) -> tuple[np.ndarray, np.ndarray]:
    """Pictures [N, H, W, 3] in [0, 1] of the model and of a loaded file, for the same N requests."""
    latents = model.latents_from_noise(tf.constant(noise), tf.constant(attributes))
    expected = pixels.unit_from_model_range(model.decode(latents, tf.constant(attributes))["images"])
    found = [generate(noise=noise[row:row + 1], attributes=attributes[row:row + 1])["images"][0]
             for row in range(len(noise))]
    return expected.numpy(), np.stack(found)


def export_litert(run: str | os.PathLike, output: str | os.PathLike, *, weights: str = "int8", samples: int = 64
                  ) -> dict[str, float]:
    """Writes the file of a run, its JSON and its sheet.

    Args:
        run: the run folder.
        output: the file, *.tflite.
        weights: one of WEIGHTS.
        samples: int, at least 1. Pictures that are compared with the run's own model.

    Returns:
        mean_difference and largest_difference in levels of 255.

    Raises:
        ConfigError: `run` is no run, or has no checkpoint yet.
        ValueError: the run's path has wildcards, or a file of the run would be overwritten.
    """
    output, folder = pathlib.Path(output), RunFolder(run)
    check_outputs([(repr(str(output)), output.with_suffix(ending)) for ending in (output.suffix, ".json", ".png")],
                  folder.path.iterdir() if folder.path.is_dir() else [])
    model, schema = folder.load_model(), folder.read_schema()
    content = convert(model, weights=weights)
    noise = np.random.default_rng(0).normal(size=(samples, model.latent_size)).astype(np.float32)
    expected, found = compare(model, load(content), noise, schema.draw({}, samples))
    difference = 255.0 * np.abs(found - expected)
    report = {"mean_difference": float(difference.mean()), "largest_difference": float(difference.max())}
    output.parent.mkdir(parents=True, exist_ok=True)
    shown = range(min(8, samples))
    pixels.save(pixels.grid([[expected[i] for i in shown], [found[i] for i in shown]],
                            row_labels=["float32", weights]), output.with_suffix(".png"))
    write_text(output.with_suffix(".json"), json.dumps(
        {"latent_size": model.latent_size, "image_size": model.config.image_size, "weights": weights, **report,
         "schema": json.loads(schema.to_json())}))
    with replacing(output) as beside:
        beside.write_bytes(content)
    return report
