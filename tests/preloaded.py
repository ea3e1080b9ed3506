"""What processes of tests/processes.py have imported when they start: everything but the mains, whose flags are theirs.

No flag may be defined here, and nothing may run: what has threads cannot be forked.
"""

import attr2image_tf.client
import attr2image_tf.data.celeba.builder
import attr2image_tf.data.folder.builder
import attr2image_tf.data.lfw.builder
import attr2image_tf.evaluation.regressor_training
import attr2image_tf.evaluation.report
import attr2image_tf.signatures.publishing  # noqa: F401
import trainers.loop  # noqa: F401
from tests.processes import leave_graphs_as_they_are

leave_graphs_as_they_are()
