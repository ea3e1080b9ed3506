"""The models, and their first requests, which take much longer than later ones."""

import dataclasses
import threading
import time

import numpy as np
from absl import logging

from attr2image_tf.client import Client, ServerError
from attr2image_tf.photos.faces import check_installed, find_faces
from export.studio import attributes


class Loading(threading.Thread):
    """Sends the models one request of each kind that the page makes for photos, so that visitors need not wait."""

    def __init__(self, client: Client):
        super().__init__(name="loading", daemon=True)
        self._client = client

    def run(self):
        started = time.monotonic()
        try:
            picture = self._client.generate()[0]
            hidden = np.zeros(picture.shape[:2], bool)
            hidden[: len(hidden) // 4] = True
            self._client.edit(picture, {}, found=self._client.infer(picture))
            for seed in (None, 0):
                self._client.complete(picture, hidden, seed=seed, attributes={})
        except (ValueError, ServerError) as error:
            # Whoever asks for it will be told the same. A folder may hold a generator alone.
            logging.warning("Photos cannot be used: %s", error)
            return
        if attributes.of_faces(self._client.schema):
            try:
                check_installed()
            except ValueError as error:
                logging.warning("%s", error)
            else:
                find_faces(np.repeat(np.repeat(picture, 4, 0), 4, 1))
        logging.info("Photos can be used now; loading took %.0f s.", time.monotonic() - started)


@dataclasses.dataclass(frozen=True)
class Shared:
    """What all tabs and all visitors share.

    Attributes:
        loading: to be started once the page is up.
        layered: whether pictures have a foreground, a gate and a background.
    """

    client: Client
    loading: Loading
    layered: bool

    @classmethod
    def open(cls, client: Client) -> "Shared":
        """Draws a first picture."""
        return cls(client, Loading(client), "gates" in client.generate_layers(temperature=1.0))

    @property
    def faces(self) -> bool:
        """Whether the models are of faces."""
        return attributes.of_faces(self.client.schema)
