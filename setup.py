import pathlib
import re

from setuptools import find_packages, setup

HERE = pathlib.Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (HERE / "attr2image_tf" / "__init__.py").read_text()).group(1)

setup(
    name="attr2image-tf",
    version=VERSION,
    description="Attribute-conditioned image generation (Attribute2Image, ECCV 2016) in TensorFlow",
    long_description=(HERE / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11,<3.14",
    packages=find_packages(include=["attr2image_tf*", "trainers*", "export*"]),
    entry_points={"console_scripts": ["attr2image = trainers.command:main"]},
    package_data={"attr2image_tf.pretrained": ["*.tar.xz", "*.json", "*.md"]},
    install_requires=[
        # These four are one set: TFP 0.25 imports tf_keras, whose version is TensorFlow's.
        "tensorflow>=2.21,<2.22",
        "tf_keras>=2.21,<2.22",
        "tensorflow-probability>=0.25,<0.26",
        "keras>=3.15,<3.16",
        # TFP imports distutils, which Python 3.12 left to setuptools.
        "setuptools>=65,<82; python_version>='3.12'",
        "tensorflow-datasets>=4.9.10,<4.10",
        # Its builders, such as celeb_a, import it and it does not ask for it.
        "importlib_resources>=6,<7",
        "tensorboard>=2.20,<3",
        "numpy>=2.0,<3",
        "absl-py>=2.1,<3",
        "pillow>=11,<14",
        "matplotlib>=3.9,<4",
    ],
    extras_require={
        # The test case of tensorflow-datasets imports dill.
        "test": ["pytest>=8,<10", "pytest-xdist>=3.6,<4", "ruff>=0.14,<1", "dill>=0.3.8,<0.5", "hypothesis>=6.100,<7",
                 "tensorflow-serving-api>=2.21,<2.22", "requests>=2.31,<3", "ai-edge-litert>=2.1,<3",
                 "scikit-learn>=1.6,<2", "selenium>=4.51,<5", "mypy>=1.15,<3"],
        # Scores of disentanglement where the factors are known.
        "evaluation": ["scikit-learn>=1.6,<2"],
        # A face network that judges who is in a picture.
        "judges": ["dlib-bin>=20,<21", "face-recognition-models>=0.3,<0.4"],
        # Warm-up records of the exports, and the clients of a server.
        "serving": ["tensorflow-serving-api>=2.21,<2.22", "requests>=2.31,<3"],
        # Runs the LiteRT files of export.litert.
        "litert": ["ai-edge-litert>=2.1,<3"],
        # Finds faces in photos, and reads those of phones (HEIC). mtcnn's wheel holds its weights, which joblib and lz4
        # unpack.
        "photos": ["mtcnn>=1.0,<1.1", "joblib>=1.4.2,<2", "lz4>=4.3.3,<5", "pillow-heif>=1.1,<2"],
        # The page to try models on. It holds pillow below 13.
        "studio": ["gradio>=6.31,<7"],
        # Bulk work. Beam holds protobuf below 7, pillow below 13 and pyarrow below 26.
        "bulk": ["apache-beam>=2.77,<2.78", "protobuf>=6.31,<7", "pillow>=12.1.1,<13", "pyarrow>=18,<26",
                 "psutil>=5.9,<8"],
        # NVIDIA's libraries beside the driver; Linux only.
        "gpu": ["tensorflow[and-cuda]>=2.21,<2.22"],
    },
)
