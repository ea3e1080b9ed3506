"""CelebA: `builder` prepares and opens it, `files` reads the official files."""

from attr2image_tf.data.registry import Entry


def _open(detail, *, seed, **files):
    from attr2image_tf.data.celeba.builder import open_celeba
    return open_celeba(masks=detail, **files)


ENTRY = Entry("celeba", _open, ("none", "drawn", "predicted"), "celeba_masks", "Masks of celeba: none, those of "
              "CelebAMask-HQ with its pictures, or what the network of trainers.train_foreground predicts.",
              face_box=(0.11, 0.29, 0.75, 0.82))
