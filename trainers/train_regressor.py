"""Trains an attribute regressor, which judges samples and reads attributes from photos.

    python -m trainers.train_regressor --dataset=lfw --data_dir=DATA --output=runs/regressor_a
    python -m trainers.train_regressor --dataset=lfw --data_dir=DATA --output=runs/regressor_b --width=24 --seed=1

It learns from the training split. --output gets its configuration, log.csv, the trained weights, errors.npz (the
covariance of its errors on validation pictures) and metrics.json (its accuracy on test pictures, which show people it
was not trained on). The same command continues a run that was killed, and adds missing files to one of an older
version.
"""

import json

from attr2image_tf import data
from attr2image_tf.config import ConfigError
from attr2image_tf.errors import check_writable
from attr2image_tf.evaluation.config import RegressorConfig
from attr2image_tf.files import check_no_pattern, write_text
from attr2image_tf.run_folder import RunFolder, changes
from trainers.flags import (
    config_from_flags,
    define_config,
    define_dataset_flags,
    define_path,
    define_threads,
    load_dataset,
    require,
    run,
)

define_dataset_flags()
define_path("output", None, "Folder of the regressor; an unfinished one with the same configuration continues.")
define_config(RegressorConfig, skip=("image_size",))
define_threads()


def accuracy(regressor, real) -> dict:
    """How well an AttributeRegressor estimates the attributes of real Pictures, as metrics.json holds it."""
    from attr2image_tf.evaluation import faithfulness

    compared = faithfulness.compare(real.attributes, regressor(real.images)[0], regressor.schema)
    return {**compared.summary(), "pictures": len(real), "people": len(set(real.people)),
            "by_attribute": compared.by_attribute(regressor.schema)}


def main(values):
    require(values, "output", "name the folder of the regressor, for example --output=runs/regressor_a")
    check_writable(values.output, "output")
    check_no_pattern(values.output, "output")
    from attr2image_tf.evaluation import attribute_regressor, pictures
    from attr2image_tf.evaluation.regressor_training import RegressorTraining

    dataset = load_dataset(values)
    config = config_from_flags(RegressorConfig, values, dataset=dataset.name, **dataset.schema.standardisation())
    folder = RunFolder(values.output)
    check(folder, config)
    # Refuses what it cannot train on before the folder is taken.
    training = RegressorTraining(config, dataset, folder)
    folder.lock()
    # Another may have written since it was last looked at.
    check(folder, config)
    folder.write(config, dataset.schema)
    training.run()
    attribute_regressor.save(training.network, folder.path)
    regressor, validation = attribute_regressor.load(folder.path), pictures.read(dataset, "validation")
    attribute_regressor.save_errors(
        attribute_regressor.measure_errors(regressor, validation.images, validation.attributes), folder.path)
    metrics = accuracy(regressor, pictures.read(dataset, "test"))
    write_text(folder.path / "metrics.json", json.dumps(metrics, indent=2))
    print("On {pictures} test pictures: cosine similarity {cosine_similarity:.3f} (raw attributes "
          "{raw_cosine_similarity:.3f}), mean squared error of standardised attributes {squared_error:.3f}, "
          "correlation {correlation:.3f}, sign accuracy {sign_accuracy:.3f}".format(**metrics))
    print(folder.path)


def check(folder: RunFolder, config: RegressorConfig):
    """Raises ConfigError unless the folder is new or holds a regressor of `config`."""
    path = folder.path / "config.json"
    if not path.exists():
        # A lock alone is of one that did not come further.
        if folder.path.exists() and any(not path.name.startswith(".") for path in folder.path.iterdir()):
            raise ConfigError(f"output={str(folder.path)!r}: the folder exists, is not empty and has no config.json; "
                              "name a new folder.")
        return
    old, new = RegressorConfig.from_json(path.read_text()).to_dict(), config.to_dict()
    if data.same_set(old["dataset"], new["dataset"]):
        new["dataset"] = old["dataset"]
    if changed := changes(old, new):
        raise ConfigError(f"output={str(folder.path)!r} holds a regressor with another configuration ({changed}). "
                          "Give the same flags to continue it, or name a new folder.")


if __name__ == "__main__":
    run(main)
