"""Files that TF Serving reads besides a SavedModel: warm-up records, and models, batching and session .config."""

import os
import pathlib

import numpy as np

from attr2image_tf.data.schema import AttributeSchema
from attr2image_tf.files import write_text
from attr2image_tf.later import tf
from attr2image_tf.signatures import encoded

MODELS = ("generator", "latent_optimizer")
WARMUP_FILE = os.path.join("assets.extra", "tf_serving_warmup_requests")


def plausible_rows(generate, schema: AttributeSchema) -> dict[str, np.ndarray]:
    """One row of inputs such as a client sends: attributes of the data's range, and the picture that is drawn for them.

    A descent from noise, which no latents draw, takes another number of steps than one from a picture.

    Args:
        generate: function of attributes [1, A] and seed int32 [1, 2] to images [1, H, W, 3] and latents [1, Z].
    """
    mean = schema.mean.astype(np.float32)
    drawn = generate(tf.constant(mean[np.newaxis]), tf.zeros([1, 2], tf.int32))
    return {"attributes": mean, "new_attributes": schema.maximum.astype(np.float32),
            # Blending layers may leave the range by a rounding.
            "images": np.clip(drawn["images"][0].numpy(), 0.0, 1.0), "latents": drawn["latents"][0].numpy()}


def example_inputs(function, vectors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Inputs that a signature accepts: one row of plausible values for each of its names.

    Args:
        function: ConcreteFunction of a signature.
        vectors: float32 arrays by name, the rows of inputs for which not any numbers will do, of `plausible_rows`;
            "images" serves for image_bytes too.
    """
    random, inputs, size = np.random.default_rng(0), {}, len(vectors["images"])
    for spec in tf.nest.flatten(function.structured_input_signature):
        name, shape = spec.name, [1, *spec.shape[1:]]
        if name in vectors:
            inputs[name] = vectors[name][np.newaxis]
        elif name.endswith("_bytes"):
            picture = np.ones((size, size, 1)) if name == "observed_bytes" else vectors["images"]
            inputs[name] = encoded.encode(tf.constant(picture[np.newaxis], tf.float32)).numpy()
        elif name == "observed":
            inputs[name] = np.ones(shape, np.float32)
            inputs[name][:, : size // 2, : size // 2] = 0.0
        elif spec.dtype == tf.int32:
            inputs[name] = np.arange(np.prod(shape), dtype=np.int32).reshape(shape)
        else:
            inputs[name] = random.random(shape, np.float32)
    return inputs


def write_warmup(path: pathlib.Path, name: str, functions, vectors):
    """Writes one PredictionLog record a signature into assets.extra/, which the server replays before it serves.

    Args:
        path: the SavedModel, not published yet.
        name: the model's name on the server.
        functions: ConcreteFunction by signature.
        vectors: of `plausible_rows`.

    Raises:
        ImportError: tensorflow-serving-api, of the extra `serving`, is not installed.
    """
    from tensorflow_serving.apis import prediction_log_pb2
    file = path / WARMUP_FILE
    file.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(file)) as writer:
        for signature, function in functions.items():
            log = prediction_log_pb2.PredictionLog()
            request = log.predict_log.request
            request.model_spec.name, request.model_spec.signature_name = name, signature
            for key, value in example_inputs(function, vectors).items():
                request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
            writer.write(log.SerializeToString())


def read_warmup(path: str | os.PathLike) -> list[tuple[str, dict[str, np.ndarray]]]:
    """Signatures and inputs of the warm-up records of a SavedModel; empty where there are none."""
    file = pathlib.Path(path) / WARMUP_FILE
    if not file.exists():
        return []
    from tensorflow_serving.apis import prediction_log_pb2
    records = []
    for content in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
        request = prediction_log_pb2.PredictionLog.FromString(content).predict_log.request
        records.append((request.model_spec.signature_name,
                        {name: tf.make_ndarray(value) for name, value in request.inputs.items()}))
    return records


def write_server_files(models: pathlib.Path):
    """Writes models.config, which serves the newest version of both models, batching.config, and session.config,
    without which the server rewrites graphs before it is ready (`generator.as_written`).

    Args:
        models: the folder of the exports; the server sees it as /models.
    """
    entries = "".join(
        f'  config {{\n    name: "{name}"\n    base_path: "/models/{name}"\n    model_platform: "tensorflow"\n'
        "    model_version_policy { latest { num_versions: 1 } }\n  }\n" for name in MODELS)
    write_text(models / "models.config", f"model_config_list {{\n{entries}}}\n")
    # More than 8 rows at once give no more a second (docs/notebook/serving.md), and all of them wait for the slowest
    # descent. So larger requests, up to the 64 rows that both models take, are split. No allowed_batch_sizes: padding
    # to them would compute rows that nobody asked for. Two batches at a time: every operation uses all cores, and more
    # would only wait for each other.
    write_text(models / "batching.config",
               "max_batch_size { value: 64 }\nenable_large_batch_splitting { value: true }\n"
               "max_execution_batch_size { value: 8 }\nbatch_timeout_micros { value: 2000 }\n"
               "max_enqueued_batches { value: 100 }\nnum_batch_threads { value: 2 }\n")
    write_text(models / "session.config", "graph_options { rewrite_options { disable_meta_optimizer: true } }\n")
