"""The two Keras examples trained by Keras itself: `train.py EXAMPLE ARRAYS EPOCHS SEED`, one JSON line at the end.

ARRAYS is an .npz with `training`, `training_labels`, `test`, `test_labels`: uint8 images of 32x32x3.
"""

import json
import sys
import time

import keras
import numpy as np
from keras import layers


def example_1() -> keras.Model:
    return keras.Sequential(
        [
            layers.Input((32, 32, 3)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(128, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(256, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )


def example_2() -> keras.Model:
    return keras.Sequential(
        [
            layers.Input((32, 32, 3)),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(512, activation="relu"),
            layers.Dense(10),
        ]
    )


class Seconds(keras.callbacks.Callback):
    """How long each epoch's training took, without its validation."""

    def __init__(self) -> None:
        super().__init__()
        self.epochs: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: object = None) -> None:  # noqa: ARG002 - the signature is Keras's
        self.begun = time.perf_counter()

    def on_test_begin(self, logs: object = None) -> None:  # noqa: ARG002 - likewise
        self.epochs.append(time.perf_counter() - self.begun)


def main(example: str, arrays: str, epochs: int, seed: int) -> None:
    keras.utils.set_random_seed(seed)
    data = np.load(arrays)
    images, labels = data["training"].astype("float32") / 255, data["training_labels"]
    test, test_labels = data["test"].astype("float32") / 255, data["test_labels"]
    order = np.random.default_rng(seed).permutation(len(images))  # Keras takes its validation part from the end
    images, labels = images[order], labels[order]
    seconds = Seconds()
    if example == "keras_1":
        model = example_1()
        model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
        labels, test_labels = keras.utils.to_categorical(labels), keras.utils.to_categorical(test_labels)
        batch, share = 64, 0.1
    else:
        model = example_2()
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(optimizer=keras.optimizers.Adam(1e-3), loss=loss, metrics=["accuracy"])
        batch, share = 32, 0.2
    model.fit(images, labels, batch_size=batch, epochs=epochs, validation_split=share, verbose=0, callbacks=[seconds])
    _, accuracy = model.evaluate(test, test_labels, batch_size=500, verbose=0)
    # The first epoch compiles the graph.
    print(json.dumps({"accuracy": accuracy, "seconds": seconds.epochs[1:], "parameters": model.count_params()}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
