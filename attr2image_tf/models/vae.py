"""VAE: the unconditional baseline."""

from attr2image_tf.models.cvae import CVAE


class VAE(CVAE):
    """Pictures from one latent vector; attributes are accepted everywhere, so that all models share one interface,
    and change nothing.

        z ~ N(0, I)
        x ~ N(mu(z), sigma^2 I)

        log p(x) >= E_q[log p(x | z)] - KL(q(z | x) || p(z))

    The networks of the CVAE without their attribute streams.

    Args:
        config: ModelConfig.

    Reference: Kingma and Welling, ICLR 2014; the baseline of Yan et al., ECCV 2016, sec. 5.
    """

    conditional = False
