"""What processes of tests/processes.py have imported when they start: everything but the mains, whose flags are theirs.

No flag may be defined here, and nothing may run: what has threads cannot be forked.
"""

import attr2image_tf.client  # noqa: F401
import attr2image_tf.data.celeba.builder  # noqa: F401
import attr2image_tf.data.folder.builder  # noqa: F401
import attr2image_tf.data.lfw.builder  # noqa: F401
import attr2image_tf.evaluation.regressor_training  # noqa: F401
import attr2image_tf.evaluation.report  # noqa: F401
import attr2image_tf.signatures.publishing  # noqa: F401
import trainers.loop  # noqa: F401
from tests.processes import leave_graphs_as_they_are

leave_graphs_as_they_are()
