"""AttributeSchema: what the numbers of an attribute vector mean."""

import base64
import dataclasses
import difflib
import functools
import json
import re
import unicodedata
from collections.abc import Mapping

import numpy as np

# A part of a request: a name in double quotes or as it is, and an amount; then a comma or the end.
_PART = re.compile(r'\s*(?:"((?:[^"]|"")*)"|([^,=]*?))\s*(?:=([^,]*))?(?:,|$)')
_QUOTING = 'A name with a comma or = in it stands in double quotes: "size, in cm"=+1.'

# Above this the covariance is kept in binary.
LARGEST_IN_DIGITS = 200


# Without it, {Smiling +2, Frowning +2}, whose correlation in LFW is -0.99, moves another attribute by 6.5 standard
# deviations; with it by 0.7, while a single request moves the others by 5 % less.
REQUEST_NOISE = 0.05


@dataclasses.dataclass(frozen=True, eq=False)
class AttributeSchema:
    """Names and training statistics of the A attributes of a data set.

    Everything is in the data set's own units (LFW: the published scores; binary attributes: 0 and 1) and measured on
    the training split.

    Attributes:
        names: tuple of A texts, in the order of the vector.
        minimum: float32 [A].
        mean: float32 [A].
        maximum: float32 [A].
        covariance: float32 [A, A].
    """

    names: tuple[str, ...]
    minimum: np.ndarray
    mean: np.ndarray
    maximum: np.ndarray
    covariance: np.ndarray

    def __post_init__(self):
        object.__setattr__(self, "names", tuple(self.names))
        for field, shape in (("minimum", 1), ("mean", 1), ("maximum", 1), ("covariance", 2)):
            array = np.array(getattr(self, field), np.float32)
            if array.shape != (len(self.names),) * shape:
                raise ValueError(f"AttributeSchema: {field} has shape {array.shape}, but there are {len(self.names)} "
                                 "names.")
            array.setflags(write=False)
            object.__setattr__(self, field, array)

    @classmethod
    def measure(cls, names, attributes) -> "AttributeSchema":
        """The schema of training attributes [N, A]; computed in float64.

        Raises:
            ValueError: fewer than 2 examples, or an attribute whose variance float32 cannot hold.
        """
        attributes = np.asarray(attributes, np.float64)
        if len(attributes) < 2:
            raise ValueError(f"AttributeSchema: {len(attributes)} training examples; at least 2 are needed.")
        covariance = np.atleast_2d(np.cov(attributes, rowvar=False))
        largest = np.finfo(np.float32).max
        for name, variance in zip(names, np.diagonal(covariance), strict=True):
            if not variance <= largest:
                raise ValueError(f"AttributeSchema: attribute {name!r} has a variance of {variance:.3g}, expected at "
                                 f"most {largest:.3g}; give it in a larger unit.")
        return cls(tuple(names), attributes.min(0), attributes.mean(0), attributes.max(0), covariance)

    def __len__(self):
        return len(self.names)

    @property
    def constant(self) -> np.ndarray:
        """bool [A]: which attributes do not vary in training, but for the rounding of their own size."""
        size = np.maximum(np.abs(self.minimum), np.abs(self.maximum))
        return self.standard_deviation <= 1e-6 * size

    @property
    def binary(self) -> np.ndarray:
        """bool [A]: which attributes had two values alone in training, "no" and "yes". None varies more between its
        least and its most (Bhatia and Davis, 2000)."""
        mean, largest = self.mean.astype(np.float64), (self.maximum - self.mean).astype(np.float64)
        return ~self.constant & (np.diagonal(self.covariance) >= (1.0 - 1e-4) * (mean - self.minimum) * largest)

    @property
    def scale(self) -> np.ndarray:
        """float32 [A], above 0: what attributes are divided by. Of a constant one 1, since it carries nothing."""
        return np.where(self.constant, np.float32(1.0), self.standard_deviation)

    def standardisation(self) -> dict[str, tuple[float, ...]]:
        """What a network subtracts from attributes and divides them by, as configurations name it."""
        return {"attribute_mean": tuple(self.mean.tolist()), "attribute_standard_deviation": tuple(self.scale.tolist())}

    @property
    def standard_deviation(self) -> np.ndarray:
        """float32 [A]."""
        return np.sqrt(np.diagonal(self.covariance))

    def index(self, name: str) -> int:
        """The position of an attribute.

        The name as it is written comes first, then one that differs in upper and lower case, blanks and underscores,
        then one that differs in other signs too; each only where it means one attribute.

        Raises:
            ValueError: the name is unknown, or may mean several; the message lists the nearest names and all of them.
        """
        for same in (_composed, loosely, _letters):
            wanted = same(name)
            found = [i for i, known in enumerate(self.names) if wanted and same(known) == wanted]
            if len(found) == 1:
                return found[0]
            if found:
                raise ValueError(f"attribute {name!r} may be {' or '.join(repr(self.names[i]) for i in found)}; write "
                                 "it as it is.")
        plain = [loosely(known) for known in self.names]
        near = difflib.get_close_matches(loosely(name), plain, n=3, cutoff=0.5)
        hint = f" Did you mean {', '.join(repr(self.names[plain.index(n)]) for n in near)}?" if near else ""
        quoting = f" {_QUOTING}" if any(set(",=") & set(known) for known in self.names) else ""
        raise ValueError(f"unknown attribute {name!r}.{hint} Known: {', '.join(self.names)}.{quoting}")

    def value(self, name: str, amount: float | str) -> float:
        """An attribute value from a request: "min", "mean", "max", a number of standard deviations from the mean, or
        "no" or "yes" for an attribute that is `binary`.

        Raises:
            ValueError: an unknown attribute, or an amount that is none.
        """
        i = self.index(name)
        ends = {"min": self.minimum, "mean": self.mean, "max": self.maximum}
        if self.binary[i]:
            ends |= {"no": self.minimum, "yes": self.maximum}
        if isinstance(amount, str) and amount.lower() in ends:
            return float(ends[amount.lower()][i])
        try:
            number = float(amount)
        except ValueError:
            number = np.nan
        if not np.isfinite(number):
            raise ValueError(f"attribute {name!r}: expected {', '.join(ends)} or a number of standard deviations, "
                             f"got {amount!r}.")
        return float(self.mean[i] + number * self.standard_deviation[i])

    def vector(self, requests: Mapping[str, float | str], *, base=None, correlated: bool = False) -> np.ndarray:
        """An attribute vector float32 [A] with some attributes set by `value`.

        Args:
            requests: amount by attribute name.
            base: float [A] from which the others are taken; the training mean by default.
            correlated: if True the others move to their conditional mean given the requested ones, under a Gaussian
                fit of the training attributes: faces of seniors also have grey hair. A twentieth of an attribute's
                variance counts as noise of the request, so that requests which contradict each other, such as to smile
                and to frown, do not push the others out of the range of the data. If False they stay at `base`.

        Raises:
            ValueError: an unknown or repeated attribute, or an amount that is none.
        """
        base = np.array(self.mean if base is None else base, np.float64)
        if not requests:
            return base.astype(np.float32)
        chosen = [self.index(name) for name in requests]
        if len(set(chosen)) < len(chosen):
            raise ValueError(f"attributes {', '.join(requests)}: one of them is asked for twice.")
        values = np.array([self.value(name, amount) for name, amount in requests.items()])
        result = base.copy()
        if correlated:
            result += _regression(self.covariance.astype(np.float64), chosen) @ (values - base[chosen])
            result = np.clip(result, np.minimum(self.minimum, base), np.maximum(self.maximum, base))
        result[chosen] = values
        return result.astype(np.float32)

    def unseen(self, requests: Mapping[str, float | str]) -> list[tuple[str, str]]:
        """Pairs of requested answers to binary attributes that no training example gave together, as "Bald=yes" and
        "Bangs=yes"; what is drawn for them is made up."""
        asked = {self.index(name): self.value(name, amount) for name, amount in requests.items()}
        ends = [(i, value == self.maximum[i]) for i, value in asked.items()
                if self.binary[i] and value in (self.minimum[i], self.maximum[i])]
        pairs = []
        for place, (i, yes) in enumerate(ends):
            for j, other in ends[place + 1:]:
                # Shares of examples: P(a, b) = P(a) P(b) + Cov(a, b).
                sizes = [float(self.maximum[k] - self.minimum[k]) for k in (i, j)]
                shares = [(self.mean[k] - self.minimum[k]) / size if told else (self.maximum[k] - self.mean[k]) / size
                          for k, told, size in ((i, yes, sizes[0]), (j, other, sizes[1]))]
                joint = shares[0] * shares[1] + (1 if yes == other else -1) * self.covariance[i, j] / np.prod(sizes)
                if joint < 1e-3 * min(shares):
                    pairs.append((f"{self.names[i]}={'yes' if yes else 'no'}",
                                  f"{self.names[j]}={'yes' if other else 'no'}"))
        return pairs

    def draw(self, requests: Mapping[str, float | str], count: int, *, seed: int = 0) -> np.ndarray:
        """Attribute vectors float32 [count, A] of examples that might have been: the requested attributes as asked,
        the others drawn from a Gaussian fit of the training attributes given these, within the range seen.

        A vector with all others at their mean is one that no example has, and a model draws it dim.

        Args:
            requests: as in `vector`.
            count: int, at least 0.

        Raises:
            ValueError: an unknown or repeated attribute, or an amount that is none.
        """
        expected = self.vector(requests, correlated=True)
        chosen = [self.index(name) for name in requests]
        root = _conditional_root(self.covariance.tobytes(), len(self), tuple(chosen))
        drawn = expected + np.random.default_rng(seed).normal(size=(count, len(self))) @ root
        drawn = np.clip(drawn, self.minimum, self.maximum)
        drawn[:, chosen] = expected[chosen]
        return drawn.astype(np.float32)

    @staticmethod
    def parse(text: str) -> dict[str, str]:
        """Amounts by name from a text such as "Smiling=+2,Male=min"; an empty one asks for nothing.

        A name with a comma or = in it stands in double quotes, in which a double quote is written twice:
        '"size, in cm"=+1'.

        Raises:
            ValueError: a part without "=", or a repeated name.
        """
        wanted = {}
        for part in _PART.finditer(text):
            quoted, plain, amount = part.groups()
            name = plain if quoted is None else quoted.replace('""', '"')
            if amount is None:
                if quoted is None and not plain:
                    continue
                raise ValueError(f"request {text!r}: expected NAME=AMOUNT parts with commas between, got "
                                 f"{part[0].strip(' ,')!r}. {_QUOTING}")
            if name in wanted:
                raise ValueError(f"request {text!r}: {name!r} is asked for twice.")
            wanted[name] = amount.strip()
        return wanted

    def request(self, text: str, *, base=None, correlated: bool = False) -> np.ndarray:
        """`vector` of a text that `parse` reads.

        Raises:
            ValueError: as `parse` and `vector`.
        """
        return self.vector(self.parse(text), base=base, correlated=correlated)

    def to_json(self) -> str:
        """JSON text; `from_json` gives back an equal schema."""
        values = {field.name: np.asarray(getattr(self, field.name)).tolist() for field in dataclasses.fields(self)
                  if field.name != "covariance"}
        # As digits a thousand attributes would take 20 MB.
        covariance = (self.covariance.tolist() if len(self) <= LARGEST_IN_DIGITS else
                      {"float32": base64.b64encode(self.covariance.astype("<f4").tobytes()).decode()})
        return json.dumps(values | {"covariance": covariance})

    @classmethod
    def from_json(cls, text: str) -> "AttributeSchema":
        values = json.loads(text)
        if isinstance(values["covariance"], dict):
            content, size = base64.b64decode(values["covariance"]["float32"]), len(values["names"])
            values["covariance"] = np.frombuffer(content, "<f4").reshape(size, size)
        return cls(**values)


def _regression(covariance, chosen):
    """Coefficients [A, R] of all attributes on the chosen ones, each observed with REQUEST_NOISE of its variance."""
    deviation = np.sqrt(np.diagonal(covariance))
    # What is constant goes with nothing.
    scale = np.where(deviation > 0, deviation, 1.0)
    correlation = covariance / np.outer(scale, scale)
    inner = correlation[np.ix_(chosen, chosen)] + REQUEST_NOISE * np.eye(len(chosen))
    return deviation[:, np.newaxis] * np.linalg.solve(inner, correlation[chosen]).T / scale[chosen]


# An eigendecomposition takes tens of milliseconds, and clients ask for the same attributes again and again.
@functools.lru_cache(maxsize=64)
def _conditional_root(covariance, size, chosen):
    """R with R^T R the covariance float32 [size, size], as bytes, of what is left to vary once `chosen` are known."""
    covariance = np.frombuffer(covariance, np.float32).reshape(size, size).astype(np.float64)
    chosen = list(chosen)
    covariance = covariance - _regression(covariance, chosen) @ covariance[chosen]
    values, vectors = np.linalg.eigh(0.5 * (covariance + covariance.T))
    root = (vectors * np.sqrt(np.maximum(values, 0.0))).T
    root.setflags(write=False)
    return root


def _composed(name):
    """A letter with an accent is one, whether it is written in one character or two."""
    return unicodedata.normalize("NFC", name).strip()


def loosely(name: str) -> str:
    """What names have in common that differ in upper and lower case, blanks and underscores alone."""
    plain = "".join(character for character in _composed(_composed(name).casefold())
                    if not character.isspace() and character != "_")
    return plain or name


def _letters(name):
    """Letters with their marks (vowel signs of Hindi are such) and digits; the name itself where it has none."""
    plain = "".join(character for character in loosely(name)
                    if character.isalnum() or unicodedata.category(character).startswith("M"))
    return plain or name
