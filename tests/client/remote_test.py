"""Laws of what answers at an address and is no TF Serving, or is cut on its way."""

import http.server
import json
import threading

import numpy as np
import pytest

from attr2image_tf.client import remote
from attr2image_tf.client.remote import RefusedError, RestModels, ServerError

METADATA = {"metadata": {"signature_def": {"signature_def": {
    "one": {"outputs": {"images": {"dtype": "DT_FLOAT"}}},
    "two": {"outputs": {"images": {"dtype": "DT_FLOAT"}, "names": {"dtype": "DT_STRING"}}}}}}}


@pytest.fixture
def server():
    """A server that answers whatever its `answers` have, status and body by method, and its address."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, body = self.server.answers[self.command]
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = answer  # noqa: N815 - names of http.server

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as found:
        found.answers = {"GET": (200, json.dumps(METADATA).encode())}
        found.address = f"http://127.0.0.1:{found.server_port}"
        threading.Thread(target=found.serve_forever, args=(0.01,), daemon=True).start()
        yield found
        found.shutdown()


def ask(server, signature="one"):
    models = RestModels(server.address, attempts=1)
    # As users do, whose proxy shall not be asked.
    models._session.trust_env = False
    return models.call("generator", signature, attributes=np.zeros((1, 3), np.float32))


def test_answers_of_one_output_and_of_two_are_read(server):
    server.answers["POST"] = 200, b'{"outputs": [[1.5]]}'
    np.testing.assert_array_equal(ask(server)["images"], [[1.5]])
    server.answers["POST"] = 200, b'{"outputs": {"images": [2], "names": [{"b64": "YQ=="}]}}'
    assert ask(server, "two")["names"].tolist() == [b"a"]


@pytest.mark.parametrize("body", [
    b"<html><title>Sign in</title></html>", b"", b"\xff\xfe\x00", b"[]", b"null", b"7", b'{"status": "ok"}',
    b'{"error": "quota"}', b'{"outputs": ', b'{"outputs": "sold out"}', b'{"outputs": [[1], [2, 3]]}',
    b'{"outputs": {"images": []}}'])
@pytest.mark.parametrize("signature", ["one", "two"])
def test_what_tf_serving_does_not_say_is_the_servers_fault_and_is_shown(server, signature, body):
    server.answers["POST"] = 200, body
    with pytest.raises(ServerError, match="answers, and not as TF Serving does: ") as error:
        ask(server, signature)
    said = str(error.value)
    assert said.startswith(f"{server.address}/v1/models/generator:predict ") and "\n" not in said
    assert ("nothing came" in said) == (body == b"") and ("Sign in" in said) == (b"Sign in" in body)


@pytest.mark.parametrize("body", [
    b"<html></html>", b"", b"[]", b'{"metadata": {}}', b'{"metadata": {"signature_def": []}}',
    b'{"metadata": {"signature_def": {"signature_def": {"one": {"outputs": 3}}}}}'])
def test_so_is_what_it_does_not_say_of_its_models(server, body):
    server.answers |= {"GET": (200, body), "POST": (200, b'{"outputs": [[1.5]]}')}
    with pytest.raises(ServerError, match="/v1/models/generator/metadata answers, and not as TF Serving does"):
        ask(server)


@pytest.mark.parametrize("status", [400, 404])
def test_a_refusal_is_the_models_where_it_is_in_its_words(server, status):
    server.answers["POST"] = status, b'{"error": "attributes: expected finite numbers"}'
    with pytest.raises(RefusedError, match="attributes: expected finite numbers") as error:
        ask(server)
    assert error.value.status == status
    for body in (b"<html>no such page</html>", b"", b"[1]", b'{"detail": "Not Found"}'):
        server.answers["POST"] = status, body
        with pytest.raises(ServerError, match=f"generator:predict: {status} "):
            ask(server)


def test_other_statuses_are_the_servers_fault(server):
    for status, body in ((500, b'{"error": "out of memory"}'), (502, b"<html>bad gateway</html>"), (401, b"")):
        server.answers["POST"] = status, body
        with pytest.raises(ServerError, match=f"predict: {status} "):
            ask(server)
    server.answers["POST"] = 503, b"starting"
    with pytest.raises(ServerError, match="is not available after 1 attempts: starting"):
        ask(server)
    assert not issubclass(ServerError, ValueError) and remote.ATTEMPTS > 1
