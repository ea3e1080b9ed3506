"""Client: draws pictures from attributes and infers, edits and completes pictures, by attribute name.

    client = connect("pretrained:faces")            # a model that comes with the package
    client = connect("models")                      # a folder of exports
    client = connect("http://localhost:8501")       # TF Serving, REST
    client = connect("grpc://localhost:8500")       # TF Serving, gRPC

    faces = client.generate({"Smiling": +2, "Male": "min"}, seed=7, count=4)      # uint8 [4, H, W, 3]
    found = client.infer(picture)                   # latents, attributes, reconstruction
    client.edit(picture, {"Smiling": +2}, found=found)

    smiling = client.edit(photo, {"Smiling": +2}, region="face")
    client.put_back(photo, smiling, region="face")  # the whole photo, at its own size

The interface is always the same, so an app can start without a server.
"""

import dataclasses
import os
import re
from collections.abc import Mapping, Sequence

import numpy as np

from attr2image_tf.client import verbs
from attr2image_tf.client.checks import as_at_least_0, as_hidden, as_picture, as_region, as_whole, requested_rows
from attr2image_tf.client.local import LocalModels, Models
from attr2image_tf.client.remote import GrpcModels, RestModels, ServerError
from attr2image_tf.files import as_path
from attr2image_tf.photos.square import Region

__all__ = ["Client", "Found", "ServerError", "connect"]

# "host:port" and what may follow it. A Windows path has one letter before the colon and no number behind it.
_SERVER = re.compile(r"[\w.-]+:\d+(/.*)?|\[[0-9a-fA-F:]+\]:\d+(/.*)?")


@dataclasses.dataclass(frozen=True)
class Found:
    """What was inferred from a picture.

    Attributes:
        latents: float32 [Z].
        attributes: amount by name, in the data set's units.
        reconstruction: uint8 [H, W, 3].
        energy: float. The lower, the better the latents explain the picture.
        vector: float32 [A]. The attributes as the model takes them.
    """

    latents: np.ndarray
    attributes: dict[str, float]
    reconstruction: np.ndarray
    energy: float
    vector: np.ndarray


class Client:
    """Draws, infers, edits and completes pictures with exported models.

    Pictures are uint8 [H, W, 3] arrays of any size, or Pillow's (`reading.as_seen`). The model sees their central
    square, or a given `region`: a Square, the region of a Face (`find_faces`), or "face" for the best face, which is
    then detected anew in every call. Results have the model's size; `put_back` puts them back into the whole photo.
    Requests are amounts by attribute name: standard deviations from the training mean, or "min", "mean", "max".
    Seeds are whole numbers from 0 to 2147483647.

    Args:
        models: LocalModels, RestModels or GrpcModels.

    Attributes:
        schema: AttributeSchema. Names and ranges of the attributes.
        image_size: height and width of the resulting pictures.

    Raises (all methods):
        ValueError: an input cannot be used, such as a picture without a face for region="face"; if the model refuses
            it, the message is the model's own.
        ServerError: the server is not available or failed.
    """

    def __init__(self, models: Models):
        self.models = models
        self.schema, self.image_size = models.describe()

    def generate(self, request: Mapping[str, float | str] = {}, *, seed: int = 0, count: int = 1, varied: bool = True,
                 correlated: bool = True, temperature: float | None = None) -> np.ndarray:
        """Pictures with the requested attributes, uint8 [count, H, W, 3]; the same seed gives the same pictures.

        Args:
            request: amounts by attribute name.
            seed: int from 0 to 2147483647.
            count: int, at least 1.
            varied: whether unrequested attributes are sampled anew for each picture; otherwise all have their expected
                values.
            correlated: whether unrequested attributes follow the requested ones, as in the training data; otherwise
                they are as if nothing had been requested.
            temperature: float, at least 0. Factor on the noise that pictures are drawn from; below 1 they are more
                typical and more alike. Defaults to that of the export.
        """
        rows = requested_rows(self.schema, request, seed, count, varied, correlated)
        return self._draw(*rows, temperature)["images"]

    def generate_layers(self, request: Mapping[str, float | str] = {}, *, seed: int = 0, count: int = 1,
                        varied: bool = True, correlated: bool = True,
                        temperature: float | None = None) -> dict[str, np.ndarray]:
        """What `generate` draws for the same arguments, and the layers that it is composed of.

        Returns:
            "images" uint8 [count, H, W, 3]; of a layered model also "foregrounds" and "backgrounds", the same, and
            "gates" uint8 [count, H, W, 1], 255 where the background shows.
        """
        rows = requested_rows(self.schema, request, seed, count, varied, correlated)
        drawn = self._draw(*rows, temperature, layers=True)
        del drawn["latents"]
        return drawn

    def progression(self, name: str, amounts: Sequence[float | str], request: Mapping[str, float | str] = {}, *,
                    seed: int = 0, varied: bool = True, correlated: bool = False,
                    temperature: float | None = None) -> np.ndarray:
        """One picture with an attribute at several amounts and the same noise: uint8 [len(amounts), H, W, 3].

        Args:
            name: text, the attribute.
            amounts: its amounts, at least one.
            request: amounts of other attributes.
            seed: int from 0 to 2147483647.
            varied: whether unrequested attributes are sampled, once for all pictures; otherwise they have their
                expected values.
            correlated: whether correlated attributes move with the attribute, as in the training data.
            temperature: as in `generate`.
        """
        if not len(amounts):
            raise ValueError("amounts=[]: expected at least one.")
        base = requested_rows(self.schema, request, seed, 1, varied, True)[0][0]
        vectors = np.stack([self.schema.vector({name: amount}, base=base, correlated=correlated) for amount in amounts])
        return self._draw(vectors, np.tile(np.int32([seed, 0]), (len(vectors), 1)), temperature)["images"]

    def infer(self, picture: np.ndarray, attributes: Mapping[str, float | str] | None = None, *,
              hidden: np.ndarray | None = None, region: Region | str | None = None) -> Found:
        """Infers the latents of a picture, and its attributes unless they are given.

        Args:
            picture: uint8 [H, W, 3].
            attributes: amounts by name; all others are at the training mean.
            hidden: bool [H, W], True where the picture must be ignored.
            region: what the model sees: a Square, a Face's region, "face", or None for the central square.
        """
        small, observed = self._seen(picture, hidden, region)
        given = None if attributes is None else self.schema.vector(attributes)[np.newaxis]
        return self._found(verbs.infer(self.models, small, observed, given))

    def reconstruct(self, picture: np.ndarray, attributes: Mapping[str, float | str] | None = None, *,
                    region: Region | str | None = None) -> np.ndarray:
        """A picture as the model draws it, uint8 [H, W, 3] of the model's size. Args are those of `infer`."""
        return self.infer(picture, attributes, region=region).reconstruction

    def edit(self, picture: np.ndarray, changes: Mapping[str, float | str], *, found: Found | None = None,
             correlated: bool = False, region: Region | str | None = None) -> np.ndarray:
        """A picture with other attributes, uint8 [H, W, 3] of the model's size.

        Args:
            picture: uint8 [H, W, 3].
            changes: amounts by name; all others stay as they are.
            found: what `infer` returned for this picture and region, to save the search.
            correlated: whether correlated attributes move too, as in the training data.
            region: as in `infer`.
        """
        small, observed = self._seen(picture, None, region)
        found = found or self._found(verbs.infer(self.models, small, observed))
        new = self.schema.vector(changes, base=found.vector, correlated=correlated)
        return verbs.edit(self.models, small, found.latents[np.newaxis], found.vector[np.newaxis],
                          new[np.newaxis])["images"][0]

    def complete(self, picture: np.ndarray, hidden: np.ndarray, *, seed: int | None = None,
                 attributes: Mapping[str, float | str] | None = None, region: Region | str | None = None
                 ) -> np.ndarray:
        """A picture with its hidden part filled in, uint8 [H, W, 3] of the model's size.

        Args:
            picture: uint8 [H, W, 3].
            hidden: bool [H, W], True where to fill in.
            seed: int from 0 to 2147483647 for a sampled completion; None for the likeliest.
            attributes: amounts by name; by default they are inferred from what is visible.
            region: as in `infer`.
        """
        seed = None if seed is None else as_whole("seed", seed, 0)
        small, observed = self._seen(picture, hidden, region)
        given = None if attributes is None else self.schema.vector(attributes)[np.newaxis]
        completed = verbs.complete(self.models, small, observed, given, seed=seed or 0, samples=seed is not None)
        return (completed if seed is None else completed["samples"][0])["images"][0]

    def put_back(self, picture: np.ndarray, changed: np.ndarray, *, hidden: np.ndarray | None = None,
                 region: Region | str | None = None) -> np.ndarray:
        """The whole photo, uint8 [H, W, 3], with the change put back in; outside the region nothing changes.

        The photo keeps detail finer than the model's pictures: the difference between `changed` and what the model saw
        is added to it. Hidden parts are replaced.

        Args:
            picture: uint8 [H, W, 3], the photo.
            changed: uint8 [image_size, image_size, 3], what `edit`, `complete` or `infer` returned for it.
            hidden: bool [H, W], as passed to `complete`.
            region: as passed to the method that changed it.
        """
        picture, size = as_picture(picture), self.image_size
        hidden, region = as_hidden(hidden, picture), as_region(region, picture)
        changed = np.asarray(changed)
        if changed.dtype != np.uint8 or changed.shape != (size, size, 3):
            raise ValueError(f"changed: expected uint8 {[size, size, 3]}, as `edit` and `complete` return it, got "
                             f"{changed.dtype} {list(changed.shape)}.")
        return region.put_back(picture, region.cut(picture, size, hidden), changed, hidden)

    def _draw(self, vectors, seeds, temperature, layers=False):
        temperature = None if temperature is None else as_at_least_0("temperature", temperature)
        return verbs.draw(self.models, vectors, seeds, temperature=temperature, layers=layers)

    def _seen(self, picture, hidden, region):
        """What the model is shown, scaled here so that no more than it sees goes over the wire, and what is observed of
        it: uint8 [1, size, size, 3] and bool [1, size, size]."""
        picture, size = as_picture(picture), self.image_size
        hidden, region = as_hidden(hidden, picture), as_region(region, picture)
        observed = np.ones((size, size), bool) if hidden is None else ~region.touched(hidden, size)
        return region.cut(picture, size, hidden)[np.newaxis], observed[np.newaxis]

    def _found(self, answer):
        vector = answer["attributes"][0]
        named = dict(zip(self.schema.names, vector.tolist(), strict=True))
        return Found(answer["latents"][0], named, answer["images"][0], float(answer["energy"][0]), vector)


def connect(address: str | os.PathLike, *, timeout: float = 60.0) -> Client:
    """A Client of the models at an address.

    Args:
        address: a folder of exports, "pretrained:NAME" (see attr2image_tf.pretrained), "http://host:port" or
            "https://host:port" for REST, "grpc://host:port".
        timeout: seconds for one answer of a server.

    Raises:
        ValueError: the folder holds no exports, no model of the name comes with the package, or the address is that of
            a server and does not say which kind.
        ServerError: the server is not available.
    """
    text = os.fspath(address)
    scheme, separator, rest = text.partition("://")
    if separator and scheme.lower() in ("http", "https"):
        return Client(RestModels(text, timeout=timeout))
    if separator and scheme.lower() == "grpc":
        return Client(GrpcModels(rest, timeout=timeout))
    if separator or _SERVER.fullmatch(text) and not as_path(text).exists():
        server = rest if separator else text
        raise ValueError(f"address={text!r}: expected a folder of exports, or a server as 'http://{server}' (REST) or "
                         f"'grpc://{server}'.")
    return Client(LocalModels(text))
