"""Requests of the load test, each a function of the seed and its number, and what must come back.

Of the good ones, most ask for pictures, one in thirty-three for a descent; of the malformed ones, all mistakes are as
likely.
"""

import dataclasses
import io

import numpy as np
from PIL import Image

from attr2image_tf.client.local import Models
from attr2image_tf.randomness import seed_rows

# Share of each signature among good requests, in thousandths. A descent costs a hundred times what a picture costs.
SHARES = {("generator", "generate_bytes"): 330, ("generator", "generate"): 220, ("generator", "decode"): 140,
          ("generator", "encode"): 90, ("generator", "describe"): 90, ("latent_optimizer", "edit_latents_bytes"): 100,
          ("latent_optimizer", "infer_attributes_bytes"): 15, ("latent_optimizer", "infer_bytes"): 10,
          ("latent_optimizer", "complete_sample_bytes"): 5}
# Rows of a request, and how likely; a descent has one.
ROWS, ROW_SHARES = (1, 2, 4, 8), (0.7, 0.15, 0.1, 0.05)
# Between batches of different sizes, and so between threads, convolutions add in another order; a descent carries that
# on, and is known by its energy.
TOLERANCE, ENERGY_TOLERANCE = 1e-4, 2e-2


@dataclasses.dataclass(frozen=True)
class Request:
    """A request and what must come back.

    Attributes:
        model, signature: texts.
        inputs: arrays by name.
        shapes: of outputs that must be there, by name; empty for a malformed request.
        mistake: what is wrong with it, or None.
        about: what the refusal of a malformed request must speak of.
    """

    model: str
    signature: str
    inputs: dict[str, np.ndarray]
    shapes: dict[str, tuple[int, ...]] = dataclasses.field(default_factory=dict)
    mistake: str | None = None
    about: str = ""


class Mix:
    """Requests for the models of a server.

    Args:
        models: Models, which are asked what they are and for a few pictures to ask about.
        seed: int.
        malformed: share of malformed requests, from 0 to 1.
    """

    def __init__(self, models: Models, *, seed: int = 0, malformed: float = 0.1):
        self.schema, self.size = models.describe()
        self.seed, self.malformed = seed, malformed
        drawn = models.call("generator", "generate", attributes=self.schema.draw({}, 16, seed=seed),
                            seed=seed_rows(seed, 16))
        self.pictures, self.latents = drawn["images"], drawn["latents"]
        self.encoded = [_png(picture) for picture in self.pictures]
        # Drawn once: it takes longer than a picture.
        self.attributes = self.schema.draw({}, 256, seed=seed)

    def request(self, number: int) -> Request:
        """The request of a number; the same seed and number give the same."""
        random = np.random.default_rng([self.seed, number])
        if random.random() < self.malformed:
            mistakes = self._mistakes(random)
            mistake = sorted(mistakes)[random.integers(len(mistakes))]
            model, signature, about, inputs = mistakes[mistake]
            return Request(model, signature, inputs, mistake=mistake, about=about)
        model, signature = list(SHARES)[random.choice(len(SHARES), p=np.array(list(SHARES.values())) / 1000)]
        rows = 1 if descends(signature) else int(random.choice(ROWS, p=ROW_SHARES))
        return Request(model, signature, self.inputs(signature, rows, random), self._shapes(signature, rows))

    def inputs(self, signature: str, rows: int, random: np.random.Generator) -> dict[str, np.ndarray]:
        """Good inputs of a signature."""
        some = random.integers(len(self.pictures), size=rows)
        attributes, changed = self.attributes[random.integers(len(self.attributes), size=(2, rows))]
        seeds = random.integers(2**31, size=(rows, 2)).astype(np.int32)
        contents = np.array([self.encoded[i] for i in some], object)
        return {
            "generate": {"attributes": attributes, "seed": seeds},
            "generate_bytes": {"attributes": attributes, "seed": seeds},
            "decode": {"latents": self.latents[some], "attributes": attributes},
            "encode": {"images": self.pictures[some], "attributes": attributes,
                       "masks": np.ones((rows, self.size, self.size, 1), np.float32)},
            "describe": {"request": np.zeros(rows, np.int32)},
            "edit_latents_bytes": {"image_bytes": contents, "latents": self.latents[some], "attributes": attributes,
                                   "new_attributes": changed},
            "infer_attributes_bytes": {"image_bytes": contents, "observed_bytes": self._observed(random)},
            "infer_bytes": {"image_bytes": contents, "observed_bytes": self._observed(random),
                            "attributes": attributes},
            "complete_sample_bytes": {"image_bytes": contents, "observed_bytes": self._observed(random),
                                      "attributes": attributes, "seed": seeds},
        }[signature]

    def _shapes(self, signature, rows):
        """Shapes of what a signature gives."""
        count, latents = len(self.schema), self.latents.shape[1]
        pictures = {"images": (rows, self.size, self.size, 3)}
        found = {"images_bytes": (rows,), "latents": (rows, latents), "energy": (rows,)}
        return {"generate": pictures | {"latents": (rows, latents)}, "generate_bytes": {"images_bytes": (rows,)},
                "decode": pictures, "edit_latents_bytes": {"images_bytes": (rows,)},
                "encode": {"latents_mean": (rows, latents), "latents_log_variance": (rows, latents)},
                "describe": {"names": (rows, count), "covariance": (rows, count, count)},
                "infer_attributes_bytes": found | {"attributes": (rows, count)}, "infer_bytes": found,
                "complete_sample_bytes": found}[signature]

    def _observed(self, random):
        """A hidden box, as the encoded picture of what is observed."""
        observed = np.ones((self.size, self.size, 1), np.float32)
        top, left = random.integers(self.size // 2, size=2)
        observed[top:top + self.size // 4, left:left + self.size // 4] = 0.0
        return np.array([_png(observed)], object)

    def _mistakes(self, random):
        """Model, signature, the input that the refusal must name, and inputs, by what is wrong."""
        count = len(self.schema)
        drawn, encoded = (self.inputs(name, 1, random) for name in ("generate", "encode"))
        decoded, found = (self.inputs(name, 1, random) for name in ("decode", "infer_attributes_bytes"))
        generated = {
            "attributes of the wrong length": ("attributes", {"attributes": np.zeros((1, count + 2), np.float32)}),
            "NaN": ("attributes", {"attributes": np.full((1, count), np.nan, np.float32)}),
            "no row": ("attributes", {"attributes": np.zeros((0, count), np.float32),
                                      "seed": np.zeros((0, 2), np.int32)}),
            "4096 rows": ("attributes", {"attributes": np.zeros((4096, count), np.float32),
                                         "seed": np.zeros((4096, 2), np.int32)}),
            "text for numbers": ("attributes", {"attributes": np.full((1, count), b"much", object)}),
            "inputs of different rows": ("seed", {"seed": np.zeros((3, 2), np.int32)}),
        }
        pictures = {
            "bytes that are no picture": random.bytes(200),
            "half a picture": self.encoded[0][:len(self.encoded[0]) // 2],
            "a picture of 60000 x 60000": _with_size(self.encoded[0], 60000),
        }
        mistakes = {name: ("generator", "generate", about, drawn | wrong) for name, (about, wrong) in generated.items()}
        mistakes |= {name: ("latent_optimizer", "infer_attributes_bytes", "image_bytes",
                            found | {"image_bytes": np.array([content], object)}) for name, content in pictures.items()}
        return mistakes | {
            "unknown signature": ("generator", "paint", "paint", drawn),
            "missing input": ("generator", "generate", "seed", {"seed": drawn["seed"]}),
            "infinity": ("generator", "decode", "latents", decoded | {
                "latents": np.full_like(decoded["latents"], np.inf)}),
            "pixels up to 255": ("generator", "encode", "images", encoded | {"images": 255 * encoded["images"] + 2}),
            "nothing observed": ("latent_optimizer", "infer_attributes_bytes", "observed", found | {
                "observed_bytes": np.array([_png(np.zeros((self.size, self.size, 1)))], object)}),
        }


def descends(signature: str) -> bool:
    """Whether a signature minimises an energy, the costly ones."""
    return signature.startswith(("infer", "complete"))


def problem(request: Request, answer: dict[str, np.ndarray]) -> str | None:
    """What is wrong with the answer to a good request, or None."""
    for name, shape in request.shapes.items():
        if name not in answer:
            return f"no output {name!r}"
        if answer[name].shape != shape:
            return f"{name}: {list(answer[name].shape)}, expected {list(shape)}"
    for name, value in answer.items():
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            return f"{name}: not finite"
    return None


def difference(request: Request, answer: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> str | None:
    """What two answers to the same request differ in, or None. Of a descent, only energies are compared."""
    names = ["energy"] if descends(request.signature) else sorted(answer)
    for name in names:
        one, two = answer[name], other[name]
        if one.dtype == object and name.endswith("_bytes"):
            # A level of a pixel may round to the other side.
            worst, limit = max(np.abs(_levels(a) - _levels(b)).max() for a, b in zip(one, two, strict=True)), 1
        elif one.dtype.kind == "f":
            worst = np.abs(one - two).max() / max(1.0, np.abs(two).max())
            limit = ENERGY_TOLERANCE if name == "energy" else TOLERANCE
        else:
            worst, limit = float((one != two).any()), 0
        if worst > limit:
            return f"{name}: differs by {worst:.2g} from the answer to the same request alone"
    return None


def _png(picture):
    buffer = io.BytesIO()
    levels = np.round(255 * picture).astype(np.uint8)
    Image.fromarray(levels[..., 0] if levels.shape[-1] == 1 else levels).save(buffer, "PNG")
    return buffer.getvalue()


def _with_size(content, side):
    """A PNG whose header announces another height and width."""
    return content[:16] + 2 * side.to_bytes(4, "big") + content[24:]


def _levels(content):
    return np.asarray(Image.open(io.BytesIO(content)), np.int16)
