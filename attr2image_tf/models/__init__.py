"""The three models and how to make one from its configuration."""

import keras

from attr2image_tf.config import ModelConfig
from attr2image_tf.models.base import AttributeModel
from attr2image_tf.models.cvae import CVAE
from attr2image_tf.models.discvae import DisCVAE
from attr2image_tf.models.vae import VAE

CLASSES = {"vae": VAE, "cvae": CVAE, "discvae": DisCVAE}


def create(config: ModelConfig) -> AttributeModel:
    """A model with its first weights, a function of `config.seed`; make it in the scope of a tf.distribute strategy."""
    keras.utils.set_random_seed(config.seed)
    return CLASSES[config.model](config)
