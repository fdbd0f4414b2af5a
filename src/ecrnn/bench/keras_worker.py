"""Keras on TensorFlow in a process of its own: reads one JSON order a line, answers one JSON line.

It is run by path, with any Python that has keras and tensorflow, and imports nothing of ecrnn. Orders: ``make`` a
variant, ``time`` it, ``memory`` of making and running one, ``forget`` all. The networks are those of the paper as a
user of Keras writes them; the training step is a tf.function around gradient and optimizer, which leaves out what `fit`
adds in Python.
"""

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

Once = Callable[[], object]


def main() -> None:
    """Answer orders until the input ends."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what TensorFlow prints must not get among the answers
    threads = int(sys.argv[1])
    try:
        tf, keras = _libraries(threads)
    except ImportError as error:
        answers.write(json.dumps({"missing": str(error)}) + "\n")
        return
    answers.write(json.dumps({"versions": {"tensorflow": tf.__version__, "keras": keras.__version__}}) + "\n")
    variants: dict[str, Once] = {}
    for line in sys.stdin:
        order = json.loads(line)
        try:
            answer = _answer(order, variants, tf, keras)
        except Exception as error:  # noqa: BLE001 whatever TensorFlow raises is the answer
            lines = str(error).strip().splitlines() or [""]
            answer = {"error": f"{type(error).__name__}: {lines[0]}"}
        answers.write(json.dumps(answer) + "\n")


def _libraries(threads: int) -> tuple[Any, Any]:
    os.environ.update(KERAS_BACKEND="tensorflow", TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="")
    tf, keras = importlib.import_module("tensorflow"), importlib.import_module("keras")
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    return tf, keras


def _answer(order: dict[str, Any], variants: dict[str, Once], tf: Any, keras: Any) -> dict[str, Any]:
    match order["do"]:
        case "make":
            return {"parameters": _make(order, variants, tf, keras)}
        case "time":
            once = variants[order["name"]]
            start = time.perf_counter()
            for _ in range(order["times"]):
                once()
            return {"seconds": time.perf_counter() - start}
        case "forget":
            variants.clear()
            keras.backend.clear_session()
            return {}
        case _:
            return _memory(order, variants, tf, keras)


def _make(order: dict[str, Any], variants: dict[str, Once], tf: Any, keras: Any) -> int:
    """Make and compile a variant; gives its number of parameters."""
    maker = {"recurrence": _recurrence, "step": _step}[order["what"]]
    keras.config.set_dtype_policy(order["policy"])
    variants[order["name"]], parameters = maker(order["settings"], order["jit"], tf, keras)
    variants[order["name"]]()  # compiles; an opponent that cannot is known now
    return parameters


def _recurrence(s: dict[str, Any], jit: bool, tf: Any, keras: Any) -> tuple[Once, int]:
    """A forward pass and, unless forward_only, the gradients to input and weights of a loss at the last state."""
    L = keras.layers
    sequence = inputs = keras.Input((s["steps"], s["input"]))
    for k in range(s["layers"]):
        sequence = _recurrent(L, s["cell"], s["hidden"], s["directions"] == 2, k < s["layers"] - 1)(sequence)
    model = keras.Model(inputs, sequence)
    x = tf.random.normal((s["batch"], s["steps"], s["input"]))
    d_last = tf.random.normal((s["batch"], s["directions"] * s["hidden"]))

    def forward(x: Any) -> Any:
        return model(x, training=False)

    def forward_and_backward(x: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            last = model(x, training=True)
        return tape.gradient(last, [x, *model.trainable_variables], output_gradients=d_last)

    compiled = tf.function(forward if s["forward_only"] else forward_and_backward, jit_compile=jit)
    return partial(_wait_for, compiled, x), model.count_params()


def _wait_for(compiled: Callable[..., Any], *arguments: Any) -> None:
    result = compiled(*arguments)
    (result[-1] if isinstance(result, list) else result).numpy()


def _step(s: dict[str, Any], jit: bool, tf: Any, keras: Any) -> tuple[Once, int]:
    """A training step of one of the paper's networks: gradient of the cross-entropy, Adam."""
    network = _network(s, keras)
    optimizer = keras.optimizers.Adam(1e-3)
    optimizer.build(network.trainable_variables)
    x = tf.random.normal((s["batch"], 32, 32, 3))
    y = tf.random.uniform((s["batch"],), 0, 10, dtype=tf.int32)

    def step(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(y, network(x, training=True)))
        optimizer.apply(tape.gradient(loss, network.trainable_variables), network.trainable_variables)
        return loss

    return partial(_wait_for, tf.function(step, jit_compile=jit), x, y), network.count_params()


def _network(s: dict[str, Any], keras: Any) -> Any:
    L = keras.layers
    x = inputs = keras.Input((32, 32, 3))
    for n in (32, 64, 128, 256):
        x = L.MaxPooling2D()(L.BatchNormalization()(L.Conv2D(n, 3, padding="same", activation="relu")(x)))
    x = L.Flatten()(x)
    for n in s["dense"]:
        x = L.BatchNormalization()(L.Dense(n, activation="relu")(x))
    if s["cell"]:
        x = L.Reshape((1024, 1))(x)
        for k, n in enumerate(s["nodes"]):
            x = _recurrent(L, s["cell"], n, s["bidirectional"], k < len(s["nodes"]) - 1)(x)
    return keras.Model(inputs, L.Dense(10, activation="softmax", dtype="float32")(x))


def _recurrent(L: Any, cell: str, hidden_size: int, both: bool, sequences: bool) -> Any:
    kind = {"lstm": L.LSTM, "gru": L.GRU}.get(cell, L.SimpleRNN)
    activation = {"activation": "relu"} if cell == "rnn_relu" else {}
    layer = kind(hidden_size, return_sequences=sequences, **activation)
    return L.Bidirectional(layer) if both else layer


def _memory(order: dict[str, Any], variants: dict[str, Once], tf: Any, keras: Any) -> dict[str, float]:
    """As ecrnn.bench.peak_memory measures it, which cannot be imported here; what compiling takes is in the peak."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        before = _status("VmRSS")
        _make(order, variants, tf, keras)
        for _ in range(2):
            variants[order["name"]]()
        peak = _status("VmHWM")
    except (OSError, KeyError):
        return {}
    return {"peak_mib": round(peak, 1), "work_mib": round(peak - before, 1)}


def _status(name: str) -> float:
    lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    return int(dict(line.split(":", 1) for line in lines)[name].split()[0]) / 1024


if __name__ == "__main__":
    main()
