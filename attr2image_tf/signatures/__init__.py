"""What apps call: the signatures of a trained model as tf.Modules, and their SavedModels, published by version."""
