"""RestModels and GrpcModels: exported models behind TF Serving, called as if they were here."""

import base64
import contextlib
import json
import time

import numpy as np

from attr2image_tf.client.local import Models

# A request that the server could not take up is tried so often again, after 0.2, 0.4, 0.8 ... seconds.
ATTEMPTS = 5
FIRST_PAUSE_SECONDS = 0.2

_DTYPES = {"DT_FLOAT": np.float32, "DT_INT32": np.int32, "DT_INT64": np.int64, "DT_STRING": object}
# What a server says of a request that it will never answer. An unknown signature is FAILED_PRECONDITION to TF Serving.
_REFUSALS = ("INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION", 400, 404)


class ServerError(RuntimeError):
    """The server cannot be reached, failed, or is not TF Serving; the request is not at fault."""


class RefusedError(ValueError):
    """The server refuses this request; the message is the server's own.

    Args:
        message: text.
        status: the HTTP status, such as 400, or the name of the gRPC code, such as "INVALID_ARGUMENT".
    """

    def __init__(self, message: str, status: int | str):
        super().__init__(message)
        self.status = status


class RestModels(Models):
    """Models behind TF Serving's REST interface.

    Args:
        address: such as "http://localhost:8501".
        timeout: seconds for one answer.
        models: the server's names of generator and latent optimiser, where they differ.
        attempts: how often a request is tried while the server is not available.
    """

    def __init__(self, address: str, *, timeout: float = 60.0, models: dict[str, str] | None = None,
                 attempts: int = ATTEMPTS):
        # An extra of its own: an app with local models has no need of it.
        import requests
        self._requests = requests
        self.address, self.timeout, self.attempts = address.rstrip("/"), timeout, attempts
        self._names = models or {}
        self._session = requests.Session()
        self._metadata = {}

    def send(self, model, signature, inputs):
        body = {"signature_name": signature, "inputs": {name: _json(value) for name, value in inputs.items()}}
        path = f"/v1/models/{self._name(model)}:predict"
        whole = self._ask("POST", path, body)
        # Asked for afterwards, so that an unknown signature is refused in the server's words.
        if not self.has(model, signature):
            raise ServerError(f"{self.address}: {self._name(model)} answers to {signature!r} but does not list it; "
                              "it has just loaded a new version, so try again, or it is not TF Serving.")
        outputs = self._metadata[model][signature]
        with self._expected(path, whole):
            answer = whole["outputs"]
            # A signature of one output answers with its value alone.
            answer = dict.fromkeys(outputs, answer) if len(outputs) == 1 else answer
            return {name: _array(answer[name], _DTYPES[dtype]) for name, dtype in outputs.items()}

    def has(self, model, signature):
        if model not in self._metadata:
            path = f"/v1/models/{self._name(model)}/metadata"
            answer = self._ask("GET", path)
            with self._expected(path, answer):
                # By name the types of the outputs, by theirs.
                self._metadata[model] = {
                    name: {output: info["dtype"] for output, info in signature["outputs"].items()}
                    for name, signature in answer["metadata"]["signature_def"]["signature_def"].items()}
        return signature in self._metadata[model]

    @contextlib.contextmanager
    def _expected(self, path, answer):
        """For what reads an answer as TF Serving writes it; of another one it says what came."""
        try:
            yield
        except (LookupError, TypeError, ValueError, AttributeError):
            raise self._foreign(path, json.dumps(answer)) from None

    def _foreign(self, path, text):
        what = " ".join(text[:500].split())
        return ServerError(f"{self.address}{path} answers, and not as TF Serving does: "
                           f"{f'{what[:200]!r}' if what else 'nothing came'}; is that its address?")

    def _ask(self, method, path, body=None):
        errors = self._requests.exceptions

        def attempt():
            try:
                # Written here, since requests refuses NaN, of which the model has something clearer to say.
                answer = self._session.request(method, self.address + path, timeout=self.timeout,
                                               data=None if body is None else json.dumps(body))
            except errors.ConnectionError as error:
                return None, str(error)
            except errors.RequestException as error:
                raise ServerError(f"{self.address}{path}: {error}") from None
            return (None, answer.text) if answer.status_code == 503 else (answer, None)

        answer = _persistently(attempt, self.address + path, self.attempts)
        try:
            content = answer.json()
        except ValueError:
            content = None
        message = content.get("error") if isinstance(content, dict) else None
        # Without a message of its own the refusal is that of somebody on the way, or of another program.
        if answer.status_code in _REFUSALS and message is not None:
            raise RefusedError(f"{self.address}{path}: {message}", answer.status_code)
        if answer.status_code != 200:
            raise ServerError(f"{self.address}{path}: {answer.status_code} "
                              f"{answer.text[:500] if message is None else message}")
        if not isinstance(content, dict):
            raise self._foreign(path, answer.text)
        return content

    def _name(self, model):
        return self._names.get(model, model)


class GrpcModels(Models):
    """Models behind TF Serving's gRPC interface.

    Args:
        address: such as "localhost:8500".
        timeout: seconds for one answer.
        models: the server's names of generator and latent optimiser, where they differ.
        credentials: grpc.ChannelCredentials where the way to the server is encrypted.
        attempts: how often a request is tried where the server is not available.
    """

    def __init__(self, address: str, *, timeout: float = 60.0, models: dict[str, str] | None = None, credentials=None,
                 attempts: int = ATTEMPTS):
        import grpc
        from tensorflow_serving.apis import prediction_service_pb2_grpc
        self._grpc = grpc
        self.address, self.timeout, self.attempts = address.rstrip("/"), timeout, attempts
        address = self.address
        self._names = models or {}
        # A batch of 256 pictures with their layers as floats.
        options = [("grpc.max_receive_message_length", 2**30), ("grpc.max_send_message_length", 2**30)]
        channel = (grpc.secure_channel(address, credentials, options) if credentials else
                   grpc.insecure_channel(address, options))
        self._stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        self._known = {}

    def has(self, model, signature):
        if model not in self._known:
            from tensorflow_serving.apis import get_model_metadata_pb2
            request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
            request.model_spec.name = self._names.get(model, model)
            answer = self._ask(self._stub.GetModelMetadata, request, f"{model}, metadata")
            table = get_model_metadata_pb2.SignatureDefMap()
            answer.metadata["signature_def"].Unpack(table)
            self._known[model] = set(table.signature_def)
        return signature in self._known[model]

    def send(self, model, signature, inputs):
        import tensorflow as tf
        from tensorflow_serving.apis import predict_pb2
        request = predict_pb2.PredictRequest()
        request.model_spec.name = self._names.get(model, model)
        request.model_spec.signature_name = signature
        for name, value in inputs.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
        answer = self._ask(self._stub.Predict, request, f"{model}, {signature}")
        return {name: tf.make_ndarray(value) for name, value in answer.outputs.items()}

    def _ask(self, method, request, what):
        codes = self._grpc.StatusCode

        def attempt():
            try:
                return method(request, timeout=self.timeout), None
            except self._grpc.RpcError as error:
                if error.code() == codes.UNAVAILABLE:
                    return None, error.details()
                message = f"{self.address}, {what}: {error.details()}"
                if error.code().name in _REFUSALS:
                    raise RefusedError(message, error.code().name) from None
                raise ServerError(f"{message} ({error.code().name})") from None

        return _persistently(attempt, self.address, self.attempts)


def _persistently(attempt, address, attempts):
    """The answer of an attempt, a function that returns (answer, None) or (None, why the server is not there)."""
    for number in range(attempts):
        answer, why = attempt()
        if why is None:
            return answer
        if number + 1 < attempts:
            time.sleep(FIRST_PAUSE_SECONDS * 2**number)
    raise ServerError(f"{address} is not available after {attempts} attempts: {why}")


def _json(value):
    value = np.asarray(value)
    return _texts(value.tolist()) if value.dtype.kind in "SO" else value.tolist()


def _texts(value):
    if isinstance(value, list):
        return [_texts(item) for item in value]
    return {"b64": base64.b64encode(value).decode("ascii")} if isinstance(value, bytes) else value


def _array(value, dtype):
    if dtype is object and isinstance(value, list):
        return np.array([_array(item, dtype) for item in value], object)
    if dtype is not object:
        return np.array(value, dtype)
    return base64.b64decode(value["b64"]) if isinstance(value, dict) else value.encode()
