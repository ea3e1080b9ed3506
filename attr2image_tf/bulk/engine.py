"""Engine: a task over its models, from an item to its results."""

import functools

import numpy as np

from attr2image_tf import pixels
from attr2image_tf.bulk.config import BulkConfig
from attr2image_tf.bulk.inputs import Files
from attr2image_tf.bulk.items import Item
from attr2image_tf.bulk.tasks import Batch
from attr2image_tf.photos.hiding import parse_hidden
from attr2image_tf.photos.reading import decode
from attr2image_tf.photos.square import Square


class Engine:
    """A task over its models; calls of several threads do not disturb each other.

    Args:
        models: LocalModels, or an AttributeRegressor if the task uses one.

    Attributes:
        schema: AttributeSchema.
        size: int. Height and width of the pictures.
        stop_reasons: texts by their place in `stopped`, of a task that descends.

    Raises:
        ValueError: the models do not fit the task, or a request cannot be read.
    """

    def __init__(self, config: BulkConfig, models):
        self.config, self.models, largest = config, models, None
        model = config.about.model
        if model == "regressor":
            self.schema, self.size = models.schema, models.config.image_size
        else:
            self.schema, self.size = models.describe()
            about = models.call(model, "describe", request=np.zeros(1, np.int32))
            largest = int(about["maximum_batch"].max())
            self.stop_reasons = [text.decode() for text in about.get("stop_reasons", [[]])[0]]
        if largest and config.batch_size > largest:
            raise ValueError(f"batch_size={config.batch_size}: {config.task} takes at most {largest} pictures at once.")
        self._hidden = parse_hidden(config.hide)
        self._given = None if config.attributes is None else self.schema.request(config.attributes)
        if config.set is not None:
            self.schema.request(config.set)

    def read(self, item: Item, files: Files) -> Batch:
        """An item as the model takes it: a Batch of one, without the first dimension.

        Raises:
            ValueError: it cannot be read, or is not as the task needs it.
        """
        if self.config.task == "generate":
            vectors = _drawn(self.schema, item.request, item.count, item.seed)
            return Batch(None, None, None, vectors[item.number], np.int32([item.seed, item.number]))
        attributes = item.attributes if self._given is None else self._given
        if item.offset < 0:
            picture, mask = decode(lambda: files.read(item.path), item.path), None
        else:
            from attr2image_tf.bulk import records
            features = records.read(item.path, item.offset, files).features.feature
            name = f"{item.path}, {item.name}"
            picture, mask = (decode(lambda key=key: _only(features, key), name) for key in ("image", "mask"))
        square = Square(*self.config.square) if self.config.square else Square.central(*picture.shape[:2])
        square.check(*picture.shape[:2])
        hidden = self._hidden(picture)
        observed = np.full((self.size, self.size), True) if hidden is None else square.observed(hidden, self.size)
        # A picture without a mask is foreground all over.
        share = np.ones((self.size, self.size), np.float32) if mask is None else square.share(
            mask[..., 0] / np.float32(255), self.size)
        return Batch(square.cut(picture, self.size, hidden), observed, share[..., np.newaxis], attributes, None)

    def run(self, rows: list[Batch]) -> tuple[dict, list[bytes] | None]:
        """The task's answer for what `read` gave: its columns, and the resulting pictures as PNG where there are any.

        Fewer than the batch size are filled up by repeating the last: a model may give other last bits at another
        size.
        """
        filled = rows + [rows[-1]] * (self.config.batch_size - len(rows))
        answer = self.config.about.answer(self, Batch(*(None if column[0] is None else np.stack(column)
                                                        for column in zip(*filled, strict=True))))
        pictures = answer["images"][:len(rows)] if self.config.about.draws else None
        return ({name: answer[name][:len(rows)] for name in self.config.about.columns},
                None if pictures is None else [pixels.to_png(picture) for picture in pictures])


def _only(features, key):
    """The bytes of a feature."""
    values = features[key].bytes_list.value
    if len(values) != 1:
        raise ValueError(f"no {key} in the record; expected one of a prepared set with image, mask, attributes, name")
    return values[0]


# All pictures of a request are drawn together, as the client does it.
@functools.lru_cache(maxsize=4)
def _drawn(schema, request, count, seed):
    return schema.draw(schema.parse(request), count, seed=seed)
