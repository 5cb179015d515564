"""The daemon's own TensorFlow Lite, through its C API.

Measuring with another runtime than the one on the board would measure another
thing: this drives the pinned `libtensorflowlite_c.so` (2.17.1) with XNNPACK.
"""

from __future__ import annotations

import ctypes as c
import platform
import time
from functools import cache
from pathlib import Path

import numpy as np

from .labels import DataError

ROOT = Path(__file__).resolve().parents[3]
DTYPES = {1: np.float32, 2: np.int32, 3: np.uint8, 9: np.int8}
TRIPLES = {"x86_64": "x86_64-unknown-linux-gnu", "aarch64": "aarch64-unknown-linux-gnu"}


class DelegateOptions(c.Structure):
    """Larger than any known version: only `num_threads`, always first, is ours to set."""

    _fields_ = [("num_threads", c.c_int32), ("flags", c.c_uint32), ("reserved", c.c_uint64 * 15)]


class Quantization(c.Structure):
    _fields_ = [("scale", c.c_float), ("zero_point", c.c_int32)]


@cache
def library() -> c.CDLL:
    path = ROOT / ".deps/tflite" / TRIPLES[platform.machine()] / "libtensorflowlite_c.so"
    if not path.exists():
        raise DataError(f"{path} is missing: run `make setup`")
    lib = c.CDLL(str(path))
    pointers = (
        "TfLiteModelCreate TfLiteInterpreterOptionsCreate TfLiteInterpreterCreate TfLiteTensorData "
        "TfLiteInterpreterGetInputTensor TfLiteInterpreterGetOutputTensor TfLiteXNNPackDelegateCreate"
    )
    for name in pointers.split():
        getattr(lib, name).restype = c.c_void_p
    lib.TfLiteTensorName.restype = c.c_char_p
    lib.TfLiteXNNPackDelegateOptionsDefault.restype = DelegateOptions
    lib.TfLiteTensorQuantizationParams.restype = Quantization
    return lib


class Tensor:
    """A tensor of an interpreter; its memory lives as long as the interpreter."""

    def __init__(self, pointer: int):
        lib, self._pointer = library(), c.c_void_p(pointer)
        rank = lib.TfLiteTensorNumDims(self._pointer)
        self.shape = tuple(lib.TfLiteTensorDim(self._pointer, axis) for axis in range(rank))
        self.dtype = DTYPES[lib.TfLiteTensorType(self._pointer)]
        self.name = lib.TfLiteTensorName(self._pointer).decode()
        quantization = lib.TfLiteTensorQuantizationParams(self._pointer)
        self.scale, self.zero_point = quantization.scale, quantization.zero_point

    @property
    def values(self) -> np.ndarray:
        address = c.cast(
            library().TfLiteTensorData(self._pointer),
            c.POINTER(np.ctypeslib.as_ctypes_type(self.dtype)),
        )
        return np.ctypeslib.as_array(address, (int(np.prod(self.shape)),)).reshape(self.shape)

    def real(self) -> np.ndarray:
        """A copy of the values as real numbers."""
        values = self.values.astype(np.float32)
        return values if self.dtype == np.float32 else (values - self.zero_point) * self.scale


class Interpreter:
    def __init__(self, path: Path, threads: int = 1):
        lib = library()
        self._bytes = Path(path).read_bytes()  # TensorFlow Lite reads from it until the end
        model = c.c_void_p(lib.TfLiteModelCreate(self._bytes, c.c_size_t(len(self._bytes))))
        options = c.c_void_p(lib.TfLiteInterpreterOptionsCreate())
        lib.TfLiteInterpreterOptionsSetNumThreads(options, threads)
        delegate = lib.TfLiteXNNPackDelegateOptionsDefault()
        delegate.num_threads = threads
        xnnpack = c.c_void_p(lib.TfLiteXNNPackDelegateCreate(c.byref(delegate)))
        lib.TfLiteInterpreterOptionsAddDelegate(options, xnnpack)
        # without a model, creating an interpreter would end the process
        self._interpreter = c.c_void_p(lib.TfLiteInterpreterCreate(model, options) if model else None)
        if not self._interpreter or lib.TfLiteInterpreterAllocateTensors(self._interpreter) != 0:
            raise DataError(f"{path}: TensorFlow Lite refuses this model")
        self.input = Tensor(lib.TfLiteInterpreterGetInputTensor(self._interpreter, 0))
        count = lib.TfLiteInterpreterGetOutputTensorCount(self._interpreter)
        self.outputs = [
            Tensor(lib.TfLiteInterpreterGetOutputTensor(self._interpreter, index)) for index in range(count)
        ]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the input, in pixels."""
        _, height, width, _ = self.input.shape
        return width, height

    def run(self, value: np.ndarray | None = None) -> None:
        if value is not None:
            self.input.values[...] = value
        if library().TfLiteInterpreterInvoke(self._interpreter) != 0:
            raise RuntimeError("TensorFlow Lite failed to run the model")


def milliseconds(models: list[Path], threads: int = 1, rounds: int = 15) -> dict[Path, float]:
    """Median time of each, taken in turns so that a busy machine treats all alike.

    A pool's workers spin for a while after their work; the pause and the untimed run
    keep one model's from standing in the next one's way.
    """
    interpreters = {path: Interpreter(path, threads) for path in models}
    times: dict[Path, list[float]] = {path: [] for path in models}
    for _ in range(rounds):
        for path, interpreter in interpreters.items():
            time.sleep(0.05)
            interpreter.run()
            start = time.perf_counter()
            for _ in range(4):
                interpreter.run()
            times[path].append((time.perf_counter() - start) / 4 * 1e3)
    return {path: float(np.median(taken)) for path, taken in times.items()}
