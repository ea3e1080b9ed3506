"""Millions of pictures: the tasks of the client over folders, lists and TFRecords, one shard at a time.

    plan = bulk.begin(BulkConfig(task="score"), "runs/regressor_a", ["photos"], "out")
    for number in plan.missing():                   # in any order, by whoever, also at once
        bulk.do_shard(plan.output, number)
    plan.finish(["score"])

`trainers.bulk` does this on Apache Beam (`attr2image_tf.bulk.pipeline`); nothing else here uses Beam.
"""

from attr2image_tf.bulk.config import BulkConfig
from attr2image_tf.bulk.inputs import Files
from attr2image_tf.bulk.plan import Plan, begin
from attr2image_tf.bulk.shard import Done, do_shard
from attr2image_tf.bulk.tasks import TASKS

__all__ = ["TASKS", "BulkConfig", "Done", "Files", "Plan", "begin", "do_shard"]
