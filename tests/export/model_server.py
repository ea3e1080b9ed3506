"""A server of SavedModels for tests: TF Serving's REST and gRPC interfaces over the v1 loader.

Messages, status codes and the shape of answers are TF Serving's, so that the client is exercised in every run. It is no
product: it knows neither batching nor versions beyond the newest. By hand, for the load test:

    python -m tests.export.model_server MODELS [REST_PORT] [GRPC_PORT]
"""

import base64
import concurrent.futures
import contextlib
import http.server
import json
import os
import pathlib
import sys
import threading

import grpc
import numpy as np
import tensorflow as tf
from tensorflow.core.framework import types_pb2
from tensorflow_serving.apis import get_model_metadata_pb2, predict_pb2, prediction_service_pb2_grpc


def newest_version(base: pathlib.Path) -> pathlib.Path:
    """The folder of a model's largest version."""
    return max((path for path in base.iterdir() if path.name.isdigit()), key=lambda path: int(path.name))


class LoadedModel:
    """The newest version below a folder, in a session of its own."""

    def __init__(self, base: pathlib.Path):
        newest = newest_version(base)
        self.version = newest.name
        with tf.Graph().as_default():
            self.session = tf.compat.v1.Session()
            # A plain dictionary, since a protobuf's makes an empty signature of every name that it is asked for.
            self.table = dict(tf.compat.v1.saved_model.loader.load(self.session, ["serve"], str(newest)).signature_def)

    def run(self, signature, inputs):
        """Answers by name; FailedPreconditionError for an unknown signature, InvalidArgumentError for a bad request."""
        if signature not in self.table:
            raise tf.errors.FailedPreconditionError(None, None, f'Serving signature key "{signature}" not found.')
        info = self.table[signature]
        if set(inputs) != set(info.inputs):
            raise tf.errors.InvalidArgumentError(
                None, None, f"input keys {sorted(inputs)}, expected {sorted(info.inputs)}")
        feeds = {}
        for name, value in inputs.items():
            tensor = info.inputs[name]
            try:
                feeds[tensor.name] = _typed(value, tf.as_dtype(tensor.dtype))
            except (ValueError, TypeError) as error:
                raise tf.errors.InvalidArgumentError(None, None, f"{name}: {error}") from error
        try:
            return self.session.run({name: tensor.name for name, tensor in info.outputs.items()}, feeds)
        except (ValueError, TypeError) as error:
            raise tf.errors.InvalidArgumentError(None, None, str(error)) from error


def _typed(value, expected):
    """A value as TF Serving takes it: a tensor (gRPC) of the very type, numbers of JSON (REST) that fit it."""
    array = np.asarray(value)
    if isinstance(value, np.ndarray):
        if array.dtype != expected.as_numpy_dtype:
            raise TypeError(f"Expects arg to be {expected.name} but {array.dtype} is provided")
    elif expected.is_integer and (array.dtype.kind != "i" or (array != array.astype(expected.as_numpy_dtype)).any()):
        raise TypeError(f"JSON Value is not of type {expected.name}")
    return array.astype(expected.as_numpy_dtype)


class _Predictions(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, models):
        self.models = models

    def Predict(self, request, context):
        name, signature = request.model_spec.name, request.model_spec.signature_name or "serving_default"
        if name not in self.models:
            context.abort(grpc.StatusCode.NOT_FOUND, f"Servable not found for request: {name}")
        try:
            answers = self.models[name].run(
                signature, {key: tf.make_ndarray(value) for key, value in request.inputs.items()})
        except tf.errors.FailedPreconditionError as error:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, error.message)
        except tf.errors.InvalidArgumentError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, error.message)
        response = predict_pb2.PredictResponse()
        for key, value in answers.items():
            response.outputs[key].CopyFrom(tf.make_tensor_proto(value))
        return response

    def GetModelMetadata(self, request, context):
        name = request.model_spec.name
        if name not in self.models:
            context.abort(grpc.StatusCode.NOT_FOUND, f"Servable not found for request: {name}")
        table = get_model_metadata_pb2.SignatureDefMap()
        for key, info in self.models[name].table.items():
            table.signature_def[key].CopyFrom(info)
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        response.metadata["signature_def"].Pack(table)
        return response


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        del arguments

    def do_GET(self):
        parts = self.path.strip("/").split("/")
        model = self.server.models.get(parts[2]) if len(parts) > 2 else None
        if model is None:
            self._answer(404, {"error": f"Could not find any versions of model {self.path}"})
        elif parts[-1] == "metadata":
            definitions = {name: {"inputs": _tensors(info.inputs), "outputs": _tensors(info.outputs)}
                           for name, info in model.table.items()}
            self._answer(200, {"metadata": {"signature_def": {"signature_def": definitions}}})
        else:
            self._answer(200, {"model_version_status": [{"version": model.version, "state": "AVAILABLE"}]})

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        name = self.path.strip("/").split("/")[-1].removesuffix(":predict")
        if name not in self.server.models:
            self._answer(404, {"error": f"Servable not found for request: {name}"})
            return
        try:
            request = json.loads(body)
            inputs = {key: _decoded(value) for key, value in request["inputs"].items()}
            answers = self.server.models[name].run(request.get("signature_name", "serving_default"), inputs)
        except (tf.errors.InvalidArgumentError, tf.errors.FailedPreconditionError) as error:
            self._answer(400, {"error": error.message})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            self._answer(400, {"error": f"JSON Parse error: {error}"})
        else:
            outputs = {key: _encoded(key, value) for key, value in answers.items()}
            self._answer(200, {"outputs": outputs if len(outputs) > 1 else next(iter(outputs.values()))})

    def _answer(self, status, content):
        text = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


def _tensors(infos):
    return {name: {"dtype": types_pb2.DataType.Name(info.dtype)} for name, info in infos.items()}


def _decoded(value):
    if isinstance(value, dict):
        return base64.b64decode(value["b64"])
    return [_decoded(item) for item in value] if isinstance(value, list) else value


def _encoded(name, value):
    if isinstance(value, np.ndarray):
        if value.dtype != object:
            return value.tolist()
        value = value.tolist()
    if isinstance(value, list):
        return [_encoded(name, item) for item in value]
    # As TF Serving does: bytes are base64 only where the name says so.
    return {"b64": base64.b64encode(value).decode()} if name.endswith("_bytes") else value.decode()


def _poll(models, folder, seconds, stopped):
    """Replaces models by newer versions as they appear; requests under way end with the old ones."""
    while not stopped.wait(seconds):
        for name, model in models.items():
            if newest_version(folder / name).name != model.version:
                models[name] = LoadedModel(folder / name)


@contextlib.contextmanager
def serve(folder: pathlib.Path, *, models: dict[str, LoadedModel] | None = None, rest_port: int = 0,
          grpc_port: int = 0, poll_seconds: float | None = None):
    """Serves all models below a folder on loopback; gives the REST and the gRPC address.

    Args:
        folder: of exports.
        models: of the folder by name, where they are loaded already.
        rest_port: int; 0 takes a free one.
        grpc_port: int; 0 takes a free one.
        poll_seconds: how often to look for newer versions; None never does. A version that cannot be loaded when it
            is first seen is raised at the end.
    """
    models = models or {path.name: LoadedModel(path) for path in folder.iterdir() if path.is_dir()}
    rest = http.server.ThreadingHTTPServer(("127.0.0.1", rest_port), _Handler)
    rest.models = models
    threading.Thread(target=rest.serve_forever, daemon=True).start()
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(8), options=[("grpc.max_receive_message_length", 2**28)])
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(_Predictions(models), server)
    port = server.add_insecure_port(f"127.0.0.1:{grpc_port}")
    server.start()
    stopped = threading.Event()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        polling = pool.submit(_poll, models, folder, poll_seconds, stopped) if poll_seconds else None
        try:
            yield f"http://127.0.0.1:{rest.server_address[1]}", f"grpc://127.0.0.1:{port}"
        finally:
            stopped.set()
            rest.shutdown()
            rest.server_close()
            server.stop(None)
    if polling:
        polling.result()


def main(folder, rest_port="8501", grpc_port="8500"):
    with serve(pathlib.Path(folder), rest_port=int(rest_port), grpc_port=int(grpc_port)) as addresses:
        print(*addresses, f"process {os.getpid()}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
